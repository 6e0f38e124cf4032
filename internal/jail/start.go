package jail

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
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

// process is one init, and then the program that it became.
type process struct {
	leaf    *leaf
	pid     int // in our pid namespace
	pidfd   int
	channel *os.File // our end of the hand-off socket
	stdout  *os.File // read ends
	stderr  *os.File

	wait   func() (exit, error) // until it has ended
	exited chan struct{}        // closed when wait has returned
	exit   exit                 // valid after exited
	reaped error                // likewise

	peak atomic.Int64 // bytes, as the watchdog saw it
}

// exit is how a process ended (wait4(2)).
type exit struct {
	status unix.WaitStatus
	usage  unix.Rusage
}

func (e exit) String() string {
	if e.status.Signaled() {
		return "signal: " + e.status.Signal().String()
	}
	return fmt.Sprintf("exit status %d", e.status.ExitStatus())
}

// ends are the two ends of what connects a run with the daemon.
type ends struct {
	channel, theirs *os.File // of the hand-off socket
	outR, outW      *os.File
	errR, errW      *os.File
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
	if e.outR, e.outW, err = newPipe(); err != nil {
		return e, err
	}
	e.errR, e.errW, err = newPipe()
	return e, err
}

// theirFDs are the run's ends, as a zygote is asked with them.
func (e ends) theirFDs() []int {
	return []int{int(e.outW.Fd()), int(e.errW.Fd()), int(e.theirs.Fd())}
}

// close closes the run's ends, and ours too if it did not come to be. Nothing was written through
// them: there is nothing to lose.
func (e ends) close(ours bool) {
	closing := []*os.File{e.theirs, e.outW, e.errW}
	if ours {
		closing = append(closing, e.channel, e.outR, e.errR)
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
	wait := waitFor(pid)
	pidfd := -1
	if err = mapIDs(pid); err == nil {
		pidfd, err = unix.PidfdOpen(pid, 0)
		err = os.NewSyscallError("pidfd_open", err) // nil stays nil
	}
	if err != nil {
		_ = unix.Kill(pid, unix.SIGKILL) // it waits for a script that will not come, and is ours until we have waited for it
		_, _ = wait()
		return nil, err
	}
	return &process{
		leaf: leaf, pid: pid, pidfd: pidfd, channel: ends.channel, stdout: ends.outR, stderr: ends.errR,
		wait: wait, exited: make(chan struct{}),
	}, nil
}

// waitFor is how a child of ours is waited for.
func waitFor(pid int) func() (exit, error) {
	return func() (e exit, err error) {
		for {
			if _, err = unix.Wait4(pid, &e.status, 0, &e.usage); !errors.Is(err, unix.EINTR) {
				return e, os.NewSyscallError("wait4", err)
			}
		}
	}
}

// reap begins to wait for the process. Until then the kernel keeps the name of a dead one.
func (p *process) reap() {
	go func() {
		p.exit, p.reaped = p.wait()
		close(p.exited)
	}()
}

// attend waits for the program's end or for a reason to end it, and returns that reason.
func (p *process) attend(ctx context.Context, limits Limits) Verdict {
	clock := time.NewTimer(limits.Wall)
	defer clock.Stop()
	memory := p.watchMemory(limits.Memory)
	defer memory.stop()
	select {
	case <-p.exited:
		return ""
	case <-ctx.Done():
		return Cancelled
	case <-memory.exceeded:
		return OOM
	case <-clock.C:
		if p.dead(0) { // while we were not running ourselves: it was in time, or nobody knows better
			return ""
		}
		p.askToFlush()
		return Timeout
	}
}

// dead reports whether the program has ended, reaped or not, or does so within the wait of whole
// milliseconds (pidfd_open(2)).
func (p *process) dead(wait time.Duration) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(p.pidfd), Events: unix.POLLIN}}, int(wait.Milliseconds()))
	return err == nil && n == 1
}

// askToFlush lets python3 write out what the program printed last without a newline. The
// signal has no effect on a program that blocks or ignores it, and the program's fate is
// decided already.
func (p *process) askToFlush() {
	if unix.PidfdSendSignal(p.pidfd, unix.SIGXCPU, nil, 0) != nil {
		return
	}
	select {
	case <-p.exited:
	case <-time.After(graceForFlush):
	}
}

// end kills what is left of the program and waits until the kernel has ended all of it: the
// end of a pid namespace's first process is not reported before the others are dead.
func (p *process) end(cause Verdict, patience time.Duration) (ended, error) {
	defer p.channel.Close()
	defer func() {
		if p.pidfd >= 0 {
			unix.Close(p.pidfd)
		}
	}()
	select {
	case <-p.exited:
	default:
		p.kill()
	}
	select {
	case <-p.exited:
	case <-time.After(patience):
		return ended{}, &SetupError{stageKill, fmt.Errorf("process %d survives SIGKILL for %v", p.pid, patience)}
	}
	if p.reaped != nil {
		return ended{}, &SetupError{stageWait, p.reaped}
	}
	return ended{cause: cause, status: p.exit.status}, nil
}

// kill kills the program in two ways, always both. cgroup.kill takes all processes at once, a
// fork bomb in mid-flight included; but it signals each process's first thread, and has no effect
// on one whose first thread has exited while others go on. kill(2) reaches those: and
// the first process's death takes its whole pid namespace along.
func (p *process) kill() {
	_ = p.leaf.kill()                                       // fails where there is no leaf, or no cgroup.kill
	_ = unix.PidfdSendSignal(p.pidfd, unix.SIGKILL, nil, 0) // fails when it is dead already
}

// peakSeen is the most memory that was seen from outside, in bytes: by the watchdog, or by the kernel of its
// largest process.
func (p *process) peakSeen() int64 {
	return max(p.peak.Load(), p.exit.usage.Maxrss<<10) // kilobytes, getrusage(2)
}

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
		"MPLCONFIGDIR=/tmp/matplotlib",
		"MPLBACKEND=Agg",
		// One core is what a run gets: more BLAS threads only wait for each other.
		"OPENBLAS_NUM_THREADS=1",
		"OMP_NUM_THREADS=1",
		"MKL_NUM_THREADS=1",
		"NUMEXPR_NUM_THREADS=1",

		"PYTHONPATH=" + launcherDir, // sitecustomize.pyc, see launcher.py
		"PYTHONSAFEPATH=1",
		"PYTHONNOUSERSITE=1",
	}
}
