package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/callers"
)

// used returns a limiter whose bucket for the loopback address is empty.
func used() *callers.Limiter {
	l := callers.NewLimiter(callers.Rate{PerSecond: 0.01, Burst: 1})
	l.Take(callers.Caller{Address: "127.0.0.1"}, time.Now())
	return l
}

func TestRates(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "slow", Rate: 0.01, Burst: 2}, callers.Key{Name: "standard"})
	s := serve(t, exits("1\n", ""), func(c *setup) {
		c.Keys, c.Anonymous, c.Limiter = ring, true, callers.NewLimiter(callers.Rate{PerSecond: 0.5, Burst: 3})
	})
	now := time.Now()
	s.now = func() time.Time { return now }
	slow, standard := []string{"X-API-Key", tokens["slow"]}, []string{"X-API-Key", tokens["standard"]}
	for i, tt := range []struct {
		route         string
		headers       []string
		status        int
		policy, limit string
	}{
		{oldRoute, slow, 200, `"key";q=2;w=200`, `"key";r=1;t=100`},
		{newRoute, slow, 200, `"key";q=2;w=200`, `"key";r=0;t=100`},
		{newRoute, slow, 429, `"key";q=2;w=200`, `"key";r=0;t=100`},
		{oldRoute, slow, 429, `"key";q=2;w=200`, `"key";r=0;t=100`},
		{oldRoute, standard, 200, `"key";q=3;w=6`, `"key";r=2;t=2`}, // it has a bucket of its own
		{oldRoute, nil, 200, `"address";q=3;w=6`, `"address";r=2;t=2`},
		{oldRoute, []string{"X-API-Key", "wrong"}, 401, `"address";q=3;w=6`, `"address";r=1;t=2`}, // guesses count for the address
		{newRoute, []string{"X-API-Key", "wrong"}, 401, `"address";q=3;w=6`, `"address";r=0;t=2`},
		{newRoute, []string{"X-API-Key", "wrong"}, 429, `"address";q=3;w=6`, `"address";r=0;t=2`},
		{oldRoute, nil, 429, `"address";q=3;w=6`, `"address";r=0;t=2`},
	} {
		a := s.ask(t, tt.route, aProgram, tt.headers...)
		if a.StatusCode != tt.status || a.Header.Get("RateLimit-Policy") != tt.policy || a.Header.Get("RateLimit") != tt.limit {
			t.Errorf("%d: %d %s\nRateLimit-Policy: %s\nRateLimit: %s", i, a.StatusCode, a.body, a.Header.Get("RateLimit-Policy"), a.Header.Get("RateLimit"))
		}
		if tt.status != 429 {
			continue
		}
		_, want, _ := strings.Cut(tt.limit, ";t=")
		if got := a.Header.Get("Retry-After"); got != want {
			t.Errorf("%d: Retry-After is %s, want %s", i, got, want)
		}
		detail := "Too many requests: try again in " + want + " s"
		if tt.route == oldRoute {
			a.want(t, 429, `{"detail":"`+detail+`"}`)
			continue
		}
		var problem struct{ Type, Detail string }
		if err := json.Unmarshal([]byte(a.body), &problem); err != nil || problem.Type != "/problems/rate-limited" || problem.Detail != detail {
			t.Errorf("%d: %s", i, a.body)
		}
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="rate_limited"}`); got != "4" {
		t.Errorf("%s are counted", got)
	}
	// CORS lets a page read the headers.
	a := s.ask(t, oldRoute, aProgram, append([]string{"Origin", "https://front.example"}, standard...)...)
	if exposed := a.Header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "Ratelimit-Policy") && !strings.Contains(exposed, "RateLimit-Policy") {
		t.Errorf("exposed are %s", exposed)
	}
}

// If no rate is configured, answers have no headers about it.
func TestNoRates(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "alice"})
	for name, s := range map[string]*testServer{
		"none":       serve(t, exits("", ""), nil),
		"of no rate": serve(t, exits("", ""), func(c *setup) { c.Keys, c.Limiter = ring, callers.NewLimiter(callers.Rate{}) }),
	} {
		for range 20 {
			a := s.ask(t, oldRoute, aProgram, "X-API-Key", tokens["alice"])
			if a.StatusCode != 200 || a.Header["Ratelimit"] != nil || a.Header["Ratelimit-Policy"] != nil {
				t.Fatalf("%s: %d %v", name, a.StatusCode, a.Header)
			}
		}
	}
	a := serve(t, exits("", ""), nil).ask(t, oldRoute, aProgram, "Origin", "https://front.example")
	if strings.Contains(strings.ToLower(a.Header.Get("Access-Control-Expose-Headers")), "ratelimit") {
		t.Error("headers are exposed that there are not")
	}
}
