package scan

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostile returns sources of about size bytes that are meant to slow down or crash a parser. Each has words that matter, so
// that all steps of the scan run.
func hostile(size int) map[string]string {
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	stairs := func(line string, step string) string {
		var b strings.Builder
		for i := 0; b.Len() < size; i++ {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat(step, i), line)
		}
		return b.String()
	}
	wrapped := func(open, middle, end string) string {
		n := size / (len(open) + len(end))
		return strings.Repeat(open, n) + middle + strings.Repeat(end, n)
	}
	return map[string]string{
		"open brackets":          fill("("),
		"open lists":             "open" + fill("["),
		"balanced brackets":      wrapped("(", "open", ")"),
		"balanced lists":         wrapped("[", "open", "]"),
		"balanced calls":         wrapped("open(", "", ")"),
		"permitted nesting":      fill(strings.Repeat("(", 190) + "open" + strings.Repeat(")", 190) + "\n"),
		"permitted dictionaries": fill(strings.Repeat("{open:", 190) + "1" + strings.Repeat("}", 190) + "\n"),
		"permitted lambdas":      fill(strings.Repeat("(lambda open=", 190) + "1" + strings.Repeat(":open)", 190) + "\n"),
		"minus signs":            "x = " + fill("-") + "open",
		"not":                    "x = " + fill("not ") + "open",
		"await":                  "x = " + fill("await ") + "open",
		"stars":                  "x = " + fill("*") + "open",
		"attributes":             "open" + fill(".a") + ".open",
		"ladder":                 "open" + fill(".__globals__"),
		"literal ladder":         "()" + fill(".__base__"),
		"subscripts":             "open" + fill("[0]"),
		"calls":                  "open" + fill("()"),
		"sum":                    "open" + fill("+1") + "+open",
		"power":                  "open" + fill("**1") + "**open",
		"comparison":             "open" + fill("<1") + "<open",
		"conditionals":           "x = " + fill("1 if 1 else ") + "open",
		"or":                     "x = " + fill("1 or ") + "open",
		"lambdas":                "x = " + fill("lambda:") + "open",
		"lambdas with names":     "x = " + fill("lambda a=open:") + "open",
		"lambdas in lambdas":     "x = " + fill("lambda:open or ") + "open",
		"walrus":                 "x = " + fill("a:=") + "open",
		"commas":                 "open" + fill(",1") + ",open",
		"targets":                fill("a=") + "open",
		"chained binding":        fill("open=") + "1",
		"semicolons":             "open" + fill(";a"),
		"only semicolons":        "open" + fill(";"),
		"colons":                 "open" + fill(":"),
		"dots":                   "open" + fill("."),
		"decorators":             fill("@open\n") + "def f(): pass\n",
		"decorators on nothing":  fill("@open\n"),
		"deep blocks":            stairs("if open:", " "),
		"deep tabs":              stairs("if open:", "\t"),
		"permitted blocks":       strings.Repeat(deepBlocks(98), size/6000) + "open",
		"else":                   "if open: pass\n" + fill("elif open: pass\n"),
		"one line blocks":        fill("if open:"),
		"comprehensions":         "[open" + fill(" for a in b") + "]",
		"comprehension filters":  "[open for a in b" + fill(" if a") + "]",
		"imports":                fill("import os\n"),
		"import list":            "import os" + fill(",os"),
		"import names":           "from a import " + fill("os,") + "os",
		"dotted import":          "import a" + fill(".os"),
		"words":                  fill("open "),
		"word lines":             fill("open\n"),
		"call lines":             fill("open('x')\n"),
		"calls in a call":        "f(" + fill("open(),") + ")",
		"strings":                "open" + fill(`"os"`),
		"empty strings":          "open" + fill(`""`),
		"f-strings":              "open" + fill(`f"{open}"`),
		"fields":                 `f"` + fill("{open}") + `"`,
		"specifications":         `f"` + fill("{open:{open}}") + `"`,
		"nested f-strings":       fill(`f"{open,`),
		"permitted f-strings":    fill(strings.Repeat(`f"{`, 90) + "open" + strings.Repeat(`}"`, 90) + "\n"),
		"open string":            "open" + fill("'") + `"`,
		"open triple":            "open;'''" + fill("a\n"),
		"quotes":                 "open" + fill("'\""),
		"backslashes":            fill("\\\n") + "open",
		"comments":               fill("#\n") + "open",
		"carriage returns":       fill("\r") + "open",
		"form feeds":             fill("\f") + "open",
		"nul":                    "open" + fill("\x00"),
		"control":                "open" + fill("\x01"),
		"invalid":                "open" + fill("\xff"),
		"non-ASCII name":         "open." + fill("é"),
		"folded name":            fill("ｏ") + ".open",
		"garbage":                fill("open ) ] } ( [ { "),
		"operators":              fill("open + * / ** "),
		"keywords":               fill("open if else for in "),
		"broken defs":            fill("def open(\n"),
		"broken lines":           fill("open = = 1\n"),
		"broken statements":      fill("for open for\nif open if\n"),
		"python 2":               fill("print open\nexec 'x' in open\n"),
		"match":                  "match open:\n" + fill(" case open: open\n"),
		"match words":            fill("match match case open\n"),
		"patterns":               "match x:\n case " + fill("1|") + "open: open\n",
		"type":                   fill("type open = type[open]\n"),
		"print chevrons":         fill("print >>open, "),
		"generic":                "x: " + fill("a|") + "open",
		"constrained":            "x: " + fill("a:") + "open",
		"globals":                "def f():\n global open" + fill(",open") + "\n open\n",
		"with":                   "with open" + fill(" as open, open") + ": pass",
		"parameters":             "def f(" + fill("open,") + "): open",
		"annotations":            "def f(" + fill("a:open=open,") + "): open",
	}
}

// deepBlocks returns the deepest nesting of blocks that CPython accepts.
func deepBlocks(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "if open:\n")
	}
	return b.String() + strings.Repeat(" ", depth) + "open\n"
}

// hostileBound is much larger than the budget, because tests run on loaded and emulated machines. It only shows that the budget has
// an effect.
const hostileBound = 2 * time.Second

func TestHostileSourcesAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("this test is slow, and its result is the same everywhere")
	}
	s := mustNew(t, Config{Policy: Strict})
	s.budget = DefaultBudget / 10
	size := 1 << 20
	if raceDetector {
		size = 1 << 17 // under the race detector it is ten times slower, and it has no concurrency
	}
	for name, src := range hostile(size) {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			findings, err := s.Scan(t.Context(), []byte(src))
			took := time.Since(start)
			if err != nil && !errors.Is(err, ErrBudget) {
				t.Fatal(err)
			}
			if err != nil && findings != nil || len(findings) > MaxFindings {
				t.Errorf("%d findings with %v", len(findings), err)
			}
			if took > hostileBound {
				t.Errorf("took %v, want at most %v", took, hostileBound)
			}
			t.Logf("%v, %d findings, %v", took, len(findings), err)
		})
	}
}
