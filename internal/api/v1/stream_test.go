package v1

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// runner stands for a jail.
type runner func(ctx context.Context, live *sandbox.Stream) error

func (r runner) Run(ctx context.Context, _ sandbox.Program, live *sandbox.Stream) (*jail.Result, error) {
	return &jail.Result{Outcome: sandbox.Outcome{Verdict: sandbox.Exited}}, r(ctx, live)
}

type findsNothing struct{}

func (findsNothing) Scan(context.Context, []byte) ([]sandbox.Finding, error) { return nil, nil }

// newAPI is an API in front of a run.
func newAPI(run runner) *API {
	limits := sandbox.DefaultLimits()
	m := metrics.New("test", nil, nil, nil)
	return New(Config{
		Service: service.New(service.Config{
			Runner: run, Scanner: findsNothing{}, Limits: limits, Gate: admission.New(1, 1), Policy: "strict",
			Memory: service.AnswerMemory(1, limits), Metrics: m, Log: slog.New(slog.DiscardHandler),
		}),
		Metrics: m, Environments: []string{sandbox.DefaultTemplate}, WriteTimeout: time.Minute,
	})
}

// ask sends a body to an API.
func ask(a *API, accept, body string) (*httptest.ResponseRecorder, error) {
	w, r := httptest.NewRecorder(), httptest.NewRequest("POST", Path, nil)
	r.Header.Set("Content-Type", typeJSON)
	r.Header.Set("Accept", accept)
	err := a.Runs(w, r, Call{
		Body: func() ([]byte, *admission.Share, error) {
			return []byte(body), admission.NewMemory(64 << 20).Share(), nil
		},
		Explain: func(error) *Error { return &Error{Kind: Internal} },
	})
	return w, err
}

// While nothing happens, server-sent events say so every ten seconds; and an answer that has begun so can only fail by an event.
func TestStreamsThatAreSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(func(_ context.Context, live *sandbox.Stream) error {
			live.Start()
			time.Sleep(35 * time.Second)
			live.Output(sandbox.Stdout, []byte("x"))
			return nil
		})
		w, err := ask(a, typeEvents, `{"code":"x"}`)
		if got := w.Body.String(); err != nil || strings.Count(got, ": the run goes on\n\n") != 3 || !strings.Contains(got, `"seq":1,"at_seconds":35,"text":"x"}`) {
			t.Errorf("%v: %s", err, got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(func(context.Context, *sandbox.Stream) error {
			time.Sleep(15 * time.Second)
			return &sandbox.SetupError{Stage: "clone"}
		})
		w, err := ask(a, typeEvents, `{"code":"x"}`)
		if got := w.Body.String(); err != nil || !strings.HasPrefix(got, ": the run goes on\n\nevent: error\nid: 0\ndata: {") || !w.Flushed {
			t.Errorf("%v: %s", err, got)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		a := newAPI(func(context.Context, *sandbox.Stream) error {
			time.Sleep(9 * time.Second)
			return &sandbox.SetupError{Stage: "clone"}
		})
		if w, err := ask(a, typeEvents, `{"code":"x"}`); err == nil || w.Body.Len() > 0 {
			t.Errorf("%v: %s", err, w.Body)
		}
	})
}

func TestAccept(t *testing.T) {
	for accept, want := range map[string]string{
		"": typeJSON, "*/*": typeJSON, "application/*": typeJSON, "text/*": typeEvents, "text/event-stream": typeEvents,
		"application/jsonl": typeLines, "application/json": typeJSON, "APPLICATION/JSONL": typeLines,
		"application/json, text/event-stream": typeJSON, "application/json;q=0.5, text/event-stream": typeEvents,
		"application/json;q=0, */*": typeEvents, "*/*;q=0": "", "text/html": "", "text/html, */*;q=0.1": typeJSON,
		"application/jsonl;q=0.5, application/json;q=0.6": typeJSON, "application/json;q=x": "", ";;": "", "application/json; charset=utf-8": typeJSON,
	} {
		r := httptest.NewRequest("POST", Path, nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		if got := accepted(r); got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}
