package jail

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// sharedLocks hold a write lock on each inode that runs share and may lock: the device nodes, which nobody
// may make anew, and the one inode of all descriptors that have no path (epoll, eventfd, timerfd; the
// kernel's fs/anon_inodes.c has one for the whole machine). A lock of one run on such an inode would be
// seen by all others. While the daemon holds the lock no run gets one, and each run sees the same.
//
// The locks belong to the open file. A lock of the process (F_SETLK) would be lost when anything in
// the daemon closes /dev/null.
type sharedLocks struct {
	mu     sync.Mutex
	inodes []*os.File
	held   []bool
}

func openShared(plan []inside.Node) (*sharedLocks, error) {
	s := &sharedLocks{}
	for _, n := range plan {
		if n.Op != inside.Device {
			continue
		}
		f, err := os.OpenFile(n.Source, os.O_RDWR, 0)
		if err != nil {
			return nil, errors.Join(err, s.close())
		}
		s.inodes = append(s.inodes, f)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_create1", err), s.close())
	}
	s.inodes = append(s.inodes, os.NewFile(uintptr(epoll), "descriptors without a path"))
	s.held = make([]bool, len(s.inodes))
	return s, nil
}

// hold takes the locks that the daemon does not hold yet. Another daemon on this host may hold them: then
// they serve this one as well, for as long as the other lives, and hold asks again before the next run.
func (s *sharedLocks) hold() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.inodes {
		if s.held[i] {
			continue
		}
		// fcntl(2) and flock(2) keep their locks apart, and a run may ask for either.
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		byRange := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		whole := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		for _, err := range []error{byRange, whole} {
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
			}
		}
		s.held[i] = byRange == nil && whole == nil
	}
	return nil
}

func (s *sharedLocks) close() error {
	var err error
	for _, f := range s.inodes {
		err = errors.Join(err, f.Close())
	}
	return err
}
