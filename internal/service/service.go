// Package service runs programs for those who have a door to the outside: an HTTP handler, the command line. It is the way
// of a run: scan, admission, run, record. Policy, admission, jail, metrics and the log meet nowhere else.
package service

import (
	"bytes"
	"context"
	"errors"
	"log/slog"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Runner runs one program to its end. An error means that the sandbox
// failed, never the program. *jail.Jail is one.
type Runner interface {
	Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*jail.Result, error)
}

// Scanner says what the policy has against a program, in the order of the source. An error means
// that it gave up: the run goes on without it. *scan.Scanner is one.
type Scanner interface {
	Scan(ctx context.Context, source []byte) ([]sandbox.Finding, error)
}

// Config is what a Service is made of.
type Config struct {
	Runner  Runner
	Scanner Scanner
	Nulled  []string // builtins that are None for the program, as the policy wants it
	Limits  sandbox.Limits
	Gate    *admission.Gate
	Memory  *admission.Memory // for replies that are not closed yet: AnswerMemory
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// Service runs programs. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a Service. All of the configuration but Nulled has to be there.
func New(cfg Config) *Service { return &Service{cfg} }

// Limits are those of every run.
func (s *Service) Limits() sandbox.Limits { return s.cfg.Limits }

// Gate is what every run passes.
func (s *Service) Gate() *admission.Gate { return s.cfg.Gate }

// Request asks for a run.
type Request struct {
	ID      string // by which the log knows it
	Client  string // the address of whoever sent it; "" if there is none
	Program sandbox.Program
}

// Reply is the outcome of a run. What it takes of the memory for replies is given back by Close.
type Reply struct {
	*sandbox.Outcome
	space *admission.Share
}

// Close gives the memory back. The reply must not be used after it.
func (r *Reply) Close() { r.space.Release() }

// ErrBusyReplies says that no memory is left for another reply.
var ErrBusyReplies = errors.New("too many answers are waiting to be read: try again later")

// Error says that a run was begun, and that its sandbox failed.
type Error struct {
	Err  error // a *sandbox.SetupError
	Gone bool  // it failed since whoever asked for the run had gone away
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Run runs a program, or says why not. The sink, nil for none, is told of what happens meanwhile.
//
// When ctx ends first the verdict is Cancelled. Errors are *Error, ErrBusyReplies, admission.ErrFull, admission.ErrDraining,
// and the cause of the end of ctx before there was a run. The caller closes the Reply.
func (s *Service) Run(ctx context.Context, request Request, sink sandbox.Sink) (*Reply, error) {
	program := request.Program
	findings, err := s.cfg.Scanner.Scan(ctx, program.Source)
	if err != nil {
		s.cfg.Metrics.ScanAbandoned()
	}
	// What does not compile is python3's to report, and the scanner's grammar is not python3's.
	program.Nulled, program.Check = s.cfg.Nulled, len(findings) > 0
	live := sandbox.NewStream(sink)
	if program.Check {
		live = nil
	}
	space := s.cfg.Memory.Share()
	kept := false
	defer func() {
		if !kept {
			space.Release()
		}
	}()
	outcome, err := s.run(ctx, request.ID, program, live, space)
	if err == nil && program.Check && outcome.Verdict == sandbox.Exited && outcome.ExitCode == 0 {
		outcome = &sandbox.Outcome{Verdict: sandbox.Rejected, Findings: findings, Timing: outcome.Timing}
	}
	s.record(ctx, request, outcome, err)
	if err != nil {
		return nil, err
	}
	if program.Check { // nobody was told what the compiler says, which matters only if it failed
		live = sandbox.NewStream(sink)
		if outcome.Verdict != sandbox.Rejected {
			live.Output(sandbox.Stderr, outcome.Stderr.Kept)
		}
	}
	live.Finish(outcome)
	kept = true
	return &Reply{outcome, space}, nil
}

// run waits for a slot and holds it no longer than the run takes: who is slow to
// take a reply holds none. What that one does hold is memory, in which there must be room for the
// largest reply before the run begins, and which then is made as small as the reply is. Those
// who wait for a slot hold no memory, and nobody who holds a slot waits for memory.
func (s *Service) run(ctx context.Context, id string, program sandbox.Program, live *sandbox.Stream, space *admission.Share) (*sandbox.Outcome, error) {
	release, queued, err := s.cfg.Gate.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	held := true // the slot, by this call
	defer func() {
		if held {
			release()
		}
	}()
	s.cfg.Metrics.Queued(queued)
	if !space.Grow(largestReply(s.cfg.Limits)) {
		return nil, ErrBusyReplies
	}
	result, err := s.cfg.Runner.Run(ctx, program, live)
	if err != nil {
		// A sandbox that fails while its client goes away has failed all the same.
		return nil, &Error{err, ctx.Err() != nil && errors.Is(err, context.Cause(ctx))}
	}
	held = false
	if result.Over() { // whoever waits for the slot gets it before this reply is taken
		release()
	}
	go s.releaseAfter(ctx, id, result, release)
	outcome := &result.Outcome
	outcome.Timing.Queued = queued
	clip(&outcome.Stdout)
	clip(&outcome.Stderr)
	space.Shrink(int64(len(outcome.Stdout.Kept)+len(outcome.Stderr.Kept)) + replySlack)
	return outcome, nil
}

// releaseAfter gives the slot back when nothing of the run is left, if that has not been done: until then the run's memory
// is not free for another. It logs and counts what cannot be ended.
func (s *Service) releaseAfter(ctx context.Context, id string, result *jail.Result, release func()) {
	defer release()
	if err := result.Wait(); err != nil {
		s.cfg.Metrics.RunLeftBehind(stageOf(err))
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "something of a run is left after its answer",
			slog.String("request_id", id), slog.String("stage", stageOf(err)), slog.Any("error", err))
	}
}

const (
	// unreadMemory bounds the memory of all replies that are not closed yet, in bytes.
	// What the runs under way may write comes on top of it, so that a run which has a slot
	// is sent away only if this much is waiting to be read.
	unreadMemory = 256 << 20

	// replySlack is what a reply takes besides both streams: the buffer of its encoder, and
	// what clip leaves.
	replySlack = 128 << 10
	clipFrom   = 16 << 10
)

// AnswerMemory is the memory for the replies of a service with so many slots.
func AnswerMemory(slots int, limits sandbox.Limits) *admission.Memory {
	return admission.NewMemory(unreadMemory + int64(slots)*largestReply(limits))
}

// largestReply is what a run may leave in memory until its reply is closed, in bytes.
func largestReply(limits sandbox.Limits) int64 { return 2*limits.Output + replySlack }

// clip gives back what a stream was given to grow into, if it is much.
func clip(o *sandbox.Output) {
	if cap(o.Kept)-len(o.Kept) >= clipFrom {
		o.Kept = bytes.Clone(o.Kept)
	}
}
