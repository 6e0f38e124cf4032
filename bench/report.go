package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// report has all results.
type report struct {
	Machine  machine  `json:"machine"`
	Ways     []*way   `json:"ways"`
	Results  []result `json:"results"`
	Aims     []judged `json:"aims"`
	Settings []string `json:"settings,omitempty"`
	Errors   []string `json:"errors,omitempty"` // wrong answers and other failures
}

type machine struct {
	CPUs      int    `json:"cpus"`
	Kernel    string `json:"kernel"`
	Python    string `json:"python"`
	Isolation string `json:"isolation"`
}

// result is one number. Ratio is the ratio to the bare interpreter in the same part, or 0 if there is none.
type result struct {
	Part  string  `json:"part"`
	Case  string  `json:"case"`
	Of    string  `json:"of"`
	Way   string  `json:"way"`
	Unit  string  `json:"unit,omitempty"`
	Value float64 `json:"value"`
	Ratio float64 `json:"ratio,omitempty"`
}

func (r *report) add(part, program, of string, w *way, unit string, value float64) {
	if math.IsNaN(value) || math.IsInf(value, 0) { // a division by zero: there were no samples
		return
	}
	r.Results = append(r.Results, result{Part: part, Case: program, Of: of, Way: w.Name, Unit: unit, Value: value})
}

func (r *report) find(part, program, of, way string) (result, bool) {
	for _, found := range r.Results {
		if found.Part == part && found.Case == program && found.Of == of && found.Way == way {
			return found, true
		}
	}
	return result{}, false
}

// conclude computes the ratios and the aims from the results.
func (r *report) conclude() {
	for i, found := range r.Results {
		if bare, ok := r.find(found.Part, found.Case, found.Of, "bare"); ok && found.Way != "bare" && bare.Value > 0 {
			r.Results[i].Ratio = found.Value / bare.Value
		}
	}
	r.Aims = r.judge()
}

func quantileName(q float64) string { return fmt.Sprintf("p%.0f", 100*q) }

// aim is a bound for a result.
type aim struct {
	what           string
	part, name, of string
	ways           []string
	value          bool // whether it bounds the number itself and not the ratio to bare python3
	least, most    float64
}

var aims = []aim{
	{what: "print, p50", part: "latency", name: "print", of: "p50", ways: []string{"cold"}, most: 1.5},
	{what: "print, p50", part: "latency", name: "print", of: "p50", ways: []string{"warm", "forked-warm"}, most: .25},
	{what: "print, runs a second with all cores busy", part: "throughput", name: "print", of: "8 clients", ways: []string{"cold", "warm"}, least: .8},
	{what: "print, runs a second with all cores busy", part: "throughput", name: "print", of: "8 clients", ways: []string{"forked", "forked-warm"}, least: 2},
	{what: "numpy, pandas, matplotlib, p50", part: "latency", name: "data", of: "p50", ways: []string{"forked", "forked-warm"}, most: .03},
	{what: "computation inside against outside", part: "inside", name: "compute", of: "fastest", ways: []string{"cold", "forked"}, most: 1.01},
	{what: "100,000 lines inside against outside", part: "inside", name: "lines", of: "fastest", ways: []string{"cold", "forked"}, most: 4},
	{what: "print by the typed API against the old route, p50", part: "typed", name: "print", of: "ratio to the old route, p50",
		ways: []string{"warm", "forked-warm"}, value: true, most: 1.05},
	{what: "a picture from a template, p50", part: "typed", name: "picture", of: "p50", ways: []string{"forked", "forked-warm"}, most: .15},
	{what: "ms from print() to the client", part: "typed", name: "first byte", of: "p50", ways: []string{"cold", "warm", "forked", "forked-warm"},
		value: true, most: 20},
	{what: "p99/p50 at half load", part: "overload", name: "print", of: "half: p99/p50", ways: []string{"cold", "warm", "forked", "forked-warm"}, value: true, most: 3},
	{what: "p99 of a caller beside a flood of 1,000 requests/s against alone", part: "fair", name: "print", of: "p99 beside a flood / alone",
		ways: []string{"cold", "warm", "forked", "forked-warm"}, value: true, most: 2},
	{what: "ms until a browser paints the page", part: "page", name: paintName, of: "p50", ways: []string{"cold"}, value: true, most: 200},
	{what: "MiB of a waiting jail", part: "memory", name: "waiting", of: "a jail", ways: []string{"warm"}, value: true, most: 8},
	{what: "MiB of a waiting jail", part: "memory", name: "waiting", of: "a jail", ways: []string{"forked-warm"}, value: true, most: 3},
	{what: "runs asleep at once", part: "sleeping", name: "sleep", of: "at once", ways: []string{"cold", "forked"}, value: true, least: crowd},
}

// judged is an aim with its result.
type judged struct {
	What  string  `json:"what"`
	Way   string  `json:"way"`
	Aim   string  `json:"aim"`
	Found float64 `json:"found"`
	Met   bool    `json:"met"`
}

// judge compares the aims with the results. Aims without a result are left out.
func (r *report) judge() (all []judged) {
	for _, a := range aims {
		for _, way := range a.ways {
			found, ok := r.find(a.part, a.name, a.of, way)
			if ok && !a.value && found.Ratio == 0 || !ok {
				continue
			}
			j := judged{What: a.what, Way: way, Found: found.Ratio}
			if a.value {
				j.Found = found.Value
			}
			if a.least > 0 {
				j.Aim, j.Met = fmt.Sprintf("≥ %g", a.least), j.Found >= a.least
			} else {
				j.Aim, j.Met = fmt.Sprintf("≤ %g", a.most), j.Found <= a.most
			}
			all = append(all, j)
		}
	}
	return all
}

// column is a column of the main table.
type column struct{ head, part, name, of string }

var columns = []column{
	{"`print`, p50", "latency", "print", "p50"},
	{"p99", "latency", "print", "p99"},
	{"computation", "latency", "compute", "p50"},
	{"json, re, datetime", "latency", "import", "p50"},
	{"numpy, pandas, matplotlib", "latency", "data", "p50"},
	{"runs/s, 2 clients", "throughput", "print", "2 clients"},
	{"8", "throughput", "print", "8 clients"},
	{"64", "throughput", "print", "64 clients"},
	{"CPU", "cpu", "print", "a run"},
	{"page faults", "counts", "print", "page faults"},
	{"context switches", "counts", "print", "context switches"},
	{"memory", "memory", "sleep", "a run"},
}

// ratios returns the table of the README: numbers with units for bare python3, and ratios to it for all other ways. Columns without results are
// left out.
func (r *report) ratios() string {
	shown := slices.DeleteFunc(slices.Clone(columns), func(c column) bool {
		_, ok := r.find(c.part, c.name, c.of, "bare")
		return !ok
	})
	if len(shown) == 0 {
		return ""
	}
	head := []string{""}
	for _, c := range shown {
		head = append(head, c.head)
	}
	var rows [][]string
	for _, w := range r.Ways {
		if w.Absent != "" {
			continue
		}
		row := []string{w.Label}
		for _, c := range shown {
			cell := "—"
			if found, ok := r.find(c.part, c.name, c.of, w.Name); ok && w.Name == "bare" {
				cell = number(found.Value) + " " + found.Unit
			} else if ok {
				cell = fmt.Sprintf("%.2f", found.Ratio)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return table(head, rows)
}

// overloads returns the table for half and double load.
func (r *report) overloads() string {
	shown := []string{"can do", "half: p50", "half: p99", "half: p99/p50", "twice: served of what it can do",
		"twice: refused of all", "twice: p50", "twice: p99", "twice: p99 of a 503"}
	var rows [][]string
	for _, w := range r.Ways {
		row := []string{w.Label}
		for _, of := range shown {
			cell := "—"
			if found, ok := r.find("overload", "print", of, w.Name); ok {
				cell = strings.TrimSpace(number(found.Value) + " " + found.Unit)
			}
			row = append(row, cell)
		}
		if row[1] != "—" {
			rows = append(rows, row)
		}
	}
	if rows == nil {
		return ""
	}
	return table(append([]string{"load of `print`"}, shown...), rows)
}

// number formats a number with three significant digits, or with all digits before the point. Numbers near 1 have more digits.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= .9 && v < 1.1:
		return fmt.Sprintf("%.3f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// table formats a table as Markdown.
func table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	line(slices.Repeat([]string{"---"}, len(head)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// breakdown returns a table of the phases of a cold run.
func (r *report) breakdown() string {
	if _, ok := r.find("breakdown", "program", "p50", "cold"); !ok {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-46s %7s %7s %7s\n", "where the time of a cold print goes, in ms", "p50", "p90", "p99")
	for _, part := range [][2]string{
		{"queue", "waiting for a slot"},
		{"clone", "clone: leaf, namespaces, id maps"},
		{"setup", "set-up: the init, start of the interpreter"},
		{"program", "program: the program, and the end of python3"},
		{"teardown", "teardown: streams, counters, rmdir"},
		{"http", "HTTP, JSON, scan, and the client"},
	} {
		fmt.Fprintf(&b, "  %-44s", part[1])
		for _, q := range []string{"p50", "p90", "p99"} {
			found, _ := r.find("breakdown", part[0], q, "cold")
			fmt.Fprintf(&b, " %7.2f", found.Value)
		}
		fmt.Fprintln(&b)
	}
	return b.String()
}

// others returns the results that are in no table.
func (r *report) others() string {
	var b strings.Builder
	for _, found := range r.Results {
		if found.Way == "bare" || !slices.Contains([]string{"inside", "sleeping", "fair", "page"}, found.Part) && found.Case != "waiting" {
			continue
		}
		if found.Ratio > 0 {
			fmt.Fprintf(&b, "%s %s, %s: %.3f of the time outside\n", found.Case, found.Part, found.Way, found.Ratio)
		} else {
			fmt.Fprintf(&b, "%s, %s, %s: %s %s\n", found.Case, found.Way, found.Of, number(found.Value), found.Unit)
		}
	}
	return b.String()
}

// text returns the report as Markdown. The table of settings comes last.
func (r *report) text() string {
	var aims, notes strings.Builder
	for _, j := range r.Aims {
		met := "met"
		if !j.Met {
			met = "NOT MET"
		}
		fmt.Fprintf(&aims, "%-7s  %s, %s: %s (aim %s)\n", met, j.What, j.Way, number(j.Found), j.Aim)
	}
	for _, w := range r.Ways {
		if w.Absent != "" && w.ours {
			fmt.Fprintf(&notes, "%s: not with this daemon: %s\n", w.Label, w.Absent)
		} else if w.Absent != "" {
			fmt.Fprintf(&notes, "%s: %s\n", w.Label, w.Absent)
		}
	}
	for _, failed := range r.Errors {
		fmt.Fprintln(&notes, "ERROR:", failed)
	}
	m := r.Machine
	sections := []string{
		fmt.Sprintf("%d CPUs, Linux %s, %s, isolation %s\n", m.CPUs, m.Kernel, m.Python, m.Isolation),
		r.ratios(), r.overloads(), fence(r.breakdown()), fence(r.others()), fence(aims.String()), fence(notes.String()),
		fence(strings.Join(r.Settings, "\n")),
	}
	return strings.Join(slices.DeleteFunc(sections, func(s string) bool { return s == "" }), "\n")
}

func fence(s string) string {
	if s == "" {
		return ""
	}
	return "```\n" + strings.TrimSuffix(s, "\n") + "\n```\n"
}

func (r *report) print(to io.Writer) error {
	_, err := io.WriteString(to, strings.ReplaceAll(r.text(), "```\n", ""))
	return err
}

//go:embed plot.py
var plot string

// write writes the report to a directory as JSON and Markdown, and as a picture if matplotlib is installed.
func (r *report) write(dir, python string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "bench.json")
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "bench.md"), []byte(r.text()), 0o644); err != nil {
		return err
	}
	draw := exec.Command(python, "-", file, filepath.Join(dir, "bench.svg"))
	draw.Stdin = bytes.NewBufferString(plot)
	said, err := draw.CombinedOutput()
	if err != nil {
		return fmt.Errorf("plot.py: %w: %s", err, said)
	}
	_, err = os.Stderr.Write(said)
	return err
}
