package cgroup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// Leaf is the cgroup of one run. The methods of a nil Leaf do nothing, except Kill, which fails.
type Leaf struct {
	tree *Tree
	path string
	dir  *os.File // for clone3

	open bool // the User of NewLeaf may create processes in it
}

// NewLeaf makes a cgroup with the limits of one run. If user is not nil, that user may create processes in the leaf, provided that the
// daemon may grant this right: see Leaf.OpenToUser.
func (t *Tree) NewLeaf(limits Limits, user *User) (_ *Leaf, err error) {
	if t == nil {
		return nil, nil
	}
	n := <-t.next
	t.next <- n + 1
	l := &Leaf{tree: t, path: filepath.Join(t.runs.Name(), strconv.FormatInt(n, 10))}
	if err := os.Mkdir(l.path, 0o755); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.Remove(emptyPatience))
		}
	}()
	if l.dir, err = os.Open(l.path); err != nil {
		return nil, err
	}
	if err = l.Limit(limits); err != nil {
		return nil, err
	}
	l.open = user != nil && l.openTo(*user)
	return l, nil
}

// openTo lets another user create processes in the leaf, with CLONE_INTO_CGROUP. The user needs the right to write to cgroup.procs of the
// leaf and of the common ancestor with the cgroup of the user's own process (cgroups(7), "delegation containment").
func (l *Leaf) openTo(user User) bool {
	const procs = "cgroup.procs"
	if user.UID == os.Geteuid() {
		return true
	}
	return os.Chown(filepath.Join(l.tree.runs.Name(), procs), user.UID, user.GID) == nil &&
		os.Chown(filepath.Join(l.path, procs), user.UID, user.GID) == nil
}

// OpenToUser reports whether the User of NewLeaf may create processes in the leaf. Otherwise the daemon moves them into it.
func (l *Leaf) OpenToUser() bool { return l.open }

// Dir returns the open directory of the leaf, for CLONE_INTO_CGROUP of clone3(2).
func (l *Leaf) Dir() *os.File { return l.dir }

// Limit writes the limits that the kernel enforces for the leaf as a whole.
func (l *Leaf) Limit(limits Limits) error {
	t := l.tree
	var r cgroup2.Resources
	if t.Has("memory") {
		var swap int64
		group := true
		r.Memory = &cgroup2.Memory{Max: &limits.Memory, OOMGroup: &group}
		if _, err := os.Stat(filepath.Join(l.path, "memory.swap.max")); err == nil {
			r.Memory.Swap = &swap // a kernel without swap has no such file
		}
	}
	if t.Has("pids") {
		r.Pids = &cgroup2.Pids{Max: int64(limits.Pids)}
	}
	if t.Has("cpu") {
		quota, period := int64(limits.CPU*cpuPeriod), uint64(cpuPeriod)
		r.CPU = &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quota, &period)}
	}
	if len(t.missing) == len(controllers) {
		return nil
	}
	group, err := cgroup2.Load("/"+strings.TrimPrefix(l.path, t.mountpoint+"/"), cgroup2.WithMountpoint(t.mountpoint))
	if err != nil {
		return err
	}
	return group.Update(&r)
}

// cpuPeriod is the window of cpu.max in microseconds: the kernel's default.
const cpuPeriod = 100_000

// Add moves a process into the leaf.
func (l *Leaf) Add(pid int) error {
	return kernfs.Write(filepath.Join(l.path, "cgroup.procs"), strconv.Itoa(pid))
}

// Kill ends every process of the leaf at once (cgroup.kill, Linux 5.14). It has no effect on a process whose first thread has
// exited while others go on.
func (l *Leaf) Kill() error {
	if l == nil {
		return unix.ENOSYS
	}
	return kernfs.Write(filepath.Join(l.path, "cgroup.kill"), "1")
}

// ControlsMemory reports whether the kernel enforces the memory limit.
func (l *Leaf) ControlsMemory() bool { return l != nil && l.tree.Has("memory") }

// Remove removes the leaf. Its processes must have been killed. Remove waits for their end, at most for patience.
func (l *Leaf) Remove(patience time.Duration) error {
	if l == nil {
		return nil
	}
	err := rmdirEmptied(l.path, patience)
	if l.dir != nil {
		err = errors.Join(err, l.dir.Close())
	}
	return err
}

// Procs lists the processes of the leaf.
func (l *Leaf) Procs() (pids []int, err error) {
	list, err := kernfs.Read(filepath.Join(l.path, "cgroup.procs"))
	for field := range bytes.FieldsSeq(list) {
		if pid, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// Freeze stops all processes of the leaf, or lets them continue (cgroup.freeze, Linux 5.2).
func (l *Leaf) Freeze(stop bool) error {
	state := "0"
	if stop {
		state = "1"
	}
	return kernfs.Write(filepath.Join(l.path, "cgroup.freeze"), state)
}

// Frozen reports whether all processes of the leaf have stopped.
func (l *Leaf) Frozen() bool { return kernfs.Keyed(l.Read("cgroup.events"), "frozen") == 1 }

// Read returns the content of a file of the leaf, and nil if there is no such file.
func (l *Leaf) Read(file string) []byte {
	data, err := kernfs.Read(filepath.Join(l.path, file))
	if err != nil {
		return nil
	}
	return data
}

// Account holds counters of the kernel for a leaf. Fields whose controller is missing are 0.
type Account struct {
	OOMKills int64         // memory.events, oom_kill
	Peak     int64         // memory.peak, bytes (Linux 5.19)
	CPU      time.Duration // cpu.stat, usage_usec; needs no controller
	Refused  int64         // pids.events, max: how often no process or thread could be started
}

// Account reads the counters of the leaf.
func (l *Leaf) Account() Account {
	if l == nil {
		return Account{}
	}
	return Account{
		OOMKills: kernfs.Keyed(l.Read("memory.events"), "oom_kill"),
		Peak:     kernfs.Number(l.Read("memory.peak")),
		CPU:      l.CPUTime(),
		Refused:  kernfs.Keyed(l.Read("pids.events"), "max"),
	}
}

// CPUTime returns the CPU time that the processes of the leaf have used.
func (l *Leaf) CPUTime() time.Duration {
	return time.Duration(kernfs.Keyed(l.Read("cpu.stat"), "usage_usec")) * time.Microsecond
}
