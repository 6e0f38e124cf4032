// Package metrics holds every metric of the program, on a registry of its own. Label sets
// are closed: whatever is not in one is counted as "other".
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

// Listeners, as label values.
const (
	Public = "public"
	Admin  = "admin" // for health and metrics, where they have one of their own
)

// Why a connection is refused.
const (
	Full       = "full"        // every connection has a request under way
	ClientFull = "client_full" // every connection of its client has
)

// Reasons why a request is sent away before there is a run, or another answer.
const (
	QueueFull     = "queue_full"
	Draining      = "draining"
	BodyTooLarge  = "body_too_large"
	BodyMemory    = "body_memory"    // too many large bodies at once
	AnswerMemory  = "answer_memory"  // too many answers that their clients do not read
	BodyTimeout   = "body_timeout"   // it came too slowly
	InvalidBody   = "invalid_body"   // not JSON, or not the JSON that is asked for
	OriginRefused = "origin_refused" // from a web page that the configuration does not allow
	HostRefused   = "host_refused"   // it calls the service by a name that is not its own
	NotOffered    = "not_offered"    // it asks for an answer, or by a header for more, that there is not
	ClientGone    = "client_gone"    // while it sent its body, or waited in the queue
)

var reasons = []string{QueueFull, Draining, BodyTooLarge, BodyMemory, AnswerMemory, BodyTimeout, InvalidBody, OriginRefused, HostRefused, NotOffered, ClientGone}

const other = "other"

// Metrics is what the program counts. All methods may be called from several goroutines.
type Metrics struct {
	registry *prometheus.Registry
	stages   []string
	rules    []string
	calls    []string

	runs           *prometheus.CounterVec
	starts         *prometheus.CounterVec
	wallClockKills prometheus.Counter
	oomKills       prometheus.Counter
	setupErrors    *prometheus.CounterVec
	wall, cpu      prometheus.Histogram
	peakMemory     prometheus.Histogram
	setup          prometheus.Histogram
	queueWait      prometheus.Histogram
	denials        *prometheus.CounterVec
	truncated      *prometheus.CounterVec
	scanRejections *prometheus.CounterVec
	scansAbandoned prometheus.Counter
	rejected       *prometheus.CounterVec
	streams        *prometheus.CounterVec
	streamsOpen    prometheus.Gauge
	streamLost     *prometheus.CounterVec
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	layers         *prometheus.GaugeVec
}

// New returns the metrics of a program of this version. stages is the closed set of stages
// at which a sandbox can fail (jail.Stages), rules that of the scan (scan.Rules), calls that of the
// system calls whose denial is counted (Counted of the filter).
func New(version string, stages, rules, calls []string) *Metrics {
	r := prometheus.NewRegistry()
	m := &Metrics{
		registry: r,
		stages:   stages,
		rules:    rules,
		calls:    append(slices.Clone(calls), sandbox.DenialKilled, sandbox.DenialUnknown),

		runs:           counterVec(r, "sandboxd_runs_total", "Runs by how they ended.", "verdict"),
		starts:         counterVec(r, "sandboxd_starts_total", "Runs by how they started: in a jail that waited for a program (warm), or in one that was made for it (cold).", "start"),
		wallClockKills: counter(r, "sandboxd_wall_clock_kills_total", "Runs killed because the wall clock ran out."),
		oomKills:       counter(r, "sandboxd_oom_kills_total", "Runs killed because they wanted more memory than their limit."),
		setupErrors:    counterVec(r, "sandboxd_setup_errors_total", "Runs for which no sandbox could be set up, by the stage that failed.", "stage"),

		wall: histogram(r, "sandboxd_run_wall_seconds", "Wall time of the program, start of the interpreter included.",
			.01, .015, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		cpu: histogram(r, "sandboxd_run_cpu_seconds", "User and system time of a run, all its processes together.",
			.01, .015, .02, .03, .05, .075, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),
		peakMemory: histogram(r, "sandboxd_run_peak_memory_bytes", "Peak memory of a run, all its processes together.",
			prometheus.ExponentialBuckets(4<<20, 2, 10)...), // 4 MiB to 2 GiB
		setup: histogram(r, "sandboxd_jail_setup_seconds", "Time from the start of a run until its jail stood.",
			.0005, .001, .002, .003, .004, .005, .0075, .01, .015, .025, .05, .1, .5, 1),
		queueWait: histogram(r, "sandboxd_queue_wait_seconds", "Time that a run waited for a slot, 0 if one was free.",
			.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60),

		denials:        counterVec(r, "sandboxd_seccomp_denials_total", "System calls that the seccomp filter denied, by the call. What programs do without as a matter of course is left out.", "syscall"),
		truncated:      counterVec(r, "sandboxd_output_truncated_total", "Runs that wrote more to a stream than is kept.", "stream"),
		scanRejections: counterVec(r, "sandboxd_scan_rejections_total", "Programs that the scan refused, by the rule of the first finding.", "rule"),
		scansAbandoned: counter(r, "sandboxd_scans_abandoned_total", "Scans given up because the source was too much work. The run went on."),
		rejected:       counterVec(r, "sandboxd_requests_rejected_total", "Requests that were sent away: those for a run before there was one, others for their host or the page that sent them.", "reason"),
		streams:        counterVec(r, "sandboxd_streams_total", "Answers that were streams of events, by their type.", "type"),
		streamsOpen:    prometheus.NewGauge(prometheus.GaugeOpts{Name: "sandboxd_streams", Help: "Streams of events that are open now."}),
		streamLost:     counterVec(r, "sandboxd_stream_lost_bytes_total", "Output that a stream of events left out since its reader was slow.", "stream"),
		requests:       counterVec(r, "sandboxd_http_requests_total", "HTTP requests answered.", "route", "code"),
		requestSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "sandboxd_http_request_duration_seconds",
			Help:    "Time from the head of a request to the end of its answer.",
			Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route"}),
		layers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "sandboxd_isolation_layer_info",
			Help: "The layers of the isolation and the state of each, as found at start. Always 1.",
		}, []string{"layer", "state"}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "sandboxd_build_info",
		Help: "What this program was built from. Always 1.",
	}, []string{"version", "goversion"})
	build.WithLabelValues(version, runtime.Version()).Set(1)

	r.MustRegister(m.requestSeconds, m.layers, m.streamsOpen, build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	// A series that appears with its first event hides that event from rate().
	for _, v := range sandbox.Verdicts {
		m.runs.WithLabelValues(string(v))
	}
	zero(m.starts, sandbox.Warm, sandbox.Cold)
	zero(m.setupErrors, append(slices.Clone(stages), other)...)
	zero(m.scanRejections, append(slices.Clone(rules), other)...)
	zero(m.denials, m.calls...)
	zero(m.truncated, "stdout", "stderr")
	zero(m.streamLost, "stdout", "stderr")
	zero(m.rejected, append(slices.Clone(reasons), other)...)
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

// Gatherer is the registry, to be read.
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
	}
	m.setup.Observe((o.Timing.Clone + o.Timing.Setup).Seconds())
	m.wall.Observe(o.Timing.Program.Seconds())
	m.cpu.Observe(o.Usage.CPU.Seconds())
	if o.Usage.PeakMemory > 0 { // otherwise it is not known
		m.peakMemory.Observe(float64(o.Usage.PeakMemory))
	}
	for call, n := range o.Denials {
		m.denials.WithLabelValues(oneOf(m.calls, call, sandbox.DenialUnknown)).Add(float64(n))
	}
	for _, stream := range o.Truncated() {
		m.truncated.WithLabelValues(stream).Inc()
	}
}

// StreamBegan counts a stream of events, of which the caller keeps the set of types closed, until ended is called.
func (m *Metrics) StreamBegan(contentType string) (ended func()) {
	m.streams.WithLabelValues(contentType).Inc()
	m.streamsOpen.Inc()
	return m.streamsOpen.Dec
}

// StreamLost counts output that a stream of events left out.
func (m *Metrics) StreamLost(stream string, bytes int64) {
	m.streamLost.WithLabelValues(oneOf([]string{"stdout", "stderr"}, stream, other)).Add(float64(bytes))
}

// RunCancelled counts a run that its client gave up before the program was started.
func (m *Metrics) RunCancelled() { m.runs.WithLabelValues(string(sandbox.Cancelled)).Inc() }

// RunFailed counts a run whose sandbox failed, at this stage.
func (m *Metrics) RunFailed(stage string) {
	m.runs.WithLabelValues(string(sandbox.Failed)).Inc()
	m.setupErrors.WithLabelValues(oneOf(m.stages, stage, other)).Inc()
}

// RunLeftBehind counts a run that was answered, and of which something is left: a failure of the sandbox at this stage.
func (m *Metrics) RunLeftBehind(stage string) {
	m.setupErrors.WithLabelValues(oneOf(m.stages, stage, other)).Inc()
}

// ScanAbandoned counts a scan that gave up.
func (m *Metrics) ScanAbandoned() { m.scansAbandoned.Inc() }

// Queued records how long a run waited for its slot.
func (m *Metrics) Queued(wait time.Duration) { m.queueWait.Observe(wait.Seconds()) }

// RequestRejected counts a request for a run that was sent away, for one of the reasons above.
func (m *Metrics) RequestRejected(reason string) {
	m.rejected.WithLabelValues(oneOf(reasons, reason, other)).Inc()
}

// Request counts an answered HTTP request. The caller keeps the set of routes closed.
func (m *Metrics) Request(route string, code int, d time.Duration) {
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.requestSeconds.WithLabelValues(route).Observe(d.Seconds())
}

// SetLayer says in which state a layer of the isolation is. A layer has one state at a time.
func (m *Metrics) SetLayer(layer, state string) {
	m.layers.DeletePartialMatch(prometheus.Labels{"layer": layer})
	m.layers.WithLabelValues(layer, state).Set(1)
}

// Gate is what is read from the admission of runs.
type Gate interface {
	Slots() int
	Room() int
	InFlight() int
	Depth() int
}

// Watch makes gauges of a gate, which are read at each scrape. It is called once.
func (m *Metrics) Watch(g Gate) {
	m.gauge("sandboxd_runs_in_flight", "Runs that hold a slot now.", g.InFlight)
	m.gauge("sandboxd_run_slots", "Runs that there can be at once.", g.Slots)
	m.gauge("sandboxd_queue_depth", "Runs that wait for a slot now.", g.Depth)
	m.gauge("sandboxd_queue_slots", "Runs that can wait for a slot at once.", g.Room)
}

// WatchWaiting makes a gauge of how many jails wait for a program. It is called once.
func (m *Metrics) WatchWaiting(read func() int) {
	m.gauge("sandboxd_waiting_jails", "Jails that wait for a program now.", read)
}

// Connections are what is read from a listener.
type Connections interface {
	Open() int
	ClosedForRoom() int
	RefusedFull() int
	RefusedClient() int
}

// WatchConnections makes metrics of the connections of a listener, which are read at each scrape. It is called once
// for each of Public and Admin that there is.
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
	const refused, why = "sandboxd_connections_refused_total", "HTTP connections that were refused because all others had a request under way: of all (full), or of the same client (client_full)."
	count(refused, why, prometheus.Labels{"reason": Full}, c.RefusedFull)
	count(refused, why, prometheus.Labels{"reason": ClientFull}, c.RefusedClient)
}

func (m *Metrics) gauge(name, help string, read func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
		func() float64 { return float64(read()) }))
}

// oneOf keeps a label set closed.
func oneOf(set []string, value, otherwise string) string {
	if slices.Contains(set, value) {
		return value
	}
	return otherwise
}
