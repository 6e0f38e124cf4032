package jail

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// deviceLocks hold a write lock on each device node that the runs share: nobody may make another,
// so that a record lock of one run on /dev/null would be seen by all. With ours in place no run
// gets one, and each sees the same. A lock of the open file, since one of the process (F_SETLK)
// would go as soon as anything here closes /dev/null.
type deviceLocks struct {
	mu    sync.Mutex
	nodes []*os.File
	held  []bool
}

func openDevices(plan []inside.Node) (*deviceLocks, error) {
	d := &deviceLocks{}
	for _, n := range plan {
		if n.Op != inside.Device {
			continue
		}
		f, err := os.OpenFile(n.Source, os.O_RDWR, 0)
		if err != nil {
			return nil, errors.Join(err, d.close())
		}
		d.nodes = append(d.nodes, f)
	}
	d.held = make([]bool, len(d.nodes))
	return d, nil
}

// hold takes the locks that we do not have yet. Another daemon on this host may have them: then
// they serve us as well, for as long as it lives, and we ask again before the next run.
func (d *deviceLocks) hold() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, f := range d.nodes {
		if d.held[i] {
			continue
		}
		lock := unix.Flock_t{Type: unix.F_WRLCK}
		byRange := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
		whole := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) // the filter has no flock: this is for without it
		for _, err := range []error{byRange, whole} {
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				return &os.PathError{Op: "lock", Path: f.Name(), Err: err}
			}
		}
		d.held[i] = byRange == nil && whole == nil
	}
	return nil
}

func (d *deviceLocks) close() error {
	var err error
	for _, f := range d.nodes {
		err = errors.Join(err, f.Close())
	}
	return err
}
