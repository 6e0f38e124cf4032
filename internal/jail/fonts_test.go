package jail_test

import (
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// The font list is made once. Later runs find it, cannot change it, and can plot.
func TestPrepareFonts(t *testing.T) { underEngines(t, testPrepareFonts, "exec", "fork, warm") }

func testPrepareFonts(t *testing.T, edit func(*jail.Config)) {
	jailtest.RequireModules(t, "matplotlib")
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 })
	const plots = `
import os
import matplotlib
import matplotlib.pyplot as plot
plot.plot([1, 2], label="x")
plot.legend()
plot.savefig("plot.png")
print(os.path.getsize("plot.png") > 5000, [entry.is_symlink() for entry in os.scandir(matplotlib.get_configdir())])
`
	check := func(when, source, want string) {
		t.Helper()
		if r := jailtest.Run(t, j, source); string(r.Stdout.Kept) != want || len(r.Stderr.Kept) > 0 {
			t.Errorf("%s: said %q and %q, want %q", when, r.Stdout.Kept, r.Stderr.Kept, want)
		}
	}
	check("a plot without the list", plots, "True [False]\n")
	if err := j.PrepareFonts(t.Context()); err != nil {
		t.Fatal(err)
	}
	// If matplotlib did not accept the list, it would make a new one and warn that it cannot write it.
	check("a plot", plots, "True [True]\n")
	check("an attempt to change it", `
import glob, os
file, = glob.glob(os.environ["MPLCONFIGDIR"] + "/fontlist-*")
for mode in "w", "a", "r+":
    try:
        open(file, mode)
    except OSError as error:
        print(error.strerror)
`, strings.Repeat("Read-only file system\n", 3))
}
