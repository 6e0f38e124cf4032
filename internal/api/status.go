package api

import (
	_ "embed"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

//go:embed assets/status.html
var statusHTML string

//go:embed assets/status.css
var statusCSS []byte

//go:embed assets/status.js
var statusJS []byte

// statusPolicy allows the status page its script, its style sheet, and the metrics.
const statusPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var statusAssets = []asset{
	{"/status/status.css", "text/css; charset=utf-8", pack(func() []byte { return statusCSS })},
	{"/status/status.js", "text/javascript; charset=utf-8", pack(func() []byte { return statusJS })},
}

// statusRoutes returns the routes of the status page for operators. They are on the same listener as the metrics, which the page draws.
func statusRoutes() []route {
	routes := []route{{"GET", "/status", serveStatus(), noPages}}
	for _, a := range statusAssets {
		routes = append(routes, route{"GET", a.path, serveAsset(a), noPages})
	}
	return routes
}

// serveStatus serves the status page. Its addresses are relative, because a proxy may map the listener to any path.
func serveStatus() http.HandlerFunc {
	body := sync.OnceValue(func() []byte {
		filled := statusHTML
		for _, a := range statusAssets {
			name := strings.TrimPrefix(a.path, "/status/")
			filled = strings.ReplaceAll(filled, "{"+name+"}", "status/"+name+"?v="+a.hash())
		}
		return []byte(filled)
	})
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", statusPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Length", strconv.Itoa(len(body())))
		_, _ = w.Write(body()) // an error means that the client has gone
	}
}
