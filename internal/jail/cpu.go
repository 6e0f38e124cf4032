package jail

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// CPU are settings against what leaks through a processor. They cost speed, and not every machine
// has them: with one set, a machine that cannot do it is an error, not a shrug.
type CPU struct {
	// CoreScheduling keeps everything but the run off the other hardware threads of the core
	// that it is on (Linux 5.14, CONFIG_SCHED_CORE, SMT switched on).
	CoreScheduling bool

	// RestrictSpeculation switches off, for the run, the speculation that the kernel leaves to
	// each task: store bypass (Spectre 4) and indirect branches (Spectre 2) (prctl(2),
	// PR_SET_SPECULATION_CTRL).
	RestrictSpeculation bool
}

// prctls are what the init does for these settings.
func (c CPU) prctls() ([]inside.Prctl, error) {
	var list []inside.Prctl
	if c.CoreScheduling {
		// A cookie of its own, which its children inherit.
		list = append(list, inside.Prctl{Name: "PR_SCHED_CORE", Args: [5]uint64{
			unix.PR_SCHED_CORE, unix.PR_SCHED_CORE_CREATE, 0, unix.PR_SCHED_CORE_SCOPE_THREAD_GROUP}})
	}
	if !c.RestrictSpeculation {
		return list, nil
	}
	for _, kind := range []struct {
		name  string
		which int
	}{
		{"store bypass", unix.PR_SPEC_STORE_BYPASS},
		{"indirect branches", unix.PR_SPEC_INDIRECT_BRANCH},
	} {
		state, err := unix.PrctlRetInt(unix.PR_GET_SPECULATION_CTRL, uintptr(kind.which), 0, 0, 0)
		switch {
		case err != nil:
			return nil, fmt.Errorf("speculation of %s: PR_GET_SPECULATION_CTRL: %w", kind.name, err)
		case state&unix.PR_SPEC_PRCTL != 0:
			list = append(list, inside.Prctl{Name: "PR_SET_SPECULATION_CTRL", Args: [5]uint64{
				unix.PR_SET_SPECULATION_CTRL, uint64(kind.which), unix.PR_SPEC_FORCE_DISABLE}})
		case state&unix.PR_SPEC_ENABLE != 0:
			return nil, fmt.Errorf("speculation of %s: the processor does it, and the kernel has no control of it for single tasks here", kind.name)
		}
		// Else the processor does not do it, or the kernel has it off for all.
	}
	return list, nil
}
