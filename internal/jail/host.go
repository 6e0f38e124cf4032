package jail

import (
	"errors"
	"os"
	"sync"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/denials"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
)

// host is what all sandboxes of the daemon share: what belongs to the machine.
type host struct {
	cfg     HostConfig
	tree    *cgroup.Tree // nil: there is no cgroup v2 to write to (best effort only)
	ids     *hostid.Pool
	locks   *rootfs.Locks
	pace    *rate.Limiter // of the answers to denied system calls
	zygotes *spawn.Zygotes
	janitor *janitor
	blind   sync.Once // logs that child processes cannot get their files of /proc

	namespaces uintptr // of each run; see the constant

	// Engine fork only. The templates share one host id, because cgroup.procs above the leaves has one owner.
	templateID hostid.ID
	module     *os.File // the module that a template loads

	background sync.WaitGroup // goroutines that continue after a run has its result
}

// namespaces are those that clone makes for a run. The cgroup namespace is not among them: it would have the daemon's cgroup as its
// root, so the init unshares it from inside of its leaf. The time namespace keeps runs from meeting at /proc/self/ns/time, which
// they can open and lock.
const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID |
	unix.CLONE_NEWNET | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWTIME

// insideID holds the ids of a program in its user namespace.
var insideID = hostid.ID{UID: inside.UID, GID: inside.GID}

// openHost makes the daemon's cgroup tree, removes the trees of killed daemons, and starts the zygotes. It fails if a cgroup controller is
// missing, unless cfg.BestEffort is set.
func openHost(cfg HostConfig) (_ *host, err error) {
	h := &host{cfg: cfg, pace: denials.NewPace(), janitor: newJanitor(), namespaces: namespaces}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.ids, err = hostid.NewPool(cfg.UIDs); err != nil {
		return nil, err
	}
	if err := h.openTree(); err != nil {
		return nil, err
	}
	if h.locks, err = rootfs.OpenLocks(); err != nil {
		return nil, err
	}
	// The zygotes start in the cgroup of the daemon, so they are started after openTree has moved the daemon into its own.
	if h.zygotes, err = spawn.NewZygotes(cfg.SetUpPatience); err != nil {
		return nil, err
	}
	if cfg.Fork {
		if h.templateID, err = h.ids.Take(); err != nil {
			return nil, err
		}
		if h.module, err = spawn.OpenTemplateModule(); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *host) openTree() error {
	tree, err := cgroup.Open(h.cfg.Log)
	if err != nil {
		if !h.cfg.BestEffort {
			return err
		}
		h.cfg.Log.Warn("there is no cgroup for runs", "reason", err)
		return nil
	}
	h.tree = tree
	if missing := tree.Missing(); len(missing) > 0 && !h.cfg.BestEffort {
		return &cgroup.MissingControllersError{Controllers: missing, Base: tree.Base()}
	}
	return nil
}

// close waits for the clean-up of all runs, ends the zygotes and removes the cgroup tree. No run may be in progress.
func (h *host) close() error {
	h.background.Wait()
	h.janitor.close()
	var err error
	if h.module != nil {
		err = h.module.Close()
	}
	if h.zygotes != nil {
		err = errors.Join(err, h.zygotes.Close())
	}
	if h.locks != nil {
		err = errors.Join(err, h.locks.Close())
	}
	return errors.Join(err, h.tree.Close())
}

// enforced reports whether the kernel enforces the memory, cpu and process limits by cgroup.
func (h *host) enforced() bool { return h.tree != nil && len(h.tree.Missing()) == 0 }

// giveID gives the id of a run back when the run has ended. The id of the templates is never given back.
func (h *host) giveID(id hostid.ID) {
	if id != h.templateID {
		h.ids.Give(id)
	}
}

// forRuns starts the inits of runs.
func (h *host) forRuns() spawn.Spawner {
	return h.zygotes.Spawner(func(pid int, id hostid.ID) error { return h.ids.Map(pid, insideID, id) })
}

// forTemplates starts the inits of templates, which map the ids of their runs.
func (h *host) forTemplates() spawn.Spawner { return h.zygotes.Spawner(h.ids.MapAll) }

// templateUser returns the host id that may create processes in the leaves of runs, or nil if there are no templates.
func (h *host) templateUser() *cgroup.User {
	if !h.cfg.Fork {
		return nil
	}
	return &cgroup.User{UID: h.templateID.UID, GID: h.templateID.GID}
}
