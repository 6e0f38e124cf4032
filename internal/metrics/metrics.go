// Package metrics defines all metrics of the daemon, in a registry of its own. The set of values of each label is closed, so that the
// number of series is bounded: other values are counted as "other".
package metrics

import (
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Values of the label listener.
const (
	Public = "public"
	Admin  = "admin" // the separate listener for health and metrics
)

// Reasons for refusing a connection, as values of the label reason.
const (
	Full       = "full"        // all connections have a request in progress
	ClientFull = "client_full" // all connections of the client have a request in progress
)

// Reasons for refusing a request before there is a run or another answer, as values of the label reason.
const (
	QueueFull     = "queue_full"        // the queue of the service is full
	CallerFull    = "caller_queue_full" // the caller has as many waiting or running requests as it may have
	Draining      = "draining"          // the daemon is about to end and accepts no run
	BodyTooLarge  = "body_too_large"    // the body is longer than the route allows
	BodyMemory    = "body_memory"       // the bodies of all requests use as much memory as they may
	AnswerMemory  = "answer_memory"     // answers that their clients do not read use as much memory as they may
	BodyTimeout   = "body_timeout"      // the body came too slowly
	InvalidBody   = "invalid_body"      // the body is not JSON, or not valid for the route
	OriginRefused = "origin_refused"    // from a web page that the configuration does not allow
	HostRefused   = "host_refused"      // the Host header is not a name of the service
	Unauthorized  = "unauthorized"      // the request has no valid key
	RateLimited   = "rate_limited"      // the caller asks too often
	NotOffered    = "not_offered"       // a header requests a feature or media type that is not offered
	ClientGone    = "client_gone"       // the client closed the connection while it sent its body or waited in the queue
)

var reasons = []string{QueueFull, CallerFull, Draining, BodyTooLarge, BodyMemory, AnswerMemory, BodyTimeout, InvalidBody, OriginRefused, HostRefused, Unauthorized, RateLimited, NotOffered, ClientGone}

const other = "other"

// Metrics has all metrics. Its methods may be called from several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	stages   []string
	rules    []string
	calls    []string

	runs           *prometheus.CounterVec
	starts         *prometheus.CounterVec
	wallClockKills prometheus.Counter
	oomKills       prometheus.Counter
	cpuKills       prometheus.Counter
	setupErrors    *prometheus.CounterVec
	wall, cpu      prometheus.Histogram
	peakMemory     prometheus.Histogram
	setup          prometheus.Histogram
	queueWait      prometheus.Histogram
	denials        *prometheus.CounterVec
	truncated      *prometheus.CounterVec
	results        *prometheus.CounterVec
	scanRejections *prometheus.CounterVec
	scansAbandoned prometheus.Counter
	rejected       *prometheus.CounterVec
	refusals       *prometheus.CounterVec
	streams        *prometheus.CounterVec
	streamsOpen    prometheus.Gauge
	streamLost     *prometheus.CounterVec
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	spans          *prometheus.CounterVec
	layers         *prometheus.GaugeVec
}

// New returns the metrics of a program of this version. The other parameters are closed sets of label values: stages are the stages
// at which a sandbox can fail (jail.Stages), rules are those of the scan (scan.Rules), and calls are the system calls whose denials
// are counted (Counted of the filter).
func New(version string, stages, rules, calls []string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,
		stages:   stages,
		rules:    rules,
		calls:    append(slices.Clone(calls), sandbox.DenialKilled, sandbox.DenialUnknown),

		runs:           counterVec(r, "sandboxd_runs_total", "Runs by verdict.", "verdict"),
		starts:         counterVec(r, "sandboxd_starts_total", "Runs by kind of start: in a waiting jail (warm), or in a jail that was made for the run (cold).", "start"),
		wallClockKills: counter(r, "sandboxd_wall_clock_kills_total", "Runs killed at the end of their wall clock."),
		oomKills:       counter(r, "sandboxd_oom_kills_total", "Runs killed because they exceeded their memory limit."),
		cpuKills:       counter(r, "sandboxd_cpu_limit_kills_total", "Runs killed because they exceeded their limit of CPU time."),
		setupErrors:    counterVec(r, "sandboxd_setup_errors_total", "Runs whose sandbox could not be set up, by the stage that failed.", "stage"),

		wall: histogram(r, "sandboxd_run_wall_seconds", "Wall-clock time of the program, including the start of a cold interpreter.",
			.01, .015, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		cpu: histogram(r, "sandboxd_run_cpu_seconds", "User and system time of all processes of a run.",
			.01, .015, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		peakMemory: histogram(r, "sandboxd_run_peak_memory_bytes", "Peak memory of all processes of a run.",
			prometheus.ExponentialBuckets(4<<20, 2, 10)...), // 4 MiB to 2 GiB
		setup: histogram(r, "sandboxd_jail_setup_seconds", "Time from the start of a run until its jail was set up.",
			.0005, .001, .002, .003, .004, .005, .0075, .01, .015, .025, .05, .1, .5, 1),
		queueWait: histogram(r, "sandboxd_queue_wait_seconds", "Time that a run waited for a slot; 0 if one was free.",
			.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),

		denials:        counterVec(r, "sandboxd_seccomp_denials_total", "System calls that the seccomp filter denied, by name. Calls marked quiet in the profile are not counted.", "syscall"),
		truncated:      counterVec(r, "sandboxd_output_truncated_total", "Runs that wrote more to a stream than is kept.", "stream"),
		results:        counterVec(r, "sandboxd_results_total", "Displays and files of runs, by whether they were returned or lost to a bound.", "kind", "result"),
		scanRejections: counterVec(r, "sandboxd_scan_rejections_total", "Programs that the scan refused, by the rule of the first finding.", "rule"),
		scansAbandoned: counter(r, "sandboxd_scans_abandoned_total", "Scans that gave up because the source needed too much work. The run continued."),
		rejected:       counterVec(r, "sandboxd_requests_rejected_total", "Requests that were refused before there was a run, or because of their host or origin.", "reason"),
		refusals:       counterVec(r, "sandboxd_runs_refused_total", "Requests for a run that were refused. The log has no record of some (logged=false) if there are very many at once.", "logged"),
		streams:        counterVec(r, "sandboxd_streams_total", "Answers sent as streams of events, by media type.", "type"),
		streamsOpen:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "sandboxd_streams", Help: "Streams of events that are open now."}),
		streamLost:     counterVec(r, "sandboxd_stream_lost_bytes_total", "Bytes of output that a stream of events dropped because its client read too slowly.", "stream"),
		requests:       counterVec(r, "sandboxd_http_requests_total", "HTTP requests answered.", "route", "code"),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sandboxd_http_request_duration_seconds",
			Help:    "Time from the header of a request to the end of its answer.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		spans: counterVec(r, "sandboxd_trace_spans_total", "Spans of traces, by whether the collector has received them (sent) or not (failed). 0 if there are no traces.", "result"),
		layers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sandboxd_isolation_layer_info",
			Help: "The state of each isolation layer, as found at start. Always 1.",
		}, []string{"layer", "state"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sandboxd_build_info",
		Help: "The version of the daemon and of Go. Always 1.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)

	r.MustRegister(m.requestSeconds, m.layers, m.streamsOpen, build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// rate() does not see the first event of a series that does not exist before, so all series start at 0.
	for _, v := range sandbox.Verdicts {
		m.runs.WithLabelValues(string(v))
	}
	zero(m.starts, sandbox.Warm, sandbox.Cold)
	zero(m.setupErrors, append(slices.Clone(stages), other)...)
	zero(m.scanRejections, append(slices.Clone(rules), other)...)
	zero(m.denials, m.calls...)
	zero(m.truncated, "stdout", "stderr")
	for _, kind := range []string{"display", "file"} {
		m.results.WithLabelValues(kind, "returned")
		m.results.WithLabelValues(kind, "lost")
	}
	zero(m.streamLost, "stdout", "stderr")
	zero(m.refusals, "true", "false")
	zero(m.rejected, append(slices.Clone(reasons), other)...)
	zero(m.spans, "sent", "failed")
	return m
}

func counter(r *prometheus.Registry, name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	r.MustRegister(c)
	return c
}

func counterVec(r *prometheus.Registry, name, help string, labels ...string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	r.MustRegister(c)
	return c
}

func histogram(r *prometheus.Registry, name, help string, buckets ...float64) prometheus.Histogram {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets})
	r.MustRegister(h)
	return h
}

func zero(c *prometheus.CounterVec, values ...string) {
	for _, v := range values {
		c.WithLabelValues(v)
	}
}

// Handler serves the metrics in Prometheus' formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// Gatherer returns the registry for reading.
func (m *Metrics) Gatherer() prometheus.Gatherer { return m.registry }

// RunEnded counts a run that has an outcome.
func (m *Metrics) RunEnded(o *sandbox.Outcome) {
	m.runs.WithLabelValues(string(o.Verdict)).Inc()
	if o.Verdict == sandbox.Rejected {
		m.scanRejections.WithLabelValues(oneOf(m.rules, o.Findings[0].Rule, other)).Inc()
		return
	}
	m.starts.WithLabelValues(o.Start()).Inc()
	switch o.Verdict {
	case sandbox.Timeout:
		m.wallClockKills.Inc()
	case sandbox.OOM:
		m.oomKills.Inc()
	case sandbox.CPULimit:
		m.cpuKills.Inc()
	}
	m.results.WithLabelValues("display", "returned").Add(float64(len(o.Displays)))
	m.results.WithLabelValues("display", "lost").Add(float64(o.LostDisplays))
	m.results.WithLabelValues("file", "returned").Add(float64(len(o.Files)))
	m.results.WithLabelValues("file", "lost").Add(float64(o.LostFiles))
	m.setup.Observe((o.Timing.Clone + o.Timing.Setup).Seconds())
	m.wall.Observe(o.Timing.Program.Seconds())
	m.cpu.Observe(o.Usage.CPU.Seconds())
	if o.Usage.PeakMemory > 0 { // 0 means unknown
		m.peakMemory.Observe(float64(o.Usage.PeakMemory))
	}
	for call, n := range o.Denials {
		m.denials.WithLabelValues(oneOf(m.calls, call, sandbox.DenialUnknown)).Add(float64(n))
	}
	for _, stream := range o.Truncated() {
		m.truncated.WithLabelValues(stream).Inc()
	}
}

// StreamBegan counts a stream of events, which is open until ended is called. The caller keeps the set of content types closed.
func (m *Metrics) StreamBegan(contentType string) (ended func()) {
	m.streams.WithLabelValues(contentType).Inc()
	m.streamsOpen.Inc()
	return m.streamsOpen.Dec
}

// StreamLost counts bytes of output that a stream of events dropped.
func (m *Metrics) StreamLost(stream string, bytes int64) {
	m.streamLost.WithLabelValues(oneOf([]string{"stdout", "stderr"}, stream, other)).Add(float64(bytes))
}

// RunCancelled counts a run whose client cancelled it, or closed the connection, before the program was started.
func (m *Metrics) RunCancelled() { m.runs.WithLabelValues(string(sandbox.Cancelled)).Inc() }

// RunFailed counts a run whose sandbox failed at this stage.
func (m *Metrics) RunFailed(stage string) {
	m.runs.WithLabelValues(string(sandbox.Failed)).Inc()
	m.setupErrors.WithLabelValues(oneOf(m.stages, stage, other)).Inc()
}

// RunLeftBehind counts a run that was answered, but whose sandbox could not be removed. stage is the stage that failed.
func (m *Metrics) RunLeftBehind(stage string) {
	m.setupErrors.WithLabelValues(oneOf(m.stages, stage, other)).Inc()
}

// SpansExported counts n spans. sent reports whether the collector of traces has received them.
func (m *Metrics) SpansExported(n int, sent bool) {
	result := "failed"
	if sent {
		result = "sent"
	}
	m.spans.WithLabelValues(result).Add(float64(n))
}

// ScanAbandoned counts a scan that gave up because the source needed too much work.
func (m *Metrics) ScanAbandoned() { m.scansAbandoned.Inc() }

// Queued records how long a run waited for its slot.
func (m *Metrics) Queued(wait time.Duration) { m.queueWait.Observe(wait.Seconds()) }

// RequestRejected counts a refused request. reason is one of the constants from QueueFull to ClientGone.
func (m *Metrics) RequestRejected(reason string) {
	m.rejected.WithLabelValues(oneOf(reasons, reason, other)).Inc()
}

// RunRefused counts a request for a run that was refused, and whether that was logged.
func (m *Metrics) RunRefused(logged bool) {
	m.refusals.WithLabelValues(strconv.FormatBool(logged)).Inc()
}

// Request counts an answered HTTP request. d is the time from its header to the end of the answer. The caller keeps the set of routes
// closed.
func (m *Metrics) Request(route string, code int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.requestSeconds.WithLabelValues(route).Observe(d.Seconds())
}

// SetLayer sets the state of an isolation layer. A layer has one state at a time.
func (m *Metrics) SetLayer(layer, state string) {
	m.layers.DeletePartialMatch(prometheus.Labels{"layer": layer})
	m.layers.WithLabelValues(layer, state).Set(1)
}

// Gate is the part of admission.Gate that the metrics read. Its methods must be safe for concurrent use.
type Gate interface {
	Slots() int
	Room() int
	InFlight() int
	Depth() int
}

// Watch registers gauges that read a gate at each scrape. It must be called only once.
func (m *Metrics) Watch(g Gate) {
	m.gauge("sandboxd_runs_in_flight", "Runs that hold a slot now.", g.InFlight)
	m.gauge("sandboxd_run_slots", "Maximum number of concurrent runs.", g.Slots)
	m.gauge("sandboxd_queue_depth", "Runs that wait for a slot now.", g.Depth)
	m.gauge("sandboxd_queue_slots", "Maximum number of runs that wait for a slot.", g.Room)
}

// WatchWaiting registers a gauge that reads the number of waiting jails at each scrape. It must be called only once.
func (m *Metrics) WatchWaiting(read func() int) {
	m.gauge("sandboxd_waiting_jails", "Jails that wait for a program now.", read)
}

// WatchTemplates registers counters that read at each scrape how many templates have started, and how many could not be started. It
// must be called only once.
func (m *Metrics) WatchTemplates(read func() (started, failed int)) {
	count := func(result string, value func() int) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "sandboxd_template_starts_total", Help: "Templates that were started (started), or could not be (failed), at first and as replacements.",
			ConstLabels: prometheus.Labels{"result": result},
		}, func() float64 { return float64(value()) }))
	}
	count("started", func() int { started, _ := read(); return started })
	count("failed", func() int { _, failed := read(); return failed })
}

// Connections is the part of connlimit.Listener that the metrics read. Its methods must be safe for concurrent use.
type Connections interface {
	Open() int
	ClosedForRoom() int
	RefusedFull() int
	RefusedClient() int
}

// WatchConnections registers metrics that read a listener at each scrape. It must be called once for each listener. listener is Public
// or Admin.
func (m *Metrics) WatchConnections(listener string, c Connections) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "sandboxd_connections", Help: "HTTP connections that are open now.",
		ConstLabels: prometheus.Labels{"listener": listener},
	}, func() float64 { return float64(c.Open()) }))
	count := func(name, help string, labels prometheus.Labels, read func() int) {
		labels["listener"] = listener
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(read()) }))
	}
	count("sandboxd_connections_closed_for_room_total", "Idle HTTP connections that were closed to make room for new ones.",
		prometheus.Labels{}, c.ClosedForRoom)
	const refused, why = "sandboxd_connections_refused_total", "HTTP connections that were refused because all connections (full), or all of the same client (client_full), had a request in progress."
	count(refused, why, prometheus.Labels{"reason": Full}, c.RefusedFull)
	count(refused, why, prometheus.Labels{"reason": ClientFull}, c.RefusedClient)
}

func (m *Metrics) gauge(name, help string, read func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
		func() float64 { return float64(read()) }))
}

// oneOf returns value if it is in the set, and otherwise the other value. It keeps a label set closed.
func oneOf(set []string, value, otherwise string) string {
	if slices.Contains(set, value) {
		return value
	}
	return otherwise
}
