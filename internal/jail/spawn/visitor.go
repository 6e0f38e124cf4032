package spawn

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Visitor is a process that replays scripts in namespaces of a run. It stays in the pid namespace and the cgroup of the daemon, so no
// process of the run can see it. A Visitor is for one goroutine at a time.
type Visitor struct {
	pid      int
	channel  *os.File
	patience time.Duration // for one script
}

// Visit makes a zygote clone a visitor, whose descriptor inside.Visited is the pidfd. The visitor's first script must begin by entering
// namespaces of that process. The caller must call Close.
func (z *Zygotes) Visit(pidfd int) (*Visitor, error) {
	ours, theirs, err := HandOffPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	got, err := z.clone(request{visitor: 1}, []int{int(theirs.Fd()), pidfd})
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	unix.Close(got.pidfd)
	return &Visitor{got.pid, ours, z.patience}, nil
}

// Replay replays a script. After an error the visitor must be closed.
func (v *Visitor) Replay(script *inside.Script) error {
	v.channel.SetDeadline(time.Now().Add(v.patience))
	if _, err := v.channel.Write(script.Image()); err != nil && !errors.Is(err, unix.EPIPE) {
		return err
	}
	r, err := inside.ReadReport(v.channel)
	switch {
	case err != nil:
		return err
	case r.Kind == inside.Failure:
		stage, object, _ := script.Step(r.Call)
		return fmt.Errorf("%s: %s: %w", stage, object, r.Err)
	case r.Kind != inside.Done:
		return errNoAnswer
	}
	return nil
}

// Close ends the visitor. It does nothing for nil.
func (v *Visitor) Close() error {
	if v == nil {
		return nil
	}
	err := errors.Join(v.channel.Close(), unix.Kill(v.pid, unix.SIGKILL)) // it has not been waited for, so it still has this id
	_, reaped := waitFor(v.pid)
	return errors.Join(err, reaped)
}
