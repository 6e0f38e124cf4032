package spawn

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/output"
)

// ends holds both ends of the sockets and pipes that connect an init with the daemon.
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
	if e.channel, e.theirs, err = HandOffPair(); err != nil {
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

// descriptors are the ends of the init, in the order of spawn.h.
func (e ends) descriptors() []int {
	return []int{int(e.outW.Fd()), int(e.errW.Fd()), int(e.theirs.Fd()), int(e.statusW.Fd())}
}

// init returns an Init with the daemon's ends. It takes the pidfd over, even if it fails.
func (e ends) init(pid, pidfd int) (*Init, error) {
	if err := unix.SetNonblock(pidfd, true); err != nil { // os.NewFile uses Go's poller only for a non-blocking descriptor
		return nil, errors.Join(err, unix.Close(pidfd))
	}
	return &Init{
		PID: pid, PIDFD: os.NewFile(uintptr(pidfd), "pidfd of an init"),
		Channel: e.channel, Stdout: e.outR, Stderr: e.errR, Status: e.statusR,
	}, nil
}

// close closes the ends of the init, and with ours also those of the daemon.
func (e ends) close(ours bool) {
	closing := []*os.File{e.theirs, e.outW, e.errW, e.statusW}
	if ours {
		closing = append(closing, e.channel, e.outR, e.errR, e.statusR)
	}
	for _, f := range closing {
		f.Close() // returns an error for a nil file
	}
}

// HandOffPair returns the daemon's end of a hand-off socket, which is in Go's poller, and the other end.
func HandOffPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, nil, errors.Join(err, unix.Close(fds[0]), unix.Close(fds[1]))
	}
	return os.NewFile(uintptr(fds[0]), "hand-off"), os.NewFile(uintptr(fds[1]), "hand-off of the init"), nil
}

// ControlPair returns both ends of a control socket: the daemon's, and that of a zygote or template.
func ControlPair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "other end of control")
	file := os.NewFile(uintptr(fds[0]), "control")
	defer file.Close() // FileConn makes a copy
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, nil, errors.Join(err, theirs.Close())
	}
	return conn.(*net.UnixConn), theirs, nil
}
