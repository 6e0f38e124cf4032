package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

var auditRecord = regexp.MustCompile(`(?m)^.*level=\w+ msg=(?:run|"run refused") .*$`)

// Every request for a run has exactly one log record, with the key, the address and the hash of the program,
// but without the program and its output.
func TestEveryRequestForARunIsRecordedOnce(t *testing.T) {
	const code, output = "print('a secret of the caller')", "what it has printed"
	ring, tokens := keyring(t, callers.Key{Name: "alice"}, callers.Key{Name: "bare", Policy: "elsewhere"})
	alice := []string{"X-API-Key", tokens["alice"]}
	hash := fmt.Sprintf(" source_sha256=%x ", sha256.Sum256([]byte(code)))
	body := `{"code":"` + code + `"}`
	for _, tt := range []struct {
		name    string
		run     runFunc
		change  func(*setup)
		body    string
		headers []string
		want    []string
	}{
		{"a run", nil, nil, body, alice, []string{"msg=run ", " key=alice client=127.0.0.1 ", hash, " verdict=exited ", " cpu_seconds=0.02 ", " peak_memory_bytes="}},
		{"a run that is rejected", nil, func(c *setup) {
			c.Scanner = scanFunc(func(context.Context, []byte) ([]sandbox.Finding, error) {
				return []sandbox.Finding{{Rule: "module", Name: "os"}}, nil
			})
		}, body, alice, []string{"msg=run ", hash, " verdict=rejected "}},
		{"a sandbox that fails", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		}, nil, body, alice, []string{"msg=run ", hash, " verdict=error "}},
		{"no key", nil, nil, body, nil, []string{`msg="run refused" `, " client=127.0.0.1 status=401 reason=unauthorized verdict=refused"}},
		{"a wrong key", nil, nil, body, []string{"X-API-Key", "sbx_secret"}, []string{`msg="run refused" `, " reason=unauthorized "}},
		{"too often", nil, func(c *setup) { c.Anonymous, c.Limiter = true, used() }, body, nil, []string{`msg="run refused" `, " status=429 reason=rate_limited "}},
		{"another host", nil, func(c *setup) { c.Hosts = hosts(t, NamedHosts, "a.example") }, body, alice, []string{`msg="run refused" `, " status=400 reason=host_refused "}},
		{"a foreign page", nil, func(c *setup) { c.Origins = []string{"https://a.example"} }, body, append(alice, "Origin", "https://b.example"),
			[]string{`msg="run refused" `, " status=403 reason=origin_refused "}},
		{"no JSON", nil, nil, "{", alice, []string{`msg="run refused" `, " key=alice client=127.0.0.1 status=4", " reason=invalid_body "}},
		{"a policy that is not offered", nil, nil, body, []string{"X-API-Key", tokens["bare"]}, []string{`msg="run refused" `, " key=bare ", hash, " status=422 "}},
		{"a full queue", nil, func(c *setup) {
			c.Gate = admission.New(1, 0)
			_, _, _ = c.Gate.Acquire(context.Background(), admission.Caller{})
		}, body, alice, []string{`msg="run refused" `, " key=alice ", hash, " status=503 reason=queue_full "}},
		{"a service that shuts down", nil, func(c *setup) { c.Gate.Drain() }, body, alice, []string{`msg="run refused" `, hash, " reason=draining "}},
		{"a panic", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("x") }, nil, body, alice,
			[]string{`msg="run refused" `, hash, " status=500 reason=internal "}},
	} {
		for _, route := range []string{oldRoute, newRoute, newRoute + " as events"} {
			t.Run(tt.name+" "+route, func(t *testing.T) {
				if tt.run == nil {
					tt.run = exits(output, output)
				}
				s := serve(t, tt.run, func(c *setup) {
					c.Keys, c.Policy = ring, "strict"
					if tt.change != nil {
						tt.change(c)
					}
				})
				headers := tt.headers
				path, _, events := strings.Cut(route, " ")
				if events {
					headers = append([]string{"Accept", "application/jsonl"}, headers...)
				}
				s.ask(t, path, tt.body, headers...)
				var records []string
				eventually(t, "a record", func() bool {
					records = auditRecord.FindAllString(s.logs.String(), -1)
					return len(records) > 0
				})
				if len(records) != 1 {
					t.Fatalf("%d records:\n%s", len(records), s.logs)
				}
				for _, want := range append(tt.want, "time=", " request_id=") {
					if !strings.Contains(records[0]+" ", want) {
						t.Errorf("no %q in %s", want, records[0])
					}
				}
				refused := "0"
				if strings.Contains(records[0], "refused") {
					refused = "1"
				}
				if got := s.metric(t, `sandboxd_runs_refused_total{logged="true"}`); got != refused {
					t.Errorf("%s refusals are counted", got)
				}
				for _, secret := range []string{"a secret", output, tokens["alice"], "sbx_secret"} {
					if strings.Contains(s.logs.String(), secret) {
						t.Errorf("%q is in the log:\n%s", secret, s.logs)
					}
				}
			})
		}
	}
	t.Run("an empty program", func(t *testing.T) {
		s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
		s.ask(t, oldRoute, `{"code":""}`, alice...).want(t, 200, `{"stdout":"","stderr":""}`)
		if records := auditRecord.FindAllString(s.logs.String(), -1); len(records) != 1 || !strings.Contains(records[0], " key=alice ") || !strings.HasSuffix(records[0], " verdict=exited start=none") {
			t.Errorf("records %q", records)
		}
	})
	t.Run("other requests", func(t *testing.T) {
		s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
		s.call(t, "GET", oldRoute, "")
		s.call(t, "GET", "/v1/nothing", "")
		s.call(t, "GET", "/metrics", "", "Origin", "https://evil.example")
		if records := auditRecord.FindAllString(s.logs.String(), -1); len(records) != 0 {
			t.Errorf("records %q", records)
		}
	})
}

// The rate of log records of refusals is limited. The metrics count all refusals.
func TestManyRefusals(t *testing.T) {
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
	now := time.Now()
	s.now = func() time.Time { return now }
	const many = auditBurst + 50
	for range many {
		s.ask(t, oldRoute, aProgram)
	}
	count := func(logged string) string { return s.metric(t, `sandboxd_runs_refused_total{logged="`+logged+`"}`) }
	if n := strings.Count(s.logs.String(), `msg="run refused"`); n != auditBurst || count("true") != fmt.Sprint(auditBurst) || count("false") != "50" {
		t.Errorf("%d records, counted are %s with a record and %s without", n, count("true"), count("false"))
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="unauthorized"}`); got != fmt.Sprint(many) {
		t.Errorf("%s are counted, want %d", got, many)
	}
	now = now.Add(time.Second)
	s.ask(t, oldRoute, aProgram)
	s.ask(t, oldRoute, aProgram)
	if n := strings.Count(s.logs.String(), " left_out=50"); n != 1 {
		t.Errorf("the next record says %d times how many were left out", n)
	}
}
