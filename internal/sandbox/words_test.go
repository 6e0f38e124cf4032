package sandbox

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestWords(t *testing.T) {
	limits := DefaultLimits()
	half := limits
	half.Wall, half.Memory = 500*time.Millisecond, 1<<30+1
	for _, tt := range []struct {
		outcome Outcome
		limits  Limits
		reason  string
		status  int
	}{
		{Outcome{Verdict: Exited}, limits, "", 0},
		{Outcome{Verdict: Exited, ExitCode: 7}, limits, "", 7},
		{Outcome{Verdict: Timeout}, limits, "Code execution timed out (5 second limit).", 124},
		{Outcome{Verdict: Timeout}, half, "Code execution timed out (0.5 second limit).", 124},
		{Outcome{Verdict: OOM}, limits, "Memory limit exceeded (256 MiB limit).", 137},
		{Outcome{Verdict: OOM}, half, "Memory limit exceeded (1073741825 bytes limit).", 137},
		{Outcome{Verdict: Rejected}, limits, "", 126},
		{Outcome{Verdict: Cancelled, Timing: Timing{Program: 1500 * time.Millisecond}}, limits, "Code execution was interrupted after 1.5 seconds.", 130},
		{Outcome{Verdict: Signaled, Signal: syscall.SIGSEGV}, limits, "Program was killed by signal SIGSEGV.", 139},
		{Outcome{Verdict: Signaled, Signal: syscall.SIGSYS}, limits, "Program was killed by signal SIGSYS (it made a system call that the sandbox does not allow).", 159},
		{Outcome{Verdict: Signaled, Signal: 40}, limits, "Program was killed by signal 40.", 168},
		{Outcome{Verdict: Signaled, Signal: syscall.SIGINT}, limits, "", 130},
	} {
		if got := tt.outcome.Reason(tt.limits); got != tt.reason {
			t.Errorf("%+v: %q, want %q", tt.outcome, got, tt.reason)
		}
		if got := tt.outcome.ExitStatus(); got != tt.status {
			t.Errorf("%+v: exit status %d, want %d", tt.outcome, got, tt.status)
		}
	}
}

// Every verdict that has an Outcome has words or a status that tells it from success.
func TestVerdictsAreTold(t *testing.T) {
	for _, v := range Verdicts {
		o := Outcome{Verdict: v, ExitCode: 1, Signal: syscall.SIGTERM}
		if v != Exited && v != Failed && o.ExitStatus() < 100 {
			t.Errorf("%s ends with status %d", v, o.ExitStatus())
		}
	}
}

type kinds struct{ strings.Builder }

func (k *kinds) Event(e Event) { k.WriteString(string(e.Kind) + " ") }

// Output that is read before anybody has said that the program runs comes after that all the same.
func TestStreamBeginsWithStarted(t *testing.T) {
	var seen kinds
	s := NewStream(&seen)
	s.Output(Stdout, []byte("x"))
	s.Start()
	s.Output(Stderr, []byte("y"))
	s.Finish(&Outcome{})
	if got := seen.String(); got != "started stdout stderr finished " {
		t.Errorf("events: %s", got)
	}
	var nobody *Stream
	nobody.Start()
	nobody.Output(Stdout, nil)
	nobody.Finish(nil)
}
