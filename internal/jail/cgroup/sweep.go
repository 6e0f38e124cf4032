package cgroup

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// sweep ends the processes of daemons that died without closing their tree, and removes those trees. A living daemon holds a
// lock on its tree.
func sweep(base string, log *slog.Logger) {
	places, _ := filepath.Glob(filepath.Join(base, runsPrefix+"*"))
	for _, path := range places {
		place, err := os.Open(path)
		if err != nil {
			continue // its daemon has closed it in the meantime
		}
		if unix.Flock(int(place.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err := removeGroup(path)
			log.Info("removed the cgroups of a daemon that was killed", "cgroup", path, "error", err)
		}
		place.Close()
	}
}

// removeGroup kills the processes in a group, and removes the group with its leaves. It also sends signals, because cgroup.kill
// has no effect on a process whose first thread has exited.
func removeGroup(path string) error {
	_ = kernfs.Write(filepath.Join(path, "cgroup.kill"), "1") // fails before Linux 5.14
	leaves, _ := filepath.Glob(filepath.Join(path, "*", "cgroup.procs"))
	for _, procs := range leaves {
		l := Leaf{path: filepath.Dir(procs)}
		pids, _ := l.Procs()
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if err := rmdirEmptied(l.path, emptyPatience); err != nil {
			return err
		}
	}
	return rmdirEmptied(path, emptyPatience)
}

// rmdirEmptied removes a group whose processes have been killed. rmdir(2) fails with EBUSY until the last one has ended. rmdirEmptied
// waits for that, at most for patience.
func rmdirEmptied(path string, patience time.Duration) error {
	for wait, begin := 50*time.Microsecond, time.Now(); ; wait = min(2*wait, 20*time.Millisecond) {
		err := unix.Rmdir(path)
		if !errors.Is(err, unix.EBUSY) || time.Since(begin) > patience {
			if err != nil && !errors.Is(err, unix.ENOENT) {
				return &fs.PathError{Op: "rmdir", Path: path, Err: err}
			}
			return nil
		}
		time.Sleep(wait)
	}
}
