package jail

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// A zygote is a process that does nothing but clone inits (init.c), which are the daemon's children as it is
// itself (CLONE_PARENT). It is small: of the daemon the kernel would copy the page tables for each run, and
// then every page that the daemon writes to before the init executes something else.
type zygote struct {
	proc   *os.Process
	socket *net.UnixConn
	dead   chan struct{} // closed when it has been waited for
}

// zygotes are as many as there are processors, and mostZygotes at most; each clones for one run at a time.
type zygotes struct {
	program  *os.File // the init
	path     string   // by which a zygote finds it
	null     *os.File
	patience time.Duration // with one clone
	idle     chan *zygote
	asked    chan chan<- birth
	quit     chan struct{} // closed when there is nothing more to clone
}

const (
	mostZygotes = 8           // one clones hundreds of inits in a second
	lastLook    = time.Second // for the end of what was killed: longer only in the kernel, or traced
)

// birth is a new zygote, or why there is none.
type birth struct {
	zygote *zygote
	err    error
}

var (
	errZygoteGone = errors.New("the process that clones died, or is stuck")
	errClosed     = errors.New("the jail is closed")
)

// newZygotes starts all of them. Patience is the one for setting up.
func newZygotes(patience time.Duration) (z *zygotes, err error) {
	z = &zygotes{
		path: fmt.Sprintf("/proc/self/fd/%d", programFD), patience: patience / 2, // there is time to ask another one
		idle: make(chan *zygote, min(runtime.NumCPU(), mostZygotes)), asked: make(chan chan<- birth), quit: make(chan struct{}),
	}
	if z.program, err = openEmbedded(embeddedInit); err != nil {
		return nil, err
	}
	if z.null, err = os.Open(os.DevNull); err != nil {
		return nil, errors.Join(err, z.program.Close())
	}
	go z.keep()
	for range cap(z.idle) {
		one, err := z.start()
		if err != nil {
			return nil, errors.Join(err, z.close())
		}
		z.idle <- one
	}
	return z, nil
}

// close ends them. What they cloned and is still there dies.
func (z *zygotes) close() error {
	close(z.quit)
	for range len(z.idle) {
		one := <-z.idle
		one.socket.Close()
		one.kill()
	}
	return errors.Join(z.null.Close(), z.program.Close())
}

// keep starts zygotes. They, and what they clone, die with the thread that started them (PR_SET_PDEATHSIG):
// that is this one, for good.
func (z *zygotes) keep() {
	runtime.LockOSThread()
	for {
		select {
		case answer := <-z.asked:
			one, err := z.execute()
			answer <- birth{one, err}
		case <-z.quit:
			return
		}
	}
}

func (z *zygotes) start() (*zygote, error) {
	answer := make(chan birth)
	select {
	case z.asked <- answer:
		b := <-answer
		return b.zygote, b.err
	case <-z.quit:
		return nil, errClosed
	}
}

// programFD is the init's own program, while it is executed.
const programFD = inside.Channel + 1

// execute makes a zygote, in a session of its own: what is typed at our terminal is not for it.
func (z *zygotes) execute() (*zygote, error) {
	ours, theirs, err := packetPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	proc, err := os.StartProcess(z.path, []string{inside.Name}, &os.ProcAttr{
		Env:   []string{}, // not ours
		Files: []*os.File{z.null, z.null, z.null, inside.Channel: theirs, programFD: z.program},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	one := &zygote{proc, ours, make(chan struct{})}
	go func() {
		_, _ = proc.Wait()
		close(one.dead)
	}()
	return one, nil
}

// clone makes an init, with flags of clone3, whose output, errors and hand-off socket are fds, and whose
// cgroup is the fourth of them with CLONE_INTO_CGROUP. The process is the caller's to wait for, and waits for a
// script, or for the other end of its socket to be closed.
//
// After errZygoteGone there is another zygote. What the old one may have cloned without a word ends when the
// other end of that socket is closed: nobody else may get these descriptors.
func (z *zygotes) clone(flags uintptr, fds ...int) (pid int, err error) {
	var one *zygote
	select {
	case one = <-z.idle: // however long the line is, it moves
	case <-z.quit:
		return 0, errClosed
	}
	defer func() { z.idle <- one }()
	pid, err = one.clone(flags, fds, z.patience)
	if !errors.Is(err, errZygoteGone) {
		return pid, err
	}
	fresh, startErr := z.start()
	if startErr != nil {
		return 0, startErr // and the next run tries again
	}
	one = fresh
	return 0, err
}

func (one *zygote) clone(flags uintptr, fds []int, patience time.Duration) (pid int, err error) {
	one.socket.SetDeadline(time.Now().Add(patience))
	_, _, err = one.socket.WriteMsgUnix(binary.NativeEndian.AppendUint64(nil, uint64(flags)), unix.UnixRights(fds...), nil)
	switch {
	case err == nil:
		pid, err = one.answer()
	case errors.Is(err, unix.ETOOMANYREFS), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS): // it was not asked
		return 0, err
	}
	if err != nil {
		one.kill()
		one.socket.SetDeadline(time.Now().Add(lastLook))
		var late error
		pid, late = one.answer() // it may have said it while we did not look
		one.socket.Close()
		if late != nil {
			return 0, fmt.Errorf("%w: %w", errZygoteGone, err)
		}
	}
	if pid < 0 {
		return 0, os.NewSyscallError("clone", unix.Errno(-pid))
	}
	return pid, nil
}

// answer is a pid, or -errno.
func (one *zygote) answer() (int, error) {
	var wire [4]byte
	n, err := one.socket.Read(wire[:])
	if err == nil && n == 0 {
		err = io.EOF
	}
	return int(int32(binary.NativeEndian.Uint32(wire[:]))), err
}

// kill ends a zygote, dead or alive.
func (one *zygote) kill() {
	_ = one.proc.Kill()
	select {
	case <-one.dead:
	case <-time.After(lastLook):
	}
}
