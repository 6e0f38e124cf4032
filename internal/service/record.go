package service

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"slices"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/tracing"
)

// record logs and counts a run. A request that is refused before its run starts is logged and counted by the adapter.
func (s *Service) record(ctx context.Context, request Request, o *sandbox.Outcome, err error) {
	begun := (*Error)(nil)
	if err != nil && !errors.As(err, &begun) {
		return
	}
	attrs := about(ctx, request)
	trace := tracing.Of(ctx)
	level := slog.LevelInfo
	switch {
	case o != nil:
		s.cfg.Metrics.RunEnded(o)
		trace.Ran(request.Run, environment(request), request.Policy, o)
		attrs = append(attrs, describe(o)...)
	case begun.Gone:
		s.cfg.Metrics.RunCancelled()
		trace.Ran(request.Run, environment(request), request.Policy, &sandbox.Outcome{Verdict: sandbox.Cancelled})
		attrs = append(attrs, verdict(sandbox.Cancelled))
	default:
		level = slog.LevelError
		s.cfg.Metrics.RunFailed(stageOf(err))
		trace.Failed(stageOf(err))
		attrs = append(attrs, verdict(sandbox.Failed), slog.String("stage", stageOf(err)), slog.Any("error", begun.Err))
	}
	s.cfg.Log.LogAttrs(ctx, level, "run", attrs...)
}

// RecordEmpty logs a request with an empty program, which is answered without a run. It counts as no run.
func (s *Service) RecordEmpty(ctx context.Context, request Request) {
	_ = allow(&request) // for the policy's name
	request.Policy = cmp.Or(request.Policy, s.cfg.Policy)
	s.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "run", append(about(ctx, request), verdict(sandbox.Exited), slog.String("start", "none"))...)
}

// about identifies the request and the program. The source itself is never logged.
func about(ctx context.Context, request Request) []slog.Attr {
	sum := sha256.Sum256(request.Program.Source)
	attrs := []slog.Attr{slog.String("request_id", request.ID)}
	if id := tracing.Of(ctx).ID(); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	if request.Run != "" {
		attrs = append(attrs, slog.String("run_id", request.Run))
	}
	if name := request.Caller.KeyName(); name != "" {
		attrs = append(attrs, slog.String("key", name))
	}
	if request.Caller.Address != "" {
		attrs = append(attrs, slog.String("client", request.Caller.Address))
	}
	return append(attrs,
		slog.String("environment", environment(request)),
		slog.String("policy", request.Policy),
		slog.Int("source_bytes", len(request.Program.Source)),
		slog.String("source_sha256", hex.EncodeToString(sum[:])))
}

// environment returns the name of the environment of a run.
func environment(request Request) string {
	return cmp.Or(request.Program.Template, sandbox.DefaultTemplate)
}

// describe returns the attributes of a run that has an outcome.
func describe(o *sandbox.Outcome) []slog.Attr {
	attrs := []slog.Attr{slog.Float64("queued_seconds", o.Timing.Queued.Seconds()), verdict(o.Verdict)}
	if o.Verdict == sandbox.Rejected {
		f := o.Findings[0]
		return append(attrs, slog.String("rule", f.Rule), slog.Int("line", f.Line), slog.Int("column", f.Column))
	}
	attrs = append(attrs,
		slog.String("start", o.Start()),
		slog.Float64("setup_seconds", (o.Timing.Clone+o.Timing.Setup).Seconds()),
		slog.Float64("wall_seconds", o.Timing.Program.Seconds()),
		slog.Float64("cpu_seconds", o.Usage.CPU.Seconds()),
		slog.Int64("peak_memory_bytes", o.Usage.PeakMemory),
		slog.Int64("stdout_bytes", o.Stdout.Total),
		slog.Int64("stderr_bytes", o.Stderr.Total),
		slog.Bool("truncated", len(o.Truncated()) > 0))
	if len(o.Displays)+o.LostDisplays > 0 {
		attrs = append(attrs, slog.Int("displays", len(o.Displays)), slog.Int("lost_displays", o.LostDisplays))
	}
	if len(o.Files)+o.LostFiles > 0 {
		attrs = append(attrs, slog.Int("files", len(o.Files)), slog.Int("lost_files", o.LostFiles))
	}
	if len(o.Denials) > 0 {
		var calls []slog.Attr
		for _, call := range slices.Sorted(maps.Keys(o.Denials)) {
			calls = append(calls, slog.Int(call, o.Denials[call]))
		}
		attrs = append(attrs, slog.GroupAttrs("denials", calls...))
	}
	switch o.Verdict {
	case sandbox.Exited:
		attrs = append(attrs, slog.Int("exit_code", o.ExitCode))
	case sandbox.Signaled:
		attrs = append(attrs, slog.String("signal", sandbox.SignalName(o.Signal)))
	}
	return attrs
}

func verdict(v sandbox.Verdict) slog.Attr { return slog.String("verdict", string(v)) }

// stageOf returns the stage at which the sandbox failed, or "" if it is unknown.
func stageOf(err error) string {
	var setup *sandbox.SetupError
	if errors.As(err, &setup) {
		return setup.Stage
	}
	return ""
}
