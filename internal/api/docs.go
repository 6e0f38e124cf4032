package api

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/mvrilo/go-redoc"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/page"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/swaggest/swgui/v5/static"
)

// Two pages show the description of the API. They work without internet access, and their policy forbids other hosts. Their scripts and styles
// come from two modules. The handler of swgui is not used: its package unpacks and hashes every file when the program starts, also for
// commands that serve nothing, such as "sandboxd run".

//go:embed assets/openapi.json
var openapiJSON []byte

//go:embed assets/docs.html
var docsHTML string

//go:embed assets/docs.js
var docsJS []byte

//go:embed assets/oauth2-redirect.html
var redirectHTML string

//go:embed assets/oauth2-redirect.js
var redirectJS []byte

//go:embed assets/redoc.html
var redocHTML string

//go:embed assets/redoc.js
var redocJS []byte

// pagePolicy allows only files of this service. Swagger UI and ReDoc add style elements, and Swagger UI's style sheet contains pictures as data:
// URLs.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; " +
	"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// asset is a file that pages use. Its address contains its hash, so browsers may keep it.
type asset struct {
	path, contentType string
	packed            func() []byte // by gzip
}

func (a asset) hash() string {
	sum := sha256.Sum256(a.packed())
	return hex.EncodeToString(sum[:8])
}

var assets = []asset{
	{"/docs/swagger-ui.css", "text/css; charset=utf-8", swagger("swagger-ui.css.gz")},
	{"/docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8", swagger("swagger-ui-bundle.js.gz")},
	{"/docs/docs.js", "text/javascript; charset=utf-8", pack(func() []byte { return docsJS })},
	{"/docs/oauth2-redirect.js", "text/javascript; charset=utf-8", pack(func() []byte { return redirectJS })},
	{"/redoc/redoc.standalone.js", "text/javascript; charset=utf-8", pack(func() []byte { return []byte(redoc.JavaScript) })},
	{"/redoc/redoc.js", "text/javascript; charset=utf-8", pack(func() []byte { return redocJS })},
}

func swagger(name string) func() []byte {
	return func() []byte {
		packed, err := static.FS.ReadFile(name)
		if err != nil {
			panic(err) // the file is embedded, so this cannot happen
		}
		return packed
	}
}

// pack compresses a file at its first request, because most processes of this program serve no pages.
func pack(text func() []byte) func() []byte {
	return sync.OnceValue(func() []byte { return page.Gzip(text()) })
}

// pages returns the routes of the documentation.
func (s *Server) pages() []route {
	routes := []route{
		{"GET", "/docs", s.page(docsHTML), noPages},
		{"GET", "/docs/oauth2-redirect", s.page(redirectHTML), noPages},
		{"GET", "/redoc", s.page(redocHTML), noPages},
	}
	for _, a := range assets {
		// These files are the same in every copy of this program, so they reveal nothing. If a browser does not report which page
		// requests them, CORS decides.
		routes = append(routes, route{"GET", a.path, serveAsset(a), noPagesSaid})
	}
	return routes
}

// page serves a page of the documentation.
func (s *Server) page(html string) http.HandlerFunc {
	return servePage(html, assets, s.cfg.RootPath, pagePolicy)
}

// servePage serves HTML. It replaces {path} by the address of the asset with that path: base, the path, and the hash.
func servePage(html string, assets []asset, base, policy string) http.HandlerFunc {
	body := sync.OnceValue(func() []byte {
		filled := html
		for _, a := range assets {
			filled = strings.ReplaceAll(filled, "{"+a.path+"}", base+a.path+"?v="+a.hash())
		}
		return []byte(filled)
	})
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Length", strconv.Itoa(len(body())))
		_, _ = w.Write(body()) // an error means that the client is gone
	}
}

func serveAsset(a asset) http.HandlerFunc {
	// All requests share one unpacked copy. Otherwise, clients that do not read could take much memory.
	unpacked := sync.OnceValue(func() []byte { return page.Gunzip(a.packed()) })
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", a.contentType)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Add("Vary", "Accept-Encoding, Sec-Fetch-Site") // CORS has already added other values
		body := a.packed
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
		} else {
			body = unpacked
		}
		h.Set("Content-Length", strconv.Itoa(len(body())))
		_, _ = w.Write(body())
	}
}

// openapi serves the description of the API.
func (s *Server) openapi(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-cache")
	s.answer(w, http.StatusOK, s.description)
}

// lastOfRequest is the end of the fields of the request in openapi.json. The field template is inserted after it.
const lastOfRequest = `"description": "A Python program, at most 1 MiB of UTF-8."
          }`

// The routes of operation are between these texts. They are the last ones of openapi.json.
const (
	operationFrom = ",\n    \"/healthz\": {"
	operationTo   = "\n  },\n  \"components\""
)

// The schemas of the typed API are inserted after this text. Its paths are inserted before the routes of operation.
const schemasFrom = `"schemas": {`

// tagsFrom is the beginning of the member "tags". The member "servers" is inserted before it.
const tagsFrom = `"tags": [`

// describe returns the description of the API for a configuration. It adds the templates if a request may choose one, the answers 401 and 429 if
// there are keys and rates, and the root path. It removes the routes of operation if they are on the admin listener.
func describe(cfg Config, templates []string, typed *v1.API) []byte {
	text := bytes.Replace(openapiJSON, []byte(`"0.0.0"`), appendString(nil, cfg.Version), 1)
	paths, schemas := typed.Description()
	text = bytes.Replace(text, []byte(operationFrom), slices.Concat([]byte(",\n    "), paths, []byte(operationFrom)), 1)
	text = bytes.Replace(text, []byte(schemasFrom), slices.Concat([]byte(schemasFrom), schemas, []byte(",")), 1)
	if cfg.RootPath != "" {
		servers := appendMembers(nil, []member{{"servers", []any{[]member{{"url", cfg.RootPath}}}}})
		text = bytes.Replace(text, []byte(tagsFrom), slices.Concat(servers, []byte("\n  "+tagsFrom)), 1)
	}
	if refused := (refusals{cfg.Keys != nil, cfg.Limiter != nil}); refused != (refusals{}) {
		text = refused.describe(text)
	}
	if cfg.Admin != nil {
		before, rest, _ := bytes.Cut(text, []byte(operationFrom))
		_, after, _ := bytes.Cut(rest, []byte(operationTo))
		text = slices.Concat(before, []byte(operationTo), after)
	}
	if templates == nil {
		return text
	}
	var names []any
	for _, name := range templates {
		names = append(names, name)
	}
	with := appendValue([]byte(lastOfRequest+",\n          \"template\": "), []member{
		{"type", "string"},
		{"title", "Template"},
		{"description", "The interpreter that the program's own is forked from, with modules that it has imported already. The program imports them as ever, sooner."},
		{"enum", names},
		{"default", sandbox.DefaultTemplate},
	})
	return bytes.Replace(text, []byte(lastOfRequest), with, 1)
}

// refusals lists the reasons for which a caller can be refused.
type refusals struct{ keys, rates bool }

// describe adds the answers for these reasons to the old route, and the security schemes.
func (r refusals) describe(text []byte) []byte {
	before, after, _ := bytes.Cut(text, []byte(executeID))
	var operation, responses []member
	refused := func(description, header, kind string) []member {
		return []member{
			{"description", description},
			{"headers", []member{{header, []member{{"schema", []member{{"type", kind}}}}}}},
			{"content", []member{{"application/json", []member{{"schema", []member{{"$ref", "#/components/schemas/Error"}}}}}}},
		}
	}
	if r.keys {
		operation = append(operation, member{"security", security(v1.Security)})
		responses = append(responses, member{"401", refused("The request has no valid key", "WWW-Authenticate", "string")})
		schemes := appendMembers(nil, []member{{"securitySchemes", []member{
			{v1.SecurityBearer, []member{{"type", "http"}, {"scheme", "bearer"}}},
			{v1.SecurityHeader, []member{{"type", "apiKey"}, {"in", "header"}, {"name", headerKey}}},
		}}})
		after = bytes.Replace(after, []byte(componentsFrom), slices.Concat([]byte(componentsFrom), []byte("\n    "), schemes), 1)
	}
	if r.rates {
		responses = append(responses, member{"429", refused("The caller asks for runs too often", "Retry-After", "integer")})
	}
	after = bytes.Replace(after, []byte(responsesFrom), slices.Concat(appendMembers(nil, operation), []byte("\n        "+responsesFrom), appendMembers(nil, responses)), 1)
	return slices.Concat(before, []byte(executeID), after)
}

// executeID is the last member of the old route before its responses.
const executeID = `"operationId": "execute_code_playground_execute_post",`

const (
	componentsFrom = `"components": {`
	responsesFrom  = `"responses": {`
)

// security returns the security requirement of a route: each of these ways to send a key is sufficient.
func security(ways []map[string][]string) []any {
	var list []any
	for _, way := range ways {
		for name := range way {
			list = append(list, []member{{name, []any{}}})
		}
	}
	return list
}

// appendMembers appends members of an object without its braces, each followed by a comma.
func appendMembers(to []byte, members []member) []byte {
	if len(members) == 0 {
		return to
	}
	object := appendValue(nil, members)
	return append(append(to, object[1:len(object)-1]...), ',')
}
