package jail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// This file is the daemon's side of the hand-off. inside/wire.go describes the protocol.

var errDied = errors.New("died without a report")

// getReady sends the script and returns when python3 waits for its program, at most after patience. If ctx ends first, the error is
// stopped; any other error is a SetupError. In any case getReady starts to wait for the end of the init. listen is called with the
// descriptor of the filter's listener as soon as it arrives, because a denied call of the init or of python3 waits for an answer.
func (p *process) getReady(ctx context.Context, script *inside.Script, patience time.Duration, listen func(fd int) error) error {
	defer p.watch()
	return p.converse(ctx, patience, script, net.Buffers{script.Image()}, func() (stage string, err error) {
		reports := newReports(p.Channel)
		defer reports.close()
		r, err := inside.ReadReport(reports)
		if err == nil && r.Kind == inside.Built {
			p.scratch = reports.release()
			r, err = inside.ReadReport(reports)
		}
		err = expect(r, err, script, inside.Go)
		if err == nil {
			if fd := reports.release(); fd >= 0 {
				err = listen(fd)
			}
		}
		if err != nil {
			return StageHandOff, err
		}
		return StageInterpreter, await(reports, script, inside.Ready)
	})
}

// handOver sends the program to python3 and waits until it starts. The program keeps its end of the socket if KeepsChannel says so.
func (p *process) handOver(ctx context.Context, what inside.Handover, patience time.Duration) error {
	return p.converse(ctx, patience, nil, what.Encode(), func() (stage string, err error) {
		err = placed(p.Channel)
		if err == nil && !what.KeepsChannel() {
			if _, end := inside.ReadReport(p.Channel); !errors.Is(end, io.EOF) {
				err = errUnexpected
			}
		}
		return StageInterpreter, err
	})
}

// placed waits until the launcher has written the program and its files. If they do not fit into the scratch space, the error is an
// InvalidError, because the request is at fault and not the sandbox.
func placed(channel io.Reader) error {
	r, err := inside.ReadReport(channel)
	switch {
	case err == nil && r.Kind == inside.Failure && (r.Err == unix.ENOSPC || r.Err == unix.EDQUOT || r.Err == unix.EFBIG): // RLIMIT_FSIZE
		return &sandbox.InvalidError{Path: []string{"files"}, Reason: "do not fit into the scratch space"}
	case err == nil && r.Kind == inside.Failure:
		return fmt.Errorf("launcher: the files of the program: %w", r.Err)
	}
	return expect(r, err, nil, inside.Started)
}

func files(of []sandbox.File) (wire []inside.ProgramFile) {
	for _, f := range of {
		wire = append(wire, inside.ProgramFile{Path: f.Path, Data: f.Data})
	}
	return wire
}

// converse sends a message and calls listen, which reads the answer. If an error of listen is not a SetupError, converse makes one.
// Its stage is the step of the script that the jail is at, or else the stage that listen returns.
func (p *process) converse(ctx context.Context, patience time.Duration, script *inside.Script, say net.Buffers, listen func() (stage string, err error)) error {
	stop := context.AfterFunc(ctx, func() { p.Channel.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p.Channel.SetDeadline(time.Now().Add(patience))
	if ctx.Err() != nil {
		return stopped(sandbox.Cancelled)
	}
	_, err := say.WriteTo(p.Channel)
	stage := StageHandOff
	if err == nil || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) { // an init that fails early reports why
		stage, err = listen()
	}
	var failed *sandbox.SetupError
	var invalid *sandbox.InvalidError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return stopped(sandbox.Cancelled)
	case errors.As(err, &failed), errors.As(err, &invalid):
		return err
	}
	who := "python3"
	if step := p.step(script, errors.Is(err, errDied)); step != "" || stage == StageHandOff {
		who, stage = "init", cmp.Or(step, stage)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("%s is stuck: no answer within %v", who, patience)
	case errors.Is(err, errDied):
		err = fmt.Errorf("%s %w", who, errDied)
	}
	return &sandbox.SetupError{Stage: stage, Err: err}
}

// step returns the step that the jail is at or died at, or "" before the first step and after the last one. If the init's child
// died, the report of the init contains the number of its last call. Otherwise a process has the name of its current step
// (PR_SET_NAME): the init before the split, and its child after it.
func (p *process) step(script *inside.Script, died bool) string {
	if died {
		select {
		case <-p.ended:
		case <-time.After(lastLook):
		}
		if p.hasEnded() && p.reported {
			stage, _, _ := script.Step(p.said.Call)
			if script.IsLast(p.said.Call) { // after its last call, the child is python3
				return ""
			}
			return stage
		}
	}
	for _, pid := range []int{p.program(), p.PID} {
		comm, _ := kernfs.Read(fmt.Sprintf("/proc/%d/comm", pid))
		if name := strings.TrimSuffix(string(comm), "\n"); slices.Contains(inside.Stages, name) {
			return name
		}
	}
	return ""
}

var errUnexpected = errors.New("unexpected report")

// await reads one report and checks its kind.
func await(channel io.Reader, script *inside.Script, kind byte) error {
	r, err := inside.ReadReport(channel)
	return expect(r, err, script, kind)
}

// expect checks the result of inside.ReadReport: it returns nil for a report of this kind, and an error otherwise.
func expect(r inside.Report, err error, script *inside.Script, kind byte) error {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET): // ECONNRESET if the process had not read everything
		return errDied
	case err != nil:
		return fmt.Errorf("report: %w", err)
	case r.Kind == kind:
		return nil
	case r.Kind == inside.Failure && script != nil:
		if stage, object, ok := script.Step(r.Call); ok {
			return &sandbox.SetupError{Stage: stage, Err: fmt.Errorf("%s: %w", object, r.Err)}
		}
	}
	return errUnexpected
}
