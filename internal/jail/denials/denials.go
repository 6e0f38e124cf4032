// Package denials counts the system calls that the seccomp filter of a run denies, and answers them.
//
// A denied call that is to be counted waits in the kernel until the daemon answers it over the filter's listener
// (seccomp_unotify(2)). The answer is the errno that the filter has for the call's number and arguments, which the kernel
// has copied, so the program cannot change them meanwhile. If the daemon dies, the kernel closes the listener, and all
// calls that wait or come later return ENOSYS.
//
// Over the same listener, new processes of a run announce themselves by a call that the filter allows (announce.go of package
// seccompprofiles). Such a call waits until a function of the caller has returned.
package denials

import (
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// The pace of the answers. A program that repeats a denied call in a loop must not cost the daemon much processor time, and a
// program that makes some hundred denied calls must not be delayed.
const (
	free     = 1000               // answers that each run gets without a delay
	interval = time.Second / 1000 // between two other answers, all runs together
	batch    = 10                 // answers for one turn of the pace
)

// NewPace returns the pace of the answers to all runs of a daemon. One turn of the limiter allows batch answers.
func NewPace() *rate.Limiter { return rate.NewLimiter(rate.Every(batch*interval), 1) }

// Listener answers the denied system calls of one run, in one goroutine.
type Listener struct {
	file    *os.File // in Go's poller
	filter  seccompprofiles.Filter
	pace    *rate.Limiter
	greet   func(pidfd int)
	stopped chan struct{} // closed by Stop
	done    chan struct{} // closed when the goroutine has ended

	counts map[string]int // valid after done
}

// Listen starts to answer the calls that wait at a listener's descriptor, which it takes over. program is the filter of the
// run. greet is called for each process that announces itself, one at a time; the pidfd is valid until it returns, and the process
// waits for that. The caller must call Stop.
func Listen(fd int, program []unix.SockFilter, pace *rate.Limiter, greet func(pidfd int)) (*Listener, error) {
	if err := unix.SetNonblock(fd, true); err != nil { // os.NewFile uses Go's poller only for a non-blocking descriptor
		return nil, errors.Join(os.NewSyscallError("fcntl of the listener", err), unix.Close(fd))
	}
	l := &Listener{
		file:    os.NewFile(uintptr(fd), "seccomp listener"),
		filter:  seccompprofiles.Filter{Program: program},
		pace:    pace,
		greet:   greet,
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
		defer l.file.Close() // the kernel then answers all waiting and later calls with ENOSYS
		buffers, budget := newNotifBuffers(), free
		for {
			if budget == 0 {
				turn := l.pace.Reserve()
				select {
				case <-time.After(turn.Delay()):
				case <-l.stopped:
					turn.Cancel()
					return
				}
				budget = batch
			}
			var ended bool
			err := conn.Read(func(fd uintptr) bool {
				var answered bool
				answered, ended = l.answer(fd, buffers)
				return answered || ended
			})
			if err != nil || ended {
				return // Stop has closed the listener, or no process with the filter is left
			}
			budget--
		}
	}()
	return l, nil
}

// answer answers one call, if one waits.
func (l *Listener) answer(fd uintptr, buffers notifBuffers) (answered, ended bool) {
	// SECCOMP_IOCTL_NOTIF_RECV ignores O_NONBLOCK. After poll has reported a call it does not block, even if the caller has died since,
	// because only this goroutine receives from the listener.
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
	if err == nil && action.Allows() {
		l.announced(fd, buffers, n)
		err = buffers.proceed(fd, n.id)
		return true, err != nil && !errors.Is(err, unix.ENOENT)
	}
	errno := action.Errno()
	if err != nil || errno == 0 { // impossible: this filter has sent the notification
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

// announced calls greet, unless the call came from a thread that is not the first of its process.
func (l *Listener) announced(fd uintptr, buffers notifBuffers, n notification) {
	pidfd, err := unix.PidfdOpen(n.pid, 0)
	if err != nil {
		return
	}
	defer unix.Close(pidfd)
	if buffers.waits(fd, n.id) { // if not, the pidfd may be that of a later process with the same id
		l.greet(pidfd)
	}
}

// Stop ends the answers. It returns how often each system call was denied, by name. A nil Listener has counted nothing and
// returns nil.
func (l *Listener) Stop() map[string]int {
	if l == nil {
		return nil
	}
	close(l.stopped)
	l.file.Close() // wakes the goroutine
	<-l.done
	return l.counts
}

// Counts reports whether a filter leaves the answer to any call to a listener.
func Counts(filter []unix.SockFilter) bool {
	return slices.ContainsFunc(filter, func(i unix.SockFilter) bool {
		return i.Code == unix.BPF_RET|unix.BPF_K && i.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF
	})
}
