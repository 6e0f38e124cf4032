package api

import _ "embed"

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

// statusRoutes returns the routes of the status page for operators. They are on the same listener as the metrics, which the page draws. The
// addresses in the page are relative, because a proxy may map the listener to any path.
func statusRoutes() []route {
	routes := []route{{"GET", "/status", servePage(statusHTML, statusAssets, ".", statusPolicy), noPages}}
	for _, a := range statusAssets {
		routes = append(routes, route{"GET", a.path, serveAsset(a), noPages})
	}
	return routes
}
