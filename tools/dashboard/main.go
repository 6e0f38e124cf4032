// Command dashboard writes the Grafana dashboard deploy/grafana/sandboxd.json to standard output. The Foundation SDK has the types of
// Grafana's own schema, and checks what it builds. "make dashboard" calls it.
//
// The dashboard has the classic schema. The SDK prefers the schema v2, but Grafana before version 12 cannot import that.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/table"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/grafana/grafana-foundation-sdk/go/units"
)

func main() {
	text, err := build()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dashboard:", err)
		os.Exit(1)
	}
	os.Stdout.Write(text)
}

// build returns the dashboard as indented JSON.
func build() ([]byte, error) {
	b := dashboard.NewDashboardBuilder("sandboxd").
		Uid("sandboxd").
		Description("Runs of untrusted programs: load, verdicts, latency, isolation. The alerts and what to do at each: docs/monitoring.md.").
		Tags([]string{"sandboxd"}).
		Editable().
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		Time("now-6h", "now").
		Refresh("30s").
		Timezone(common.TimeZoneBrowser).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus")).
		WithVariable(variable("job", "Job", "label_values(sandboxd_build_info, job)")).
		WithVariable(variable("instance", "Instance", `label_values(sandboxd_build_info{job=~"$job"}, instance)`))
	id := uint32(0)
	next := func() uint32 { id++; return id }
	for _, r := range rows {
		b.WithRow(dashboard.NewRowBuilder(r.title).Id(next()))
		for _, p := range r.panels {
			b.WithPanel(p.build(next()))
		}
	}
	built, err := b.Build()
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(built, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := check(text); err != nil {
		return nil, err
	}
	return append(bytes.TrimSpace(text), '\n'), nil
}

// check reads a dashboard strictly: it refuses a field that the schema does not have, also in the options and queries of the panels.
func check(text []byte) error {
	known := cog.NewRuntime()
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(table.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	var read dashboard.Dashboard
	// The error of a method is never a nil interface: without a fault it is an empty list.
	if faults, ok := read.UnmarshalJSONStrict(text).(cog.BuildErrors); !ok || len(faults) > 0 {
		return fmt.Errorf("the dashboard does not fit the schema: %v", faults)
	}
	return read.Validate()
}

// variable returns a variable whose values are those of a label. By default all of them are selected: Grafana then lists them, so that
// a query for "up" does not find targets of other jobs.
func variable(name, label, query string) *dashboard.QueryVariableBuilder {
	all := dashboard.VariableOption{
		Selected: yes(),
		Text:     dashboard.StringOrArrayOfString{ArrayOfString: []string{"All"}},
		Value:    dashboard.StringOrArrayOfString{ArrayOfString: []string{"$__all"}},
	}
	return dashboard.NewQueryVariableBuilder(name).Label(label).Datasource(source()).
		Query(dashboard.StringOrMap{String: &query}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc).
		Multi(true).IncludeAll(true).Current(all)
}

func yes() *bool { v := true; return &v }

func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

// query is one query of a panel. In expr, {} stands for the selected jobs and instances, {, for these and more labels.
type query struct{ expr, legend string }

func (q query) target(n int) *prometheus.DataqueryBuilder {
	const selected = `job=~"$job", instance=~"$instance"`
	expr := strings.NewReplacer("{}", "{"+selected+"}", "{,", "{"+selected+",").Replace(q.expr)
	return prometheus.NewDataqueryBuilder().Datasource(source()).Expr(expr).LegendFormat(q.legend).RefId(string(rune('A' + n)))
}

// panel is a panel of a row. A row is 24 units wide.
type panel interface {
	build(id uint32) cog.Builder[dashboard.Panel]
}

// graph shows queries over time.
type graph struct {
	title, about, unit string
	stacked            bool
	queries            []query
}

func (g graph) build(id uint32) cog.Builder[dashboard.Panel] {
	b := timeseries.NewPanelBuilder().Id(id).Title(g.title).Description(g.about).Datasource(source()).Unit(g.unit).Min(0).
		Span(8).Height(8).LineWidth(1).ShowPoints(common.VisibilityModeNever).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom)).
		Tooltip(common.NewVizTooltipOptionsBuilder().Mode(common.TooltipDisplayModeMulti).Sort(common.SortOrderDescending))
	if g.stacked {
		b.FillOpacity(40).Stacking(common.NewStackingConfigBuilder().Mode(common.StackingModeNormal))
	}
	for n, q := range g.queries {
		b.WithTarget(q.target(n))
	}
	return b
}

// number shows the last value of a query. It is red from bad on, if bad is not 0.
type number struct {
	title, about, unit string
	bad                float64
	query              query
}

func (s number) build(id uint32) cog.Builder[dashboard.Panel] {
	steps := []dashboard.Threshold{{Color: "green"}}
	if s.bad != 0 {
		steps = append(steps, dashboard.Threshold{Value: &s.bad, Color: "red"})
	}
	return stat.NewPanelBuilder().Id(id).Title(s.title).Description(s.about).Datasource(source()).Unit(s.unit).
		Span(4).Height(4).NoValue("none").
		GraphMode(common.BigValueGraphModeNone).ColorMode(common.BigValueColorModeValue).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps)).
		WithTarget(s.query.target(0).Instant())
}

// list shows the series of a query as a table.
type list struct {
	title, about string
	query        query
}

func (l list) build(id uint32) cog.Builder[dashboard.Panel] {
	return table.NewPanelBuilder().Id(id).Title(l.title).Description(l.about).Datasource(source()).Span(8).Height(8).
		Footer(common.NewTableFooterOptionsBuilder().Show(false).Reducer([]string{"sum"})).
		WithTarget(l.query.target(0).Format(prometheus.PromQueryFormatTable).Instant()).
		WithTransformation(dashboard.DataTransformerConfig{Id: "organize", Options: map[string]any{
			"excludeByName": map[string]bool{"Time": true, "Value": true},
		}})
}

// quantiles returns queries for the quantiles of a histogram without labels of its own.
func quantiles(metric string) (queries []query) {
	for _, q := range []string{"0.5", "0.95", "0.99"} {
		queries = append(queries, query{
			fmt.Sprintf("histogram_quantile(%s, sum by (le) (rate(%s_bucket{}[$__rate_interval])))", q, metric),
			"p" + strings.TrimPrefix(q+"0", "0.")[:2],
		})
	}
	return queries
}

type row struct {
	title  string
	panels []panel
}

var rows = []row{
	{"Overview", []panel{
		number{"Daemons", "How many daemons answer the scrape.", units.Short, 0,
			query{`count(up{} == 1)`, ""}},
		number{"Runs", "Runs per second.", units.CountsPerSecond, 0,
			query{`sum(rate(sandboxd_runs_total{}[$__rate_interval]))`, ""}},
		number{"Requests that fail", "The share of requests for runs with an answer of 500 or above. The objective is 0.1 %.", units.PercentUnit, 0.001,
			query{`max(job:sandboxd_run_request_errors:ratio_rate5m{job=~"$job"})`, ""}},
		number{"Slots taken", "The share of the slots that runs hold now.", units.PercentUnit, 0.9,
			query{`sum(sandboxd_runs_in_flight{}) / sum(sandboxd_run_slots{})`, ""}},
		number{"Runs in the queue", "Runs that wait for a slot now.", units.Short, 0,
			query{`sum(sandboxd_queue_depth{})`, ""}},
		number{"Sandbox failures", "Failures of the last hour to set up or remove a jail.", units.Short, 1,
			query{`sum(increase(sandboxd_setup_errors_total{}[1h]))`, ""}},
	}},
	{"Traffic", []panel{
		graph{"Requests by route", "HTTP requests per second. Other paths are counted as other.", units.RequestsPerSecond, true, []query{
			{`sum by (route) (rate(sandboxd_http_requests_total{}[$__rate_interval]))`, "{{route}}"}}},
		graph{"Requests by status", "HTTP requests per second. 499 means that the client did not wait for the answer.", units.RequestsPerSecond, true, []query{
			{`sum by (code) (rate(sandboxd_http_requests_total{}[$__rate_interval]))`, "{{code}}"}}},
		graph{"Streams", "Answers that are sent as events: those that are open now, and new ones per second by media type.", units.Short, false, []query{
			{`sum(sandboxd_streams{})`, "open"},
			{`sum by (type) (rate(sandboxd_streams_total{}[$__rate_interval]))`, "{{type}} per second"}}},
	}},
	{"Objectives", []panel{
		graph{"Requests that fail", "The share of requests for runs with an answer of 500 or above. The objective is 0.1 %.", units.PercentUnit, false, []query{
			{`job:sandboxd_run_request_errors:ratio_rate5m{job=~"$job"}`, "{{job}} 5 min"},
			{`job:sandboxd_run_request_errors:ratio_rate1h{job=~"$job"}`, "{{job}} 1 h"},
			{`job:sandboxd_run_request_errors:ratio_rate6h{job=~"$job"}`, "{{job}} 6 h"}}},
		graph{"Runs that wait longer than a second", "The share of runs. The objective is 1 %.", units.PercentUnit, false, []query{
			{`job:sandboxd_queue_wait_slow:ratio_rate5m{job=~"$job"}`, "{{job}} 5 min"},
			{`job:sandboxd_queue_wait_slow:ratio_rate1h{job=~"$job"}`, "{{job}} 1 h"}}},
		graph{"Jails that need longer than half a second", "The share of jails. The objective is 1 %.", units.PercentUnit, false, []query{
			{`job:sandboxd_jail_setup_slow:ratio_rate5m{job=~"$job"}`, "{{job}} 5 min"},
			{`job:sandboxd_jail_setup_slow:ratio_rate1h{job=~"$job"}`, "{{job}} 1 h"}}},
	}},
	{"Verdicts", []panel{
		graph{"Runs by verdict", "How runs ended. error means that the sandbox failed and not the program.", units.CountsPerSecond, true, []query{
			{`sum by (verdict) (rate(sandboxd_runs_total{}[$__rate_interval]))`, "{{verdict}}"}}},
		graph{"Programs that the policy refuses", "By the rule of the first finding.", units.CountsPerSecond, true, []query{
			{`sum by (rule) (rate(sandboxd_scan_rejections_total{}[$__rate_interval]))`, "{{rule}}"},
			{`sum(rate(sandboxd_scans_abandoned_total{}[$__rate_interval]))`, "scan gave up"}}},
		graph{"Starts", "Runs in a waiting jail (warm) and in a jail that was made for them (cold); jails that wait now.", units.Short, false, []query{
			{`sum by (start) (rate(sandboxd_starts_total{}[$__rate_interval]))`, "{{start}} per second"},
			{`sum(sandboxd_waiting_jails{})`, "waiting now"}}},
	}},
	{"Latency by phase", []panel{
		graph{"Queue", "Time that a run waited for a slot.", units.Seconds, false, quantiles("sandboxd_queue_wait_seconds")},
		graph{"Set-up", "Time until the jail was set up.", units.Seconds, false, quantiles("sandboxd_jail_setup_seconds")},
		graph{"Program", "Wall-clock time of the program.", units.Seconds, false, quantiles("sandboxd_run_wall_seconds")},
		graph{"Requests by route, p95", "Time from the header of a request to the end of its answer.", units.Seconds, false, []query{
			{`histogram_quantile(0.95, sum by (le, route) (rate(sandboxd_http_request_duration_seconds_bucket{}[$__rate_interval])))`, "{{route}}"}}},
		graph{"CPU time", "User and system time of all processes of a run.", units.Seconds, false, quantiles("sandboxd_run_cpu_seconds")},
		graph{"Peak memory", "Peak memory of all processes of a run.", units.BytesIEC, false, quantiles("sandboxd_run_peak_memory_bytes")},
	}},
	{"Saturation", []panel{
		graph{"Slots", "Runs that hold a slot, and how many can.", units.Short, false, []query{
			{`sum by (instance) (sandboxd_runs_in_flight{})`, "{{instance}}"},
			{`sum by (instance) (sandboxd_run_slots{})`, "{{instance}} maximum"}}},
		graph{"Queue", "Runs that wait for a slot, and how many can.", units.Short, false, []query{
			{`sum by (instance) (sandboxd_queue_depth{})`, "{{instance}}"},
			{`sum by (instance) (sandboxd_queue_slots{})`, "{{instance}} maximum"}}},
		graph{"Connections", "HTTP connections that are open, by listener.", units.Short, false, []query{
			{`sum by (instance, listener) (sandboxd_connections{})`, "{{instance}} {{listener}}"}}},
		graph{"Processors used by the daemon", "Without its runs.", units.Short, false, []query{
			{`sum by (instance) (rate(process_cpu_seconds_total{}[$__rate_interval]))`, "{{instance}}"}}},
		graph{"Memory of the daemon", "Resident memory, without its runs.", units.BytesIEC, false, []query{
			{`sum by (instance) (process_resident_memory_bytes{})`, "{{instance}}"}}},
		graph{"File descriptors of the daemon", "The share of those that it may open.", units.PercentUnit, false, []query{
			{`process_open_fds{} / process_max_fds{}`, "{{instance}}"}}},
	}},
	{"Sandbox", []panel{
		graph{"Failures by stage", "Runs whose jail could not be set up or removed, in 5 minutes.", units.Short, true, []query{
			{`sum by (stage) (increase(sandboxd_setup_errors_total{}[5m])) > 0`, "{{stage}}"}}},
		graph{"Denied system calls", "The ten calls that the filter denies most often.", units.CountsPerSecond, false, []query{
			{`topk(10, sum by (syscall) (rate(sandboxd_seccomp_denials_total{}[$__rate_interval]))) > 0`, "{{syscall}}"}}},
		graph{"Starts of templates", "With engine fork: in an hour, by result.", units.Short, false, []query{
			{`sum by (result) (increase(sandboxd_template_starts_total{}[1h]))`, "{{result}}"}}},
		list{"Layers", "The state of each layer of the isolation, as found when the daemon started.",
			query{`max by (instance, layer, state) (sandboxd_isolation_layer_info{})`, ""}},
		list{"Versions", "What runs where.",
			query{`max by (instance, version, goversion) (sandboxd_build_info{})`, ""}},
		graph{"Time since the start", "A line that falls to 0 is a restart.", units.Seconds, false, []query{
			{`time() - process_start_time_seconds{}`, "{{instance}}"}}},
	}},
	{"Limits", []panel{
		graph{"Runs killed", "Because of the wall clock, memory, and CPU time.", units.CountsPerSecond, true, []query{
			{`sum(rate(sandboxd_wall_clock_kills_total{}[$__rate_interval]))`, "wall clock"},
			{`sum(rate(sandboxd_oom_kills_total{}[$__rate_interval]))`, "memory"},
			{`sum(rate(sandboxd_cpu_limit_kills_total{}[$__rate_interval]))`, "CPU time"}}},
		graph{"Output beyond the limit", "Runs whose output was cut, by stream; displays and files that were lost.", units.CountsPerSecond, false, []query{
			{`sum by (stream) (rate(sandboxd_output_truncated_total{}[$__rate_interval]))`, "{{stream}} cut"},
			{`sum by (kind) (rate(sandboxd_results_total{,result="lost"}[$__rate_interval]))`, "{{kind}} lost"}}},
		graph{"Displays and files", "Those that runs returned.", units.CountsPerSecond, false, []query{
			{`sum by (kind) (rate(sandboxd_results_total{,result="returned"}[$__rate_interval]))`, "{{kind}}"}}},
	}},
	{"Callers", []panel{
		graph{"Refused requests", "Requests that were refused before there was a run, by reason.", units.RequestsPerSecond, true, []query{
			{`sum by (reason) (rate(sandboxd_requests_rejected_total{}[$__rate_interval])) > 0`, "{{reason}}"}}},
		graph{"Refused connections", "By listener and reason; idle connections that made room for new ones.", units.CountsPerSecond, false, []query{
			{`sum by (listener, reason) (rate(sandboxd_connections_refused_total{}[$__rate_interval]))`, "{{listener}} {{reason}}"},
			{`sum by (listener) (rate(sandboxd_connections_closed_for_room_total{}[$__rate_interval]))`, "{{listener}} closed for room"}}},
		graph{"Slow readers", "Output that a stream of events dropped because its client read too slowly.", units.BytesPerSecondIEC, false, []query{
			{`sum by (stream) (rate(sandboxd_stream_lost_bytes_total{}[$__rate_interval]))`, "{{stream}}"}}},
	}},
	{"Records and traces", []panel{
		graph{"Records of refusals", "Requests for runs that were refused, with a record in the log and without one.", units.CountsPerSecond, false, []query{
			{`sum by (logged) (rate(sandboxd_runs_refused_total{}[$__rate_interval]))`, "logged {{logged}}"}}},
		graph{"Spans", "Spans that the collector has received, and that it has not.", units.CountsPerSecond, false, []query{
			{`sum by (result) (rate(sandboxd_trace_spans_total{}[$__rate_interval]))`, "{{result}}"}}},
	}},
}
