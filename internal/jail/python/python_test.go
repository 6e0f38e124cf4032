package python_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// An interpreter is run once, and again after it, or its virtual environment, has changed.
func TestInspectRunsAnInterpreterOnce(t *testing.T) {
	root, err := os.MkdirTemp("/var/tmp", jailtest.NamePrefix) // an interpreter below /tmp is refused
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(root) })
	path, ran := filepath.Join(root, "bin", "python3"), filepath.Join(root, "ran")
	install := func(name string) {
		t.Helper()
		script := filepath.Join(root, "bin", name)
		if err := os.WriteFile(script, []byte("#!/bin/sh\necho ran >>"+ran+"\nexec /usr/bin/python3 \"$@\"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(script, path+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	inspect := func(times int) {
		t.Helper()
		for range 2 {
			i, err := python.Inspect(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			if i.Path != path || i.Minor < 9 || len(i.Display()) == 0 {
				t.Errorf("inspected %s, Python 3.%d", i.Path, i.Minor)
			}
		}
		text, _ := os.ReadFile(ran)
		if got := strings.Count(string(text), "ran"); got != times {
			t.Errorf("the interpreter was run %d times, not %d", got, times)
		}
	}

	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := python.Inspect(t.Context(), path); err == nil {
		t.Error("an interpreter that does not exist was inspected")
	}
	install("first")
	inspect(1)
	install("second") // another link, to another file
	inspect(2)
	if err := os.WriteFile(filepath.Join(root, "pyvenv.cfg"), []byte("home = /usr/bin\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	inspect(3)
	if err := os.Chmod(filepath.Join(root, "bin", "second"), 0o700); err != nil { // as an upgrade changes the file
		t.Fatal(err)
	}
	inspect(4)
}
