package jail

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// Verdict is why a program ended. A sandbox that failed has none: Run returns a SetupError.
type Verdict string

const (
	Exited    Verdict = "exited"    // it ended by itself, with Result.ExitCode
	Signaled  Verdict = "signaled"  // a signal that was not ours ended it: Result.Signal
	Timeout   Verdict = "timeout"   // the wall clock ran out and we killed it
	OOM       Verdict = "oom"       // it wanted more memory than its limit
	Cancelled Verdict = "cancelled" // the caller's context ended first
)

// Result is what a run left behind.
type Result struct {
	Verdict  Verdict
	ExitCode int         // for Exited
	Signal   unix.Signal // for Signaled
	Stdout   Output
	Stderr   Output

	// Denials are how often which system call was denied by the seccomp filter, those that the
	// filter denies quietly left out. Names are the kernel's, DenialUnknown and DenialKilled. Nil where
	// they are not counted: another filter below the daemon's has a listener already.
	Denials map[string]int

	Usage  Usage
	Timing Timing
	Warm   bool // the jail was waiting for a program

	run *run // nil: nothing can be left
}

// Over reports whether the run had ended with its answer: it holds no memory and no processor any more. Otherwise
// it does until Wait returns.
func (r *Result) Over() bool { return r.run == nil || r.run.over }

// Wait waits until nothing of the run is left: its leaf, its host uid, its last process. The kernel may need seconds for a
// program that had much memory and was killed. The error is a SetupError: something is left.
func (r *Result) Wait() error {
	if r.run == nil {
		return nil
	}
	return r.run.left()
}

// Output is one stream of a run.
type Output struct {
	Kept  []byte // the first Limits.Output bytes, as written
	Total int64  // bytes written, the dropped ones included
}

// Truncated reports whether bytes were dropped.
func (o Output) Truncated() bool { return o.Total > int64(len(o.Kept)) }

// Whole is what was kept, less the character at its end of which the cap left only the beginning.
func (o Output) Whole() []byte {
	kept := o.Kept
	if !o.Truncated() {
		return kept
	}
	for i := 1; i < utf8.UTFMax && i <= len(kept); i++ {
		if tail := kept[len(kept)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				kept = kept[:len(kept)-i]
			}
			break
		}
	}
	return kept
}

// Usage is what a run took. Without cgroup controllers it is what the kernel tells of
// reaped processes and what the watchdog saw.
type Usage struct {
	CPU        time.Duration // user and system time of the whole jail
	PeakMemory int64         // bytes
}

// Timing says where the time of a run went. The parts do not overlap. What was done for a jail
// before the run came is in none.
type Timing struct {
	Clone    time.Duration // until the kernel had made init in its namespaces and its cgroup
	Setup    time.Duration // until the jail was built, python3 had started in it, and taken the program
	Program  time.Duration // what the wall limit bounds
	Teardown time.Duration // until the answer was ready; what remains of the jail then is taken apart afterwards
}

// SetupError says that the sandbox failed, never the program. Stage is one of a closed set
// (see Stages), fit for a metric label.
type SetupError struct {
	Stage string
	Err   error
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("sandbox set-up failed at %s: %v", e.Stage, e.Err)
}
func (e *SetupError) Unwrap() error { return e.Err }

// atStage makes a SetupError of an error. nil stays nil, and what has a stage keeps it.
func atStage(stage string, err error) error {
	var failed *SetupError
	if err == nil || errors.As(err, &failed) {
		return err
	}
	return &SetupError{stage, err}
}

// ended is all that is known about the end of a program.
type ended struct {
	cause  Verdict // our own kill, decided before it was sent; "" when we did not kill
	oom    bool    // memory.events counted an oom kill in the leaf
	status unix.WaitStatus
}

// verdict decides why the program ended. Never from the signal alone: a SIGKILL may be the
// clock, the memory, the client who went away, or the program itself. So our own cause
// counts first, then the kernel's account of the memory, then the wait status.
func (e ended) verdict() Verdict {
	switch {
	case e.cause != "":
		return e.cause
	case e.oom && (e.status.Signaled() && e.status.Signal() == unix.SIGKILL):
		return OOM
	case e.status.Signaled():
		return Signaled
	default:
		return Exited
	}
}

// denials adds to what was counted the call for which the filter killed the program. A program can also send SIGSYS to
// itself.
func (e ended) denials(counted map[string]int) map[string]int {
	if counted != nil && e.status.Signaled() && e.status.Signal() == unix.SIGSYS {
		counted[DenialKilled]++
	}
	return counted
}
