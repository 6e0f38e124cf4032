package jail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// process is the processes of a jail as the daemon knows them: its init, and the program, which is a child of the init.
type process struct {
	*spawn.Init
	leaf  *cgroup.Leaf
	users string // the name of its user namespace

	scratch int // the scratch space of the jail, as an O_PATH descriptor; -1 if it did not come

	ended    chan struct{} // closed when the program has ended, or the init without a report
	exited   chan struct{} // closed when no process of the jail is left
	said     inside.End    // the init's report; valid after ended
	reported bool          // whether there was a report; likewise
	end      exit          // valid after exited
	reaped   error         // likewise

	peak atomic.Int64 // bytes, as the watchdog saw it
}

// exit is how a program ended.
type exit struct {
	spawn.Exit
	call uint32 // the last call of the script that was made
}

func (e exit) String() string {
	if e.Status.Signaled() {
		return "signal: " + e.Status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
}

// newProcess begins to wait for the program's end. The caller owns the process, and must call getReady, finish and close.
func newProcess(init *spawn.Init, leaf *cgroup.Leaf) *process {
	p := &process{
		Init: init, leaf: leaf,
		users:   userNamespace(init.PID), // now: later the init is not dumpable, and an unprivileged daemon cannot see it
		scratch: -1,
		ended:   make(chan struct{}), exited: make(chan struct{}),
	}
	go p.listen()
	return p
}

// listen waits for the end of the program.
func (p *process) listen() {
	var err error
	p.said, err = inside.ReadEnd(p.Status)
	p.reported = err == nil
	close(p.ended)
}

// watch begins to wait for the end of the init. It is called when the steps of the init are over: until
// the init is reaped the kernel keeps the name of the step at which it died.
func (p *process) watch() {
	go func() {
		<-p.ended
		p.awaitInit()
		p.end.Exit, p.reaped = p.Reap() // with the processes that died with the init
		if p.reported {
			p.end.Status, p.end.call = p.said.Status, p.said.Call
			p.end.CPU, p.end.Peak = max(p.end.CPU, p.said.CPU), max(p.end.Peak, p.said.Peak)
		}
		close(p.exited)
	}()
}

// awaitInit returns when the init has ended: then all processes of its pid namespace have (pid_namespaces(7)).
func (p *process) awaitInit() {
	conn, err := p.PIDFD.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
	}
	if err != nil { // not in the poller
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.PIDFD.Fd()), Events: unix.POLLIN}}, -1)
	}
}

// readable reports whether a descriptor has something to read now, or came to its end. A pidfd is readable when its process
// has ended (pidfd_open(2)).
func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// attend waits for the program's end or for a reason to end it, and returns that reason. spent is the CPU time before the program's
// own.
func (p *process) attend(ctx context.Context, limits sandbox.Limits, spent time.Duration) error {
	clock := time.NewTimer(limits.Wall)
	defer clock.Stop()
	memory := p.watchMemory(limits.Memory)
	defer memory.stop()
	reason := sandbox.Timeout
	select {
	case <-p.ended:
		if memory.hasExceeded() {
			return stopped(sandbox.OOM)
		}
		return nil
	case <-ctx.Done():
		return stopped(sandbox.Cancelled)
	case <-memory.exceeded:
		return stopped(sandbox.OOM)
	case <-p.watchCPU(limits.CPUTime, spent):
		reason = sandbox.CPULimit
	case <-clock.C:
	}
	if p.hasEnded() { // while the daemon was stalled. Nobody knows whether it was in time, so this is no timeout.
		return nil
	}
	memory.stop()
	<-memory.done // a process that the watchdog has stopped flushes nothing
	p.askToFlush()
	return stopped(reason)
}

// hasEndedItself reports whether the program ended before its init did.
func (p *process) hasEndedItself() bool { return p.hasEnded() && p.reported }

// whyLost says why an init died that neither the daemon nor the cgroup's memory limit has killed.
func (p *process) whyLost() error {
	if err := p.Lost(); err != nil {
		return atStage(StageTemplate, err)
	}
	return atStage(StageWait, errors.New("the init was killed, and its program with it"))
}

// howEnded is how the program ended, as far as that is known. A program of which nothing is known was killed with the init.
func (p *process) howEnded() exit {
	select {
	case <-p.exited:
		return p.end
	default:
	}
	select {
	case <-p.ended:
		if p.reported {
			return exit{spawn.Exit{Status: p.said.Status, CPU: p.said.CPU, Peak: p.said.Peak}, p.said.Call}
		}
	default:
	}
	return exit{Exit: spawn.Exit{Status: spawn.Killed}}
}

// hasEnded reports whether the program has ended, also when listen has not come to know it yet.
func (p *process) hasEnded() bool {
	came := false
	if conn, err := p.Status.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { came = readable(int(fd)) })
	}
	if came { // listen is about to take it
		<-p.ended
		return true
	}
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// program is the process of the program in our pid namespace, 0 if there is none (any more). It is the first child of the
// init: orphans that the init adopts come after it in the list (proc_pid_children(5)).
func (p *process) program() int {
	children, err := kernfs.Read(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.PID))
	if err != nil {
		return p.programInLeaf()
	}
	first, _, _ := bytes.Cut(children, []byte(" "))
	pid, _ := strconv.Atoi(string(first))
	return pid
}

// programInLeaf is program where the init is hidden from the daemon, because it is not dumpable: under
// hidepid=invisible of proc(5), as systemd's ProtectProc= has it. The program is process 2 of its pid namespace (NSpid in
// proc_pid_status(5)).
func (p *process) programInLeaf() int {
	if p.leaf == nil {
		return 0
	}
	pids, _ := p.leaf.Procs()
	for _, pid := range pids {
		status, _ := kernfs.Read(fmt.Sprintf("/proc/%d/status", pid))
		_, rest, _ := bytes.Cut(status, []byte("\nNSpid:"))
		line, _, _ := bytes.Cut(rest, []byte("\n"))
		if ids := bytes.Fields(line); len(ids) > 0 && string(ids[len(ids)-1]) == "2" {
			return pid
		}
	}
	return 0
}

// signalProgram sends a signal to the program alone. It reports whether there was one to get it.
func (p *process) signalProgram(signal unix.Signal) bool {
	pid := p.program()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	// Still the first child, so the descriptor is of the program and not of a process that got its number later.
	return p.program() == pid && unix.PidfdSendSignal(pidfd, signal, nil, 0) == nil
}

// graceForFlush is how long a program that the wall clock ends may take to write the output that python3 still buffers: see
// launcher.py.
const graceForFlush = 250 * time.Millisecond

// lastLook is how long to wait for the end of a process that has been killed, or that has died already.
const lastLook = time.Second

// askToFlush lets python3 write out what the program printed last without a newline. The
// signal has no effect on a program that blocks or ignores it. The verdict is decided already.
func (p *process) askToFlush() {
	if !p.signalProgram(unix.SIGXCPU) {
		return
	}
	select {
	case <-p.ended:
	case <-time.After(graceForFlush):
	}
}

// finish kills what is left of the jail, unless the program has ended by itself: then the init ends by itself, and all
// others with it. It waits for the end of all but the init as long as patience and reports whether it has come.
func (p *process) finish(patience time.Duration) (over bool) {
	if !p.hasEnded() {
		p.kill()
	}
	return p.isOver() || p.gone(patience)
}

// isOver reports whether the program has ended by itself and left no other process behind. The init is on its way out then.
func (p *process) isOver() bool { return p.hasEnded() && p.said.Alone }

// gone waits until no process is left, as long as patience.
func (p *process) gone(patience time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(patience):
	}
	select { // where both were true, the choice was at random
	case <-p.exited:
		return true
	default:
		return false
	}
}

// close gives back our ends. No process may be left.
func (p *process) close() {
	for _, f := range []*os.File{p.Channel, p.Status, p.PIDFD} {
		f.Close() // nothing was written
	}
	if p.scratch >= 0 {
		unix.Close(p.scratch)
		p.scratch = -1
	}
}

// kill kills the jail in two ways, always both. cgroup.kill takes all processes at once, a
// fork bomb in mid-flight included; but it signals each process's first thread, and has no effect
// on one whose first thread has exited while others go on. The signal to the init does: its death takes its whole pid
// namespace along.
func (p *process) kill() {
	_ = p.leaf.Kill() // fails where there is no leaf, or no cgroup.kill
	p.signalInit(unix.SIGKILL)
}

func (p *process) signalInit(signal unix.Signal) {
	if conn, err := p.PIDFD.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), signal, nil, 0) }) // fails when it is dead already
	}
}

// peakSeen is the most memory that was seen from outside, in bytes: by the watchdog, or by the kernel of its
// largest process.
func (p *process) peakSeen() int64 { return max(p.peak.Load(), p.howEnded().Peak) }
