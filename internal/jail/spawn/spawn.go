// Package spawn starts the init of a jail: the first process in its namespaces and in its leaf.
//
// There are two ways, behind one interface and with one protocol (wire.go, and spawn.h of cmd/sandboxd-init):
//
//   - A zygote is a small process that does nothing but clone inits. The inits are children of the daemon. Engine exec uses
//     zygotes, and so do the templates of engine fork.
//   - A template is a python3 in a jail of its own, which forks inits that are its own children.
//
// For a run that starts child processes, a zygote also clones a visitor (visitor.go).
//
// An init waits for its script on the hand-off socket. It ends when the other end of that socket is closed.
package spawn

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
)

// Spawner starts inits. It is safe for concurrent use.
type Spawner interface {
	Spawn(Request) (*Init, error)
}

// Request describes the init of a jail.
type Request struct {
	Namespaces uintptr      // flags of clone3(2): CLONE_NEW…, CLONE_NEWUSER among them
	Leaf       *cgroup.Leaf // nil: the init stays in the cgroup of the process that makes it
	ID         hostid.ID    // uid and gid of the program on the host
}

// Init is the first process of a jail, with the daemon's ends of its sockets and pipes. The caller owns all of them.
type Init struct {
	PID     int
	PIDFD   *os.File // in Go's poller
	Channel *os.File // the hand-off socket
	Stdout  *os.File // read ends of the program's streams
	Stderr  *os.File
	Status  *os.File // read end of the status pipe, to which the init reports how the program ended

	// Reap waits for the init, which has ended. If the init is not a child of the daemon, Reap returns the state of a process that was
	// killed by SIGKILL.
	Reap func() (Exit, error)

	// Lost returns why the init died if the daemon has not killed it, or nil if that is not known.
	Lost func() error
}

// Exit describes how a process ended.
type Exit struct {
	Status unix.WaitStatus
	CPU    time.Duration // user and system time of the process and of all processes that it waited for
	Peak   int64         // peak resident set of the largest of these processes, in bytes
}

// Killed is the wait status of a process that was killed by SIGKILL.
const Killed = unix.WaitStatus(unix.SIGKILL)

// Discard ends an init that serves no run, by closing its hand-off socket, and waits for its end.
func (i *Init) Discard() error {
	for _, f := range []*os.File{i.Channel, i.Stdout, i.Stderr, i.Status} {
		f.Close()
	}
	_, err := i.Reap()
	return errors.Join(err, i.PIDFD.Close())
}

// waitFor waits for the end of a child of the daemon.
func waitFor(pid int) (e Exit, err error) {
	var usage unix.Rusage
	for {
		if _, err = unix.Wait4(pid, &e.Status, 0, &usage); !errors.Is(err, unix.EINTR) {
			e.CPU = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
			e.Peak = usage.Maxrss << 10 // in kilobytes (getrusage(2))
			return e, os.NewSyscallError("wait4", err)
		}
	}
}
