package jail

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/spawn"
)

// reports reads what the init sends: reports, and with one of them at most one descriptor.
type reports struct {
	channel *os.File
	fd      int // -1 as long as none came
}

func newReports(channel *os.File) *reports { return &reports{channel: channel, fd: -1} }

// Read reads bytes, and takes in the descriptor that comes with them.
func (r *reports) Read(p []byte) (n int, err error) {
	conn, err := r.channel.SyscallConn()
	if err != nil {
		return 0, err
	}
	oob := make([]byte, unix.CmsgSpace(2*4)) // one descriptor more than there should be
	var oobn, flags int
	waitErr := conn.Read(func(fd uintptr) bool {
		for {
			n, oobn, flags, _, err = unix.Recvmsg(int(fd), p, oob, unix.MSG_CMSG_CLOEXEC)
			if !errors.Is(err, unix.EINTR) {
				return !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	if waitErr != nil {
		return 0, waitErr
	}
	if err != nil {
		return 0, os.NewSyscallError("recvmsg", err)
	}
	if err := r.take(oob[:oobn]); err != nil {
		return 0, err
	}
	if flags&unix.MSG_CTRUNC != 0 { // most likely this process may open no more
		return 0, errors.New("the filter's listener could not be received: too many open files?")
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// take keeps the descriptor of a control message, unless there is one already.
func (r *reports) take(oob []byte) error {
	fd, err := spawn.OneDescriptor(oob)
	switch {
	case err != nil:
		return err
	case fd < 0:
		return nil
	case r.fd >= 0:
		unix.Close(fd)
		return spawn.ErrStrayDescriptors
	}
	r.fd = fd
	return nil
}

// release gives the descriptor away, -1 if there is none.
func (r *reports) release() int {
	fd := r.fd
	r.fd = -1
	return fd
}

// close closes a descriptor that nobody took.
func (r *reports) close() {
	if fd := r.release(); fd >= 0 {
		unix.Close(fd)
	}
}
