package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/sandboxd/sandboxd/internal/page"
)

// playground returns the routes of the playground page.
func (s *Server) playground() []route {
	var origins []string
	if s.ownPages != nil {
		origins = s.cfg.Origins
	}
	handler := page.Handler(origins)
	var routes []route
	for _, path := range page.Paths() {
		pages := noPages
		if path == page.Path {
			pages = frames
		}
		routes = append(routes, route{"GET", path, handler.ServeHTTP, pages})
	}
	return routes
}

// asksForFrame reports whether a page of another origin asks for the playground page as a frame.
func asksForFrame(r *http.Request) bool {
	return page.Embeds(r) && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "iframe" &&
		(r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// visits reports whether a browser requests a page for its user: the request accepts text/html by name and prefers it to JSON. A request of a
// script does not count.
func visits(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" && mode != "navigate" {
		return false
	}
	html, json := quality(r.Header.Values("Accept"))
	return html > 0 && html > json
}

// quality returns the weights that an Accept header gives to text/html and to JSON. Wildcards do not count: a client that sends only a wildcard is
// not a browser.
func quality(accept []string) (html, json float64) {
	for part := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if given, found := parameters["q"]; found {
			if q, err = strconv.ParseFloat(given, 64); err != nil {
				continue
			}
		}
		switch name {
		case "text/html":
			html = max(html, q)
		case "application/json":
			json = max(json, q)
		}
	}
	return html, json
}
