package sandbox

import (
	"strings"
	"syscall"
	"testing"
	"time"

	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
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

func TestSentences(t *testing.T) {
	limits := DefaultLimits()
	limits.Wall = 1500 * time.Millisecond
	for _, tt := range []struct {
		outcome Outcome
		want    string
	}{
		{Outcome{Verdict: Exited}, "The program ended by itself with exit code 0."},
		{Outcome{Verdict: Exited, ExitCode: 3}, "The program ended by itself with exit code 3."},
		{Outcome{Verdict: Timeout}, "The program was stopped after 1.5 s of wall-clock time, which is the limit."},
		{Outcome{Verdict: Timeout, Line: 7}, "The program was stopped after 1.5 s of wall-clock time, which is the limit, in line 7."},
		{Outcome{Verdict: Exited, ExitCode: 1, Denials: map[string]int{"socket": 3, "mount": 2, DenialUnknown: 9}},
			"The program ended by itself with exit code 1. There is no network in here: the program called socket 3 times."},
		{Outcome{Verdict: Exited, ExitCode: 1, Denials: map[string]int{"socket": 1}},
			"The program ended by itself with exit code 1. There is no network in here: the program called socket once."},
		{Outcome{Verdict: Exited, Denials: map[string]int{"socket": 3}}, "The program ended by itself with exit code 0."},
		{Outcome{Verdict: Exited, ExitCode: 1, Denials: map[string]int{DenialUnknown: 9}}, "The program ended by itself with exit code 1."},
		{Outcome{Verdict: Exited, ExitCode: 1, Refused: 5},
			"The program ended by itself with exit code 1. It could not start a process or thread, because it had 256, which is the limit."},
		{Outcome{Verdict: Exited, Stdout: Output{Total: 1}},
			"The program ended by itself with exit code 0. Output was dropped, because at most 1 MiB of a stream are kept."},
		{Outcome{Verdict: OOM}, "The program was stopped because it needed more than 256 MiB of memory, which is the limit."},
		{Outcome{Verdict: Rejected, Findings: []Finding{{Line: 3}, {Line: 5}}}, "The program was not run, because the policy forbids what it does in line 3."},
		{Outcome{Verdict: Cancelled, Timing: Timing{Program: 12 * time.Millisecond}}, "The program was stopped after 0.012 s, because its client cancelled it."},
		{Outcome{Verdict: Cancelled}, "The program was not run, because its client cancelled it before."},
		{Outcome{Verdict: Signaled, Signal: syscall.SIGUSR1}, "The program was ended by signal SIGUSR1."},
		{Outcome{Verdict: Signaled, Signal: syscall.SIGSEGV}, "The program was ended by signal SIGSEGV: it accessed memory that is not its own, or recursed too deeply in compiled code."},
	} {
		if got := tt.outcome.Sentence(limits); got != tt.want {
			t.Errorf("%s: %q", tt.outcome.Verdict, got)
		}
	}
	for _, v := range Verdicts {
		o := Outcome{Verdict: v, Findings: []Finding{{}}}
		if got := o.Sentence(limits); (v == Failed) != strings.HasPrefix(got, "The sandbox failed") {
			t.Errorf("%s: %q", v, got)
		}
	}
}

func TestExplanationsOfDenials(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range denied {
		for _, call := range strings.Fields(d.calls) {
			if seen[call] {
				t.Errorf("%s is explained twice", call)
			}
			seen[call] = true
			if got := ExplainDenial(call); got != d.why {
				t.Errorf("%s: %s", call, got)
			}
		}
	}
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range seccompprofiles.Counted(filter.Program) {
		if !seen[call] {
			t.Errorf("the default filter denies %s, which is not explained", call)
		}
	}
	if got := ExplainDenial("socket"); got != "There is no network in here." {
		t.Error(got)
	}
	if got := ExplainDenial("no_such_call"); !strings.Contains(got, "does not offer") {
		t.Error(got)
	}
}

// For every verdict with an Outcome except Exited, the exit status differs from that of a program that ended by itself.
func TestExitStatusOfVerdicts(t *testing.T) {
	for _, v := range Verdicts {
		o := Outcome{Verdict: v, ExitCode: 1, Signal: syscall.SIGTERM}
		if v != Exited && v != Failed && o.ExitStatus() < 100 {
			t.Errorf("%s ends with status %d", v, o.ExitStatus())
		}
	}
}

type kinds struct{ strings.Builder }

func (k *kinds) Event(e Event) { k.WriteString(string(e.Kind) + " ") }

// If output is reported before Start is called, the event Started is still the first.
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
