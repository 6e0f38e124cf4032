// Package service runs programs: it scans the source, waits for a slot, runs the program in a jail and records the run. It is
// the only package in which policy, admission, jail, metrics and the log meet. The HTTP handlers and the command line are
// adapters of Run.
package service

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/tracing"
)

// Runner runs one program to its end. An error means that the sandbox failed. A failure of the program is a Result.
// *jail.Runner implements it.
type Runner interface {
	Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*jail.Result, error)
}

// Scanner returns what the policy forbids in a program, in the order of the source. An error means that the scan gave up;
// the program is then run without it. *scan.Scanner implements it.
type Scanner interface {
	Scan(ctx context.Context, source []byte) ([]sandbox.Finding, error)
}

// Config holds the parameters and dependencies of a Service.
type Config struct {
	Runner  Runner
	Scanner Scanner
	Nulled  []string // builtins that the policy sets to None in the program's main module
	Limits  sandbox.Limits

	// Policy names the default policy, to which Scanner and Nulled belong.
	Policy string

	// Policies are the other policies that a request may name.
	Policies map[string]Policy

	// Max are the limits that a run may set for itself. Optional: Limits.
	Max sandbox.Limits

	Gate    *admission.Gate
	Memory  *admission.Memory // holds all replies until they are closed; see AnswerMemory
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// Policy restricts the source of a program.
type Policy struct {
	Scanner Scanner
	Nulled  []string

	// Warn reports what a stricter policy would reject in a program that this policy accepts. Optional.
	Warn Scanner
}

// Service runs programs. It is safe for concurrent use.
type Service struct {
	cfg   Config
	named registry
}

// New returns a Service. Every field of the configuration but Nulled and the optional ones must be set.
func New(cfg Config) *Service {
	if cfg.Max == (sandbox.Limits{}) {
		cfg.Max = cfg.Limits
	}
	policies := map[string]Policy{cfg.Policy: {Scanner: cfg.Scanner, Nulled: cfg.Nulled}}
	maps.Copy(policies, cfg.Policies)
	cfg.Policies = policies
	return &Service{cfg: cfg, named: registry{ends: map[string]context.CancelCauseFunc{}}}
}

// Limits returns the limits of a run that sets none for itself.
func (s *Service) Limits() sandbox.Limits { return s.cfg.Limits }

// Max returns the largest limits that a run may set for itself.
func (s *Service) Max() sandbox.Limits { return s.cfg.Max }

// Policies returns the names of the policies that a request may name, sorted, and the name of the default policy.
func (s *Service) Policies() (names []string, standard string) {
	return slices.Sorted(maps.Keys(s.cfg.Policies)), s.cfg.Policy
}

// RefusesInput reports whether the policy of a request refuses input(), and so standard input.
func (s *Service) RefusesInput(request Request) bool {
	_ = allow(&request) // Run returns the error
	return slices.Contains(s.cfg.Policies[cmp.Or(request.Policy, s.cfg.Policy)].Nulled, "input")
}

// Gate returns the gate that admits runs.
func (s *Service) Gate() *admission.Gate { return s.cfg.Gate }

// Request asks for a run.
type Request struct {
	ID      string // for the log
	Run     string // name of the run, by which Cancel ends it: nobody else may guess it; "" if it has none
	Caller  callers.Caller
	Program sandbox.Program

	Policy string // name; "": the default policy
	Warn   bool   // return findings of Policy.Warn for a program that the policy accepts
	Held   int64  // bytes that the sink may hold until the reply is closed, a few MiB at most: they count as unread
}

// Reply is the outcome of a run. It holds a share of Config.Memory until Close.
type Reply struct {
	*sandbox.Outcome
	space *admission.Share
}

// Close releases the reply's share of the memory. The reply must not be used afterwards.
func (r *Reply) Close() { r.space.Release() }

// ErrBusyReplies means that Config.Memory has no room for another reply.
var ErrBusyReplies = errors.New("too many answers are waiting to be read: try again later")

// ErrGone means that the client went away while its program ran, so there is nobody to answer. Run does not return it: adapters
// use it for the verdict Cancelled.
var ErrGone = errors.New("the client went away while its program ran")

// Error means that a run was started and its sandbox failed.
type Error struct {
	Err  error // a *sandbox.SetupError
	Gone bool  // the sandbox failed because the client went away, or cancelled the run
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Run runs a program and reports its events to sink, if sink is not nil. The caller must close the Reply.
//
// If ctx ends during the run, or Cancel ends the run, the verdict is Cancelled. Errors are *Error, *sandbox.InvalidError, ErrBusyReplies,
// admission.ErrFull, admission.ErrCallerFull, admission.ErrDraining, and the cause of ctx if it ends before the run starts.
func (s *Service) Run(ctx context.Context, request Request, sink sandbox.Sink) (*Reply, error) {
	if err := allow(&request); err != nil {
		return nil, err
	}
	request.Policy = cmp.Or(request.Policy, s.cfg.Policy)
	policy, found := s.cfg.Policies[request.Policy]
	if !found {
		return nil, &sandbox.InvalidError{Path: []string{"policy"}, Reason: "is not a policy that this service offers"}
	}
	program := request.Program
	if (len(program.Stdin) > 0 || program.Input != nil && program.Input.Stdin != nil) && s.RefusesInput(request) {
		return nil, &sandbox.InvalidError{Path: []string{"stdin"}, Reason: "cannot be read: the policy " + request.Policy + " refuses input()"}
	}
	if err := program.Validate(); err != nil {
		return nil, err
	}
	if err := program.Limits.Within(s.mostFor(request.Caller.Key)); err != nil {
		return nil, err
	}
	program.Limits = s.bounds(request)
	ctx, remove := s.named.add(ctx, request.Run)
	defer remove()
	trace := tracing.Of(ctx)
	trace.Skip()
	findings, err := policy.Scanner.Scan(ctx, program.Source)
	var warnings []sandbox.Finding
	if err == nil && len(findings) == 0 && request.Warn && policy.Warn != nil {
		warnings, err = policy.Warn.Scan(ctx, program.Source)
	}
	if err != nil {
		s.cfg.Metrics.ScanAbandoned()
	}
	trace.Phase(tracing.Scan, trace.Since(), nil)
	// python3 reports programs that do not compile. The scanner cannot recognise them: its grammar differs from python3's. So a
	// program with findings is compiled first, and rejected only if that succeeds.
	program.Nulled, program.Check = policy.Nulled, len(findings) > 0
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
	outcome, err := s.run(ctx, request, program, live, space)
	if err == nil && program.Check && outcome.Verdict == sandbox.Exited && outcome.ExitCode == 0 {
		outcome = &sandbox.Outcome{Verdict: sandbox.Rejected, Findings: findings, Timing: outcome.Timing}
	}
	if err == nil && len(warnings) > 0 {
		outcome.Findings = warnings
	}
	if errors.Is(err, ErrCancelled) { // before the program started
		s.record(ctx, request, nil, &Error{err, true})
		outcome, err = &sandbox.Outcome{Verdict: sandbox.Cancelled}, nil
		space.Shrink(replySlack + request.Held)
	} else {
		s.record(ctx, request, outcome, err)
	}
	if err != nil {
		return nil, err
	}
	if program.Check { // the sink has received no events yet: the compiler's messages matter only if it failed
		live = sandbox.NewStream(sink)
		if outcome.Verdict != sandbox.Rejected {
			live.Output(sandbox.Stderr, outcome.Stderr.Kept)
		}
	}
	live.Finish(outcome)
	kept = true
	return &Reply{outcome, space}, nil
}

// run waits for a slot, runs the program and releases the slot when the run has ended, so a client that reads its answer
// slowly holds no slot. Such a client holds memory. Before the run starts, run reserves memory for the largest possible
// reply; afterwards it shrinks the reservation to the size of the reply. A request that waits for a slot holds no memory,
// and a request that holds a slot never waits for memory, so there is no deadlock.
func (s *Service) run(ctx context.Context, request Request, program sandbox.Program, live *sandbox.Stream, space *admission.Share) (*sandbox.Outcome, error) {
	release, queued, err := s.cfg.Gate.Acquire(ctx, place(request.Caller))
	tracing.Of(ctx).Phase(tracing.Queue, queued, err)
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
	if !space.Grow(largestReply(s.cfg.Limits.With(program.Limits)) + extras(program) + request.Held) {
		return nil, ErrBusyReplies
	}
	result, err := s.cfg.Runner.Run(ctx, program, live)
	var invalid *sandbox.InvalidError
	var failed *sandbox.SetupError
	if errors.As(err, &invalid) && !errors.As(err, &failed) { // the jail rejected the request and has been removed
		return nil, invalid
	}
	if err != nil {
		// A failure that is not caused by the client's departure is a failure even if the client has departed.
		return nil, &Error{err, ctx.Err() != nil && errors.Is(err, context.Cause(ctx))}
	}
	held = false
	if result.Over() { // the next run can start while this reply is being sent
		release()
	}
	go s.releaseAfter(ctx, request.ID, result, release)
	outcome := &result.Outcome
	outcome.Timing.Queued = queued
	clip(&outcome.Stdout)
	clip(&outcome.Stderr)
	space.Shrink(int64(len(outcome.Stdout.Kept)+len(outcome.Stderr.Kept)) + sizeOf(outcome) + replySlack + request.Held)
	return outcome, nil
}

// releaseAfter waits until the jail is removed and then releases the slot, unless run has released it already. Until
// then the run's memory is not free for another run. A process that cannot be ended is logged and counted.
func (s *Service) releaseAfter(ctx context.Context, id string, result *jail.Result, release func()) {
	defer release()
	if err := result.Wait(); err != nil {
		s.cfg.Metrics.RunLeftBehind(stageOf(err))
		s.cfg.Log.LogAttrs(ctx, slog.LevelError, "something of a run is left after its answer",
			slog.String("request_id", id), slog.String("stage", stageOf(err)), slog.Any("error", err))
	}
}

const (
	// unreadMemory bounds the memory of all replies that are not closed yet, in bytes. The reservations of runs that hold a
	// slot come on top of it, so a request with a slot is refused only if this many bytes wait to be read.
	unreadMemory = 256 << 20

	// replySlack is the memory of a reply besides its two streams, in bytes: the encoder's buffer and the spare capacity
	// that clip leaves.
	replySlack = 128 << 10
	clipFrom   = 16 << 10
)

// AnswerMemory returns the memory for the replies of a service with the given number of slots, whose runs have at most these
// limits.
func AnswerMemory(slots int, limits sandbox.Limits) *admission.Memory {
	return admission.NewMemory(unreadMemory + int64(slots)*(largestReply(limits)+sandbox.MaxDisplayBytes+sandbox.MaxOutBytes))
}

// largestReply returns the memory that the largest possible reply holds, in bytes.
func largestReply(limits sandbox.Limits) int64 { return 2*limits.Output + replySlack }

// extras returns the maximum memory of the displays and files of a program, in bytes.
func extras(p sandbox.Program) (n int64) {
	if p.Displays {
		n += sandbox.MaxDisplayBytes
	}
	if len(p.Collect) > 0 {
		n += sandbox.MaxOutBytes
	}
	return n
}

// sizeOf returns how much memory the displays and files of an outcome take, in bytes.
func sizeOf(o *sandbox.Outcome) (n int64) {
	for _, d := range o.Displays {
		n += int64(len(d.Data) + len(d.Title))
	}
	for _, f := range o.Files {
		n += int64(len(f.Data) + len(f.Path))
	}
	return n
}

// clip frees the spare capacity of a stream's buffer if it is large.
func clip(o *sandbox.Output) {
	if cap(o.Kept)-len(o.Kept) >= clipFrom {
		o.Kept = bytes.Clone(o.Kept)
	}
}
