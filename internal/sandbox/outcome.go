package sandbox

import (
	"fmt"
	"syscall"
	"time"
	"unicode/utf8"
)

// Verdict is how a run ended.
type Verdict string

const (
	Exited    Verdict = "exited"    // the program ended by itself, with Outcome.ExitCode
	Signaled  Verdict = "signaled"  // a signal that was not ours ended it: Outcome.Signal
	Timeout   Verdict = "timeout"   // the wall clock ran out and we killed it
	OOM       Verdict = "oom"       // it wanted more memory than its limit
	CPULimit  Verdict = "cpu"       // it took more CPU time than it may
	Rejected  Verdict = "rejected"  // the policy forbids it: it was not run
	Cancelled Verdict = "cancelled" // the caller went away, or cancelled the run
	Failed    Verdict = "error"     // the sandbox failed, not the program: there is an error and no Outcome
)

// Verdicts are all that there are.
var Verdicts = []Verdict{Exited, Signaled, Timeout, OOM, CPULimit, Rejected, Cancelled, Failed}

// Outcome is what came of a run.
type Outcome struct {
	Verdict  Verdict
	ExitCode int            // for Exited
	Signal   syscall.Signal // for Signaled
	Findings []Finding      // in the order of the source: for Rejected why, otherwise what a stricter policy would say
	Stdout   Output
	Stderr   Output

	// Line is the line of main.py in which the program was when its time ran out; 0 if that is not known.
	Line int

	Displays     []Display // in order; at most MaxDisplays and MaxDisplayBytes
	LostDisplays int       // that were shown beyond that, or could not be understood

	Files     []File // those that Program.Collect names, sorted; at most MaxOutFiles and MaxOutBytes
	LostFiles int    // that were named too, and are not in Files: too large, too many, unreadable, or with a name that is no UTF-8

	// Denials are how often which system call was denied by the seccomp filter, those that the
	// filter denies quietly left out. Names are the kernel's, DenialUnknown and DenialKilled. Nil where
	// they are not counted: another filter below the daemon's has a listener already.
	Denials map[string]int

	// Refused is how often the program could start no process or thread because of Limits.Pids. 0 where no controller counts it.
	Refused int64

	Usage  Usage
	Timing Timing
	Warm   bool // the jail was waiting for a program
}

// Names in Outcome.Denials that are no system call's.
const (
	DenialUnknown = "unknown" // a call that has no name here
	DenialKilled  = "killed"  // the call for which the filter killed the program
)

// Display is one thing that a program showed: a picture, a table, a formula.
type Display struct {
	MIME  string // one of MIMETypes
	Title string // for people who cannot see it; "" if the program gave none
	Data  []byte // as the program sent it: it is not looked at
}

// MIMETypes are the types of displays, the richest first.
var MIMETypes = []string{"image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml", "application/vnd.plotly.v1+json",
	"application/vnd.vegalite.v5+json", "application/vnd.bokehjs_exec.v0+json", "text/html", "text/latex", "text/markdown",
	"application/json", "text/plain"}

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
// processes that have ended, and what the watchdog saw.
type Usage struct {
	CPU        time.Duration // user and system time of the whole jail
	PeakMemory int64         // bytes
}

// Timing says where the time of a run went. The parts do not overlap. What was done for a jail
// before the run came is in none.
type Timing struct {
	Queued   time.Duration // for a slot
	Clone    time.Duration // until the kernel had made the init in its namespaces and its cgroup
	Setup    time.Duration // until the jail was built, python3 had started in it, and taken the program
	Program  time.Duration // what the wall limit bounds
	Teardown time.Duration // until the answer was ready; what remains of the jail then is taken apart afterwards
}

// SetupError says that the sandbox failed, never the program. Stage is one of a closed set
// (jail.Stages), fit for the label of a metric.
type SetupError struct {
	Stage string
	Err   error
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("sandbox set-up failed at %s: %v", e.Stage, e.Err)
}
func (e *SetupError) Unwrap() error { return e.Err }
