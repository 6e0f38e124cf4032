package api

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/callers"
)

// Behind a trusted proxy, the log, the rate and the queue use the address of the client.
func TestClientsOfAProxy(t *testing.T) {
	trusted, err := callers.ParseProxies([]string{"127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range []string{oldRoute, newRoute} {
		s := serve(t, exits("", ""), func(c *setup) {
			c.Proxies, c.Limiter = trusted, callers.NewLimiter(callers.Rate{PerSecond: 0.001, Burst: 1})
		})
		for i, tt := range []struct {
			headers []string
			status  int
		}{
			{[]string{"X-Forwarded-For", "198.51.100.1"}, 200},
			{[]string{"X-Forwarded-For", "203.0.113.9, 198.51.100.1"}, 429},
			{[]string{"Forwarded", "for=198.51.100.1"}, 429},
			{[]string{"X-Forwarded-For", "198.51.100.2"}, 200},
			{[]string{"Forwarded", `for="[2001:db8::1]:1"`}, 200},
			{[]string{"Forwarded", `for="[2001:db8::2]:2"`}, 429},
			{[]string{"X-Forwarded-For", "198.51.100.3", "Forwarded", "for=198.51.100.4"}, 200},
			{[]string{"X-Forwarded-For", "198.51.100.5", "Forwarded", "for=198.51.100.6"}, 429}, // both are the proxy
		} {
			if a := s.ask(t, route, aProgram, tt.headers...); a.StatusCode != tt.status {
				t.Errorf("%s, %d: %d %s", route, i, a.StatusCode, a.body)
			}
		}
		logs := s.logs.String()
		for _, want := range []string{" client=198.51.100.1 ", " client=2001:db8::1 ", " client=127.0.0.1 "} {
			if !strings.Contains(logs, want) {
				t.Errorf("no%sin the log:\n%s", want, logs)
			}
		}
		if n := strings.Count(logs, "neither counts"); n != 1 {
			t.Errorf("the log says %d times that the proxy is configured wrong", n)
		}
	}
	// The headers of other peers are ignored.
	s := serve(t, exits("", ""), nil)
	s.ask(t, oldRoute, aProgram, "X-Forwarded-For", "198.51.100.1")
	if logs := s.logs.String(); strings.Contains(logs, "198.51.100.1") {
		t.Errorf("without trusted proxies:\n%s", logs)
	}
}

func TestRootPath(t *testing.T) {
	s := serve(t, exits("1\n", ""), func(c *setup) { c.RootPath = "/api" })
	for _, path := range []string{"/", "/docs", "/redoc", "/openapi.json", "/healthz", "/problems/busy", "/docs/docs.js"} {
		plain, below := s.call(t, "GET", path, ""), s.call(t, "GET", "/api"+path, "")
		if plain.StatusCode != 200 || below.StatusCode != 200 || plain.body != below.body {
			t.Errorf("%s: %d without the root path, %d with it", path, plain.StatusCode, below.StatusCode)
		}
	}
	s.ask(t, "/api"+oldRoute, aProgram).want(t, 200, `{"stdout":"1\n","stderr":""}`)
	if a := s.ask(t, "/api"+newRoute, `{`); a.StatusCode != 400 || !strings.Contains(a.body, `"type":"/problems/invalid-json"`) {
		t.Errorf("a problem below the root path: %d %s", a.StatusCode, a.body)
	}
	s.call(t, "GET", "/api", "").want(t, 200, `{"Message":"Welcome to the Python Playground Backend!"}`)
	s.call(t, "GET", "/apiary", "").want(t, 404, `{"detail":"Not Found"}`)
	s.call(t, "GET", "/api/api/healthz", "").want(t, 404, `{"detail":"Not Found"}`)
	if a := s.call(t, "GET", "/api/docs/", ""); a.StatusCode != 307 || a.Header.Get("Location") != "/api/docs" {
		t.Errorf("a redirect: %d %s", a.StatusCode, a.Header.Get("Location"))
	}
	if a := s.call(t, "GET", "/api/metrics", "", "Origin", "https://evil.example"); a.StatusCode != 403 {
		t.Errorf("a foreign page reads the metrics below the root path: %d", a.StatusCode)
	}
	for _, page := range []string{"/docs", "/redoc"} {
		if a := s.call(t, "GET", page, ""); strings.Contains(a.body, `="/docs`) || strings.Contains(a.body, `="/redoc`) || !strings.Contains(a.body, `src="/api`+page+"/") {
			t.Errorf("%s: %s", page, a.body)
		}
	}
	if got := s.metric(t, `sandboxd_http_requests_total{code="200",route="/playground/execute"}`); got != "1" {
		t.Errorf("%s requests are counted for the route", got)
	}

	servers := func(s *testServer) string {
		var description struct{ Servers json.RawMessage }
		if err := json.Unmarshal([]byte(s.call(t, "GET", "/openapi.json", "").body), &description); err != nil {
			t.Fatal(err)
		}
		return string(description.Servers)
	}
	if got := servers(s); got != `[{"url":"/api"}]` {
		t.Errorf("the servers are %s", got)
	}
	if got := servers(serve(t, exits("", ""), nil)); got != "" {
		t.Errorf("without a root path the servers are %s", got)
	}
}

func TestCheckRootPath(t *testing.T) {
	for path, want := range map[string]bool{"": true, "/api": true, "/a/b-c_d.e~f": true, "/": false, "api": false, "/api/": false, "/a//b": false, "/a/../b": false, "/a/.": false, "/ä": false, "/a?b": false, `/a"b`: false} {
		if err := CheckRootPath(path); (err == nil) != want {
			t.Errorf("%q: %v", path, err)
		}
	}
}
