package jail

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// CPU holds settings against side channels through the processor. They make runs slower. A setting that the machine does not support
// is an error.
type CPU struct {
	// CoreScheduling keeps other processes off the hardware threads of the core on which the run is (Linux 5.14 with
	// CONFIG_SCHED_CORE, and SMT switched on).
	CoreScheduling bool

	// RestrictSpeculation disables, for the run, the kinds of speculation that the kernel lets each task control: store bypass
	// (Spectre variant 4) and indirect branches (Spectre variant 2). See PR_SET_SPECULATION_CTRL in prctl(2).
	RestrictSpeculation bool
}

// prctls returns the prctl calls that the init makes for these settings.
func (c CPU) prctls() ([]inside.Prctl, error) {
	var list []inside.Prctl
	if c.CoreScheduling {
		// The init gets a new core scheduling cookie, which its children inherit.
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
			return nil, fmt.Errorf("speculation of %s is on, and this kernel cannot disable it for single tasks", kind.name)
		}
		// Otherwise the processor does not speculate in this way, or the kernel has disabled it for all tasks.
	}
	return list, nil
}
