package metrics

import (
	"bytes"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/promtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// used returns metrics in which every series has a value.
func used(t *testing.T) *Metrics {
	t.Helper()
	m := New("v0.0.0-test", []string{"clone", "cgroup"}, []string{"module", "builtin"}, []string{"ptrace", "setuid"})
	m.Watch(admission.New(2, 8))
	m.WatchWaiting(func() int { return 3 })
	m.WatchTemplates(func() (int, int) { return 2, 1 })
	m.WatchConnections(Public, connections{4, 3, 2, 1})
	m.WatchConnections(Admin, connections{})
	for _, v := range []sandbox.Verdict{sandbox.Exited, sandbox.Signaled, sandbox.Timeout, sandbox.OOM, sandbox.CPULimit, sandbox.Cancelled} {
		m.RunEnded(&sandbox.Outcome{
			Verdict: v, Warm: v == sandbox.Exited,
			Timing: sandbox.Timing{Clone: time.Millisecond, Setup: 2 * time.Millisecond, Program: time.Second},
			Usage:  sandbox.Usage{CPU: time.Second, PeakMemory: 10 << 20},
			Stdout: sandbox.Output{Total: 1}, Stderr: sandbox.Output{Total: 1}, // both truncated: nothing is kept
			Displays: make([]sandbox.Display, 2), LostDisplays: 1, Files: make([]sandbox.File, 3), LostFiles: 4,
			Denials: map[string]int{"ptrace": 3, sandbox.DenialKilled: 1, "a call nobody knows": 2},
		})
	}
	for _, rule := range []string{"module", "a rule nobody knows"} {
		m.RunEnded(&sandbox.Outcome{Verdict: sandbox.Rejected, Findings: []sandbox.Finding{{Rule: rule}}})
	}
	m.RunCancelled()
	m.RunFailed("clone")
	m.RunFailed("a stage nobody knows")
	m.ScanAbandoned()
	m.SpansExported(7, true)
	m.SpansExported(3, false)
	m.Queued(0)
	m.RequestRejected(QueueFull)
	m.RequestRejected("a reason nobody knows")
	m.Request("/playground/execute", 200, time.Second)
	m.SetLayer("seccomp", "enforced")
	return m
}

// connections are the numbers of connections: open, closed for room, refused in total, refused for one client.
type connections [4]int

func (c connections) Open() int          { return c[0] }
func (c connections) ClosedForRoom() int { return c[1] }
func (c connections) RefusedFull() int   { return c[2] }
func (c connections) RefusedClient() int { return c[3] }

func value(t *testing.T, m *Metrics, series string) string {
	t.Helper()
	for line := range strings.Lines(exposition(m)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), series+" "); ok {
			return v
		}
	}
	return "absent"
}

func exposition(m *Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func TestNamesAndHelpsFollowPrometheusRules(t *testing.T) {
	problems, err := testutil.GatherAndLint(used(t).Gatherer())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestSeriesExistFromTheStart(t *testing.T) {
	m := New("v0.0.0-test", []string{"clone"}, []string{"module"}, []string{"ptrace"})
	for _, series := range []string{
		`sandboxd_runs_total{verdict="exited"}`,
		`sandboxd_runs_total{verdict="signaled"}`,
		`sandboxd_runs_total{verdict="timeout"}`,
		`sandboxd_runs_total{verdict="oom"}`,
		`sandboxd_runs_total{verdict="rejected"}`,
		`sandboxd_runs_total{verdict="cancelled"}`,
		`sandboxd_runs_total{verdict="error"}`,
		`sandboxd_starts_total{start="warm"}`,
		`sandboxd_starts_total{start="cold"}`,
		`sandboxd_wall_clock_kills_total`,
		`sandboxd_cpu_limit_kills_total`,
		`sandboxd_results_total{kind="display",result="lost"}`,
		`sandboxd_results_total{kind="file",result="returned"}`,
		`sandboxd_oom_kills_total`,
		`sandboxd_setup_errors_total{stage="clone"}`,
		`sandboxd_scan_rejections_total{rule="module"}`,
		`sandboxd_scans_abandoned_total`,
		`sandboxd_trace_spans_total{result="failed"}`,
		`sandboxd_setup_errors_total{stage="other"}`,
		`sandboxd_seccomp_denials_total{syscall="ptrace"}`,
		`sandboxd_seccomp_denials_total{syscall="killed"}`,
		`sandboxd_seccomp_denials_total{syscall="unknown"}`,
		`sandboxd_output_truncated_total{stream="stdout"}`,
		`sandboxd_requests_rejected_total{reason="queue_full"}`,
		`sandboxd_requests_rejected_total{reason="draining"}`,
		`sandboxd_requests_rejected_total{reason="answer_memory"}`,
		`sandboxd_requests_rejected_total{reason="host_refused"}`,
		`sandboxd_run_wall_seconds_count`,
		`sandboxd_run_cpu_seconds_count`,
		`sandboxd_run_peak_memory_bytes_count`,
		`sandboxd_jail_setup_seconds_count`,
		`sandboxd_queue_wait_seconds_count`,
	} {
		if got := value(t, m, series); got != "0" {
			t.Errorf("%s = %s, want 0", series, got)
		}
	}
}

func TestEventsAreCounted(t *testing.T) {
	m := used(t)
	for series, want := range map[string]string{
		`sandboxd_runs_total{verdict="exited"}`:                                      "1",
		`sandboxd_runs_total{verdict="cancelled"}`:                                   "2",
		`sandboxd_runs_total{verdict="error"}`:                                       "2",
		`sandboxd_runs_total{verdict="rejected"}`:                                    "2",
		`sandboxd_starts_total{start="warm"}`:                                        "1",
		`sandboxd_starts_total{start="cold"}`:                                        "5",
		`sandboxd_waiting_jails`:                                                     "3",
		`sandboxd_wall_clock_kills_total`:                                            "1",
		`sandboxd_cpu_limit_kills_total`:                                             "1",
		`sandboxd_results_total{kind="display",result="returned"}`:                   "12",
		`sandboxd_results_total{kind="display",result="lost"}`:                       "6",
		`sandboxd_results_total{kind="file",result="returned"}`:                      "18",
		`sandboxd_results_total{kind="file",result="lost"}`:                          "24",
		`sandboxd_oom_kills_total`:                                                   "1",
		`sandboxd_setup_errors_total{stage="clone"}`:                                 "1",
		`sandboxd_setup_errors_total{stage="other"}`:                                 "1",
		`sandboxd_requests_rejected_total{reason="other"}`:                           "1",
		`sandboxd_scan_rejections_total{rule="module"}`:                              "1",
		`sandboxd_seccomp_denials_total{syscall="ptrace"}`:                           "18",
		`sandboxd_seccomp_denials_total{syscall="setuid"}`:                           "0",
		`sandboxd_seccomp_denials_total{syscall="killed"}`:                           "6",
		`sandboxd_seccomp_denials_total{syscall="unknown"}`:                          "12",
		`sandboxd_output_truncated_total{stream="stderr"}`:                           "6",
		`sandboxd_run_peak_memory_bytes_count`:                                       "6",
		`sandboxd_http_requests_total{code="200",route="/playground/execute"}`:       "1",
		`sandboxd_isolation_layer_info{layer="seccomp",state="enforced"}`:            "1",
		`sandboxd_connections{listener="public"}`:                                    "4",
		`sandboxd_connections{listener="admin"}`:                                     "0",
		`sandboxd_connections_closed_for_room_total{listener="public"}`:              "3",
		`sandboxd_connections_closed_for_room_total{listener="admin"}`:               "0",
		`sandboxd_connections_refused_total{listener="public",reason="full"}`:        "2",
		`sandboxd_connections_refused_total{listener="public",reason="client_full"}`: "1",
		`sandboxd_connections_refused_total{listener="admin",reason="full"}`:         "0",
		`sandboxd_run_slots`:                                                         "2",
		`sandboxd_queue_slots`:                                                       "8",
		`sandboxd_template_starts_total{result="started"}`:                           "2",
		`sandboxd_template_starts_total{result="failed"}`:                            "1",
		`sandboxd_trace_spans_total{result="sent"}`:                                  "7",
		`sandboxd_trace_spans_total{result="failed"}`:                                "3",
		`sandboxd_queue_depth`:                                                       "0",
	} {
		if got := value(t, m, series); got != want {
			t.Errorf("%s = %s, want %s", series, got, want)
		}
	}
	m.SetLayer("seccomp", "off")
	if got := value(t, m, `sandboxd_isolation_layer_info{layer="seccomp",state="enforced"}`); got != "absent" {
		t.Error("a layer has two states")
	}
	for _, prefix := range []string{"go_goroutines", "process_open_fds", "sandboxd_build_info{"} {
		if !slices.ContainsFunc(strings.Split(exposition(m), "\n"), func(l string) bool { return strings.HasPrefix(l, prefix) }) {
			t.Errorf("no %s", prefix)
		}
	}
}

func TestPromtoolReportsNothing(t *testing.T) {
	promtool := promtest.Tool(t, "promtool")
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(exposition(used(t)))
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Run(); err != nil || said.Len() > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, &said)
	}
}
