package jail

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// reports reads what the init sends: reports, and with one of them at most one descriptor.
type reports struct {
	channel *os.File
	fd      int // -1 as long as none came
}

func newReports(channel *os.File) *reports { return &reports{channel: channel, fd: -1} }

var errStrayDescriptors = errors.New("other descriptors than the filter's listener came")

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

// take keeps one descriptor and closes all others.
func (r *reports) take(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("control message: %w", err)
	}
	stray := false
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return fmt.Errorf("control message: %w", err)
		}
		for _, fd := range fds {
			if r.fd < 0 {
				r.fd = fd
				continue
			}
			unix.Close(fd)
			stray = true
		}
	}
	if stray {
		return errStrayDescriptors
	}
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
