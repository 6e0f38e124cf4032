// Package cgroup divides a part of the cgroup v2 hierarchy among runs: one leaf with limits for each run.
//
// The tree of one daemon:
//
//	base                   delegated to the daemon (systemd), or /sandboxd at the root of the hierarchy (root only)
//	├── daemon             where the daemon moves itself: a cgroup that distributes controllers may hold no process
//	│                      (cgroups(7), "no internal processes")
//	└── runs-<pid>-<time>  locked with flock(2) while its daemon lives; a tree without a lock is removed by the next daemon
//	    ├── 1              a leaf: one run
//	    └── 2
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// controllers are those that a leaf needs to enforce its limits.
var controllers = []string{"cpu", "memory", "pids"}

const (
	daemonGroup = "daemon"
	runsPrefix  = "runs-"
	rootGroup   = "sandboxd"
)

// emptyPatience bounds the wait for the end of killed processes that a dead daemon left behind.
const emptyPatience = 10 * time.Second

// MissingControllersError lists controllers that the hierarchy does not offer, so that no cgroup enforces their limits.
type MissingControllersError struct {
	Controllers []string // of "cpu", "memory" and "pids"
	Base        string   // the cgroup that lacks them
}

func (e *MissingControllersError) Error() string {
	if len(e.Controllers) == 1 {
		return fmt.Sprintf("the cgroup v2 controller %s is missing in %s", e.Controllers[0], e.Base)
	}
	return fmt.Sprintf("the cgroup v2 controllers %s are missing in %s", strings.Join(e.Controllers, ", "), e.Base)
}

// Tree is the daemon's part of the hierarchy. A nil Tree makes nil leaves, which have no limits. It is used in best effort if the daemon
// cannot write to the hierarchy.
type Tree struct {
	mountpoint string
	base       string   // directory, below mountpoint
	runs       *os.File // directory of the leaves, locked
	missing    []string // of controllers
	next       chan int64
}

// Limits bound a leaf as a whole.
type Limits struct {
	Memory int64   // bytes
	Pids   int     // processes and threads
	CPU    float64 // processors
}

// User is another user than the daemon's who may create processes in a leaf.
type User struct{ UID, GID int }

// Open finds a cgroup that the daemon may divide, makes a tree in it, and removes the trees of daemons that are dead. A missing
// controller is not an error of Open: see Tree.Missing.
func Open(log *slog.Logger) (_ *Tree, err error) {
	mounts, err := kernfs.Read("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := kernfs.Read("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mountpoint, dir, err := find(string(mounts), string(own))
	if err != nil {
		return nil, err
	}
	base, err := claimBase(mountpoint, dir)
	if err != nil {
		return nil, err
	}
	// Between mkdir and flock, a new tree looks like that of a dead daemon. So a lock admits one daemon at a time to this section.
	lock, err := os.Open(base)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, &fs.PathError{Op: "flock", Path: base, Err: err}
	}
	sweep(base, log)

	t := &Tree{mountpoint: mountpoint, base: base, next: make(chan int64, 1)}
	t.next <- 1
	path := filepath.Join(base, fmt.Sprintf("%s%d-%d", runsPrefix, os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, t.Close())
		}
	}()
	if t.runs, err = os.Open(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	if err := unix.Flock(int(t.runs.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, &fs.PathError{Op: "flock", Path: path, Err: err}
	}
	for _, c := range controllers {
		if distribute(base, c) != nil || distribute(path, c) != nil {
			t.missing = append(t.missing, c)
		}
	}
	return t, nil
}

// Base returns the directory of the cgroup that is divided.
func (t *Tree) Base() string { return t.base }

// Dir returns the directory of the leaves.
func (t *Tree) Dir() string { return t.runs.Name() }

// Missing returns the controllers that the hierarchy does not offer, of "cpu", "memory" and "pids".
func (t *Tree) Missing() []string { return t.missing }

// Has reports whether a controller enforces its limit. A nil Tree has none.
func (t *Tree) Has(controller string) bool {
	return t != nil && !slices.Contains(t.missing, controller)
}

// Close removes the tree. The next daemon removes the groups that Close cannot remove.
func (t *Tree) Close() error {
	if t == nil || t.runs == nil {
		return nil
	}
	return errors.Join(removeGroup(t.runs.Name()), t.runs.Close())
}
