package api

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// guardedPaths are the paths that refuse pages of other origins in every configuration.
var guardedPaths = []string{"/metrics", "/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json",
	"/play", "/play/frame", "/play/play.css", "/play/play.js", "/status", "/status/status.css", "/status/status.js"}

const foreignReader = `{"detail":"this is not for web pages of other origins"}`

// Each case is a request for a guarded path, with its status if every origin is allowed and if only this origin is allowed.
func TestPagesOfOtherOriginsGetNothingOfTheOperation(t *testing.T) {
	for name, origins := range map[string][]string{"every origin is allowed": nil, "this origin is allowed": {"http://front.example"}} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, exits("", ""), func(c *setup) { c.Origins = origins })
			own := s.url
			for _, tt := range []struct {
				name    string
				method  string
				headers []string
				refused bool
			}{
				{"no browser", "GET", nil, false},
				{"the user types it", "GET", []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
				{"the user follows a link", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, false},
				{"our own page", "GET", []string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, false},
				{"our own page, old browser", "GET", []string{"Origin", own}, false},
				{"fetch", "GET", []string{"Origin", "http://front.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, true},
				{"fetch, no-cors", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "empty"}, true},
				{"fetch of another port", "GET", []string{"Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}, true},
				{"fetch, old browser", "GET", []string{"Origin", "http://front.example"}, true},
				{"fetch of a file, old browser", "GET", []string{"Origin", "null"}, true},
				{"a name that is longer than ours, old browser", "GET", []string{"Origin", own + ".evil.example"}, true},
				{"a script", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, true},
				{"a frame", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, true},
				{"an object", "GET", []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "object"}, true},
				{"a WebSocket", "GET", []string{"Origin", "http://front.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "websocket", "Sec-Fetch-Dest", "websocket", "Connection", "Upgrade", "Upgrade", "websocket"}, true},
				{"a WebSocket, old browser", "GET", []string{"Origin", "http://front.example", "Connection", "Upgrade", "Upgrade", "websocket"}, true},
				{"a form that is posted", "POST", []string{"Origin", "http://front.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, true},
				{"a preflight", "OPTIONS", []string{"Origin", "http://front.example", "Access-Control-Request-Method", "GET", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"}, true},
				{"a preflight, old browser", "OPTIONS", []string{"Origin", "http://front.example", "Access-Control-Request-Method", "GET"}, true},
				{"a word that is not known", "GET", []string{"Sec-Fetch-Site", "same-planet"}, true},
			} {
				t.Run(tt.name, func(t *testing.T) {
					for _, path := range guardedPaths {
						for _, path := range []string{path, path + "/", path + "?x=1"} {
							a := s.call(t, tt.method, path, "", tt.headers...)
							if got := a.StatusCode == 403 && a.body == foreignReader; got != tt.refused {
								t.Errorf("%s: answered with %d %s", path, a.StatusCode, a.body)
							}
							if a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Access-Control-Allow-Credentials") != "" ||
								a.Header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
								t.Errorf("%s: headers are %v", path, a.Header)
							}
						}
					}
				})
			}
			if got := s.metric(t, `sandboxd_http_requests_total{code="403",route="/metrics"}`); got != "45" {
				t.Errorf("refusals of /metrics are counted as %s", got)
			}
		})
	}
}

// Every spelling of a guarded path is refused, or redirected to the path itself.
func TestGuardKnowsEverySpelling(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, path := range []string{
		"/metric%73", "/%6d%65trics", "//metrics", "/./metrics", "/x/../metrics", "/metrics/.", "/metrics//", "/metrics%2F", "/metrics;x", "/metrics/%2e",
		"/%2e/metrics", "/docs/%2e%2e/metrics", "/docs%2Foauth2-redirect", "/METRICS", "/metrics?", "/docs//oauth2-redirect",
	} {
		for _, headers := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Origin", "http://front.example"}} {
			a := s.call(t, "GET", path, "", headers...)
			switch a.StatusCode {
			case 301, 307, 403, 404:
			default:
				t.Errorf("%s with %s: answered with %d", path, headers[0], a.StatusCode)
			}
		}
	}
	for _, target := range []string{"http://x/metrics", "http://x//metrics", "HTTP://X/metrics"} {
		a := s.raw(t, "GET "+target+" HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\n\r\n")
		if a.StatusCode != 403 && a.StatusCode != 301 && a.StatusCode != 307 {
			t.Errorf("%s: answered with %d", target, a.StatusCode)
		}
	}
}

// Scripts and styles are the same in every installation. If the browser sends no Sec-Fetch-Site, CORS decides which pages can read them. If
// it does, pages of other origins are refused.
func TestAssetsForPagesOfOtherOrigins(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, a := range assets {
		if got := s.call(t, "GET", a.path, "", "Origin", "http://front.example"); got.StatusCode != 200 || got.Header.Get("Access-Control-Allow-Origin") != "http://front.example" {
			t.Errorf("%s: %d %v", a.path, got.StatusCode, got.Header)
		}
		for _, site := range []string{"same-site", "cross-site"} {
			got := s.call(t, "GET", a.path, "", "Origin", "http://front.example", "Sec-Fetch-Site", site, "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script")
			got.want(t, 403, foreignReader)
			if got.Header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s: %v", a.path, got.Header)
			}
		}
	}
}

// guardedPaths has exactly the guarded paths of the table of routes.
func TestGuardedPathsAreAll(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, rt := range s.table() {
		if (rt.pages == noPages || rt.pages == frames) != slices.Contains(guardedPaths, rt.path) {
			t.Errorf("%s: %d", rt.path, rt.pages)
		}
		byCORS := []string{"/", "/playground/execute", "/v1/runs", "/v1/runs/{id}", "/v1/runs/live", "/v1/meta", "/problems/{name}"}
		if rt.pages == asConfigured && !slices.Contains(byCORS, rt.path) {
			t.Errorf("%s goes by CORS: neither the contract nor the typed API knows such a route", rt.path)
		}
	}
}

func TestOperationOnAListenerOfItsOwn(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) {
		h := hosts(t, LoopbackHosts)
		c.Admin = &h
	})
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = s.AdminServer()
	srv.Start()
	t.Cleanup(srv.Close)
	admin := &testServer{Server: s.Server, url: srv.URL, logs: s.logs}

	operation := []string{"/healthz", "/readyz", "/metrics", "/status", "/status/status.css", "/status/status.js"}
	for _, path := range operation {
		for _, path := range []string{path, path + "/"} {
			s.call(t, "GET", path, "").want(t, 404, `{"detail":"Not Found"}`)
		}
		if a := admin.call(t, "GET", path, ""); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
		admin.call(t, "GET", path, "", "Origin", "http://front.example").want(t, 403, foreignReader)
		admin.call(t, "POST", path, "").want(t, 405, `{"detail":"Method Not Allowed"}`)
		if a := admin.raw(t, "GET "+path+" HTTP/1.1\r\nHost: evil.example\r\n\r\n"); a.StatusCode != 400 || a.body != unknownHost {
			t.Errorf("%s with a wrong host: %d %s", path, a.StatusCode, a.body)
		}
	}
	for _, path := range []string{"/", "/playground/execute", "/docs", "/openapi.json", "/docs/docs.js", "/nothing"} {
		admin.call(t, "GET", path, "").want(t, 404, `{"detail":"Not Found"}`)
	}
	admin.call(t, "POST", "/playground/execute", `{"code":"x"}`).want(t, 404, `{"detail":"Not Found"}`)

	s.Drain()
	if a := admin.call(t, "GET", "/readyz", ""); a.StatusCode != 503 {
		t.Errorf("/readyz while draining: %d", a.StatusCode)
	}

	var described struct{ Paths map[string]any }
	a := s.call(t, "GET", "/openapi.json", "")
	if err := json.Unmarshal([]byte(a.body), &described); err != nil {
		t.Fatal(err)
	}
	if len(described.Paths) != 6 || described.Paths["/v1/runs"] == nil || described.Paths["/playground/execute"] == nil || !strings.Contains(a.body, `"schemas"`) {
		t.Errorf("described are %v", described.Paths)
	}
	if srv := serve(t, exits("", ""), nil).AdminServer(); srv != nil {
		t.Error("there is a server for no listener")
	}
}

// Wrong Host headers are logged at most once a minute.
func TestWrongHostsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs bytes.Buffer
		s := &Server{cfg: Config{Log: slog.New(slog.NewTextHandler(&logs, nil))}}
		send := func() {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host = strings.Repeat("x", 1000)
			s.warnOfHost(r)
		}
		for range 100 {
			send()
		}
		time.Sleep(time.Minute)
		send()
		if got := strings.Count(logs.String(), "\n"); got != 2 || logs.Len() > 1000 {
			t.Errorf("%d records: %s", got, &logs)
		}
	})
}

// FastAPI has this page too. Swagger UI names it to an authorization server, which redirects the user to it.
func TestOAuth2Redirect(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	a := s.call(t, "GET", "/docs/oauth2-redirect?code=x&state=y", "")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(a.body, `src="/docs/oauth2-redirect.js?v=`) {
		t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
	}
	if a := s.call(t, "GET", "/docs/oauth2-redirect.js", ""); !strings.Contains(a.body, "swaggerUIRedirectOauth2") {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	s.call(t, "POST", "/docs/oauth2-redirect", "").want(t, 405, `{"detail":"Method Not Allowed"}`)
}
