package jail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Ids inside the jail.
const (
	insideUID = inside.UID
	insideGID = inside.GID
)

// namespaces are made by clone. The cgroup namespace is missing on purpose: made by clone it
// would be rooted at the daemon's cgroup; the init unshares it from inside its leaf. One for the time keeps
// runs from meeting at /proc/self/ns/time, which can be opened and locked.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWTIME

// process is a jail's processes as the daemon knows them: its init, and the program, a child of the init.
type process struct {
	leaf    *leaf
	pid     int      // of the init, in our pid namespace
	pidfd   *os.File // of the init; waits in Go's poller
	channel *os.File // our end of the hand-off socket
	stdout  *os.File // read ends
	stderr  *os.File
	status  *os.File // read end: the init says how the program ended
	users   string   // the name of its user namespace

	reap func() (exit, error) // collects the init, which has ended
	lost func() error         // why an init died that the daemon did not kill, if that is known; nil: it never is

	ended    chan struct{} // closed when the program has ended, or the init without a word about it
	exited   chan struct{} // closed when no process of the jail is left
	said     inside.End    // what the init said; valid after ended
	reported bool          // whether it said anything; likewise
	end      exit          // valid after exited
	reaped   error         // likewise

	peak atomic.Int64 // bytes, as the watchdog saw it
}

// exit is how a program ended.
type exit struct {
	status unix.WaitStatus
	call   uint32        // the last call of the script that was made
	cpu    time.Duration // user and system time of all processes that were waited for
	peak   int64         // bytes, resident set of the largest of them
}

func (e exit) String() string {
	if e.status.Signaled() {
		return "signal: " + e.status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.status.ExitStatus())
}

// killed is how a process ends at SIGKILL.
const killed = unix.WaitStatus(unix.SIGKILL)

// ends are the two ends of what connects a run with the daemon.
type ends struct {
	channel, theirs  *os.File // of the hand-off socket
	outR, outW       *os.File
	errR, errW       *os.File
	statusR, statusW *os.File
}

func newEnds() (e ends, err error) {
	defer func() {
		if err != nil {
			e.close(true)
		}
	}()
	if e.channel, e.theirs, err = socketPair(); err != nil {
		return e, err
	}
	if e.outR, e.outW, err = output.NewPipe(); err != nil {
		return e, err
	}
	if e.errR, e.errW, err = output.NewPipe(); err != nil {
		return e, err
	}
	e.statusR, e.statusW, err = os.Pipe()
	return e, err
}

// theirFDs are the run's ends, in the order of the init's descriptors from 1 on: zygotes and templates
// are asked with them.
func (e ends) theirFDs() []int {
	return []int{int(e.outW.Fd()), int(e.errW.Fd()), int(e.theirs.Fd()), int(e.statusW.Fd())}
}

// process makes one of our ends and of an init. It owns the pidfd from then on.
func (e ends) process(leaf *leaf, pid, pidfd int, reap func() (exit, error)) (*process, error) {
	if err := unix.SetNonblock(pidfd, true); err != nil { // for the poller
		return nil, errors.Join(err, unix.Close(pidfd))
	}
	p := &process{
		leaf: leaf, pid: pid, pidfd: os.NewFile(uintptr(pidfd), "pidfd of an init"),
		channel: e.channel, stdout: e.outR, stderr: e.errR, status: e.statusR,
		users: userNamespace(pid), // now: later the init is not dumpable, and so out of an unprivileged daemon's sight
		reap:  reap, ended: make(chan struct{}), exited: make(chan struct{}),
	}
	go p.listen()
	return p, nil
}

// close closes the run's ends, and ours too if it did not come to be. Nothing was written through
// them: there is nothing to lose.
func (e ends) close(ours bool) {
	closing := []*os.File{e.theirs, e.outW, e.errW, e.statusW}
	if ours {
		closing = append(closing, e.channel, e.outR, e.errR, e.statusR)
	}
	for _, f := range closing {
		f.Close() // nil is an error, not a crash
	}
}

// start clones an init into its namespaces and its leaf. On success the caller owns the
// process and must call getReady, and then end.
func (j *Jail) start(leaf *leaf, id hostID) (*process, error) {
	return j.clone(leaf, func(pid int) error { return j.ids.write(pid, id) })
}

// clone is start, with ids of the process's namespace that somebody else maps.
func (j *Jail) clone(leaf *leaf, mapIDs func(pid int) error) (p *process, err error) {
	for range cap(j.zygotes.idle) + 1 { // all of them may have died meanwhile
		p, err = j.cloneOnce(leaf, mapIDs)
		if !errors.Is(err, errZygoteGone) {
			break
		}
	}
	return p, err
}

func (j *Jail) cloneOnce(leaf *leaf, mapIDs func(pid int) error) (p *process, err error) {
	ends, err := newEnds()
	if err != nil {
		return nil, err
	}
	defer func() { ends.close(err != nil) }()
	flags := j.namespaces
	fds := ends.theirFDs()
	if leaf != nil {
		flags |= unix.CLONE_INTO_CGROUP
		fds = append(fds, int(leaf.dir.Fd()))
	}
	pid, err := j.zygotes.clone(flags, fds...)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = unix.Kill(pid, unix.SIGKILL) // it waits for a script that will not come, and is ours until we have waited for it
			_, _ = waitFor(pid)
		}
	}()
	if err = mapIDs(pid); err != nil {
		return nil, err
	}
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	return ends.process(leaf, pid, pidfd, func() (exit, error) { return waitFor(pid) })
}

// waitFor waits for a child of ours.
func waitFor(pid int) (e exit, err error) {
	var usage unix.Rusage
	for {
		if _, err = unix.Wait4(pid, &e.status, 0, &usage); !errors.Is(err, unix.EINTR) {
			e.cpu = time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
			e.peak = usage.Maxrss << 10 // kilobytes, getrusage(2)
			return e, os.NewSyscallError("wait4", err)
		}
	}
}

// listen waits for the end of the program.
func (p *process) listen() {
	var err error
	p.said, err = inside.ReadEnd(p.status)
	p.reported = err == nil
	close(p.ended)
}

// watch begins to wait for the end of the init. It is called when the steps of the init are over: until
// the init is reaped the kernel keeps the name of the step at which it died.
func (p *process) watch() {
	go func() {
		<-p.ended
		p.awaitInit()
		p.end, p.reaped = p.reap() // with the processes that died with the init
		if p.reported {
			p.end.status, p.end.call = p.said.Status, p.said.Call
			p.end.cpu, p.end.peak = max(p.end.cpu, p.said.CPU), max(p.end.peak, p.said.Peak)
		}
		close(p.exited)
	}()
}

// awaitInit returns when the init has ended: then all processes of its pid namespace have (pid_namespaces(7)).
func (p *process) awaitInit() {
	conn, err := p.pidfd.SyscallConn()
	if err == nil {
		err = conn.Read(func(fd uintptr) bool { return readable(int(fd)) })
	}
	if err != nil { // not in the poller
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd.Fd()), Events: unix.POLLIN}}, -1)
	}
}

// readable reports whether a descriptor has something to read now, or came to its end. A pidfd is readable when its process
// has ended (pidfd_open(2)).
func readable(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return err == nil && n == 1
}

// attend waits for the program's end or for a reason to end it, and returns that reason.
func (p *process) attend(ctx context.Context, limits sandbox.Limits) error {
	clock := time.NewTimer(limits.Wall)
	defer clock.Stop()
	memory := p.watchMemory(limits.Memory)
	defer memory.stop()
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
	case <-clock.C:
		if p.hasEnded() { // while the daemon was stalled: whether it was in time nobody knows, so this is no timeout
			return nil
		}
		memory.stop()
		<-memory.done // who is stopped flushes nothing
		p.askToFlush()
		return stopped(sandbox.Timeout)
	}
}

// hasEndedItself reports whether the program ended before its init did.
func (p *process) hasEndedItself() bool { return p.hasEnded() && p.reported }

// whyLost says why an init died that neither the daemon nor the cgroup's memory limit has killed.
func (p *process) whyLost() error {
	if p.lost != nil {
		if err := p.lost(); err != nil {
			return atStage(stageTemplate, err)
		}
	}
	return atStage(stageWait, errors.New("the init was killed, and its program with it"))
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
			return exit{status: p.said.Status, call: p.said.Call, cpu: p.said.CPU, peak: p.said.Peak}
		}
	default:
	}
	return exit{status: killed}
}

// hasEnded reports whether the program has ended, also when listen has not come to know it yet.
func (p *process) hasEnded() bool {
	came := false
	if conn, err := p.status.SyscallConn(); err == nil {
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
	children, err := readKernelFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.pid))
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
	pids, _ := p.leaf.procs()
	for _, pid := range pids {
		status, _ := readKernelFile(fmt.Sprintf("/proc/%d/status", pid))
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
	for _, f := range []*os.File{p.channel, p.status, p.pidfd} {
		f.Close() // nothing was written
	}
}

// kill kills the jail in two ways, always both. cgroup.kill takes all processes at once, a
// fork bomb in mid-flight included; but it signals each process's first thread, and has no effect
// on one whose first thread has exited while others go on. The signal to the init does: its death takes its whole pid
// namespace along.
func (p *process) kill() {
	_ = p.leaf.kill() // fails where there is no leaf, or no cgroup.kill
	p.signalInit(unix.SIGKILL)
}

func (p *process) signalInit(signal unix.Signal) {
	if conn, err := p.pidfd.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.PidfdSendSignal(int(fd), signal, nil, 0) }) // fails when it is dead already
	}
}

// peakSeen is the most memory that was seen from outside, in bytes: by the watchdog, or by the kernel of its
// largest process.
func (p *process) peakSeen() int64 { return max(p.peak.Load(), p.howEnded().peak) }

// socketPair returns our end, which waits in Go's poller, and the one for init.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "hand-off"), os.NewFile(uintptr(fds[1]), "hand-off of init"), nil
}

// packetPair returns our end of a socket that keeps messages apart, and another.
func packetPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "other end of control")
	file := os.NewFile(uintptr(fds[0]), "control")
	defer file.Close() // FileConn has a copy
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}

// pidOf is the process id behind a pidfd (proc_pid_fdinfo(5)).
func pidOf(pidfd int) (pid int, err error) {
	info, err := readKernelFile(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err == nil {
		_, rest, _ := strings.Cut(string(info), "Pid:")
		_, err = fmt.Sscan(rest, &pid)
	}
	return pid, err
}

// environment is the program's whole environment, built from nothing. The launcher takes the second
// part out again.
func environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"HOME=" + homeDir,
		"USER=" + userName,
		"LANG=C.UTF-8",
		"TMPDIR=/tmp",
		"MPLCONFIGDIR=" + fontsDir,
		"MPLBACKEND=Agg",
		// One core is what a run gets: more BLAS threads only wait for each other.
		"OPENBLAS_NUM_THREADS=1",
		"OMP_NUM_THREADS=1",
		"MKL_NUM_THREADS=1",
		"NUMEXPR_NUM_THREADS=1",

		"PYTHONPATH=" + launcherDir, // sitecustomize.pyc, see launcher.py
		"PYTHONNOUSERSITE=1",
	}
}
