package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/sandboxd/sandboxd/internal/promtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The files for Prometheus and Grafana, against the running daemon.

const deployed = "../../deploy/"

// ruleFile is a file of rules of Prometheus.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Record, Expr string
			Labels, Annotations map[string]string
		}
	}
}

func readYAML(t *testing.T, name string, to any) {
	t.Helper()
	text, err := os.ReadFile(deployed + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestRulesPassPromtool checks the syntax of the rules and of the example configuration, and runs the tests of the alerts.
func TestRulesPassPromtool(t *testing.T) {
	promtool := promtest.Tool(t, "promtool")
	for _, arguments := range [][]string{
		{"check", "rules", "--lint-fatal", "alerts.yaml", "recording.yaml"},
		{"check", "config", "prometheus.yaml"},
		{"test", "rules", "alerts_test.yaml"},
	} {
		cmd := exec.CommandContext(t.Context(), promtool, arguments...)
		cmd.Dir = deployed + "prometheus"
		if said, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(arguments, " "), err, said)
		}
	}
}

var heading = regexp.MustCompile(`(?m)^#+ (Sandboxd\w+)$`)

// TestAlertsAreComplete checks that each alert has a test in which it fires and one in which it does not, texts for people, and a section
// of the documentation that says what to do.
func TestAlertsAreComplete(t *testing.T) {
	var rules ruleFile
	readYAML(t, "prometheus/alerts.yaml", &rules)
	var tests struct {
		Tests []struct {
			Checks []struct {
				Alert    string `yaml:"alertname"`
				Expected []any  `yaml:"exp_alerts"`
			} `yaml:"alert_rule_test"`
		}
	}
	readYAML(t, "prometheus/alerts_test.yaml", &tests)
	fires, silent := map[string]bool{}, map[string]bool{}
	for _, test := range tests.Tests {
		for _, check := range test.Checks {
			if len(check.Expected) > 0 {
				fires[check.Alert] = true
			} else {
				silent[check.Alert] = true
			}
		}
	}
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]bool{}
	for _, found := range heading.FindAllSubmatch(page, -1) {
		sections[string(found[1])] = true
	}
	for _, group := range rules.Groups {
		for _, rule := range group.Rules {
			if !fires[rule.Alert] || !silent[rule.Alert] {
				t.Errorf("%s: there is a test in which it fires: %v; one in which it does not: %v", rule.Alert, fires[rule.Alert], silent[rule.Alert])
			}
			if !slices.Contains([]string{"critical", "warning", "info"}, rule.Labels["severity"]) {
				t.Errorf("%s has the severity %q", rule.Alert, rule.Labels["severity"])
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s has no summary or no description", rule.Alert)
			}
			_, anchor, _ := strings.Cut(rule.Annotations["runbook_url"], "docs/monitoring.md#")
			if _, text, _ := strings.Cut(string(page), "### "+rule.Alert+"\n"); !strings.Contains(strings.SplitN(text, "### ", 2)[0], "("+rule.Labels["severity"]+")") {
				t.Errorf("the section of %s does not say that it is %s", rule.Alert, rule.Labels["severity"])
			}
			if !sections[rule.Alert] || anchor != strings.ToLower(rule.Alert) {
				t.Errorf("%s: docs/monitoring.md has a section of that name: %v; the link goes to %q", rule.Alert, sections[rule.Alert], anchor)
			}
			delete(sections, rule.Alert)
		}
	}
	for name := range sections {
		t.Errorf("docs/monitoring.md has a section %s, but there is no such alert", name)
	}
}

// TestDashboardIsCurrent builds the dashboard again.
func TestDashboardIsCurrent(t *testing.T) {
	if testenv.InLab() {
		t.Skip("the lab has no Go")
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "run", ".")
	cmd.Dir, cmd.Stderr = "../../tools/dashboard", &stderr
	built, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	stored, err := os.ReadFile(deployed + "grafana/sandboxd.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, stored) {
		t.Error("deploy/grafana/sandboxd.json is not what tools/dashboard builds: run make dashboard")
	}
}

// expression is a PromQL expression and where it is.
type expression struct{ where, text string }

// ruled returns the expressions of the rules, and the labels of each recorded series.
func ruled(t *testing.T) (all []expression, recorded map[string]map[string]bool) {
	t.Helper()
	recorded = map[string]map[string]bool{}
	for _, file := range []string{"prometheus/recording.yaml", "prometheus/alerts.yaml"} {
		var rules ruleFile
		readYAML(t, file, &rules)
		for _, group := range rules.Groups {
			for _, rule := range group.Rules {
				all = append(all, expression{rule.Alert + rule.Record, rule.Expr})
				if rule.Record != "" {
					recorded[rule.Record] = map[string]bool{"job": true, "instance": true}
					for _, label := range groupings(rule.Expr) {
						recorded[rule.Record][label] = true
					}
				}
			}
		}
	}
	return all, recorded
}

// drawn returns the expressions of the dashboard. The variables have values that select everything.
func drawn(t *testing.T) (all []expression) {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct {
				Expr         string
				LegendFormat string
				Datasource   struct{ UID string }
			}
		}
		Templating struct{ List []struct{ Name, Type string } }
	}
	text, err := os.ReadFile(deployed + "grafana/sandboxd.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	if len(board.Templating.List) == 0 || board.Templating.List[0].Name != "datasource" || board.Templating.List[0].Type != "datasource" {
		t.Error("the dashboard has no variable for its data source")
	}
	variables := strings.NewReplacer("$job", "sandboxd", "$instance", ".+", "$__rate_interval", "1m")
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			if target.Datasource.UID != "${datasource}" {
				t.Errorf("%s does not use the data source of the variable", panel.Title)
			}
			all = append(all, expression{panel.Title, variables.Replace(target.Expr)})
		}
	}
	return all
}

var (
	promToken  = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][\w:]*|\d[\w.]*|=~|!~|!=|==|>=|<=|.`)
	promMatch  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"`)
	promGroup  = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	promSample = regexp.MustCompile(`(?m)^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+$`)
	promLabel  = regexp.MustCompile(`(\w+)="((?:[^"\\]|\\.)*)"`)
)

// promWords are the words of PromQL that the expressions use. Every other word is the name of a series.
var promWords = strings.Fields(`by without on ignoring group_left and or unless bool sum max min count topk rate increase changes absent
	histogram_quantile avg_over_time time`)

// groupings returns the labels by which an expression groups or matches.
func groupings(expr string) (labels []string) {
	for _, group := range promGroup.FindAllStringSubmatch(expr, -1) {
		labels = append(labels, strings.FieldsFunc(group[1], func(r rune) bool { return r == ',' || r == ' ' })...)
	}
	return labels
}

// exposed is what a daemon exports: for each series its labels, and for each label its values.
type exposed map[string]map[string][]string

func exposition(text string) exposed {
	found := exposed{"up": {}}
	for _, sample := range promSample.FindAllStringSubmatch(text, -1) {
		if found[sample[1]] == nil {
			found[sample[1]] = map[string][]string{}
		}
		for _, label := range promLabel.FindAllStringSubmatch(sample[2], -1) {
			found[sample[1]][label[1]] = append(found[sample[1]][label[1]], label[2])
		}
	}
	return found
}

// misnamed returns what an expression names and the daemon does not export: series, labels, and values of labels.
func (e exposed) misnamed(expr string, recorded map[string]map[string]bool) (wrong []string) {
	known := map[string]bool{"job": true, "instance": true}
	name, depth := "", 0
	plain := promGroup.ReplaceAllString(expr, "")
	for _, token := range promToken.FindAllString(plain, -1) {
		switch {
		case token == "{":
			depth++
		case token == "}":
			depth--
		case depth == 0 && regexp.MustCompile(`^[a-zA-Z_:]`).MatchString(token) && !slices.Contains(promWords, token):
			name = token
			if e[name] == nil && recorded[name] == nil {
				wrong = append(wrong, name)
			}
			for label := range e[name] {
				known[label] = true
			}
			for label := range recorded[name] {
				known[label] = true
			}
		}
	}
	for _, label := range groupings(expr) {
		if !known[label] {
			wrong = append(wrong, label)
		}
	}
	for _, match := range promMatch.FindAllStringSubmatch(expr, -1) {
		label, values := match[1], strings.Split(match[3], "|")
		if !known[label] {
			wrong = append(wrong, label)
		}
		// The state of a layer and the status of an answer have values that a healthy daemon does not show.
		if slices.Contains([]string{"job", "instance", "state", "code"}, label) {
			continue
		}
		if label == "le" { // of alternatives, since versions of Prometheus write a number in different ways
			values = slices.DeleteFunc(values, func(value string) bool { return !e.has(label, value) && len(values) > 1 })
			if len(values) == 0 {
				wrong = append(wrong, label+"="+match[3])
			}
		}
		for _, value := range values {
			if !e.has(label, value) {
				wrong = append(wrong, label+"="+value)
			}
		}
	}
	return wrong
}

func (e exposed) has(label, value string) bool {
	for labels := range maps.Values(e) {
		if slices.Contains(labels[label], value) {
			return true
		}
	}
	return false
}

// The check of names finds a mistake of each kind.
func TestMisnamed(t *testing.T) {
	e := exposition("# HELP x\nsandboxd_runs_total{verdict=\"exited\"} 1\nsandboxd_wait_bucket{le=\"0.5\"} 2\nsandboxd_slots 3\n")
	recorded := map[string]map[string]bool{"job:sandboxd_runs:rate5m": {"job": true}}
	for expr, want := range map[string]string{
		`sum by (job, verdict) (rate(sandboxd_runs_total{job="a", verdict=~"exited"}[5m])) / on (job) job:sandboxd_runs:rate5m > 0.5`: "",
		`histogram_quantile(0.5, sum by (le) (rate(sandboxd_wait_bucket{le="0.5"}[1h]))) and 1e3 * sandboxd_slots == 2`:               "",
		`sandboxd_wait_bucket{le=~"0.5|0.50"}`:              "",
		`sandboxd_wait_bucket{le=~"0.6|0.60"}`:              "le=0.6|0.60",
		`rate(sandboxd_rnus_total[5m])`:                     "sandboxd_rnus_total",
		`sandboxd_runs_total or job:sandboxd_runs:rate6m`:   "job:sandboxd_runs:rate6m",
		`sum by (verdikt) (sandboxd_runs_total)`:            "verdikt",
		`sandboxd_runs_total{verdikt="exited"}`:             "verdikt verdikt=exited",
		`sandboxd_runs_total{verdict=~"exited|exitted"}`:    "verdict=exitted",
		`sum by (verdict) (job:sandboxd_runs:rate5m)`:       "verdict",
		`sumn(sandboxd_slots)`:                              "sumn",
		`sandboxd_slots{instance="a:80"} unless sandboxd_y`: "sandboxd_y",
	} {
		if got := strings.Join(e.misnamed(expr, recorded), " "); got != want {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// TestMonitoring lets a real Prometheus scrape the running daemon. All rules are evaluated without an error, every query of the dashboard
// returns data, and an alert notices that the daemon has ended.
func TestMonitoring(t *testing.T) {
	d := start(t, "--engine=fork", "--warm=1", "--policy=off", "--concurrency=2")
	traffic := func() {
		d.execute(t, "print(1)")
		stream, err := d.do(t.Context(), "POST", "/v1/runs", strings.NewReader(`{"code":"print(1)"}`), "Content-Type", "application/json", "Accept", "text/event-stream")
		if err != nil || stream.status != http.StatusOK {
			t.Errorf("a stream: %v %+v", err, stream)
		}
	}
	traffic()
	d.get(t, "/readyz")
	d.get(t, "/v1/runs/live") // without a WebSocket it is refused, but it is counted
	exported := exposition(d.get(t, "/metrics").body)
	rules, recorded := ruled(t)
	queries := drawn(t)
	for _, e := range append(slices.Clone(rules), queries...) {
		for _, wrong := range exported.misnamed(e.text, recorded) {
			t.Errorf("%s: the daemon exports no %s", e.where, wrong)
		}
	}
	page, err := os.ReadFile("../../docs/monitoring.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range exported {
		metric := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
		if strings.HasPrefix(metric, "sandboxd_") && !regexp.MustCompile("`"+metric+"[`{]").Match(page) {
			t.Errorf("docs/monitoring.md does not list %s", metric)
		}
	}
	for _, named := range regexp.MustCompile("`(sandboxd_[a-z_]+)").FindAllSubmatch(page, -1) {
		if name := string(named[1]); exported[name] == nil && exported[name+"_count"] == nil {
			t.Errorf("docs/monitoring.md has %s, which the daemon does not export", name)
		}
	}
	for name := range recorded {
		queries = append(queries, expression{"recording rule", name})
	}

	directory, err := filepath.Abs(deployed + "prometheus")
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	p := promtest.Start(t, fmt.Sprintf(`
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [%q, %q]
scrape_configs:
  - job_name: sandboxd
    static_configs: [{targets: [%q]}]
`, directory+"/recording.yaml", directory+"/alerts.yaml", address.Host))
	for _, q := range queries {
		text := strings.TrimSuffix(strings.TrimSpace(q.text), " > 0") // it hides what is 0
		p.WaitFor(t, "an answer to "+text, func() bool {
			n, err := p.Query(text)
			if errors.Is(err, promtest.ErrQuery) {
				t.Fatalf("%s: %s: %v", q.where, text, err)
			}
			if n == 0 {
				traffic()
			}
			return n > 0
		})
	}
	healthy(t, p)

	if n, err := p.Query(`ALERTS{alertname!="SandboxdLayerMissing"}`); n != 0 || err != nil {
		t.Errorf("%d alerts of a healthy daemon, %v", n, err)
	}
	d.cmd.Process.Kill()
	p.WaitFor(t, "the alert", func() bool {
		n, _ := p.Query(`ALERTS{alertname="SandboxdDown", instance="` + address.Host + `"}`)
		return n == 1
	})
}

// healthy waits until each rule has been evaluated, and fails the test if one has an error.
func healthy(t *testing.T, p *promtest.Server) {
	t.Helper()
	var state struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	p.WaitFor(t, "all rules", func() bool {
		if err := p.Get("rules", &state); err != nil {
			return false
		}
		for _, group := range state.Groups {
			for _, rule := range group.Rules {
				if rule.Health == "unknown" {
					return false
				}
			}
		}
		return len(state.Groups) > 0
	})
	for _, group := range state.Groups {
		for _, rule := range group.Rules {
			if rule.Health != "ok" {
				t.Errorf("%s: %s", rule.Name, rule.LastError)
			}
		}
	}
}
