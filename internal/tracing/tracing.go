// Package tracing makes OpenTelemetry traces of requests for runs, and sends them to a collector over OTLP. It is configured by the
// standard variables of OpenTelemetry, such as OTEL_EXPORTER_OTLP_ENDPOINT. Without them there is no tracer, and nothing of the SDK is
// started.
//
// A trace has a span for the request, and below it one for each phase of the run. A run never waits for the collector: spans are sent by
// a goroutine of their own, from a queue of a fixed length. Spans that do not fit are dropped.
package tracing

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of the semantic conventions.
const (
	httpRequestMethod      = semconv.HTTPRequestMethodKey
	httpResponseStatusCode = semconv.HTTPResponseStatusCodeKey
	httpRoute              = semconv.HTTPRouteKey
	urlPath                = semconv.URLPathKey
	urlScheme              = semconv.URLSchemeKey
	clientAddress          = semconv.ClientAddressKey
	networkProtocolVersion = semconv.NetworkProtocolVersionKey
	errorType              = semconv.ErrorTypeKey
	processExitCode        = semconv.ProcessExitCodeKey
)

// maxValue bounds the length of an attribute's value, in characters.
const maxValue = 256

// closePatience bounds how long the last spans may take when the daemon ends.
const closePatience = 2 * time.Second

// Tracer makes traces. A nil Tracer makes none. It is safe for concurrent use.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	endpoint string
}

// Config configures a Tracer.
type Config struct {
	Getenv  func(string) string
	Version string // of the daemon
	Log     *slog.Logger

	// Exported is told how many spans were sent, or could not be.
	Exported func(n int, sent bool)
}

// Check returns what New would find wrong with the variables.
func Check(getenv func(string) string) error {
	_, err := readTarget(getenv)
	return err
}

// New returns a tracer, or nil if the environment does not ask for one. An error names the variable that is wrong.
func New(ctx context.Context, cfg Config) (*Tracer, error) {
	target, err := readTarget(cfg.Getenv)
	if target == nil || err != nil {
		return nil, err
	}
	exporter, err := otlptrace.New(ctx, target.client())
	if err != nil {
		return nil, err
	}
	// The error is about parts of the resource that could not be found out. The others are still there.
	about, err := resource.New(ctx, resource.WithHost(), resource.WithAttributes(semconv.ServiceName("sandboxd"), semconv.ServiceVersion(cfg.Version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		cfg.Log.Warn("the resource of the traces is incomplete", "error", err)
	}
	complaints := &complaints{log: cfg.Log}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(complaints.handle))
	limits := sdktrace.NewSpanLimits()
	limits.AttributeValueLengthLimit = maxValue
	provider := sdktrace.NewTracerProvider( // the sampler and the queue are configured by the environment, too
		sdktrace.WithBatcher(counter{exporter, cfg.Exported}), sdktrace.WithResource(about), sdktrace.WithRawSpanLimits(limits))
	return &Tracer{provider, provider.Tracer("github.com/sandboxd/sandboxd", trace.WithInstrumentationVersion(cfg.Version)), target.String()}, nil
}

// Endpoint returns where the traces are sent, for the log.
func (t *Tracer) Endpoint() string { return t.endpoint }

// Close sends the spans that are left, for a short time, and ends the goroutine.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the error handler has logged it
}

// counter counts exported spans.
type counter struct {
	sdktrace.SpanExporter
	exported func(n int, sent bool)
}

// ExportSpans exports and counts spans.
func (c counter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := c.SpanExporter.ExportSpans(ctx, spans)
	c.exported(len(spans), err == nil)
	return err
}

// complaints logs errors of the SDK, one each minute: failed exports, and values of variables that it does not know.
type complaints struct {
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
}

func (c *complaints) handle(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.last) < time.Minute {
		return
	}
	c.last = time.Now()
	c.log.Warn("traces are incomplete; runs are not affected", "error", err,
		"remedy", "check the variables OTEL_…, and that the collector runs and receives OTLP over HTTP")
}
