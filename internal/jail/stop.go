package jail

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// stop stops all processes of a run, until the function that it returns is called. A process that is in a system
// call stops at its end, and not all may have come to it.
func (p *process) stop() (goOn func()) {
	if p.leaf == nil {
		return p.stopBySignal()
	}
	_ = p.leaf.Freeze(true) // fails when the run has ended
	for begin := time.Now(); !p.leaf.Frozen() && time.Since(begin) < stopPatience; {
		time.Sleep(watchInterval / 20)
	}
	return func() { _ = p.leaf.Freeze(false) }
}

// stopBySignal is stop where there is no cgroup. A program that waits for its children's stops can see it.
func (p *process) stopBySignal() (goOn func()) {
	stopped := p.signalEach(unix.SIGSTOP)
	return func() {
		for _, pidfd := range stopped {
			_ = unix.PidfdSendSignal(pidfd, unix.SIGCONT, nil, 0) // fails when it has ended
			unix.Close(pidfd)
		}
	}
}

// killEach kills all processes of a run at once, but for the init, which then ends by itself.
func (p *process) killEach() {
	_ = p.leaf.Kill() // fails where there is no leaf
	for _, pidfd := range p.signalEach(unix.SIGKILL) {
		unix.Close(pidfd)
	}
}

// signalEach sends a signal to all processes of a run, also to those that they beget meanwhile, and returns their pidfds.
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
				_ = unix.PidfdSendSignal(pidfd, signal, nil, 0) // fails when it has ended
				pidfds = append(pidfds, pidfd)
			}
		}
	}
	return pidfds
}

// userNamespace names the user namespace of a process, "" if it may not be seen.
func userNamespace(pid int) string {
	name, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid))
	return name
}

// openMember opens a process of the run: one in its user namespace. It fails for one that has got a process id
// which was a member's.
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
