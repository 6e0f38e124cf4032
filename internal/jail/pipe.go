package jail

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pipeSize  = 64 << 10  // of a pipe by default (pipe(7))
	floodSize = 256 << 10 // of one that is only counted: a fourth of what needs no privilege (fs.pipe-max-size)
)

// newPipe makes a pipe whose reading end is in no poller. Go's own poller, in which os.Pipe puts it,
// stays subscribed to it for as long as it is open, and the kernel wakes subscribers of a pipe at
// every single write (Linux 5.14, commit 3a34b13a88ca): a thread of the daemon for each line that a
// program prints.
func newPipe() (r, w *os.File, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, os.NewSyscallError("pipe2", err)
	}
	return os.NewFile(uintptr(fds[0]), "stream"), os.NewFile(uintptr(fds[1]), "stream of the program"), nil
}

// pipe is the reading end of a stream of a run. It is read in few and large pieces, however small those are that
// the program writes: after each read it is left alone for a moment, as the pacer says. While it is
// empty the reader sleeps until the next write.
type pipe struct {
	file  *os.File
	fd    int
	ready *os.File // an epoll instance, subscribed to the pipe while that is empty; nil where none was to be had
	epoll int      // its descriptor: Fd would take it out of Go's poller
	null  int      // /dev/null when the stream is only counted; -1 otherwise
	pacer pacer
	due   time.Time // no read before this

	ended    chan struct{} // closed when the program has ended: what is left is read without a pause
	deadline time.Time     // valid then: when to give up
}

// openPipe takes the file over. Of the stream, the first bytes are wanted.
func openPipe(file *os.File, wanted int64) *pipe {
	p := &pipe{file: file, fd: int(file.Fd()), null: -1, ended: make(chan struct{}), pacer: pacer{size: pipeSize, wanted: wanted}}
	_ = unix.SetNonblock(p.fd, true) // fails for no open descriptor
	if size, err := unix.FcntlInt(uintptr(p.fd), unix.F_GETPIPE_SZ, 0); err == nil {
		p.pacer.size = size // less for a user who has very many pipes
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		_ = unix.SetNonblock(epoll, true) // or Go would not poll it
		p.epoll, p.ready = epoll, os.NewFile(uintptr(epoll), "epoll")
	}
	return p
}

// Read reads what is there, at the pipe's pace. The error is io.EOF when the last writer has closed it.
func (p *pipe) Read(buffer []byte) (int, error) {
	return p.take(func() (int, error) { return unix.Read(p.fd, buffer) })
}

// Skip is Read for who does not look at what it reads: it is not even copied.
func (p *pipe) Skip() (int, error) {
	if p.null < 0 {
		p.null, _ = unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	}
	if p.null < 0 { // no more descriptors
		return p.Read(make([]byte, pipeSize))
	}
	return p.take(func() (int, error) {
		n, err := unix.Splice(p.fd, nil, p.null, nil, floodSize, unix.SPLICE_F_NONBLOCK)
		return int(n), err
	})
}

// take reads when it is time, and there is something to read.
func (p *pipe) take(read func() (int, error)) (int, error) {
	for {
		p.rest()
		n, err := read()
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
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
				_, _ = unix.FcntlInt(uintptr(p.fd), unix.F_SETPIPE_SZ, floodSize) // fails for a user with very many pipes
			}
			return n, nil
		}
	}
}

// rest waits until the pipe may be read again, or the program has ended.
func (p *pipe) rest() {
	if pause := time.Until(p.due); pause > 0 {
		timer := time.NewTimer(pause)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-p.ended:
		}
	}
}

// await returns when there is something in the pipe, or its last writer has closed it.
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

// pass is await where there is no memory or descriptor for a subscription: some time passes.
func (p *pipe) pass() error {
	time.Sleep(longestPause)
	select {
	case <-p.ended:
		if time.Now().After(p.deadline) {
			return os.ErrDeadlineExceeded
		}
	default:
	}
	return nil
}

// finish has what is left read without a pause, until the deadline. It is called once.
func (p *pipe) finish(deadline time.Time) {
	p.deadline = deadline
	close(p.ended)
	if p.ready != nil {
		_ = p.ready.SetReadDeadline(deadline) // fails for what Go does not poll
	}
}

// Close gives the descriptors back. Nobody reads any more.
func (p *pipe) Close() error {
	if p.ready != nil {
		p.ready.Close()
	}
	if p.null >= 0 {
		unix.Close(p.null)
	}
	return p.file.Close()
}
