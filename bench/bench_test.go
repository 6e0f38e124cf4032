package main

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, tt := range []struct {
		name    string
		samples []float64
		q, want float64
	}{
		{"of none", nil, .5, 0},
		{"of one", []float64{7}, .99, 7},
		{"a median", []float64{3, 1, 2}, .5, 2},
		{"a median in the middle of much", hundred, .5, 51},
		{"p99", hundred, .99, 100},
		{"all", hundred, 1, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := quantile(tt.samples, tt.q); got != tt.want {
				t.Errorf("got %g, want %g", got, tt.want)
			}
		})
	}
	if hundred[0] != 100 {
		t.Error("the samples were sorted in place")
	}
}

func TestParseTiming(t *testing.T) {
	for _, tt := range []struct {
		name, header string
		want         map[string]time.Duration
	}{
		{"none", "", map[string]time.Duration{}},
		{"as the daemon writes it", "queue;dur=0.003, clone;dur=1.5", map[string]time.Duration{
			"queue": 3 * time.Microsecond, "clone": 1500 * time.Microsecond}},
		{"what is no duration is left out", "cache, db;dur=x, app;dur=2", map[string]time.Duration{"app": 2 * time.Millisecond}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := parseTiming(tt.header); !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spans []span
		want  int
	}{
		{"none", nil, 0},
		{"one after the other", []span{{0, 1}, {1, 2}, {2, 3}}, 1},
		{"two of three", []span{{0, 2}, {1, 3}, {2.5, 4}}, 2},
		{"until the same moment", []span{{0, 9}, {5, 9}, {8, 9}}, 3},
		{"too late", []span{{0, 9}, {10, 9}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := atOnce(tt.spans); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestParseStat(t *testing.T) {
	for _, tt := range []struct {
		name, line string
		want       stat
		bad        bool
	}{
		{"a process", "7 (python3) S 3 7 7 0 -1 4194560 100 0 0 0 10 5 20 15 20 0 1 0 1", stat{3, 500 * time.Millisecond}, false},
		{"a name like more fields", "7 (a) S 1 (b) S 3 7 7 0 -1 4194560 100 0 0 0 1 0 0 0 20", stat{3, 10 * time.Millisecond}, false},
		{"cut short", "7 (python3) S 3", stat{}, true},
		{"nothing", "", stat{}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat(tt.line)
			if got != tt.want || (err != nil) != tt.bad {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestField(t *testing.T) {
	if got := field([]byte("Rss: 9 kB\nPss:    12 kB\nPss_Anon: 5 kB\n"), "Pss:"); got != 12 {
		t.Errorf("got %d, want 12", got)
	}
}

func TestReason(t *testing.T) {
	died := errors.New("exit status 1")
	for _, tt := range []struct{ name, said, want string }{
		{"an unknown flag", "warning\nsandboxd: unknown flag --engine\n", "unknown flag --engine"},
		{"what the daemon advises", `level=ERROR msg="a required layer of the isolation is missing" layer=x error="no y" remedy="boot with y"` + "\nlevel=ERROR msg=\"ended by an error\"\n", "boot with y"},
		{"nothing was said", "", "exit status 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := reason(tt.said, died); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWrongAnswersAreReported(t *testing.T) {
	for _, tt := range []struct {
		name, stdout string
		program      program
		want         bool
	}{
		{"right", "1\n", printing, true},
		{"empty", "", printing, false},
		{"more than it should be", "1\n1\n", printing, false},
		{"a time", "0.25\n", computing, true},
		{"no time", "error\n", computing, false},
		{"an empty time", "", computing, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.program.right(tt.stdout); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// found returns a report of three ways, one of which is absent.
func found() *report {
	bare := &way{Name: "bare", Label: "bare"}
	cold := &way{Name: "cold", Label: "cold", ours: true}
	r := &report{Ways: []*way{bare, cold, {Name: "warm", Label: "warm", Absent: "too old", ours: true}}}
	r.add("latency", "print", "p50", cold, "ms", 15)
	r.add("latency", "print", "p50", bare, "ms", 10)
	r.add("throughput", "print", "8 clients", cold, "/s", 70)
	r.add("throughput", "print", "8 clients", bare, "/s", 100)
	r.add("overload", "print", "half: p50", cold, "ms", math.NaN()) // there were no samples
	r.add("overload", "print", "can do", cold, "/s", 70)
	r.add("overload", "print", "half: p99/p50", cold, "", 3.5)
	r.add("sleeping", "sleep", "at once", cold, "runs", 1000)
	r.conclude()
	return r
}

func TestAims(t *testing.T) {
	got := map[string]judged{}
	for _, j := range found().Aims {
		got[j.What] = j
	}
	want := map[string]judged{
		"print, p50": {"print, p50", "cold", "≤ 1.5", 1.5, true},
		"print, runs a second with all cores busy": {"print, runs a second with all cores busy", "cold", "≥ 0.8", .7, false},
		"p99/p50 at half load":                     {"p99/p50 at half load", "cold", "≤ 3", 3.5, false},
		"runs asleep at once":                      {"runs asleep at once", "cold", "≥ 1000", 1000, true},
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAimsNameExistingWays(t *testing.T) {
	names := map[string]bool{}
	for _, w := range everyWay("python3", "sandboxd", "required", "file") {
		names[w.Name] = true
	}
	for _, a := range aims {
		for _, way := range a.ways {
			if !names[way] {
				t.Errorf("%s: there is no way %q", a.what, way)
			}
		}
		if (a.least == 0) == (a.most == 0) {
			t.Errorf("%s: one bound is wanted", a.what)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    float64
		want string
	}{
		{"small", 0.01234, "0.0123"},
		{"an aim is 1.01", 1.0123, "1.012"},
		{"middling", 16.66, "16.7"},
		{"large", 1234.5, "1234"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := number(tt.v); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTables(t *testing.T) {
	r := found()
	for _, tt := range []struct{ name, got, want string }{
		{"ratios", r.ratios(), `|  | ` + "`print`, p50" + ` | 8 |
| --- | --- | --- |
| bare | 10 ms | 100 /s |
| cold | 1.50 | 0.70 |
`},
		{"overload", r.overloads(), `| load of ` + "`print`" + ` | can do | half: p50 | half: p99 | half: p99/p50 | twice: served of what it can do | twice: refused of all | twice: p50 | twice: p99 | twice: p99 of a 503 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| cold | 70 /s | — | — | 3.5 | — | — | — | — | — |
`},
		{"ratios of nothing", (&report{}).ratios(), ""},
		{"overload of nothing", (&report{}).overloads(), ""},
		{"breakdown of nothing", (&report{}).breakdown(), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", tt.got, tt.want)
			}
		})
	}
}

func TestText(t *testing.T) {
	r := found()
	r.Errors = []string{"print printed nothing"}
	r.Settings = []string{"--one 1.00", "--other 1.01"}
	text := r.text()
	for _, want := range []string{
		"warm: not with this daemon: too old\n", "ERROR: print printed nothing\n",
		"NOT MET  p99/p50 at half load, cold: 3.5 (aim ≤ 3)\n", "met      print, p50, cold: 1.5 (aim ≤ 1.5)\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	var printed strings.Builder
	if err := r.print(&printed); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(printed.String(), "\n--one 1.00\n--other 1.01\n") {
		t.Errorf("the settings are not the last lines of\n%s", printed.String())
	}
}

func TestJSON(t *testing.T) {
	data, err := json.Marshal(found())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`{"name":"warm","label":"warm","absent":"too old"}`,
		`{"part":"latency","case":"print","of":"p50","way":"cold","unit":"ms","value":15,"ratio":1.5}`,
		`{"what":"print, p50","way":"cold","aim":"≤ 1.5","found":1.5,"met":true}`,
	} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in\n%s", want, data)
		}
	}
}
