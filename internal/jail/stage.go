package jail

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Stages at which the daemon's own part of a run can fail: values of SetupError.Stage, with
// those of the init.
const (
	stageCgroup      = "cgroup"      // mkdir and limits of the leaf
	stageClone       = "clone"       // clone3, id maps
	stageHandOff     = "hand-off"    // script not sent, or init died silently
	stageTemplate    = "template"    // a template could not be started
	stageInterpreter = "interpreter" // python3 did not come to take its program
	stageKill        = "kill"        // something survives SIGKILL
	stageWait        = "wait"        //
	stageTeardown    = "teardown"    // the leaf could not be removed
)

// Stages is the closed set of values of SetupError.Stage.
func Stages() []string {
	return slices.Concat([]string{stageCgroup, stageTemplate, stageClone, stageHandOff}, inside.Stages,
		[]string{stageInterpreter, stageKill, stageWait, stageTeardown})
}
