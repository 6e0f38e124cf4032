package service

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// endless stands for a jail whose program ends only when its context does. It says when a program has started.
type endless struct{ started chan string }

func (e endless) Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*jail.Result, error) {
	source := string(program.Source)
	if strings.Contains(source, "slow to set up") {
		e.started <- source
		<-ctx.Done()
		return nil, fmt.Errorf("clone: %w", context.Cause(ctx))
	}
	live.Start()
	e.started <- source
	<-ctx.Done()
	o := sandbox.Outcome{Verdict: sandbox.Cancelled, Stdout: wrote("so far")}
	o.Timing.Program = 1
	return &jail.Result{Outcome: o}, nil
}

// ran is what Run returned.
type ran struct {
	verdict sandbox.Verdict
	stdout  string
	events  transcript
	err     error
}

func TestCancel(t *testing.T) {
	jails := endless{make(chan string)}
	s := newService(nil)
	s.cfg.Runner, s.cfg.Gate = jails, admission.New(1, 1)
	start := func(ctx context.Context, name, source string) <-chan ran {
		done := make(chan ran, 1)
		go func() {
			var got ran
			reply, err := s.Run(ctx, Request{ID: "r", Run: name, Program: sandbox.Program{Source: []byte(source)}}, &got.events)
			if got.err = err; err == nil {
				got.verdict, got.stdout = reply.Verdict, string(reply.Stdout.Kept)
				reply.Close()
			}
			done <- got
		}()
		return done
	}
	expect := func(got ran, stdout, events string) {
		t.Helper()
		if got.err != nil || got.verdict != sandbox.Cancelled || got.stdout != stdout || strings.Join(got.events, ", ") != events {
			t.Errorf("%+v", got)
		}
	}
	if s.Cancel("run_1") || s.Cancel("") {
		t.Error("a run that there is not is cancelled")
	}

	first := start(t.Context(), "run_1", "x")
	<-jails.started
	second := start(t.Context(), "run_2", "y")
	for s.Gate().Depth() == 0 { // until the second run waits
	}
	if !s.Cancel("run_2") { // run_2 waits for the slot of run_1
		t.Error("a run that waits is not found")
	}
	expect(<-second, "", "0 finished cancelled")
	if !s.Cancel("run_1") {
		t.Error("a run is not found")
	}
	expect(<-first, "so far", "0 started, 1 finished cancelled")
	if s.Cancel("run_1") || s.Cancel("run_2") {
		t.Error("a run that has ended is cancelled")
	}

	third := start(t.Context(), "run_3", "slow to set up")
	<-jails.started
	s.Cancel("run_3")
	expect(<-third, "", "0 finished cancelled")

	// A client that disconnects does not cause ErrCancelled.
	ctx, leave := context.WithCancel(t.Context())
	fourth := start(ctx, "run_4", "slow to set up")
	<-jails.started
	leave()
	if got := <-fourth; got.err == nil {
		t.Errorf("%+v", got)
	}

	if got := strings.Count(s.log.String(), "msg=run "); got != 4 || strings.Count(s.log.String(), "verdict=cancelled") != 4 || strings.Contains(s.log.String(), "level=ERROR") {
		t.Errorf("the log: %s", s.log.String())
	}
	if len(s.named.ends) != 0 || s.Gate().InFlight() != 0 || !s.cfg.Memory.Take(unreadMemory+largestReply(s.Limits())) {
		t.Error("something is held")
	}
}

// A run that is cancelled as it ends has one of the two verdicts.
func TestCancelWhileRunsEnd(t *testing.T) {
	s := newService(prints)
	s.cfg.Gate = admission.New(8, 1000)
	s.cfg.Memory = AnswerMemory(8, s.Limits())
	var wg sync.WaitGroup
	for i := range 200 {
		name := fmt.Sprint("run_", i)
		wg.Go(func() {
			reply, err := s.Run(t.Context(), Request{Run: name, Program: sandbox.Program{Source: []byte("x")}}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if reply.Verdict != sandbox.Exited && reply.Verdict != sandbox.Cancelled {
				t.Error(reply.Verdict)
			}
			reply.Close()
		})
		wg.Go(func() {
			for range 10 {
				s.Cancel(name)
			}
		})
	}
	wg.Wait()
	if len(s.named.ends) != 0 || s.Gate().InFlight() != 0 {
		t.Error("something is held")
	}
}
