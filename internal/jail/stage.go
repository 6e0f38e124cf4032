package jail

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Stages at which the daemon's own part of a run can fail. They are values of SetupError.Stage, as those of the init are
// (inside.Stages).
const (
	StageCgroup      = "cgroup"      // the leaf could not be made or limited
	StageClone       = "clone"       // clone3 or the id maps failed
	StageHandOff     = "hand-off"    // the script was not sent, or the init died without a report
	StageTemplate    = "template"    // a template could not be started
	StageInterpreter = "interpreter" // python3 did not start, or did not take its program
	StageKill        = "kill"        // a process survives SIGKILL
	StageWait        = "wait"        // the init could not be waited for, or a process outside of the jail killed it
	StageTeardown    = "teardown"    // the leaf could not be removed
)

// Stages is the closed set of values of SetupError.Stage.
func Stages() []string {
	return slices.Concat([]string{StageCgroup, StageTemplate, StageClone, StageHandOff}, inside.Stages,
		[]string{StageInterpreter, StageKill, StageWait, StageTeardown})
}
