package spawn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The embedded init is built from the sources in the tree. Otherwise a plain `go test` after a change of the init would test the old one.
func TestEmbeddedInitIsCurrent(t *testing.T) {
	if testenv.InLab() {
		t.Skip("no compiler in the lab: this is tried outside of it")
	}
	fresh := t.TempDir()
	if out, err := exec.Command("../../../scripts/init", fresh).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{embeddedInit, embeddedFork} {
		embedded, err := embedded.ReadFile(name)
		if err != nil {
			testenv.Missing(t, "%s: run make init", name)
		}
		current, err := os.ReadFile(filepath.Join(fresh, filepath.Base(name)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(current, embedded) {
			t.Errorf("%s is out of date: run make init", name)
		}
	}
}
