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

// A zygote is a process that does nothing but clone inits, as children of the daemon (init.c). It is
// small: of the daemon itself the kernel would copy the page tables for each run, and then every page
// that the daemon writes to before the init executes something else.
type zygote struct {
	proc   *os.Process
	socket *net.UnixConn
}

// zygotes are as many as there are processors; each clones for one run at a time.
type zygotes struct {
	program  *os.File // the init
	path     string   // by which a zygote finds it
	null     *os.File
	patience time.Duration // with one clone
	idle     chan *zygote
	asked    chan chan<- birth
}

// birth is a new zygote, or why there is none.
type birth struct {
	zygote *zygote
	err    error
}

var errZygoteGone = errors.New("the process that clones died, or is stuck")

// newZygotes starts all of them.
func newZygotes(patience time.Duration) (z *zygotes, err error) {
	z = &zygotes{patience: patience, idle: make(chan *zygote, runtime.NumCPU()), asked: make(chan chan<- birth)}
	if z.program, err = openEmbedded(embeddedInit); err != nil {
		return nil, err
	}
	z.path = fmt.Sprintf("/proc/self/fd/%d", programFD)
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

// close ends them. No clone may be under way, and no process of theirs be left.
func (z *zygotes) close() error {
	close(z.asked)
	for range len(z.idle) {
		(<-z.idle).end()
	}
	return errors.Join(z.null.Close(), z.program.Close())
}

// keep starts zygotes. They, and what they clone, die with the thread that started them (PR_SET_PDEATHSIG):
// that is this one, for good.
func (z *zygotes) keep() {
	runtime.LockOSThread()
	for answer := range z.asked {
		one, err := z.execute()
		answer <- birth{one, err}
	}
}

func (z *zygotes) start() (*zygote, error) {
	answer := make(chan birth)
	z.asked <- answer
	b := <-answer
	return b.zygote, b.err
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
	return &zygote{proc, ours}, nil
}

// clone makes an init, with flags of clone3, whose output, errors and hand-off socket are fds, and whose
// cgroup is the fourth of them with CLONE_INTO_CGROUP. The process is the caller's to wait for, and waits for a
// script, or for the other end of its socket to be closed.
func (z *zygotes) clone(flags uintptr, fds ...int) (pid int, err error) {
	one := <-z.idle
	defer func() { z.idle <- one }()
	pid, err = one.clone(flags, fds, z.patience)
	if !errors.Is(err, errZygoteGone) {
		return pid, err
	}
	fresh, err := z.start()
	if err != nil {
		return 0, err // and the next run tries again
	}
	one.end()
	one = fresh
	return one.clone(flags, fds, z.patience)
}

func (one *zygote) clone(flags uintptr, fds []int, patience time.Duration) (pid int, err error) {
	var answer [4]byte
	one.socket.SetDeadline(time.Now().Add(patience))
	_, _, err = one.socket.WriteMsgUnix(binary.NativeEndian.AppendUint64(nil, uint64(flags)), unix.UnixRights(fds...), nil)
	if err == nil {
		var n int
		if n, err = one.socket.Read(answer[:]); err == nil && n == 0 {
			err = io.EOF
		}
	}
	if err != nil {
		one.socket.Close() // an answer that comes late is not for the next run
		return 0, fmt.Errorf("%w: %w", errZygoteGone, err)
	}
	if pid = int(int32(binary.NativeEndian.Uint32(answer[:]))); pid < 0 {
		return 0, os.NewSyscallError("clone", unix.Errno(-pid))
	}
	return pid, nil
}

// end ends a zygote, dead or alive.
func (one *zygote) end() {
	one.socket.Close()
	_ = one.proc.Kill()
	_, _ = one.proc.Wait()
}
