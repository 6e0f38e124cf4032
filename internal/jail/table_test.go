package jail_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
)

const operationsPage = "../../docs/operations.md"

func TestTableOfLayers(t *testing.T) {
	rows := doctor.Table()
	named := map[string]bool{}
	stages := map[string]int{}
	var attacks []string
	for _, row := range rows {
		switch {
		case row.Name != "" && row.PartOf != "":
			t.Errorf("%s has a name and is a part of %s", row.Name, row.PartOf)
		case row.Name == "" && row.Attack == "":
			t.Errorf("the row %q has neither a name nor an attack", row.What)
		case named[row.Name] && row.Name != "":
			t.Errorf("%s is given twice", row.Name)
		case row.What == "":
			t.Errorf("the row %+v has no text", row)
		case row.PartOf != "" && !named[row.PartOf]:
			t.Errorf("%s is part of %s, which does not come before it", row.Attack, row.PartOf)
		case len(row.Stages) > 0 && row.Name == "" && row.PartOf == "":
			t.Errorf("%s has stages, but no layer under which they are reported", row.Attack)
		}
		named[row.Name] = true
		for _, stage := range row.Stages {
			stages[stage]++
		}
		if row.Attack != "" {
			attacks = append(attacks, row.Attack)
		}
	}
	for _, stage := range jail.Stages() {
		if stages[stage] != 1 {
			t.Errorf("%d layers have the stage %s", stages[stage], stage)
		}
		delete(stages, stage)
	}
	for stage := range stages {
		t.Errorf("there is no stage %s", stage)
	}
	var ways []string
	for _, l := range layers {
		ways = append(ways, l.name)
		if l.leaveOut && len(l.stages()) == 0 {
			t.Errorf("%s has no stage to leave out", l.name)
		}
	}
	sameNames(t, "layers that attacks can name", ways, attacks)
}

// The docs name exactly the layers, stages and causes of the tables in package doctor.
func TestDocsOfLayers(t *testing.T) {
	var names, attacks, lines []string
	what := map[string]string{}
	for _, row := range doctor.Table() {
		name := code(row.Name)
		if row.PartOf != "" {
			name = "part of " + code(row.PartOf)
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", name, row.What, code(row.Stages...), row.Attack))
		if row.Name != "" {
			names = append(names, row.Name)
		}
		if row.Attack != "" {
			attacks = append(attacks, row.Attack)
		}
	}
	for _, l := range layers {
		what[l.name] = l.what()
	}
	t.Run("operations", func(t *testing.T) {
		sameLines(t, operationsPage, "| layer | what it is | stages | attacked as |", lines)
	})
	t.Run("causes", func(t *testing.T) {
		lines = nil
		for _, cause := range doctor.Causes() {
			lines = append(lines, fmt.Sprintf("| %s | %s |", cause.Sign, cause.Remedy))
		}
		sameLines(t, operationsPage, "| what it finds | remedy |", lines)
	})
	t.Run("stages", func(t *testing.T) {
		var said []string
		for _, cells := range table(t, operationsPage, "| stage | what failed | what to do |") {
			said = append(said, coded(cells[0])...)
		}
		sameNames(t, "stages", said, jail.Stages())
	})
	t.Run("README", func(t *testing.T) {
		var said []string
		for _, cells := range table(t, "../../README.md", "| layer | what it is for | `sandboxd doctor` calls it |") {
			said = append(said, coded(cells[2])...)
		}
		sameNames(t, "layers", said, names)
	})
	t.Run("SECURITY", func(t *testing.T) {
		var said []string
		for _, cells := range table(t, layersPage, "| layer | credentials |") {
			said = append(said, cells[0])
			if got := cells[len(cells)-1]; got != what[cells[0]] {
				t.Errorf("%s is %q, want %q", cells[0], got, what[cells[0]])
			}
		}
		sameNames(t, "layers", said, attacks)
	})
}

// code formats names as code in Markdown.
func code(names ...string) string {
	var set []string
	for _, name := range names {
		if name != "" {
			set = append(set, "`"+name+"`")
		}
	}
	return strings.Join(set, ", ")
}

var inCode = regexp.MustCompile("`([^`]+)`")

// coded returns the names that are formatted as code.
func coded(text string) (names []string) {
	for _, m := range inCode.FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	return names
}

// sameNames compares two sets.
func sameNames(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, list := range []*[]string{&got, &want} {
		*list = slices.Compact(slices.Sorted(slices.Values(*list)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// cutTable finds a table by its header. It returns the page up to the first row, the page after the last row, and the rows.
func cutTable(t *testing.T, page, header string) (before, after string, rows []string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Index(string(text), "\n"+header)
	if at < 0 {
		t.Fatalf("%s has no table %q", page, header)
	}
	at++
	for range 2 { // skip the header and the line below it
		at += strings.Index(string(text[at:]), "\n") + 1
	}
	before, rest := string(text[:at]), string(text[at:])
	for strings.HasPrefix(rest, "|") {
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		rows = append(rows, line)
	}
	return before, rest, rows
}

// sameLines compares the rows of a table with the wanted rows, or writes them with SANDBOXD_TEST_UPDATE=1.
func sameLines(t *testing.T, page, header string, want []string) {
	t.Helper()
	before, after, got := cutTable(t, page, header)
	if slices.Equal(got, want) {
		return
	}
	if os.Getenv("SANDBOXD_TEST_UPDATE") == "1" {
		if err := os.WriteFile(page, []byte(before+strings.Join(want, "\n")+"\n"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for i := range max(len(got), len(want)) {
		var is, should string
		if i < len(got) {
			is = got[i]
		}
		if i < len(want) {
			should = want[i]
		}
		if is != should {
			t.Errorf("%s, row %d of %q:\ngot  %s\nwant %s\n(SANDBOXD_TEST_UPDATE=1 updates it)", page, i+1, header, is, should)
		}
	}
}
