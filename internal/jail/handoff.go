package jail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// The daemon's side of the hand-off; the protocol is in inside, wire.go.

// setUpPatience bounds the time from clone to execve. It is generous since a run on a starved
// machine should be slow, not broken.
const setUpPatience = 20 * time.Second

// handOff sends the order and waits until the program has started. A run that is cancelled
// meanwhile reports that as its cause; err is a SetupError.
func (p *process) handOff(ctx context.Context, o *inside.Order) (started time.Time, cause Verdict, err error) {
	stop := context.AfterFunc(ctx, func() { p.channel.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p.channel.SetDeadline(time.Now().Add(setUpPatience))
	if ctx.Err() != nil {
		return time.Now(), Cancelled, nil
	}

	err = o.Send(p.channel)
	if err == nil || errors.Is(err, unix.EPIPE) { // of an init that failed early: it says why
		err = awaitGo(p.channel)
	}
	started = time.Now()
	if err != nil && ctx.Err() != nil {
		return started, Cancelled, nil
	}
	var failed *SetupError
	if err != nil && !errors.As(err, &failed) {
		err = &SetupError{stageHandOff, err}
	}
	return started, "", err
}

// awaitGo reads the init's report and then waits for its execve.
func awaitGo(channel io.Reader) error {
	r, err := inside.ReadReport(channel)
	if errors.Is(err, io.EOF) {
		return errors.New("init died without a report")
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
