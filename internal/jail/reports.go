package jail

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/spawn"
)

// reports reads the reports of the init. A report may come with one descriptor.
type reports struct {
	channel *os.File
	fd      int // the received descriptor; -1 if there is none
}

func newReports(channel *os.File) *reports { return &reports{channel: channel, fd: -1} }

// Read reads bytes, and keeps the descriptor that comes with them.
func (r *reports) Read(p []byte) (n int, err error) {
	conn, err := r.channel.SyscallConn()
	if err != nil {
		return 0, err
	}
	oob := make([]byte, unix.CmsgSpace(2*4)) // room for two descriptors, to notice a second one
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
	if flags&unix.MSG_CTRUNC != 0 { // the kernel drops the descriptor if this process has too many open files
		return 0, errors.New("a descriptor of the init was not received; the daemon probably has too many open files (RLIMIT_NOFILE)")
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// take keeps the descriptor of a control message. It fails if there is one already.
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

// release returns the descriptor, which the caller must close, or -1 if there is none.
func (r *reports) release() int {
	fd := r.fd
	r.fd = -1
	return fd
}

// close closes the descriptor if it was not released.
func (r *reports) close() {
	if fd := r.release(); fd >= 0 {
		unix.Close(fd)
	}
}
