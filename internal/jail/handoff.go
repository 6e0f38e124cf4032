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

// The daemon's side of the hand-off; the protocol is in inside, wire.go.

var errDied = errors.New("died without a report")

// getReady sends the script and waits until python3 waits for its program, as long as patience. A run
// that is cancelled meanwhile has been stopped; any other error is a SetupError. The ends of the processes are
// waited for from then on. listen is called with the descriptor of the filter's listener as soon as that is
// there: the init may need an answer to get any further.
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

// handOver gives python3 its program and waits until that runs. The program may keep the other end of the socket.
func (p *process) handOver(ctx context.Context, what inside.Handover, patience time.Duration) error {
	return p.converse(ctx, patience, nil, what.Encode(), func() (stage string, err error) {
		err = placed(p.Channel)
		if err == nil && !what.KeepsChannel() {
			if _, end := inside.ReadReport(p.Channel); !errors.Is(end, io.EOF) {
				err = errNonsense
			}
		}
		return StageInterpreter, err
	})
}

// placed waits until the launcher has written the program and its files. If the scratch space has no room for them, the request
// is at fault, not the sandbox.
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

// converse says something and listens to the answer. An error without a stage of its own is of the
// step of the script that the jail is at, or of the stage that listen says.
func (p *process) converse(ctx context.Context, patience time.Duration, script *inside.Script, say net.Buffers, listen func() (stage string, err error)) error {
	stop := context.AfterFunc(ctx, func() { p.Channel.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p.Channel.SetDeadline(time.Now().Add(patience))
	if ctx.Err() != nil {
		return stopped(sandbox.Cancelled)
	}
	_, err := say.WriteTo(p.Channel)
	stage := StageHandOff
	if err == nil || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) { // of one that failed early: it says why
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

// step is the step that the jail is at or died at; "" before the first step and after the last one. Where the child
// of the init died, the init says at which call. Otherwise the process of the step goes by its name: the init before the
// split, and its child after it.
func (p *process) step(script *inside.Script, died bool) string {
	if died {
		select {
		case <-p.ended:
		case <-time.After(lastLook):
		}
		if p.hasEnded() && p.reported {
			stage, _, _ := script.Step(p.said.Call)
			if script.IsLast(p.said.Call) { // from then on it is python3
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

var errNonsense = errors.New("no report that makes sense")

// await reads one report, which should be of a kind.
func await(channel io.Reader, script *inside.Script, kind byte) error {
	r, err := inside.ReadReport(channel)
	return expect(r, err, script, kind)
}

// expect is await for a report that was read.
func expect(r inside.Report, err error, script *inside.Script, kind byte) error {
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET): // reset: it had not read all
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
	return errNonsense
}
