package jail

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Result is what a run left behind.
type Result struct {
	sandbox.Outcome

	jail *jail // nil: nothing can be left
}

// Over reports whether the run had ended with its answer: it holds no memory and no processor any more. Otherwise
// it does until Wait returns.
func (r *Result) Over() bool { return r.jail == nil || r.jail.over }

// Wait waits until nothing of the run is left: its leaf, its host uid, its last process. The kernel may need seconds for a
// program that had much memory and was killed. The error is a sandbox.SetupError: something is left.
func (r *Result) Wait() error {
	if r.jail == nil {
		return nil
	}
	return r.jail.left()
}

// atStage makes a SetupError of an error. nil stays nil, and what has a stage keeps it.
func atStage(stage string, err error) error {
	var failed *sandbox.SetupError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return &sandbox.SetupError{Stage: stage, Err: err}
}

// stopped is why we end a program: the clock, its memory, the caller. As an error it is what keeps a run from going on, and
// no failure.
type stopped sandbox.Verdict

func (s stopped) Error() string { return "the run was ended: " + string(s) }

// ended is all that is known about the end of a program.
type ended struct {
	cause  stopped // our own kill, decided before it was sent; "" when we did not kill
	oom    bool    // memory.events counted an oom kill in the leaf
	status unix.WaitStatus
}

// verdict decides why the program ended. Never from the signal alone: a SIGKILL may be the
// clock, the memory, the client who went away, or the program itself. So our own cause
// counts first, then the kernel's account of the memory, then the wait status.
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

// denials adds to what was counted the call for which the filter killed the program. A program can also send SIGSYS to
// itself.
func (e ended) denials(counted map[string]int) map[string]int {
	if counted != nil && e.status.Signaled() && e.status.Signal() == unix.SIGSYS {
		counted[sandbox.DenialKilled]++
	}
	return counted
}

// usage prefers the kernel's account of the leaf to what the daemon saw from outside. spent is the CPU time before the program's own.
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
