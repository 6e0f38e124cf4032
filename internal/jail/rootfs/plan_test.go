package rootfs

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// The unit's root directory holds what the plan takes from the host, where the host has it.
func TestUnitShowsWhatThePlanTakes(t *testing.T) {
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
	taken := etcFromHost // also what this host lacks
	for _, n := range Plan(Python{}, sandbox.DefaultLimits()) {
		if n.Op == inside.Tree || n.Op == inside.Bind || n.Op == inside.Link && !strings.HasPrefix(n.Source, "/") {
			taken = append(taken, n.Path)
		}
	}
	for _, path := range taken {
		if !slices.Contains(shown, path) {
			t.Errorf("%s is in the plan, and not in BindReadOnlyPaths=", path)
		}
	}
}

// Every version of Landlock takes every rule: one without a right, or with one that the version does not know, is refused.
func TestLandlockRulesOfEachVersion(t *testing.T) {
	for abi := 1; abi <= 8; abi++ {
		set := landlockRules(abi, Plan(Python{}, sandbox.DefaultLimits()))
		for _, rule := range set.Rules {
			if rule.Rights == 0 || rule.Rights&^set.Handled != 0 {
				t.Errorf("version %d: the rule for %s has the rights %#x of %#x", abi, rule.Path, rule.Rights, set.Handled)
			}
		}
	}
}
