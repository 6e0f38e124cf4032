package tracing

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// environment is the environment of a test.
type environment map[string]string

func (e environment) get(name string) string { return e[name] }

func TestReadTarget(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for _, tt := range []struct {
		name string
		env  environment
		want string // the URL; "": no traces
		err  string
	}{
		{"nothing", environment{}, "", ""},
		{"an endpoint", environment{endpoint: "http://127.0.0.1:4318"}, "http://127.0.0.1:4318/v1/traces", ""},
		{"an endpoint with a path", environment{endpoint: "https://a.example/otlp/"}, "https://a.example/otlp/v1/traces", ""},
		{"an endpoint for traces", environment{endpoint: "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x"}, "http://b/x", ""},
		{"one without a path", environment{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b"}, "http://b/", ""},
		{"a Unix socket", environment{endpoint: "unix:/run/otlp.sock"}, "http://localhost/v1/traces", ""},
		{"no exporter", environment{endpoint: "http://a", "OTEL_TRACES_EXPORTER": "none"}, "", ""},
		{"a disabled SDK", environment{endpoint: "http://a", "OTEL_SDK_DISABLED": "TRUE"}, "", ""},
		{"a relative socket", environment{endpoint: "unix:otlp.sock"}, "", endpoint + `: "unix:otlp.sock": the path of a Unix socket must be absolute`},
		{"no scheme", environment{endpoint: "127.0.0.1:4317"}, "", endpoint + `: "127.0.0.1:4317" is not an address`},
		{"gRPC", environment{endpoint: "http://a", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "", `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not offered`},
		{"another exporter", environment{endpoint: "http://a", "OTEL_TRACES_EXPORTER": "zipkin"}, "", `OTEL_TRACES_EXPORTER: "zipkin"`},
		{"a timeout", environment{endpoint: "http://a", "OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "", "OTEL_EXPORTER_OTLP_TIMEOUT: "},
		{"a compression", environment{endpoint: "http://a", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION": "zstd"}, "", `OTEL_EXPORTER_OTLP_TRACES_COMPRESSION: "zstd"`},
		{"headers", environment{endpoint: "http://a", "OTEL_EXPORTER_OTLP_HEADERS": "secret"}, "", "OTEL_EXPORTER_OTLP_HEADERS: is not a list"},
		{"a certificate", environment{endpoint: "https://a", "OTEL_EXPORTER_OTLP_CERTIFICATE": "/nonexistent"}, "", "OTEL_EXPORTER_OTLP_CERTIFICATE: open /nonexistent"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readTarget(tt.env.get)
			switch {
			case tt.err != "":
				if err == nil || !strings.HasPrefix(err.Error(), tt.err) || strings.Contains(err.Error(), "secret") {
					t.Errorf("%v, want %s", err, tt.err)
				}
			case err != nil || (got != nil) != (tt.want != "") || got != nil && got.url.String() != tt.want:
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Without the variables nothing is started, and a request allocates nothing.
func TestOffCostsNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	tracer, err := New(t.Context(), Config{Getenv: environment{}.get})
	if tracer != nil || err != nil {
		t.Fatalf("%v, %v", tracer, err)
	}
	if now := runtime.NumGoroutine(); now != before {
		t.Errorf("%d goroutines, then %d", before, now)
	}
	r := httptest.NewRequest("POST", "/v1/runs", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	outcome := &sandbox.Outcome{Verdict: sandbox.Exited}
	failure := errors.New("full")
	allocated := testing.AllocsPerRun(100, func() {
		ctx, span := tracer.Begin(r.Context(), r, "id", "192.0.2.1")
		Of(ctx).Skip()
		Of(ctx).Phase(Scan, span.Since(), nil)
		Of(ctx).Phase(Queue, time.Second, failure)
		span.Ran("run", "default", "strict", outcome)
		span.Failed("clone")
		span.Forget()
		_ = span.ID()
		span.End(Answer{Route: "/v1/runs", Status: 200, Key: "alice"})
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
	tracer.Close()
}

// collector is a server for OTLP, whose answers are statuses. After the last it answers 200.
type collector struct {
	*httptest.Server
	got      chan *tracepb.TracesData
	header   chan http.Header
	attempts atomic.Int64
}

func collect(t *testing.T, statuses ...int) *collector {
	t.Helper()
	c := &collector{got: make(chan *tracepb.TracesData, 10), header: make(chan http.Header, 10)}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n := c.attempts.Add(1); int(n) <= len(statuses) {
			w.WriteHeader(statuses[n-1])
			return
		}
		from := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			from, _ = gzip.NewReader(r.Body)
		}
		body, err := io.ReadAll(from)
		data := new(tracepb.TracesData)
		if err = errors.Join(err, proto.Unmarshal(body, data)); err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s: %v", r.URL.Path, r.Header, err)
		}
		c.got <- data
		c.header <- r.Header
	}))
	t.Cleanup(c.Close)
	return c
}

// exported makes the trace of one request and returns what was exported.
func exported(t *testing.T, env environment) (sent, failed int) {
	t.Helper()
	tracer, err := New(t.Context(), Config{Getenv: env.get, Version: "test", Log: slog.New(slog.DiscardHandler), Exported: func(n int, ok bool) {
		if ok {
			sent += n
		} else {
			failed += n
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/v1/runs", nil)
	_, span := tracer.Begin(r.Context(), r, "id", "192.0.2.1")
	span.Phase(Scan, time.Millisecond, nil)
	span.End(Answer{Route: "/v1/runs", Status: 200})
	tracer.Close()
	return sent, failed
}

func TestExport(t *testing.T) {
	t.Run("with headers and compression", func(t *testing.T) {
		c := collect(t)
		sent, failed := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
			"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20x, x-tenant=a"})
		if header := <-c.header; header.Get("Authorization") != "Bearer x" || header.Get("X-Tenant") != "a" {
			t.Errorf("headers %v", header)
		}
		if spans := (<-c.got).ResourceSpans[0].ScopeSpans[0].Spans; sent != 2 || failed != 0 || len(spans) != 2 {
			t.Errorf("%d sent, %d failed: %v", sent, failed, spans)
		}
	})
	t.Run("with the name of the environment", func(t *testing.T) {
		t.Setenv("OTEL_SERVICE_NAME", "play")
		c := collect(t)
		exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL})
		if resource := (<-c.got).ResourceSpans[0].Resource.String(); !strings.Contains(resource, `"play"`) || strings.Contains(resource, `"sandboxd"`) {
			t.Error(resource)
		}
	})
	t.Run("nothing if nothing is sampled", func(t *testing.T) {
		t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
		c := collect(t)
		if sent, failed := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}); sent+failed != 0 || c.attempts.Load() != 0 {
			t.Errorf("%d sent, %d failed", sent, failed)
		}
	})
	t.Run("to a Unix socket", func(t *testing.T) {
		c := collect(t)
		path := filepath.Join(t.TempDir(), "otlp.sock")
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = http.Serve(l, c.Config.Handler) }()
		defer l.Close()
		if sent, _ := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "unix:" + path}); sent != 2 {
			t.Errorf("%d sent", sent)
		}
	})
	t.Run("again when the collector is busy", func(t *testing.T) {
		c := collect(t, http.StatusServiceUnavailable)
		if sent, _ := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}); sent != 2 || c.attempts.Load() != 2 {
			t.Errorf("%d sent in %d attempts", sent, c.attempts.Load())
		}
	})
	t.Run("not again when the collector refuses", func(t *testing.T) {
		c := collect(t, http.StatusBadRequest)
		if _, failed := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}); failed != 2 || c.attempts.Load() != 1 {
			t.Errorf("%d failed in %d attempts", failed, c.attempts.Load())
		}
	})
	t.Run("not where the collector redirects", func(t *testing.T) {
		c := collect(t)
		elsewhere := httptest.NewServer(http.RedirectHandler(c.URL+"/v1/traces", http.StatusTemporaryRedirect))
		defer elsewhere.Close()
		if _, failed := exported(t, environment{"OTEL_EXPORTER_OTLP_ENDPOINT": elsewhere.URL}); failed != 2 || c.attempts.Load() != 0 {
			t.Errorf("%d failed; the other server got %d", failed, c.attempts.Load())
		}
	})
	t.Run("for a bounded time", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		begin := time.Now()
		tracer, err := New(t.Context(), Config{Getenv: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + l.Addr().String()}.get,
			Log: slog.New(slog.DiscardHandler), Exported: func(int, bool) {}})
		if err != nil {
			t.Fatal(err)
		}
		for range 10_000 { // more than the queue holds
			r := httptest.NewRequest("POST", "/v1/runs", nil)
			_, span := tracer.Begin(r.Context(), r, "id", "192.0.2.1")
			span.End(Answer{Route: "/v1/runs", Status: 200})
		}
		tracer.Close()
		if took := time.Since(begin); took > 5*closePatience {
			t.Errorf("it took %v", took)
		}
	})
}

// A sandbox that fails is an error of its span. The error's text, which may quote the interpreter, is not in it.
func TestFailedSandbox(t *testing.T) {
	c := collect(t)
	tracer, err := New(t.Context(), Config{Getenv: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}.get,
		Log: slog.New(slog.DiscardHandler), Exported: func(int, bool) {}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/v1/runs", nil)
	_, span := tracer.Begin(r.Context(), r, "id", "192.0.2.1")
	span.Failed("clone")
	span.End(Answer{Route: "/v1/runs", Status: 500})
	tracer.Close()
	spans := (<-c.got).ResourceSpans[0].ScopeSpans[0].Spans
	text := spans[0].String()
	if len(spans) != 2 || spans[0].Name != "set-up" || spans[0].Status.GetCode() != tracepb.Status_STATUS_CODE_ERROR ||
		spans[0].Status.GetMessage() != "" || !strings.Contains(text, `"sandboxd.stage"`) || !strings.Contains(text, `"clone"`) {
		t.Error(spans)
	}
}

func TestHostileHeaders(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	long := "a=" + strings.Repeat("x", maxState)
	for _, tt := range []struct {
		name   string
		header http.Header
		taken  bool
		state  string
	}{
		{"a parent", http.Header{"Traceparent": {parent}, "Tracestate": {"a=1", "b=2"}}, true, "a=1,b=2"},
		{"a long state", http.Header{"Traceparent": {parent}, "Tracestate": {long}}, true, ""},
		{"a long state in parts", http.Header{"Traceparent": {parent}, "Tracestate": {long[:300], "b=" + long[:300]}}, true, ""},
		{"a state that is none", http.Header{"Traceparent": {parent}, "Tracestate": {"\x00\xff,,="}}, true, ""},
		{"two parents", http.Header{"Traceparent": {parent, parent}}, false, ""},
		{"a parent of zeros", http.Header{"Traceparent": {"00-00000000000000000000000000000000-0000000000000000-01"}}, false, ""},
		{"a long parent", http.Header{"Traceparent": {parent + strings.Repeat("0", 30_000)}}, false, ""},
		{"a parent that is none", http.Header{"Traceparent": {"00-\x00-\xff-zz"}}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := collect(t)
			tracer, err := New(t.Context(), Config{Getenv: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}.get,
				Log: slog.New(slog.DiscardHandler), Exported: func(int, bool) {}})
			if err != nil {
				t.Fatal(err)
			}
			defer tracer.Close()
			r := httptest.NewRequest("POST", "/v1/runs", nil)
			r.Header = tt.header
			_, span := tracer.Begin(context.Background(), r, "id", "192.0.2.1")
			if taken := span.ID() == "0af7651916cd43dd8448eb211c80319c"; taken != tt.taken {
				t.Errorf("the trace is %s", span.ID())
			}
			if state := span.span.SpanContext().TraceState().String(); state != tt.state {
				t.Errorf("the state is %q", state)
			}
		})
	}
	r := httptest.NewRequest("POST", "/v1/runs", nil)
	r.Header.Set("traceparent", strings.TrimSuffix(parent, "1")+"0")
	c := collect(t)
	tracer, err := New(t.Context(), Config{Getenv: environment{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}.get, Log: slog.New(slog.DiscardHandler), Exported: func(int, bool) {}})
	if err != nil {
		t.Fatal(err)
	}
	defer tracer.Close()
	if _, span := tracer.Begin(t.Context(), r, "id", ""); span != nil {
		t.Error("a request that its caller does not sample has a span")
	}
}
