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

// process is the daemon's view of the processes of a jail: the init, and the program, which is a child of the init.
type process struct {
	*spawn.Init
	leaf  *cgroup.Leaf
	users string // the name of its user namespace

	scratch int // an O_PATH descriptor of the scratch space; -1 if the init did not send it

	ended    chan struct{} // closed when the program has ended, or when the init has ended without a report
	exited   chan struct{} // closed when no process of the jail is left
	said     inside.End    // the init's report; valid after ended
	reported bool          // whether there was a report; likewise
	end      exit          // valid after exited
	reaped   error         // likewise

	peak atomic.Int64 // the highest memory use that the watchdog saw, in bytes
}

// exit describes how a program ended.
type exit struct {
	spawn.Exit
	call uint32 // number of the last call of the script that was made
}

func (e exit) String() string {
	if e.Status.Signaled() {
		return "signal: " + e.Status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.Status.ExitStatus())
}

// newProcess starts to wait for the program's end. The caller owns the process, and must call getReady, finish and close.
func newProcess(init *spawn.Init, leaf *cgroup.Leaf) *process {
	p := &process{
		Init: init, leaf: leaf,
		users:   userNamespace(init.PID), // now, because later the init is not dumpable and an unprivileged daemon cannot read it
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

// watch starts to wait for the end of the init. It is called when the set-up has succeeded or failed, and not before: if the init
// dies during the set-up, step reads the name of its last step from /proc, which is possible only until the init is reaped.
func (p *process) watch() {
	go func() {
		<-p.ended
		p.awaitInit()
		p.end.Exit, p.reaped = p.Reap() // its CPU time includes the processes that died with the init
		if p.reported {
			p.end.Status, p.end.call = p.said.Status, p.said.Call
			p.end.CPU, p.end.Peak = max(p.end.CPU, p.said.CPU), max(p.end.Peak, p.said.Peak)
		}
		close(p.exited)
	}()
}

// awaitInit returns when the init has ended. All processes of its pid namespace have ended then (pid_namespaces(7)).
func (p *process) awaitInit() {
	conn, err := p.PIDFD.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
	}
	if err != nil { // the pidfd is not in Go's poller
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.PIDFD.Fd()), Events: unix.POLLIN}}, -1)
	}
}

// readable reports whether a read of the descriptor would return data or end of file now. A pidfd is readable when its process has
// ended (pidfd_open(2)).
func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// attend waits until the program has ended, and returns nil, or until it must be ended, and returns the reason. spent is the CPU time
// that the jail had used before the program started.
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
	if p.hasEnded() { // The program ended while the daemon was stalled, possibly in time, so this is not a timeout.
		return nil
	}
	memory.stop()
	<-memory.done // while the watchdog keeps a process stopped, the process cannot flush its output
	p.askToFlush()
	return stopped(reason)
}

// hasEndedItself reports whether the program ended before the init, which has then reported it.
func (p *process) hasEndedItself() bool { return p.hasEnded() && p.reported }

// whyLost returns why the init died. It is called if neither the daemon nor the cgroup's memory limit has killed it.
func (p *process) whyLost() error {
	if err := p.Lost(); err != nil {
		return atStage(StageTemplate, err)
	}
	return atStage(StageWait, errors.New("a process outside of the jail killed the init, and so the program"))
}

// howEnded returns how the program ended, as far as that is known. Without a report, the program was killed together with the init.
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

// hasEnded reports whether the program has ended, even if listen has not read the init's report yet.
func (p *process) hasEnded() bool {
	came := false
	if conn, err := p.Status.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { came = readable(int(fd)) })
	}
	if came { // listen is about to read it
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

// program returns the process id of the program in the daemon's pid namespace, or 0 if the program has not started or has ended.
// The program is the first child of the init: adopted orphans come after it in the list (proc_pid_children(5)).
func (p *process) program() int {
	children, err := kernfs.Read(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.PID))
	if err != nil {
		return p.programInLeaf()
	}
	first, _, _ := bytes.Cut(children, []byte(" "))
	pid, _ := strconv.Atoi(string(first))
	return pid
}

// programInLeaf does the same as program for a daemon that cannot read the files of the init in /proc. The init is not dumpable. So if
// /proc is mounted with hidepid=invisible (proc(5)), as systemd does for ProtectProc=invisible, the kernel hides the init from the daemon.
func (p *process) programInLeaf() int {
	if p.leaf == nil {
		return 0
	}
	pids, _ := p.leaf.Procs()
	for _, pid := range pids {
		status, _ := kernfs.Read(fmt.Sprintf("/proc/%d/status", pid))
		if ownPID(status) == programPID {
			return pid
		}
	}
	return 0
}

// programPID is the process id of the program in its pid namespace. The init is process 1.
const programPID = 2

// ownPID returns the id that a process has in its own pid namespace. info is /proc/PID/status, or the file of a pidfd in
// /proc/self/fdinfo. Both have a line "NSpid:" with the ids of the process in its pid namespaces, its own namespace last. ownPID returns 0
// if info has no such line or no id in it: then the process has ended.
func ownPID(info []byte) int {
	_, rest, _ := bytes.Cut(info, []byte("\nNSpid:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	ids := bytes.Fields(line)
	if len(ids) == 0 {
		return 0
	}
	pid, _ := strconv.Atoi(string(ids[len(ids)-1]))
	return max(0, pid)
}

// signalProgram sends a signal to the program and to no other process. It reports whether the signal was sent.
func (p *process) signalProgram(signal unix.Signal) bool {
	pid := p.program()
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return false
	}
	defer unix.Close(pidfd)
	// If the program is still the first child, the pidfd refers to it and not to a later process with the same id.
	return p.program() == pid && unix.PidfdSendSignal(pidfd, signal, nil, 0) == nil
}

// graceForFlush bounds how long a program may take to write the output that python3 still buffers, when its time has run out. See
// flush_and_exit in launcher.py.
const graceForFlush = 250 * time.Millisecond

// lastLook bounds how long to wait for the init's report, when the end of the hand-off socket shows that a process has died.
const lastLook = time.Second

// askToFlush lets python3 write the output that it still buffers, such as a last line without a newline. The signal has no effect
// on a program that blocks or ignores it. The verdict is decided before.
func (p *process) askToFlush() {
	if !p.signalProgram(unix.SIGXCPU) {
		return
	}
	select {
	case <-p.ended:
	case <-time.After(graceForFlush):
	}
}

// finish kills the jail, unless the program has ended by itself: then the init ends too, and the kernel kills the other processes.
// finish waits for the end of all processes except the init, at most for patience, and reports whether they have ended.
func (p *process) finish(patience time.Duration) (over bool) {
	if !p.hasEnded() {
		p.kill()
	}
	return p.isOver() || p.gone(patience)
}

// isOver reports whether the program has ended by itself and has left no other process behind. In that case the init is about to end.
func (p *process) isOver() bool { return p.hasEnded() && p.said.Alone }

// gone waits until no process is left, at most for patience, and reports whether none is left.
func (p *process) gone(patience time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(patience):
	}
	select { // if both channels were ready, the first select may have chosen the timer
	case <-p.exited:
		return true
	default:
		return false
	}
}

// close closes the daemon's descriptors of the jail. No process may be left.
func (p *process) close() {
	for _, f := range []*os.File{p.Channel, p.Status, p.PIDFD} {
		f.Close()
	}
	if p.scratch >= 0 {
		unix.Close(p.scratch)
		p.scratch = -1
	}
}

// kill kills the jail in two ways. cgroup.kill kills all processes at once, even of a fork bomb that is still forking. But it
// signals the first thread of each process, and so has no effect on a process whose first thread has exited while others run. Such
// a process ends when the init is killed, because the kernel then kills the whole pid namespace.
func (p *process) kill() {
	_ = p.leaf.Kill() // fails if there is no leaf, or no cgroup.kill
	p.signalInit(unix.SIGKILL)
}

func (p *process) signalInit(signal unix.Signal) {
	if conn, err := p.PIDFD.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), signal, nil, 0) }) // fails if the init has ended
	}
}

// peakSeen returns the peak memory without the cgroup's account, in bytes: the larger one of what the watchdog saw and of the
// kernel's peak resident set of a single process.
func (p *process) peakSeen() int64 { return max(p.peak.Load(), p.howEnded().Peak) }
