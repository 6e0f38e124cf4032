package jail

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stop stops all processes of a run until the returned function is called. A process in a system call stops when the call ends, which
// may be after stop has returned: see awaitStop.
func (p *process) stop() (goOn func()) {
	if p.leaf == nil {
		return p.stopBySignal()
	}
	_ = p.leaf.Freeze(true) // fails when the run has ended
	return func() { _ = p.leaf.Freeze(false) }
}

// awaitStop waits until all processes have stopped, for stopPatience at most. Without a cgroup it does not wait.
func (p *process) awaitStop() {
	for begin := time.Now(); p.leaf != nil && !p.leaf.Frozen() && time.Since(begin) < stopPatience; {
		time.Sleep(watchInterval / 10)
	}
}

// stopBySignal replaces stop if there is no cgroup. A program can notice it, if it waits for its children with WUNTRACED (wait(2)).
func (p *process) stopBySignal() (goOn func()) {
	stopped := p.signalEach(unix.SIGSTOP)
	return func() {
		for _, pidfd := range stopped {
			_ = unix.PidfdSendSignal(pidfd, unix.SIGCONT, nil, 0) // fails if the process has ended
			unix.Close(pidfd)
		}
	}
}

// killEach kills all processes of a run. The init may survive; it ends by itself when the program has ended.
func (p *process) killEach() {
	_ = p.leaf.Kill() // fails if there is no leaf
	for _, pidfd := range p.signalEach(unix.SIGKILL) {
		unix.Close(pidfd)
	}
}

// signalEach sends a signal to all processes of a run except the init, and returns their pidfds. It repeats until it finds no new
// process, because processes may fork in the meantime.
func (p *process) signalEach(signal unix.Signal) (pidfds []int) {
	known := map[int]bool{}
	for more := true; more; {
		more = false
		pids, _ := p.pids()
		for _, pid := range pids {
			if known[pid] {
				continue
			}
			known[pid], more = true, true
			pidfd, err := p.openMember(pid)
			if err == nil {
				_ = unix.PidfdSendSignal(pidfd, signal, nil, 0) // fails if the process has ended
				pidfds = append(pidfds, pidfd)
			}
		}
	}
	return pidfds
}

// userNamespace returns the name of the user namespace of a process, or "" if the daemon may not read it.
func userNamespace(pid int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return name
}

// openMember opens a pidfd of a process of the run. It fails with ESRCH if the process id belongs to another process by now, which has
// another user namespace.
func (p *process) openMember(pid int) (pidfd int, err error) {
	if pidfd, err = unix.PidfdOpen(pid, 0); err != nil {
		return -1, err
	}
	if space := userNamespace(pid); space == "" || space != p.users {
		unix.Close(pidfd)
		return -1, unix.ESRCH
	}
	return pidfd, nil
}
