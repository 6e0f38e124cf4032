package jail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// The daemon's side of the hand-off; the protocol is in inside, wire.go.

var errInitDied = errors.New("init died without a report")

// handOff sends the order and waits until the program has started, as long as patience. A run that
// is cancelled meanwhile reports that as its cause; err is a SetupError. The process is being
// reaped from then on.
func (p *process) handOff(ctx context.Context, o *inside.Order, patience time.Duration) (started time.Time, cause Verdict, err error) {
	defer p.reap()
	stop := context.AfterFunc(ctx, func() { p.channel.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p.channel.SetDeadline(time.Now().Add(patience))
	if ctx.Err() != nil {
		return time.Now(), Cancelled, nil
	}

	err = o.Send(p.channel)
	if err == nil || errors.Is(err, unix.EPIPE) { // of an init that failed early: it says why
		err = awaitGo(p.channel)
	}
	started = time.Now()
	var failed *SetupError
	switch {
	case err == nil && p.diedInsteadOfExec():
		err = errInitDied
	case err != nil && ctx.Err() != nil:
		return started, Cancelled, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = fmt.Errorf("init is stuck: no answer within %v", patience)
	}
	if err != nil && !errors.As(err, &failed) {
		err = &SetupError{cmp.Or(p.step(), stageHandOff), err}
	}
	return started, "", err
}

// execPatience bounds the look for execve's end: a program that takes the name of a step for its
// own is not waited for.
const execPatience = 100 * time.Millisecond

// diedInsteadOfExec tells the two ends of file apart. In both the socket is closed first; then
// execve changes the name, or the process is dead and keeps it. A program that has both taken
// such a name and ended before we look has its own run fail.
func (p *process) diedInsteadOfExec() bool {
	for begin := time.Now(); p.step() != "" && time.Since(begin) < execPatience; {
		if p.dead(time.Millisecond) {
			return p.step() != ""
		}
	}
	return false
}

// step is the step that the init is at or died at: it goes by that name until execve gives it
// another. There is none then, and before the first step.
func (p *process) step() string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.proc.Pid))
	if name := strings.TrimSuffix(string(comm), "\n"); slices.Contains(inside.Stages, name) {
		return name
	}
	return ""
}

// howInitDied is for the operator.
func howInitDied(state *os.ProcessState, a account) string {
	if a.oomKills > 0 {
		return state.String() + ": out of memory in its cgroup"
	}
	return state.String()
}

// awaitGo reads the init's report and then waits for its execve.
func awaitGo(channel io.Reader) error {
	r, err := inside.ReadReport(channel)
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) { // reset: it had not read all of the order
		return errInitDied
	}
	if err == nil && r.Kind == inside.Go {
		// What follows is end of file at execve, or a report that the last steps failed.
		if r, err = inside.ReadReport(channel); errors.Is(err, io.EOF) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("report of init: %w", err)
	}
	if r.Kind != inside.Failure || !slices.Contains(inside.Stages, r.Stage) {
		return errors.New("init sent no report that makes sense")
	}
	return &SetupError{r.Stage, fmt.Errorf("%s: %w", r.Object, r.Errno)}
}
