package jail

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Stages at which the daemon's own part of a run can fail. They are values of SetupError.Stage, as those of the init are
// (inside.Stages).
const (
	StageCgroup      = "cgroup"      // mkdir and limits of the leaf
	StageClone       = "clone"       // clone3, id maps
	StageHandOff     = "hand-off"    // the script was not sent, or the init died without a report
	StageTemplate    = "template"    // a template could not be started
	StageInterpreter = "interpreter" // python3 did not come to take its program
	StageKill        = "kill"        // a process survives SIGKILL
	StageWait        = "wait"        // the init could not be waited for, or somebody else killed it
	StageTeardown    = "teardown"    // the leaf could not be removed
)

// Stages is the closed set of values of SetupError.Stage.
func Stages() []string {
	return slices.Concat([]string{StageCgroup, StageTemplate, StageClone, StageHandOff}, inside.Stages,
		[]string{StageInterpreter, StageKill, StageWait, StageTeardown})
}
