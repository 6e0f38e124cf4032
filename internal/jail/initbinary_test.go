package jail

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
	embedded, err := embedded.ReadFile(embeddedInit)
	if err != nil {
		testenv.Missing(t, "the embedded init: run make init")
	}
	if testenv.InLab() {
		t.Skip("no compiler in the lab: this is tried outside of it")
	}
	fresh := filepath.Join(t.TempDir(), "sandboxd-init")
	build := exec.Command("../../scripts/init", filepath.Dir(fresh))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	current, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(current, embedded) {
		t.Error("the embedded init is not of this tree: run make init")
	}
}

// Whatever descriptors are free: with the init's own number among 0 to 3 there is nothing to execute.
func TestEmbeddedInitKeepsClear(t *testing.T) {
	init, err := openInit()
	if err != nil {
		t.Fatal(err)
	}
	defer init.close()
	if fd := init.file.Fd(); fd < leastInitFD {
		t.Errorf("descriptor %d", fd)
	}
}
