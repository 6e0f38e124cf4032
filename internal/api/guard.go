package api

import (
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Who may call what, before any route is asked: the name by which the service is called, and the web page that calls.

// byName lets in requests that call the service by a name of its own.
func (s *Server) byName(hosts Hosts, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hosts.Allow(r.Host) {
			next.ServeHTTP(w, r)
			return
		}
		r.Pattern = "/" // for routeOf: it is no route that refuses
		s.warnOfHost(r)
		s.fail(w, r, errUnknownHost)
	})
}

// seldom says when the next record is due of those that clients could provoke without end: one a minute.
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

// warnOfHost logs that a request calls the service by a name that is not its own.
func (s *Server) warnOfHost(r *http.Request) {
	if s.strangers.due() {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "a request was refused: its Host header is no name of the service",
			slog.String("host", r.Host[:min(len(r.Host), 100)]), slog.String("request_id", requestID(r)),
			slog.String("remedy", "if a proxy or a client calls it by this name, give the name with --host"))
	}
}

// Which web pages of other origins may call a route.
const (
	asConfigured = iota // CORS, with Config.Origins
	noPages             // none, whatever the configuration says
	noPagesSaid         // none where the browser says that the page is foreign, else CORS
	frames              // none, but each may ask for it as a frame: the policy of the answer says which may show it
)

// byPage lets web pages call what they may. Routes below open are those of CORS; the others answer no page of
// another origin at all.
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
		// Pages that load it without asking for its content (no-cors) send no Origin, and to a name that is
		// not loopback over plain HTTP no Sec-Fetch-Site either. This keeps the answer from them.
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

// saysForeign reports whether the browser says that a page of another origin makes the request: not the user, who
// follows a link or types the address. What a user sees in a tab of its own, no other page can read.
func saysForeign(r *http.Request) bool {
	sites := r.Header["Sec-Fetch-Site"]
	if len(sites) == 1 && (sites[0] == "none" || sites[0] == "same-origin") || len(sites) == 0 {
		return false
	}
	visit := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead)
	return !visit
}

// fromElsewhere reports whether a request that does not say more has the Origin of another page.
func fromElsewhere(r *http.Request) bool {
	origins := r.Header["Origin"]
	if len(origins) == 0 || len(r.Header["Sec-Fetch-Site"]) > 0 {
		return false
	}
	origin, err := url.Parse(origins[0])
	return len(origins) > 1 || err != nil || origin.Host == "" || !strings.EqualFold(origin.Host, r.Host)
}
