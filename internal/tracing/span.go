package tracing

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Names of the spans below that of a request, one for each phase of a run.
const (
	Scan   = "scan"
	Queue  = "queue"
	setUp  = "set-up"
	run    = "run"
	answer = "answer"
)

// Attributes that the semantic conventions of OpenTelemetry do not have. Those that they have are in the package semconv.
const (
	attrRequest     = attribute.Key("sandboxd.request.id")
	attrRun         = attribute.Key("sandboxd.run.id")
	attrKey         = attribute.Key("sandboxd.key")         // the name of the caller's key
	attrReason      = attribute.Key("sandboxd.reason")      // why the request was refused, as in sandboxd_requests_rejected_total
	attrEnvironment = attribute.Key("sandboxd.environment") // the template
	attrPolicy      = attribute.Key("sandboxd.policy")
	attrVerdict     = attribute.Key("sandboxd.verdict")
	attrStart       = attribute.Key("sandboxd.start") // warm or cold
	attrSignal      = attribute.Key("sandboxd.signal")
	attrStage       = attribute.Key("sandboxd.stage") // at which the sandbox failed
	attrCPU         = attribute.Key("sandboxd.cpu_seconds")
	attrMemory      = attribute.Key("sandboxd.peak_memory_bytes")
)

// Span is the span of one request, and makes those of its phases. A phase begins where the one before it ended. The methods of a nil Span
// do nothing and allocate nothing. A Span may be passed from one goroutine to another, but not be used by two at the same time.
//
// Nothing that the program or its author wrote becomes an attribute: errors of the sandbox may quote the interpreter, so only their stage
// does.
type Span struct {
	span   trace.Span
	tracer trace.Tracer
	ctx    context.Context // with span
	id     string
	method string
	at     time.Time // the end of the last phase
	ran    bool
	forget bool
}

type spanKey struct{}

// Of returns the span of the request to which a context belongs, or nil if it has none.
func Of(ctx context.Context) *Span {
	span, _ := ctx.Value(spanKey{}).(*Span)
	return span
}

// Begin starts the span of a request. Without a tracer, or if the sampler leaves the request out, the span is nil and the context is ctx.
// The request's traceparent is taken over. id and client are as in the log.
func (t *Tracer) Begin(ctx context.Context, r *http.Request, id, client string) (context.Context, *Span) {
	if t == nil {
		return ctx, nil
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	now := time.Now()
	ctx, span := t.tracer.Start(propagation.TraceContext{}.Extract(ctx, carrier(r.Header)), r.Method,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(now), trace.WithAttributes(
			httpRequestMethod.String(r.Method), urlPath.String(r.URL.Path), urlScheme.String(scheme), clientAddress.String(client),
			networkProtocolVersion.String(version(r)), attrRequest.String(id)))
	if !span.IsRecording() {
		return ctx, nil
	}
	s := &Span{span: span, tracer: t.tracer, ctx: ctx, id: span.SpanContext().TraceID().String(), method: r.Method, at: now}
	return context.WithValue(ctx, spanKey{}, s), s
}

func version(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return strconv.Itoa(r.ProtoMajor)
	}
	return strconv.Itoa(r.ProtoMajor) + "." + strconv.Itoa(r.ProtoMinor)
}

// ID returns the id of the trace, or "" for a nil Span.
func (s *Span) ID() string {
	if s == nil {
		return ""
	}
	return s.id
}

// Skip lets the next phase begin now.
func (s *Span) Skip() {
	if s != nil {
		s.at = time.Now()
	}
}

// Phase makes the span of a phase that has taken so long. The error says whether it failed; its text is not used.
func (s *Span) Phase(name string, took time.Duration, err error) {
	if s == nil {
		return
	}
	child := s.child(name)
	if err != nil {
		child.SetStatus(codes.Error, "")
	}
	s.end(child, took)
}

// Since returns how long the current phase has taken.
func (s *Span) Since() time.Duration {
	if s == nil {
		return 0
	}
	return time.Since(s.at)
}

// Ran makes the spans of the set-up and of the program of a run that has an outcome.
func (s *Span) Ran(id, environment, policy string, o *sandbox.Outcome) {
	if s == nil {
		return
	}
	s.span.SetAttributes(attrEnvironment.String(environment), attrPolicy.String(policy), attrVerdict.String(string(o.Verdict)))
	if id != "" {
		s.span.SetAttributes(attrRun.String(id))
	}
	if o.Timing == (sandbox.Timing{}) { // cancelled before it started
		return
	}
	s.ran = true
	child := s.child(setUp)
	child.SetAttributes(attrStart.String(o.Start()))
	s.end(child, o.Timing.Clone+o.Timing.Setup)
	child = s.child(run)
	child.SetAttributes(attrCPU.Float64(o.Usage.CPU.Seconds()), attrMemory.Int64(o.Usage.PeakMemory))
	switch o.Verdict {
	case sandbox.Exited:
		child.SetAttributes(processExitCode.Int(o.ExitCode))
	case sandbox.Signaled:
		child.SetAttributes(attrSignal.String(sandbox.SignalName(o.Signal)))
	}
	s.end(child, o.Timing.Program)
}

// Failed makes the span of the set-up of a run whose sandbox failed at a stage.
func (s *Span) Failed(stage string) {
	if s == nil {
		return
	}
	child := s.child(setUp)
	child.SetAttributes(attrStage.String(stage), errorType.String("sandbox"))
	child.SetStatus(codes.Error, "")
	s.end(child, s.Since())
	s.span.SetAttributes(attrVerdict.String(string(sandbox.Failed)))
}

// Forget leaves out the trace of the request.
func (s *Span) Forget() {
	if s != nil {
		s.forget = true
	}
}

// Answer is what became of a request.
type Answer struct {
	Route  string
	Status int    // 499: the client did not wait for it
	Key    string // the name of the caller's key, or ""
	Reason string // why it was refused, or ""
}

// End ends the span of the request. If there was a run, the time since its end is the phase of the answer.
func (s *Span) End(a Answer) {
	if s == nil || s.forget { // a span without an end is not exported
		return
	}
	if s.ran {
		s.end(s.child(answer), s.Since())
	}
	s.span.SetName(s.method + " " + a.Route)
	s.span.SetAttributes(httpRoute.String(a.Route), httpResponseStatusCode.Int(a.Status))
	if a.Key != "" {
		s.span.SetAttributes(attrKey.String(a.Key))
	}
	if a.Reason != "" {
		s.span.SetAttributes(attrReason.String(a.Reason))
	}
	if a.Status >= 500 {
		s.span.SetAttributes(errorType.String(strconv.Itoa(a.Status)))
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}

func (s *Span) child(name string) trace.Span {
	_, child := s.tracer.Start(s.ctx, name, trace.WithTimestamp(s.at))
	return child
}

func (s *Span) end(child trace.Span, took time.Duration) {
	s.at = s.at.Add(took)
	child.End(trace.WithTimestamp(s.at))
}

// carrier reads the headers of W3C Trace Context (https://www.w3.org/TR/trace-context/).
type carrier http.Header

// maxState bounds the tracestate that is taken over, in bytes. The standard wants at least 512 to be propagated.
const maxState = 512

// Get returns a header. Several traceparent headers are invalid; several tracestate headers are one list.
func (c carrier) Get(name string) string {
	values := http.Header(c).Values(name)
	if len(values) == 0 || name == "traceparent" && len(values) > 1 {
		return ""
	}
	if name != "tracestate" {
		return values[0]
	}
	size := len(values) - 1
	for _, value := range values {
		size += len(value)
	}
	if size > maxState {
		return ""
	}
	return strings.Join(values, ",")
}

// Set is not used to read headers.
func (carrier) Set(string, string) {}

// Keys is not used to read headers.
func (carrier) Keys() []string { return nil }
