package jail_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// An interpreter may be installed in any directory of its own, also below a directory that the root has only for this purpose. The probe
// finds that every layer works and that the root contains no unplanned file of the host.
func TestInterpreterAnywhere(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes directories there: the same suite runs as root")
	}
	for n, parent := range []string{
		"/", "/var", "/var/lib", "/srv", "/opt", "/mnt", "/media", "/home", "/boot", "/etc", "/run", "/dev/shm", "/usr/local", "/var/tmp",
	} {
		t.Run(parent, func(t *testing.T) {
			if _, err := os.Stat(parent); err != nil {
				t.Skip("this machine has no such directory")
			}
			python := virtualEnvironmentBelow(t, parent, map[string]string{"mine": "x = 7"}, "--system-site-packages")
			config := jailtest.Config(t)
			config.Python, config.Fork = python, n%2 == 1
			for _, missing := range doctor.Missing(doctor.Probe(t.Context(), config)) {
				t.Errorf("layer %s: %v", missing.Name, missing.Err)
			}
			j := jailtest.New(t, func(c *jail.Config) { c.Python, c.Fork = python, n%2 == 1 })
			if got := jailtest.Output(t, j, `
import mine, sys
print(mine.x, sys.executable)
`); got != "7 "+python+"\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}

// An interpreter in a directory that also holds other files of the host is refused.
func TestInterpreterWithoutADirectoryOfItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes files there: the same suite runs as root")
	}
	for _, parent := range []string{"/", "/var", "/srv", "/opt", "/mnt", "/home", "/etc", "/run", "/dev/shm"} {
		t.Run(parent, func(t *testing.T) {
			if _, err := os.Stat(parent); err != nil {
				t.Skip("this machine has no such directory")
			}
			link := filepath.Join(parent, jailtest.NamePrefix+"python3")
			if err := os.Symlink(jailtest.Python, link); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.Remove(link) })
			config := jailtest.Config(t)
			config.Python = link
			if _, err := jail.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "install it in its own directory") {
				t.Errorf("got %v", err)
			}
		})
	}
}
