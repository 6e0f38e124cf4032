package spawn

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// What is embedded is what is in the tree: a plain `go test` after a change of the init
// would otherwise try the one of yesterday.
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
			t.Errorf("%s is not of this tree: run make init", name)
		}
	}
}
