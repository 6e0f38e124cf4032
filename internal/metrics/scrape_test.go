package metrics

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// prometheusTool finds a program of Prometheus in SANDBOXD_PROMETHEUS_DIR or in PATH. Without it the test is skipped, or fails if
// SANDBOXD_TEST_STRICT is 1.
func prometheusTool(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("SANDBOXD_PROMETHEUS_DIR"); dir != "" {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		testenv.Missing(t, "%s: set SANDBOXD_PROMETHEUS_DIR to a directory that has it", name)
	}
	return path
}

func TestRealPrometheusScrapesEverySecond(t *testing.T) {
	program := prometheusTool(t, "prometheus")
	target := httptest.NewServer(used(t).Handler())
	defer target.Close()

	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	err := os.WriteFile(config, fmt.Appendf(nil, `
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: sandboxd
    metrics_path: /
    static_configs: [{targets: [%q]}]
`, strings.TrimPrefix(target.URL, "http://")), 0o600)
	if err != nil {
		t.Fatal(err)
	}

	addr := freeAddr(t)
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	cmd := exec.CommandContext(t.Context(), program,
		"--config.file="+config,
		"--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = output, output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() {
		_ = cmd.Process.Kill()
		<-ended
	}()

	deadline := time.After(60 * time.Second)
	for _, query := range []string{
		`up{job="sandboxd"} == 1`,
		`sandboxd_build_info{version="v0.0.0-test"}`,
		`sandboxd_runs_total{verdict="timeout"} == 1`,
		`histogram_quantile(0.5, sandboxd_run_wall_seconds_bucket)`,
		// Two scrapes have succeeded.
		`count_over_time(up{job="sandboxd"}[1m]) >= 2`,
	} {
		for !answers(t, addr, query) {
			select {
			case err := <-ended:
				said, _ := os.ReadFile(output.Name())
				t.Fatalf("prometheus ended: %v\n%s", err, said)
			case <-deadline:
				said, _ := os.ReadFile(output.Name())
				t.Fatalf("%s has no answer\n%s", query, said)
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
}

// answers reports whether a query returns at least one series.
func answers(t *testing.T, addr, query string) bool {
	t.Helper()
	resp, err := http.Get("http://" + addr + "/api/v1/query?query=" + url.QueryEscape(query))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var answer struct {
		Status string
		Data   struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return false
	}
	return answer.Status == "success" && len(answer.Data.Result) > 0
}

// freeAddr returns a free loopback address. Prometheus cannot listen on port 0 and report the port.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
