package output

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pipeSize = 64 << 10 // default size of a pipe in bytes (pipe(7))

	// FloodSize is the size of a pipe whose output is only counted, in bytes: a quarter of the size that needs no privilege
	// (fs.pipe-max-size).
	FloodSize = 256 << 10
)

// NewPipe creates a pipe whose reading end is not in Go's poller. os.Pipe registers it there for as long as it is open, and
// the kernel wakes the poller at every write to the pipe (Linux 5.14, commit 3a34b13a88ca), so each line that a program
// prints would wake a thread of the daemon.
func NewPipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(fds[0]), "stream"), os.NewFile(uintptr(fds[1]), "stream of the program"), nil
}

// pipe is the reading end of a stream. It is read in few large pieces even if the program writes small ones: after each read
// the reader pauses for as long as the pacer says. While the pipe is empty, the reader sleeps until the next write.
type pipe struct {
	file  *os.File
	fd    int
	ready *os.File // an epoll instance that watches the pipe while it is empty; nil if none could be created
	epoll int      // descriptor of ready: File.Fd would remove it from Go's poller
	null  int      // /dev/null when the stream is only counted; -1 otherwise
	pacer pacer
	due   time.Time // time of the next read

	reading func(bool)    // called with true before each read, and with false after one that found nothing; may be nil
	hurried chan struct{} // receives a value to end a pause

	ended    chan struct{} // closed when the program has ended: the rest is read without pauses
	deadline time.Time     // until which the rest is read; valid when ended is closed
}

// openPipe takes the file over. The reader keeps the first wanted bytes of the stream.
func openPipe(file *os.File, wanted int64) *pipe {
	p := &pipe{file: file, fd: int(file.Fd()), null: -1, ended: make(chan struct{}), hurried: make(chan struct{}, 1), pacer: pacer{size: pipeSize, wanted: wanted}}
	_ = unix.SetNonblock(p.fd, true) // fails only for a closed descriptor
	if size, err := unix.FcntlInt(uintptr(p.fd), unix.F_GETPIPE_SZ, 0); err == nil {
		p.pacer.size = size // smaller if the user has too many pipes (fs.pipe-user-pages-soft)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		_ = unix.SetNonblock(epoll, true) // os.NewFile uses Go's poller only for a non-blocking descriptor
		p.epoll, p.ready = epoll, os.NewFile(uintptr(epoll), "epoll")
	}
	return p
}

// Read reads what is in the pipe, at the pipe's pace. The error is io.EOF when the last writer has closed the pipe.
func (p *pipe) Read(buffer []byte) (int, error) {
	return p.take(func() (int, error) { return unix.Read(p.fd, buffer) })
}

// Skip drops what is in the pipe and returns its size. The data is not copied to the daemon.
func (p *pipe) Skip() (int, error) {
	if p.null < 0 {
		p.null, _ = unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if p.null < 0 { // no more descriptors
		return p.Read(make([]byte, pipeSize))
	}
	return p.take(func() (int, error) {
		n, err := unix.Splice(p.fd, nil, p.null, nil, FloodSize, unix.SPLICE_F_NONBLOCK)
		return int(n), err
	})
}

// take waits for the next read, and for data.
func (p *pipe) take(read func() (int, error)) (int, error) {
	for {
		p.rest()
		p.report(true)
		n, err := read()
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			p.report(false)
			if err := p.await(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0:
			return 0, io.EOF
		default:
			flooded := p.pacer.flooded()
			p.due = time.Now().Add(p.pacer.next(n))
			if p.pacer.flooded() && !flooded {
				_, _ = unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, FloodSize) // fails if the user has too many pipes
			}
			return n, nil
		}
	}
}

// rest waits until the next read is due or the program has ended.
func (p *pipe) rest() {
	if pause := time.Until(p.due); pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.hurried:
		case <-p.ended:
		}
	}
}

func (p *pipe) report(reading bool) {
	if p.reading != nil {
		p.reading(reading)
	}
}

// hurry ends a pause.
func (p *pipe) hurry() {
	select {
	case p.hurried <- struct{}{}:
	default:
	}
}

// empty reports whether the pipe is empty or closed.
func (p *pipe) empty() bool {
	n := 0
	if conn, err := p.file.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	}
	return n == 0
}

// await returns when there is data in the pipe or the last writer has closed it.
func (p *pipe) await() error {
	event := unix.EpollEvent{Events: unix.EPOLLIN}
	if p.ready == nil || unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, p.fd, &event) != nil {
		return p.pass()
	}
	defer unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, p.fd, nil)
	begin := time.Now()
	conn, err := p.ready.SyscallConn()
	if err != nil {
		return err
	}
	if err := conn.Read(func(epoll uintptr) bool {
		n, _ := unix.EpollWait(int(epoll), []unix.EpollEvent{event}, 0)
		return n > 0
	}); err != nil {
		return err
	}
	p.pacer.idle(time.Since(begin))
	return nil
}

// pass replaces await if there is no memory or descriptor for an epoll instance: it waits for a fixed time.
func (p *pipe) pass() error {
	time.Sleep(LongestPause)
	select {
	case <-p.ended:
		if time.Now().After(p.deadline) {
			return os.ErrDeadlineExceeded
		}
	default:
	}
	return nil
}

// finish lets the rest be read without pauses, until the deadline. It is called once.
func (p *pipe) finish(deadline time.Time) {
	p.deadline = deadline
	close(p.ended)
	if p.ready != nil {
		_ = p.ready.SetReadDeadline(deadline) // fails if the descriptor is not in Go's poller
	}
}

// Close closes the descriptors. There must be no reader.
func (p *pipe) Close() error {
	if p.ready != nil {
		p.ready.Close()
	}
	if p.null >= 0 {
		unix.Close(p.null)
	}
	return p.file.Close()
}
