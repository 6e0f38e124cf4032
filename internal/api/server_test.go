package api

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
)

// runFunc replaces the jail, for outcomes that a real jail does not produce on demand.
type runFunc func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error)

func (f runFunc) Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*jail.Result, error) {
	outcome, err := f(ctx, program, live)
	if err != nil {
		return nil, err
	}
	return &jail.Result{Outcome: *outcome}, nil
}

// exits returns a runFunc whose program exits.
func exits(stdout, stderr string) runFunc {
	return func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		return result(sandbox.Exited, stdout, stderr), nil
	}
}

func result(v sandbox.Verdict, stdout, stderr string) *sandbox.Outcome {
	return &sandbox.Outcome{
		Verdict: v,
		Stdout:  sandbox.Output{Kept: []byte(stdout), Total: int64(len(stdout))},
		Stderr:  sandbox.Output{Kept: []byte(stderr), Total: int64(len(stderr))},
		Usage:   sandbox.Usage{CPU: 20 * time.Millisecond, PeakMemory: 9 << 20},
		Timing:  sandbox.Timing{Clone: time.Millisecond, Setup: 2 * time.Millisecond, Program: 15 * time.Millisecond, Teardown: time.Millisecond},
	}
}

type scanFunc func(ctx context.Context, source []byte) ([]sandbox.Finding, error)

func (f scanFunc) Scan(ctx context.Context, source []byte) ([]sandbox.Finding, error) {
	return f(ctx, source)
}

func findsNothing(context.Context, []byte) ([]sandbox.Finding, error) { return nil, nil }

// testServer is a Server on a real socket, with its log, its metrics and the memory for its answers.
type testServer struct {
	*Server
	url  string
	logs *lockedBuffer

	memory *admission.Memory
}

// serve starts a Server. change can change its configuration.
func serve(t *testing.T, run runFunc, change func(*setup)) *testServer {
	t.Helper()
	logs := &lockedBuffer{}
	s := configured(t, run, change, logs)
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = s.HTTPServer()
	srv.Start()
	t.Cleanup(srv.Close)
	s.url, s.logs = srv.URL, logs
	return s
}

func configured(t *testing.T, run runFunc, change func(*setup), logs io.Writer) *testServer {
	t.Helper()
	both := &setup{
		Config: service.Config{
			Runner:  run,
			Scanner: scanFunc(findsNothing),
			Limits:  sandbox.DefaultLimits(),
			Gate:    admission.New(2, 2),
			Metrics: metrics.New("v0.0.0-test", []string{"clone", "cgroup"}, scan.Rules(), []string{"ptrace", "setuid"}),
			Log:     slog.New(slog.NewTextHandler(logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		},
		front: front{
			Version: "v0.0.0-test",
			Isolation: Isolation{Mode: "required", Engine: "exec", Layers: []Layer{
				{"seccomp", "works"}, {"memory", "works"},
			}},
			Listening: Listening{Address: "http://127.0.0.1:8000", Socket: "own"},
		},
	}
	if change != nil {
		change(both)
	}
	both.Memory = service.AnswerMemory(both.Gate.Slots(), both.Limits)
	cfg := Config(both.front)
	cfg.Service, cfg.Metrics, cfg.Log = service.New(both.Config), both.Config.Metrics, both.Config.Log
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &testServer{Server: s, memory: both.Memory}
}

// setup is the configuration of a Server and of the service behind it.
type setup struct {
	service.Config
	front
}

type front Config

// answerOf is a response with its whole body.
type answerOf struct {
	*http.Response
	body string
}

// call sends a request. headers has names and values in turn.
func (s *testServer) call(t *testing.T, method, path, body string, headers ...string) answerOf {
	t.Helper()
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, reader)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf{resp, string(got)}
}

// execute posts a body as JSON.
func (s *testServer) execute(t *testing.T, body string) answerOf {
	t.Helper()
	return s.call(t, "POST", "/playground/execute", body, "Content-Type", "application/json")
}

func (a answerOf) want(t *testing.T, status int, body string) {
	t.Helper()
	if a.StatusCode != status || a.body != body {
		t.Errorf("answer is %d %s, want %d %s", a.StatusCode, a.body, status, body)
	}
}

func (s *testServer) metric(t *testing.T, series string) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.cfg.Metrics.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return v
		}
	}
	return "absent"
}

// eventually waits for a condition that another goroutine makes true after the client has its answer.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for begin := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
