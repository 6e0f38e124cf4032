package jail

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Result is the outcome of a run. The jail may still be in removal.
type Result struct {
	sandbox.Outcome

	jail *jail // nil: nothing can be left
}

// Over reports whether all processes of the program had ended when Run returned. Otherwise the run may use memory and processor time
// until Wait returns.
func (r *Result) Over() bool { return r.jail == nil || r.jail.over }

// Wait waits until the last process of the run has ended and its leaf and host uid have been released. If a program with much memory
// was killed, the kernel may need seconds. An error is a sandbox.SetupError and means that something is left.
func (r *Result) Wait() error {
	if r.jail == nil {
		return nil
	}
	return r.jail.left()
}

// atStage wraps an error in a SetupError with this stage. It returns nil for nil, and an error that has a stage unchanged.
func atStage(stage string, err error) error {
	var failed *sandbox.SetupError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return &sandbox.SetupError{Stage: stage, Err: err}
}

// stopped is the verdict of a run that the daemon ends: because of the clock, a limit or the caller. It is returned as an error so
// that the steps of the run stop, but it is not a failure of the sandbox.
type stopped sandbox.Verdict

func (s stopped) Error() string { return "the run was ended: " + string(s) }

// ended is the information from which the verdict is derived.
type ended struct {
	cause  stopped // why the daemon ended the program, decided before the kill; "" if it did not
	oom    bool    // memory.events counted an oom kill in the leaf
	status unix.WaitStatus
}

// verdict returns how the program ended. A signal alone does not tell: SIGKILL may come from the clock, the memory limit, a cancelled
// run or the program itself. So the daemon's own cause counts first, then the kernel's count of oom kills, then the wait status.
func (e ended) verdict() sandbox.Verdict {
	switch {
	case e.cause != "":
		return sandbox.Verdict(e.cause)
	case e.oom && (e.status.Signaled() && e.status.Signal() == unix.SIGKILL):
		return sandbox.OOM
	case e.status.Signaled():
		return sandbox.Signaled
	default:
		return sandbox.Exited
	}
}

// denials adds the call for which the filter killed the program (SIGSYS). The listener does not see such a call. A program can also
// send SIGSYS to itself, which cannot be told apart.
func (e ended) denials(counted map[string]int) map[string]int {
	if counted != nil && e.status.Signaled() && e.status.Signal() == unix.SIGSYS {
		counted[sandbox.DenialKilled]++
	}
	return counted
}

// usage takes the values of the leaf's account, and those of the wait status and the watchdog if there are none. spent is the CPU time
// that the jail had used before the program started; it is subtracted.
func usage(a cgroup.Account, e exit, spent time.Duration, peakSeen int64) sandbox.Usage {
	u := sandbox.Usage{CPU: a.CPU, PeakMemory: a.Peak}
	if u.CPU == 0 {
		u.CPU = e.CPU
	}
	u.CPU = max(0, u.CPU-spent)
	if u.PeakMemory == 0 {
		u.PeakMemory = peakSeen
	}
	return u
}

func signalOf(s unix.WaitStatus) unix.Signal {
	if !s.Signaled() {
		return 0
	}
	return s.Signal()
}
