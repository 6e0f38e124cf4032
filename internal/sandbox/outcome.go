package sandbox

import (
	"fmt"
	"syscall"
	"time"
	"unicode/utf8"
)

// Verdict is how a run ended.
type Verdict string

// The verdicts. Exactly one applies to each run.
const (
	Exited    Verdict = "exited"    // the program ended by itself, with Outcome.ExitCode
	Signaled  Verdict = "signaled"  // Outcome.Signal, which the daemon did not send, ended the program
	Timeout   Verdict = "timeout"   // the daemon killed the program because the wall clock ran out
	OOM       Verdict = "oom"       // the program needed more memory than its limit
	CPULimit  Verdict = "cpu"       // the program used more CPU time than its limit
	Rejected  Verdict = "rejected"  // the policy forbids the program, so it was not run
	Cancelled Verdict = "cancelled" // the caller disconnected, or cancelled the run
	Failed    Verdict = "error"     // the sandbox failed, not the program; there is an error and no Outcome
)

// Verdicts lists all verdicts.
var Verdicts = []Verdict{Exited, Signaled, Timeout, OOM, CPULimit, Rejected, Cancelled, Failed}

// Outcome holds all results of a run.
type Outcome struct {
	Verdict  Verdict
	ExitCode int            // for Exited
	Signal   syscall.Signal // for Signaled
	Findings []Finding      // in the order of the source; for Rejected, the reasons; otherwise the findings of a stricter policy
	Stdout   Output
	Stderr   Output

	// Line is the line of main.py that the program executed when its time ran out; 0 if it is not known.
	Line int

	Displays     []Display // in order; at most MaxDisplays and MaxDisplayBytes
	LostDisplays int       // number of displays beyond these bounds, or malformed

	Files     []File // the files that match Program.Collect, sorted; at most MaxOutFiles and MaxOutBytes
	LostFiles int    // number of other files that match: too large, too many, unreadable, or with a name that is not UTF-8

	// Denials counts, by system call, how often the seccomp filter denied it. Calls that the filter denies quietly are not counted. A
	// key is a system call's name, DenialUnknown or DenialKilled. Denials is nil if they are not counted, because another filter of
	// the process already has a listener.
	Denials map[string]int

	// Refused is how often the program could start no process or thread because of Limits.Pids. 0 where no controller counts it.
	Refused int64

	Usage  Usage
	Timing Timing
	Warm   bool // the run used a waiting jail
}

// Keys of Outcome.Denials that are not system calls.
const (
	DenialUnknown = "unknown" // a call whose name is not known
	DenialKilled  = "killed"  // the call for which the filter killed the program
)

// Display is one object that a program displayed: a picture, a table, a formula.
type Display struct {
	MIME  string // one of MIMETypes
	Title string // a text alternative; "" if the program gave none
	Data  []byte // as the program sent it, not checked
}

// MIMETypes lists the types of displays, the richest first.
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

// Whole returns Kept. If the cap cut the last character, Whole leaves out its first bytes.
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

// Usage is the resource use of a run. Without cgroup controllers it comes from the rusage of ended processes and from the watchdog.
type Usage struct {
	CPU        time.Duration // user and system time of the whole jail
	PeakMemory int64         // bytes
}

// Timing divides the time of a run into parts that do not overlap. The preparation of a waiting jail before the run is not included.
type Timing struct {
	Queued   time.Duration // waiting for a slot
	Clone    time.Duration // until the init was cloned into its namespaces and its leaf
	Setup    time.Duration // until the jail was built, python3 had started, and had taken the program
	Program  time.Duration // the time that Limits.Wall bounds
	Teardown time.Duration // until the answer was ready; the jail is removed after that
}

// SetupError means that the sandbox failed, and not the program. Stage is one of a closed set (jail.Stages), so it can be the label of a
// metric.
type SetupError struct {
	Stage string
	Err   error
}

func (e *SetupError) Error() string {
	return fmt.Sprintf("sandbox set-up failed at %s: %v", e.Stage, e.Err)
}
func (e *SetupError) Unwrap() error { return e.Err }
