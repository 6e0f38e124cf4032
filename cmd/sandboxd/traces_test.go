package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/sandboxd/sandboxd/internal/api/v1"
)

// The traces of the running daemon, as a collector receives them.

// receiver is a collector of traces.
type receiver struct {
	*httptest.Server

	mu       sync.Mutex
	spans    []*tracepb.Span
	resource string // of the last spans, as text
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		data := new(tracepb.TracesData) // as ExportTraceServiceRequest
		if err = errors.Join(err, proto.Unmarshal(body, data)); err != nil || request.Method != "POST" || request.URL.Path != "/v1/traces" {
			t.Errorf("%s %s: %v", request.Method, request.URL.Path, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, resource := range data.ResourceSpans {
			r.resource = resource.Resource.String()
			for _, scope := range resource.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// roots returns the spans of requests, in the order in which they began.
func (r *receiver) roots() (roots []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, span := range r.spans {
		if span.Kind == tracepb.Span_SPAN_KIND_SERVER {
			roots = append(roots, span)
		}
	}
	slices.SortFunc(roots, func(a, b *tracepb.Span) int { return int(a.StartTimeUnixNano - b.StartTimeUnixNano) })
	return roots
}

// below returns the spans below another, in the order in which they began.
func (r *receiver) below(root *tracepb.Span) (below []*tracepb.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, span := range r.spans {
		if string(span.ParentSpanId) == string(root.SpanId) && string(span.TraceId) == string(root.TraceId) {
			below = append(below, span)
		}
	}
	slices.SortFunc(below, func(a, b *tracepb.Span) int {
		if a.StartTimeUnixNano != b.StartTimeUnixNano {
			return int(a.StartTimeUnixNano - b.StartTimeUnixNano)
		}
		return int(a.EndTimeUnixNano - b.EndTimeUnixNano)
	})
	return below
}

// attributes returns the attributes of a span, as text.
func attributes(span *tracepb.Span) map[string]string {
	found := map[string]string{}
	for _, a := range span.Attributes {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			found[a.Key] = v.StringValue
		case *commonpb.AnyValue_IntValue:
			found[a.Key] = fmt.Sprint(v.IntValue)
		case *commonpb.AnyValue_DoubleValue:
			found[a.Key] = fmt.Sprint(v.DoubleValue)
		}
	}
	return found
}

func length(span *tracepb.Span) time.Duration {
	return time.Duration(span.EndTimeUnixNano - span.StartTimeUnixNano)
}

// startTraced starts a daemon that sends traces to an endpoint.
func startTraced(t *testing.T, endpoint string, flags ...string) *sandboxd {
	t.Helper()
	cmd := command(t, append([]string{"serve", isolation(), "--listen=127.0.0.1:0"}, flags...)...)
	cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_BSP_EXPORT_TIMEOUT=1000", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=test")
	return startCommand(t, cmd)
}

// stop ends a daemon, which first sends the traces that it still has.
func (d *sandboxd) stop(t *testing.T) {
	t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-d.done; err != nil {
		t.Errorf("exit: %v", err)
	}
}

var loggedTrace = regexp.MustCompile(`(?m)msg="?run.* trace_id=([0-9a-f]{32})`)

func TestTraces(t *testing.T) {
	const secret, parent = "MARKER_OF_THE_PROGRAM", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := receive(t)
	d := startTraced(t, r.URL, "--concurrency=1", "--queue=1", "--wall=20s")
	send := func(path, body string, header ...string) answer {
		a, err := d.do(t.Context(), "POST", path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, header...)...)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	type want struct {
		name     string
		phases   string
		failed   string // the phase with an error
		about    map[string]string
		deepest  string // the phase that takes longest, if that is certain
		severity tracepb.Status_StatusCode
	}
	var wants []want
	add := func(w want) { wants = append(wants, w) }

	const complete = "scan queue set-up run answer"
	send("/playground/execute", `{"code":"print('`+secret+`'); raise SystemExit(3)"}`, "traceparent", parent, "tracestate", "vendor=1")
	add(want{name: "POST /playground/execute", phases: complete, about: map[string]string{
		"http.response.status_code": "200", "http.route": "/playground/execute", "url.path": "/playground/execute", "url.scheme": "http",
		"http.request.method": "POST", "network.protocol.version": "1.1", "client.address": "127.0.0.1",
		"sandboxd.verdict": "exited", "sandboxd.environment": "default", "sandboxd.policy": "strict"}})

	streamed := send("/v1/runs", `{"code":"import time\nprint('`+secret+`')\ntime.sleep(0.5)"}`, "Accept", "text/event-stream")
	id := regexp.MustCompile(`run_[0-9A-Z]+`).FindString(streamed.body)
	add(want{name: "POST /v1/runs", phases: complete, deepest: "run", about: map[string]string{
		"http.response.status_code": "200", "http.route": "/v1/runs", "sandboxd.run.id": id, "sandboxd.verdict": "exited"}})

	send("/v1/runs", `{"code":"import os # `+secret+`"}`)
	add(want{name: "POST /v1/runs", phases: complete, about: map[string]string{"sandboxd.verdict": "rejected", "http.response.status_code": "200"}})

	send("/playground/execute", `{"code":"print(1)", "template":"`+secret+`"}`)
	add(want{name: "POST /playground/execute", about: map[string]string{"http.response.status_code": "422", "sandboxd.reason": "invalid_body"}})

	// One run takes the slot, one waits, and one finds the queue full.
	var wg sync.WaitGroup
	wg.Go(func() { send("/v1/runs", `{"code":"import time\ntime.sleep(1.5)"}`) })
	add(want{name: "POST /v1/runs", phases: complete, deepest: "run", about: map[string]string{"sandboxd.verdict": "exited"}})
	waitFor(t, "the slot to be taken", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	wg.Go(func() { send("/v1/runs", `{"code":"print(1)"}`) })
	add(want{name: "POST /v1/runs", phases: complete, deepest: "queue", about: map[string]string{"sandboxd.verdict": "exited"}})
	waitFor(t, "the queue to be full", func() bool { return d.metric(t, "sandboxd_queue_depth") == "1" })
	send("/playground/execute", `{"code":"print(1)"}`)
	add(want{name: "POST /playground/execute", phases: "scan queue", failed: "queue", severity: tracepb.Status_STATUS_CODE_ERROR,
		about: map[string]string{"http.response.status_code": "503", "error.type": "503", "sandboxd.reason": "queue_full"}})
	wg.Wait()

	conn, _, err := websocket.Dial(t.Context(), d.url+v1.LivePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"code":"print('`+secret+`')"}`)); err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the daemon closes it
		_, _, err = conn.Read(t.Context())
	}
	add(want{name: "GET /v1/runs/live", phases: complete, about: map[string]string{"http.route": "/v1/runs/live", "sandboxd.verdict": "exited"}})
	d.get(t, "/healthz") // has no trace
	d.stop(t)

	roots := r.roots()
	if len(roots) != len(wants) {
		t.Fatalf("%d traces, want %d", len(roots), len(wants))
	}
	logged := loggedTrace.FindAllStringSubmatch(d.log.String(), -1)
	for i, root := range roots {
		w, got, below := wants[i], attributes(root), r.below(root)
		for key, value := range w.about {
			if got[key] != value {
				t.Errorf("trace %d: %s is %q, want %q", i, key, got[key], value)
			}
		}
		if root.Name != w.name || root.Status.GetCode() != w.severity {
			t.Errorf("trace %d: %s, %v", i, root.Name, root.Status)
		}
		var names []string
		var deepest *tracepb.Span
		at := root.StartTimeUnixNano
		for _, span := range below {
			names = append(names, span.Name)
			if deepest == nil || length(span) > length(deepest) {
				deepest = span
			}
			if span.StartTimeUnixNano < at || span.EndTimeUnixNano < span.StartTimeUnixNano {
				t.Errorf("trace %d: %s begins before the phase in front of it has ended", i, span.Name)
			}
			at = span.EndTimeUnixNano
			if failed := span.Status.GetCode() == tracepb.Status_STATUS_CODE_ERROR; failed != (span.Name == w.failed) {
				t.Errorf("trace %d: %s has the status %v", i, span.Name, span.Status)
			}
		}
		if at > root.EndTimeUnixNano || strings.Join(names, " ") != w.phases || w.deepest != "" && deepest.Name != w.deepest {
			t.Errorf("trace %d: the phases are %v, the longest %v, and end %v before the request", i, names, deepest, time.Duration(root.EndTimeUnixNano-at))
		}
		if !slices.ContainsFunc(logged, func(m []string) bool { return m[1] == fmt.Sprintf("%x", root.TraceId) }) {
			t.Errorf("trace %d: no record has its id", i)
		}
	}
	if first := roots[0]; fmt.Sprintf("00-%x-%x-01", first.TraceId, first.ParentSpanId) != parent || first.TraceState != "vendor=1" {
		t.Errorf("the traceparent is not taken over: %x, %x, %q", first.TraceId, first.ParentSpanId, first.TraceState)
	}
	if program := attributes(r.below(roots[0])[3]); program["process.exit.code"] != "3" || program["sandboxd.peak_memory_bytes"] == "0" {
		t.Errorf("the program: %v", program)
	}
	for _, part := range []string{`"sandboxd"`, "service.version", "host.name", "deployment.environment.name"} {
		if !strings.Contains(r.resource, part) {
			t.Errorf("the resource has no %s: %s", part, r.resource)
		}
	}
	for _, span := range r.spans {
		if text := span.String(); strings.Contains(text, secret) || strings.Contains(text, "import") {
			t.Errorf("a span has a part of the request: %s", text)
		}
	}
}

// A flood of refused requests is not a flood of traces: those without a log record have none.
func TestTracesOfAFlood(t *testing.T) {
	r := receive(t)
	d := startTraced(t, r.URL)
	var flood sync.WaitGroup
	for range 8 {
		flood.Go(func() {
			for range 125 {
				d.post(t, "{")
			}
		})
	}
	flood.Wait()
	logged := d.metric(t, `sandboxd_runs_refused_total{logged="true"}`)
	if unlogged := d.metric(t, `sandboxd_runs_refused_total{logged="false"}`); unlogged == "0" {
		t.Error("the flood was too slow")
	}
	d.stop(t)
	if n := fmt.Sprint(len(r.roots())); n != logged {
		t.Errorf("%s traces of %s records", n, logged)
	}
}

// A collector that does not answer delays no run, and the daemon ends as fast as without it.
func TestTracesWithoutACollector(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := startTraced(t, "http://"+l.Addr().String(), "--policy=off")
	for range 20 {
		if s, _ := d.execute(t, "print(1)"); s.Stdout != "1\n" {
			t.Errorf("%+v", s)
		}
	}
	waitFor(t, "the failure to be counted", func() bool { return d.metric(t, `sandboxd_trace_spans_total{result="failed"}`) != "0" })
	waitFor(t, "the failure to be logged", func() bool { return strings.Contains(d.log.String(), "traces are incomplete") })
	if s, _ := d.execute(t, "print(2)"); s.Stdout != "2\n" {
		t.Errorf("%+v", s)
	}
	begin := time.Now()
	d.stop(t)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the daemon ended after %v", took)
	}
}

func TestWrongTraceSettings(t *testing.T) {
	for _, name := range []string{"check", "serve"} {
		cmd := command(t, name, isolation(), "--listen=127.0.0.1:0")
		cmd.Env = append(cmd.Env, "OTEL_EXPORTER_OTLP_ENDPOINT=grpc://127.0.0.1:4317")
		said, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != statusUsage || !strings.Contains(string(said), `sandboxd: OTEL_EXPORTER_OTLP_ENDPOINT: "grpc://127.0.0.1:4317" is not an address`) {
			t.Errorf("%s: %v\n%s", name, err, said)
		}
	}
}
