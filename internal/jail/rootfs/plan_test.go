package rootfs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// BindReadOnlyPaths= of the unit contains all paths of the host that the plan uses.
func TestUnitBindsThePathsOfThePlan(t *testing.T) {
	unit, err := os.ReadFile("../../../systemd/sandboxd.service")
	if err != nil {
		t.Fatal(err)
	}
	var shown []string
	for line := range strings.Lines(string(unit)) {
		if paths, ok := strings.CutPrefix(line, "BindReadOnlyPaths="); ok {
			for _, path := range strings.Fields(paths) {
				shown = append(shown, strings.TrimPrefix(path, "-"))
			}
		}
	}
	taken := etcFromHost // also files that this host does not have
	for _, n := range Plan(Python{}, sandbox.DefaultLimits()) {
		if n.Op == inside.Tree || n.Op == inside.Bind || n.Op == inside.Link && !strings.HasPrefix(n.Source, "/") {
			taken = append(taken, n.Path)
		}
	}
	for _, path := range taken {
		if !slices.Contains(shown, path) {
			t.Errorf("%s is in the plan but not in BindReadOnlyPaths=", path)
		}
	}
}

// The rules for each version of Landlock are valid: the kernel refuses a rule without rights, and rights that it does not know.
func TestLandlockRulesOfEachVersion(t *testing.T) {
	for abi := 1; abi <= 8; abi++ {
		set := landlockRules(abi, Plan(Python{}, sandbox.DefaultLimits()))
		for _, rule := range set.Rules {
			if rule.Rights == 0 || rule.Rights&^set.Handled != 0 {
				t.Errorf("version %d: the rule for %s has the rights %#x; the handled rights are %#x", abi, rule.Path, rule.Rights, set.Handled)
			}
		}
	}
}
