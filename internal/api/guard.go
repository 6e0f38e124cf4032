package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// These checks come before the routes: the Host header of a request, and the web page that sends it.

// byName refuses requests whose Host header does not name the service.
func (s *Server) byName(hosts Hosts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hosts.Allow(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		r.Pattern = "/" // for routeOf: the request has not reached a route
		s.warnOfHost(r)
		s.fail(w, r, errUnknownHost)
	})
}

// seldom limits log records that clients can cause to one per minute.
type seldom struct {
	mu   sync.Mutex
	last time.Time
}

func (t *seldom) due() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.last.IsZero() && time.Since(t.last) < time.Minute {
		return false
	}
	t.last = time.Now()
	return true
}

// warnOfHost logs that the Host header of a request does not name the service.
func (s *Server) warnOfHost(r *http.Request) {
	if s.strangers.due() {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "a request was refused: its Host header is no name of the service",
			slog.String("host", r.Host[:min(len(r.Host), 100)]), slog.String("request_id", requestID(r)),
			slog.String("remedy", "if a proxy or a client calls it by this name, give the name with --host"))
	}
}

// The web pages of other origins that may call a route.
const (
	asConfigured = iota // those of Config.Origins, by CORS
	noPages             // none, whatever the configuration is
	noPagesSaid         // none if the browser reports that the page has another origin; otherwise as configured
	frames              // none, but all may request it as a frame; frame-ancestors in the answer decides which may show it
)

// byPage refuses requests of web pages that may not call a route.
func (s *Server) byPage(table []route, routes http.Handler) http.Handler {
	open := s.cors.Handler(routes)
	guarded := map[string]route{}
	for _, rt := range table {
		if rt.pages != asConfigured {
			guarded[rt.path] = rt
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rt, found := guarded[strings.TrimSuffix(r.URL.Path, "/")]
		if !found {
			open.ServeHTTP(w, r)
			return
		}
		// A page that loads the resource in the mode no-cors sends no Origin. Over plain HTTP, to a name that is not loopback, it
		// sends no Sec-Fetch-Site either. This header makes the browser withhold the answer from such a page.
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		said := saysForeign(r) && !(rt.pages == frames && asksForFrame(r))
		switch {
		case said || rt.pages != noPagesSaid && fromElsewhere(r):
			r.Pattern = rt.path
			w.Header().Set("Cache-Control", "no-store")
			s.fail(w, r, errForeignReader)
		case rt.pages != noPagesSaid:
			routes.ServeHTTP(w, r)
		default:
			open.ServeHTTP(w, r)
		}
	})
}

// saysForeign reports whether the browser reports that a page of another origin sends the request. A user who follows a link or types the
// address does not count, because no other page can read what the user sees in a tab.
func saysForeign(r *http.Request) bool {
	sites := r.Header["Sec-Fetch-Site"]
	if len(sites) == 1 && (sites[0] == "none" || sites[0] == "same-origin") || len(sites) == 0 {
		return false
	}
	visit := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead)
	return !visit
}

// fromElsewhere reports whether a request without Sec-Fetch-Site has the Origin of another page.
func fromElsewhere(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 || len(r.Header["Sec-Fetch-Site"]) > 0 {
		return false
	}
	origin, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, r.Host)
}
