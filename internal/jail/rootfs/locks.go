package rootfs

import (
	"errors"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// Locks holds write locks on the inodes that all runs share and could lock. These are the device nodes, which a jail cannot create
// itself, and the inode of all descriptors without a path (epoll, eventfd, timerfd): the kernel has one such inode for the whole
// machine (fs/anon_inodes.c). Every run would see a lock of another run on such an inode, so the runs could communicate. While the
// daemon holds the locks, no run can get one.
//
// They are open file description locks. A lock of the process (F_SETLK) would be lost as soon as the daemon closes any descriptor
// of /dev/null.
type Locks struct {
	mu     sync.Mutex
	inodes []*os.File
	held   []bool
}

// OpenLocks opens the inodes that runs share. It locks nothing yet.
func OpenLocks() (_ *Locks, err error) {
	s := &Locks{}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for _, path := range devices {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		s.inodes = append(s.inodes, f)
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	s.inodes = append(s.inodes, os.NewFile(uintptr(epoll), "descriptors without a path"))
	s.held = make([]bool, len(s.inodes))
	return s, nil
}

// Hold takes the locks that the daemon does not hold yet. If another daemon on this host holds them, they keep the runs of both
// daemons from locking, as long as the other daemon lives. So Hold is called before each run.
func (s *Locks) Hold() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.inodes {
		if s.held[i] {
			continue
		}
		// Locks of fcntl(2) and flock(2) are independent, and a run may use either.
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

// Complete reports whether the daemon holds every lock.
func (s *Locks) Complete() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.Contains(s.held, false)
}

// Close gives up the locks.
func (s *Locks) Close() error {
	var err error
	for _, f := range s.inodes {
		err = errors.Join(err, f.Close())
	}
	return err
}
