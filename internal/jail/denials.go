package jail

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// What the filter denies and counts waits in the kernel until the daemon, over the filter's
// listener, answers it (seccomp_unotify(2)). The answer is the errno that the filter has for that
// very struct seccomp_data, so there is nothing to race for. A daemon that dies closes the
// listener, and all that waits, or comes later, gets ENOSYS.

// The pace at which denials are answered. A program that asks for what it cannot have in a loop is
// to cost the daemon next to nothing; one that does it some hundred times is not to notice.
const (
	denialsAtOnce   = 1000               // of each run
	denialsInterval = time.Second / 1000 // between two of all other answers, of all runs together
	denialsPatch    = 10                 // so many are answered in one go
)

// newPace is the pace of all runs of a daemon: each turn is denialsPatch answers.
func newPace() *rate.Limiter { return rate.NewLimiter(rate.Every(denialsPatch*denialsInterval), 1) }

// listener answers what the filter of one run denies, in one goroutine.
type listener struct {
	file    *os.File // in Go's poller
	filter  seccompprofiles.Filter
	pace    *rate.Limiter
	stopped chan struct{} // closed by stop
	done    chan struct{} // closed when the goroutine has ended

	counts map[string]int // valid after done
}

// listen begins to answer. It takes the descriptor; the caller must call stop.
func listen(fd int, program []unix.SockFilter, pace *rate.Limiter) (*listener, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // for os.NewFile, which then takes the poller
		return nil, errors.Join(os.NewSyscallError("fcntl of the listener", err), unix.Close(fd))
	}
	l := &listener{
		file:    os.NewFile(uintptr(fd), "seccomp listener"),
		filter:  seccompprofiles.Filter{Program: program},
		pace:    pace,
		stopped: make(chan struct{}),
		done:    make(chan struct{}),
		counts:  make(map[string]int),
	}
	conn, err := l.file.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, l.file.Close())
	}
	go func() {
		defer close(l.done)
		defer l.file.Close() // whatever still waits, or comes, gets ENOSYS
		buffers, budget := newNotifBuffers(), denialsAtOnce
		for {
			if budget == 0 {
				turn := l.pace.Reserve()
				select {
				case <-time.After(turn.Delay()):
				case <-l.stopped:
					turn.Cancel()
					return
				}
				budget = denialsPatch
			}
			var ended bool
			err := conn.Read(func(fd uintptr) bool {
				var answered bool
				answered, ended = l.answer(fd, buffers)
				return answered || ended
			})
			if err != nil || ended {
				return // closed by stop, or nothing is left that the filter is on
			}
			budget--
		}
	}()
	return l, nil
}

// answer answers one call, if one waits.
func (l *listener) answer(fd uintptr, buffers notifBuffers) (answered, ended bool) {
	// SECCOMP_IOCTL_NOTIF_RECV knows no O_NONBLOCK. It does not block where poll has seen a call, even
	// one whose caller is dead by then: we are the only ones to receive.
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if _, err := unix.Poll(poll, 0); err != nil {
		return errors.Is(err, unix.EINTR), !errors.Is(err, unix.EINTR)
	}
	if poll[0].Revents&unix.POLLIN == 0 {
		return false, poll[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
	}
	n, err := buffers.receive(fd)
	if errors.Is(err, unix.ENOENT) {
		return true, false
	}
	if err != nil {
		return false, true
	}
	action, err := l.filter.Decide(n.arch, n.number, n.args)
	errno := action.Errno()
	if err != nil || errno == 0 { // not to be: this is the program that asked us
		errno = unix.EPERM
	}
	name := seccompprofiles.Name(n.number)
	if name == "" {
		name = sandbox.DenialUnknown
	}
	l.counts[name]++
	err = buffers.refuse(fd, n.id, errno)
	return true, err != nil && !errors.Is(err, unix.ENOENT)
}

// stop ends the answers and returns how often which call was denied. It may be called on nil, which
// has counted nothing: nil.
func (l *listener) stop() map[string]int {
	if l == nil {
		return nil
	}
	close(l.stopped)
	l.file.Close() // wakes the goroutine
	<-l.done
	return l.counts
}

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
