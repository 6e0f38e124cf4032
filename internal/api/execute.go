package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/scan"
)

// Runner runs one program to its end. An error means that the sandbox failed, never the
// program. *jail.Jail is one.
type Runner interface {
	Run(ctx context.Context, spec jail.Spec) (*jail.Result, error)
}

// Scanner says what the policy has against a program, in the order of the source. An error means
// that it gave up: the run goes on without it. *scan.Scanner is one.
type Scanner interface {
	Scan(ctx context.Context, source []byte) ([]scan.Finding, error)
}

// execute is the way of a run: decode, scan, admit, run, encode.
func (s *Server) execute(w http.ResponseWriter, r *http.Request) {
	if s.foreign(r) {
		s.fail(w, errForeignPage)
		return
	}
	order, err := s.decode(w, r)
	if err != nil {
		s.fail(w, err)
		return
	}
	source := order.source
	if len(source) == 0 { // says nothing, does nothing: no jail is needed to know that
		s.answerStreams(w, spoken{})
		return
	}
	findings, err := s.cfg.Scanner.Scan(r.Context(), source)
	if err != nil {
		s.cfg.Metrics.ScanAbandoned()
	}
	// What does not compile is python3's to report, and the scanner's grammar is not python3's.
	order.check = len(findings) > 0
	space := share{of: s.answers}
	defer space.release() // when the answer is written, or nobody is there to take it
	res, queued, err := s.run(r.Context(), order, &space)
	if order.check && err == nil && res.Verdict == jail.Exited && res.ExitCode == 0 {
		s.reject(w, r, source, findings[0])
		return
	}
	s.record(r, source, res, queued, err)
	if err != nil {
		s.fail(w, err)
		return
	}
	verdictHeaders(w.Header(), res, queued)
	s.answerStreams(w, told(res, s.cfg.Limits))
}

// run waits for a slot and holds it no longer than the run takes: a client that is slow to
// read its answer holds none. What it does hold is space, in which there must be room for the
// largest answer before the run begins, and which then is made as small as the answer is. Those
// who wait for a slot hold no space, and nobody who holds a slot waits for space.
func (s *Server) run(ctx context.Context, order order, space *share) (res *jail.Result, queued time.Duration, err error) {
	release, queued, err := s.cfg.Gate.Acquire(ctx)
	if err != nil {
		return nil, queued, err
	}
	held := true // the slot, by this call
	defer func() {
		if held {
			release()
		}
	}()
	s.cfg.Metrics.Queued(queued)
	if !space.grow(largestAnswer(s.cfg.Limits)) {
		return nil, queued, errBusyAnswers
	}
	res, err = s.cfg.Runner.Run(ctx, jail.Spec{Source: order.source, Nulled: s.cfg.Nulled, Template: order.template, Check: order.check})
	if err != nil {
		// A sandbox that fails while its client goes away has failed all the same.
		return nil, queued, &runError{err, ctx.Err() != nil && errors.Is(err, context.Cause(ctx))}
	}
	held = false
	if res.Over() { // whoever waits for the slot gets it before this answer is sent
		release()
	}
	go s.releaseAfter(ctx, res, release)
	clip(&res.Stdout)
	clip(&res.Stderr)
	space.shrink(int64(len(res.Stdout.Kept)+len(res.Stderr.Kept)) + answerSlack)
	if res.Verdict == jail.Cancelled {
		return res, queued, &runError{context.Cause(ctx), true}
	}
	return res, queued, nil
}

// releaseAfter gives the slot back when nothing of the run is left, if that has not been done: until then the run's memory
// is not free for another. It logs and counts what cannot be ended.
func (s *Server) releaseAfter(ctx context.Context, res *jail.Result, release func()) {
	defer release()
	err := res.Wait()
	if err == nil {
		return
	}
	stage := ""
	if setup := (*jail.SetupError)(nil); errors.As(err, &setup) {
		stage = setup.Stage
	}
	s.cfg.Metrics.RunLeftBehind(stage)
	s.cfg.Log.LogAttrs(ctx, slog.LevelError, "something of a run is left after its answer",
		slog.Any("request_id", ctx.Value(requestIDKey{})), slog.String("stage", stage), slog.Any("error", err))
}

// runError is a run that was begun and has no answer: the sandbox failed, or nobody waits.
type runError struct {
	err  error
	gone bool // the client
}

func (e *runError) Error() string { return e.err.Error() }
func (e *runError) Unwrap() error { return e.err }

// reject answers what the scan refused.
func (s *Server) reject(w http.ResponseWriter, r *http.Request, source []byte, f scan.Finding) {
	s.cfg.Metrics.ScanRejected(f.Rule)
	s.cfg.Log.LogAttrs(r.Context(), slog.LevelInfo, "run",
		append(s.about(r, source), slog.String("verdict", metrics.Rejected),
			slog.String("rule", f.Rule), slog.Int("line", f.Line), slog.Int("column", f.Column))...)
	w.Header().Set(headerVerdict, metrics.Rejected)
	s.answerStreams(w, spoken{notes: []byte(f.Message())})
}

// record writes the one log record of a run, and counts it. What is sent away before there is
// a run is counted by fail, and seen in the requests by route and code.
func (s *Server) record(r *http.Request, source []byte, res *jail.Result, queued time.Duration, err error) {
	begun := (*runError)(nil)
	if err != nil && !errors.As(err, &begun) {
		return
	}
	attrs := append(s.about(r, source), slog.Duration("queued", queued))
	level := slog.LevelInfo
	switch {
	case res != nil:
		s.cfg.Metrics.RunEnded(metrics.Run{
			Verdict:         string(res.Verdict),
			Start:           start(res),
			Setup:           res.Timing.Clone + res.Timing.Setup,
			Wall:            res.Timing.Program,
			CPU:             res.Usage.CPU,
			PeakMemory:      res.Usage.PeakMemory,
			StdoutTruncated: res.Stdout.Truncated(),
			StderrTruncated: res.Stderr.Truncated(),
			Denials:         res.Denials,
		})
		attrs = append(attrs,
			slog.String("verdict", string(res.Verdict)),
			slog.String("start", start(res)),
			slog.Duration("setup", res.Timing.Clone+res.Timing.Setup),
			slog.Duration("wall", res.Timing.Program),
			slog.Duration("cpu", res.Usage.CPU),
			slog.Int64("peak_memory", res.Usage.PeakMemory),
			slog.Int64("stdout", res.Stdout.Total),
			slog.Int64("stderr", res.Stderr.Total),
			slog.Bool("truncated", res.Stdout.Truncated() || res.Stderr.Truncated()))
		if len(res.Denials) > 0 {
			attrs = append(attrs, denials(res.Denials))
		}
		if res.Verdict == jail.Exited {
			attrs = append(attrs, slog.Int("exit_code", res.ExitCode))
		}
		if res.Verdict == jail.Signaled {
			attrs = append(attrs, slog.String("signal", signalName(res.Signal)))
		}
	case begun.gone:
		s.cfg.Metrics.RunCancelled()
		attrs = append(attrs, slog.String("verdict", metrics.Cancelled))
	default:
		level = slog.LevelError
		stage := ""
		if setup := (*jail.SetupError)(nil); errors.As(err, &setup) {
			stage = setup.Stage
		}
		s.cfg.Metrics.RunFailed(stage)
		attrs = append(attrs, slog.String("verdict", metrics.Error),
			slog.String("stage", stage), slog.Any("error", begun.err))
	}
	s.cfg.Log.LogAttrs(r.Context(), level, "run", attrs...)
}

// start is how a run started, in a word.
func start(res *jail.Result) string {
	if res.Warm {
		return metrics.Warm
	}
	return metrics.Cold
}

// denials is how often which system call was denied.
func denials(counts map[string]int) slog.Attr {
	var calls []slog.Attr
	for _, call := range slices.Sorted(maps.Keys(counts)) {
		calls = append(calls, slog.Int(call, counts[call]))
	}
	return slog.GroupAttrs("denials", calls...)
}

// about says which request and which program, never the program itself.
func (s *Server) about(r *http.Request, source []byte) []slog.Attr {
	sum := sha256.Sum256(source)
	return []slog.Attr{
		slog.String("request_id", requestID(r)),
		slog.Int("source_bytes", len(source)),
		slog.String("source_sha256", hex.EncodeToString(sum[:6])),
	}
}
