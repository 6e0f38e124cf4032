package jail

import (
	"errors"
	"fmt"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
)

// mostGreeted bounds the child processes of a run that get their own files of /proc. When such a process ends, the kernel removes some
// twenty mounts, and waits for the other processors.
const mostGreeted = 200

// greet gives a new process of the run its own files of /proc. It is called for one process at a time, which waits for it.
func (j *jail) greet(pidfd int) {
	pid := insidePID(pidfd)
	if pid <= programPID || j.greeted[pid] || len(j.greeted) == mostGreeted { // greeted: it has called execve since
		return
	}
	if j.greeted == nil {
		j.greeted = map[int]bool{}
	}
	j.greeted[pid] = true
	if err := j.showOwnFiles(pidfd, pid); err != nil && !readable(pidfd) {
		j.env.host.blind.Do(func() {
			j.env.host.cfg.Log.Warn("child processes of programs cannot open their files in /proc", "reason", err)
		})
	}
}

func (j *jail) showOwnFiles(pidfd, pid int) (err error) {
	first := j.visitor == nil
	if first {
		if j.visitor, err = j.env.host.zygotes.Visit(pidfd); err != nil {
			return err
		}
	}
	if err := j.visitor.Replay(inside.ShowOwnFiles(pid, rootfs.OfItself, first)); err != nil {
		err = errors.Join(err, j.visitor.Close())
		j.visitor = nil // the next child process gets another one
		return err
	}
	return nil
}

// insidePID returns the process id of a process in its own pid namespace, or 0 if it has ended. The daemon may not see the process in
// /proc (ProtectProc= of systemd), but it sees its own descriptor.
func insidePID(pidfd int) int {
	info, _ := kernfs.Read(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	return ownPID(info)
}
