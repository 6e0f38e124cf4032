package hostile

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jailtest"
)

func TestSeedAndIndexDetermineTheProgram(t *testing.T) {
	calls := Calls{0, 1, 2}
	seen := map[string]bool{}
	for index := range 200 {
		p := New(7, index, calls)
		if again := New(7, index, calls); p.Source != again.Source {
			t.Fatalf("%v is different the second time", p)
		}
		if seen[p.Source] || p.Source == New(8, index, calls).Source {
			t.Errorf("%v is the same as another program", p)
		}
		seen[p.Source] = true
	}
}

// A program with a syntax error would test nothing.
func TestProgramsArePython(t *testing.T) {
	var sources []string
	done := map[string]bool{}
	for index := range 300 {
		p := New(1, index, nil)
		for _, name := range p.Names {
			done[name] = true
		}
		sources = append(sources, p.Source)
	}
	for _, name := range Names() {
		if !done[name] {
			t.Errorf("none of %d programs has the act %q", len(sources), name)
		}
	}
	in, err := json.Marshal(sources)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), jailtest.Python, "-I", "-W", "ignore", "-c",
		"import ast, json, sys\nfor i, s in enumerate(json.load(sys.stdin)):\n"+
			"    try: ast.parse(s); assert '%!' not in s\n    except Exception as e: print(i, repr(e), s)\n")
	cmd.Stdin = bytes.NewReader(in)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v: %.4000s", err, out)
	}
}
