package api

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// keyring returns a keyring with these keys, and their tokens by name.
func keyring(t *testing.T, keys ...callers.Key) (ring *callers.Keyring, tokens map[string]string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	tokens = map[string]string{}
	for _, key := range keys {
		token, err := callers.Create(path, key)
		if err != nil {
			t.Fatal(err)
		}
		tokens[key.Name] = token
	}
	ring = callers.NewKeyring(path)
	if err := ring.Load(); err != nil {
		t.Fatal(err)
	}
	return ring, tokens
}

const (
	oldRoute = "/playground/execute"
	newRoute = "/v1/runs"
	aProgram = `{"code":"print(1)"}`
)

// ask requests a run by one of the two routes.
func (s *testServer) ask(t *testing.T, route, body string, headers ...string) answerOf {
	t.Helper()
	return s.call(t, "POST", route, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

func TestKeys(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "alice"}, callers.Key{Name: "gone", Expires: time.Unix(1, 0)})
	alice := tokens["alice"]
	for _, tt := range []struct {
		name    string
		headers []string
		strict  bool // admitted where everybody needs a key
		lax     bool // admitted where callers without a key are served
	}{
		{"a bearer token", []string{"Authorization", "Bearer " + alice}, true, true},
		{"in another spelling", []string{"Authorization", "bearer  " + alice}, true, true},
		{"a header of its own", []string{"X-API-Key", alice}, true, true},
		{"a proxy's Authorization beside it", []string{"Authorization", "Basic eDp5", "X-API-Key", alice}, true, true},
		{"none", nil, false, true},
		{"only a proxy's Authorization", []string{"Authorization", "Basic eDp5"}, false, true},
		{"an unknown one", []string{"Authorization", "Bearer sbx_" + strings.Repeat("A", 43)}, false, false},
		{"a part of one", []string{"Authorization", "Bearer " + alice[:40]}, false, false},
		{"an empty one", []string{"Authorization", "Bearer "}, false, false},
		{"one that has expired", []string{"X-API-Key", tokens["gone"]}, false, false},
		{"two", []string{"Authorization", "Bearer " + alice, "X-API-Key", alice}, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, anonymous := range []bool{false, true} {
				s := serve(t, exits("1\n", ""), func(c *setup) { c.Keys, c.Anonymous = ring, anonymous })
				admitted := tt.strict
				if anonymous {
					admitted = tt.lax
				}
				old, typed := s.ask(t, oldRoute, aProgram, tt.headers...), s.ask(t, newRoute, aProgram, tt.headers...)
				if admitted {
					old.want(t, 200, `{"stdout":"1\n","stderr":""}`)
					if typed.StatusCode != 200 {
						t.Errorf("v1: %d %s", typed.StatusCode, typed.body)
					}
					continue
				}
				old.want(t, 401, `{"detail":"Not authenticated"}`)
				var problem struct{ Type, Title, Detail string }
				if err := json.Unmarshal([]byte(typed.body), &problem); err != nil || typed.StatusCode != 401 || problem.Type != "/problems/unauthorized" ||
					typed.Header.Get("Content-Type") != "application/problem+json" {
					t.Errorf("v1: %d %s", typed.StatusCode, typed.body)
				}
				for _, a := range []answerOf{old, typed} {
					if got := a.Header.Get("WWW-Authenticate"); got != "Bearer" {
						t.Errorf("WWW-Authenticate: %q", got)
					}
				}
				if got := s.metric(t, `sandboxd_requests_rejected_total{reason="unauthorized"}`); got != "2" {
					t.Errorf("%s are counted", got)
				}
			}
		})
	}
	if s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring }); !strings.HasPrefix(s.call(t, "GET", "/problems/unauthorized", "").body, "The request has no valid key (401 ") {
		t.Error("the problem has no page")
	}
}

// A request without a key is refused before its body is read.
func TestKeysComeBeforeTheBody(t *testing.T) {
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
	for _, route := range []string{oldRoute, newRoute} {
		if a := s.ask(t, route, "{"); a.StatusCode != 401 {
			t.Errorf("%s: %d %s", route, a.StatusCode, a.body)
		}
	}
}

// Routes that do not start or cancel runs need no key.
func TestWhatKeysDoNotProtect(t *testing.T) {
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
	for _, path := range []string{"/", "/docs", "/redoc", "/openapi.json", "/healthz", "/readyz", "/metrics", "/problems/busy"} {
		if a := s.call(t, "GET", path, ""); a.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := s.call(t, "GET", oldRoute, ""); a.StatusCode != 405 {
		t.Errorf("another method: %d %s", a.StatusCode, a.body)
	}
}

// Cancelling a run needs a key as well, not only the id of the run.
func TestKeysForCancelling(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "alice"})
	s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
	for status, headers := range map[int][]string{401: nil, 404: {"X-API-Key", tokens["alice"]}} {
		if a := s.call(t, "DELETE", "/v1/runs/run_UNKNOWN", "", headers...); a.StatusCode != status || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("with %d headers: %d %s", len(headers)/2, a.StatusCode, a.body)
		}
	}
	if a := s.call(t, "GET", "/v1/meta", ""); a.StatusCode != 200 {
		t.Errorf("/v1/meta: %d %s", a.StatusCode, a.body)
	}
}

// A preflight request has no key. Its answer allows the headers for keys.
func TestKeysOfWebPages(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "alice"})
	for _, origins := range [][]string{nil, {"https://front.example"}} {
		s := serve(t, exits("1\n", ""), func(c *setup) { c.Keys, c.Origins = ring, origins })
		for _, route := range []string{oldRoute, newRoute} {
			a := s.call(t, "OPTIONS", route, "", "Origin", "https://front.example", "Access-Control-Request-Method", "POST",
				"Access-Control-Request-Headers", "authorization,content-type,x-api-key")
			allowed := strings.Split(a.Header.Get("Access-Control-Allow-Headers"), ",")
			if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "https://front.example" ||
				!slices.Contains(allowed, "authorization") || !slices.Contains(allowed, "x-api-key") {
				t.Errorf("preflight of %s with %v: %d %v", route, origins, a.StatusCode, a.Header)
			}
			if a := s.ask(t, route, aProgram, "Origin", "https://front.example", "X-API-Key", tokens["alice"]); a.StatusCode != 200 {
				t.Errorf("%s with %v: %d %s", route, origins, a.StatusCode, a.body)
			}
			// CORS lets the page read the refusal.
			if a := s.ask(t, route, aProgram, "Origin", "https://front.example"); a.StatusCode != 401 || a.Header.Get("Access-Control-Allow-Origin") == "" {
				t.Errorf("%s with %v, without a key: %d %v", route, origins, a.StatusCode, a.Header)
			}
		}
		a := s.call(t, "OPTIONS", newRoute, "", "Origin", "https://evil.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "x-api-key")
		if got := a.Header.Get("Access-Control-Allow-Origin"); origins != nil && got != "" {
			t.Errorf("a foreign page is allowed %q", got)
		}
	}
}

// Limits of a key lower the limits of its runs.
func TestLimitsOfKeys(t *testing.T) {
	ring, tokens := keyring(t,
		callers.Key{Name: "small", WallSeconds: 2, MemoryBytes: 64 << 20},
		callers.Key{Name: "large", WallSeconds: 3600, MemoryBytes: 1 << 40},
		callers.Key{Name: "careful", Policy: "strict"}, callers.Key{Name: "elsewhere", Policy: "permissive"},
		callers.Key{Name: "data", Environments: []string{"data"}}, callers.Key{Name: "both", Environments: []string{"data", "default"}})
	const above = `{"type":"/problems/invalid-request","title":"The request cannot be carried out","status":422,"detail":"`
	var ran sandbox.Program
	s := serve(t, func(_ context.Context, program sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		ran = program
		return result(sandbox.Timeout, "", ""), nil
	}, func(c *setup) {
		c.Keys, c.Templates, c.Policy = ring, []string{"data", "default", "text"}, "off"
		c.Policies = map[string]service.Policy{"strict": {Scanner: scanFunc(findsNothing)}}
		c.Max = c.Limits
		c.Max.Wall = 10 * time.Second
	})
	for _, tt := range []struct {
		name, key, route, body string
		status                 int
		want                   string // in the answer
		wall                   time.Duration
		memory                 int64
		template               string
	}{
		{"maxima", "small", newRoute, `{"code":"x","limits":{"wall_seconds":2,"memory_bytes":67108864}}`, 200, "after 2 s of wall-clock time", 2 * time.Second, 64 << 20, ""},
		{"maxima for who asks for nothing", "small", newRoute, `{"code":"x"}`, 200, "after 2 s of wall-clock time", 2 * time.Second, 64 << 20, ""},
		{"maxima on the old route", "small", oldRoute, `{"code":"x"}`, 200, "timed out (2 second limit)", 2 * time.Second, 64 << 20, ""},
		{"less", "small", newRoute, `{"code":"x","limits":{"wall_seconds":1}}`, 200, "after 1 s", time.Second, 64 << 20, ""},
		{"too much time", "small", newRoute, `{"code":"x","limits":{"wall_seconds":3}}`, 422, above + `/limits/wall_seconds is above the maximum of this service, which is 2`, 0, 0, ""},
		{"too much memory", "small", newRoute, `{"code":"x","limits":{"memory_bytes":67108865}}`, 422, `/limits/memory_bytes is above the maximum of this service, which is 67108864`, 0, 0, ""},
		{"a key raises nothing", "large", newRoute, `{"code":"x","limits":{"wall_seconds":11}}`, 422, "which is 10", 0, 0, ""},
		{"nor by itself", "large", newRoute, `{"code":"x"}`, 200, "after 5 s", 0, 0, ""},
		{"its policy", "careful", newRoute, `{"code":"x","policy":"strict"}`, 200, "timeout", 0, 0, ""},
		{"its policy for who asks for none", "careful", oldRoute, `{"code":"x"}`, 200, "5 second", 0, 0, ""},
		{"another policy", "careful", newRoute, `{"code":"x","policy":"off"}`, 422, above + `/policy is not allowed to this key, which has the policy strict`, 0, 0, ""},
		{"a policy that is not offered", "elsewhere", newRoute, `{"code":"x"}`, 422, `/policy is not a policy that this service offers`, 0, 0, ""},
		{"a policy that is not offered, on the old route", "elsewhere", oldRoute, `{"code":"x"}`, 422,
			`{"detail":[{"type":"value_error","loc":["body","policy"],"msg":"Value error, policy is not a policy that this service offers","input":null}]}`, 0, 0, ""},
		{"its environment", "data", newRoute, `{"code":"x","environment":"data"}`, 200, "timeout", 0, 0, "data"},
		{"its environment for who asks for none", "data", oldRoute, `{"code":"x"}`, 200, "5 second", 0, 0, "data"},
		{"another environment", "data", newRoute, `{"code":"x","environment":"text"}`, 422, above + `/environment is not allowed to this key, which has data`, 0, 0, ""},
		{"another environment on the old route", "data", oldRoute, `{"code":"x","template":"text"}`, 422, `"loc":["body","template"]`, 0, 0, ""},
		{"the default, if it is allowed", "both", newRoute, `{"code":"x"}`, 200, "timeout", 0, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ran = sandbox.Program{}
			a := s.ask(t, tt.route, tt.body, "X-API-Key", tokens[tt.key])
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.want) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			if ran.Limits.Wall != tt.wall || ran.Limits.Memory != tt.memory || ran.Template != tt.template {
				t.Errorf("it ran with %+v in %q", ran.Limits, ran.Template)
			}
		})
	}
	if logs := s.logs.String(); !strings.Contains(logs, " key=small client=127.0.0.1 ") {
		t.Errorf("no key in the log:\n%s", logs)
	}
	for _, token := range tokens {
		if strings.Contains(s.logs.String(), token) {
			t.Error("the log has a token")
		}
	}
}

// The OpenAPI document describes keys only if keys are configured.
func TestDescriptionOfKeys(t *testing.T) {
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	type operation struct {
		Security  []map[string][]string
		Responses map[string]any
	}
	read := func(change func(*setup)) (paths map[string]map[string]operation, schemes map[string]any) {
		t.Helper()
		var description struct {
			Paths      map[string]map[string]operation
			Components struct{ SecuritySchemes map[string]any }
		}
		a := serve(t, exits("", ""), change).call(t, "GET", "/openapi.json", "")
		if err := json.Unmarshal([]byte(a.body), &description); err != nil {
			t.Fatal(err)
		}
		return description.Paths, description.Components.SecuritySchemes
	}
	with, schemes := read(func(c *setup) { c.Keys = ring })
	without, none := read(nil)
	if len(schemes) != 2 || none != nil {
		t.Errorf("schemes %v; without keys %v", schemes, none)
	}
	for _, route := range []string{oldRoute, newRoute} {
		op, open := with[route]["post"], without[route]["post"]
		if len(op.Security) != 2 || op.Responses["401"] == nil || op.Responses["200"] == nil {
			t.Errorf("%s: %+v", route, op)
		}
		if open.Security != nil || open.Responses["401"] != nil {
			t.Errorf("%s without keys: %+v", route, open)
		}
		for _, way := range op.Security {
			for name := range way {
				if schemes[name] == nil {
					t.Errorf("%s: no scheme %s", route, name)
				}
			}
		}
	}
	if with["/healthz"]["get"].Security != nil {
		t.Error("health wants a key")
	}
}
