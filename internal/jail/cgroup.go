package jail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// The cgroup v2 tree of one daemon:
//
//	base                   delegated to us (systemd), or /sandboxd at the root (root only)
//	├── daemon             where the daemon moves itself, for a cgroup that distributes
//	│                      controllers may hold no process (cgroups(7), "no internal processes")
//	└── runs-<pid>-<time>  held by flock while its daemon lives; what is not held gets swept
//	    ├── 1              a leaf: one run
//	    └── 2

// controllers are those that a leaf needs to enforce its limits.
var controllers = []string{"cpu", "memory", "pids"}

const (
	daemonGroup = "daemon"
	runsPrefix  = "runs-"
	rootGroup   = "sandboxd"
)

// MissingControllersError says which limits no cgroup would enforce.
type MissingControllersError struct {
	Controllers []string
	Base        string // the cgroup that lacks them
}

func (e *MissingControllersError) Error() string {
	if len(e.Controllers) == 1 {
		return fmt.Sprintf("the cgroup v2 controller %s is missing in %s", e.Controllers[0], e.Base)
	}
	return fmt.Sprintf("the cgroup v2 controllers %s are missing in %s", strings.Join(e.Controllers, ", "), e.Base)
}

// tree is the daemon's own part of the cgroup v2 hierarchy. A nil tree makes nil leaves, which
// limit nothing: that is best effort on a machine whose hierarchy cannot be written to.
type tree struct {
	mountpoint string
	base       string   // directory, below mountpoint
	runs       *os.File // directory of the leaves, flock'ed
	missing    []string // of controllers
	next       chan int64
}

// openTree finds a cgroup that it may divide, takes a place in it and sweeps away places whose
// daemon is dead. Missing controllers are no error here: they are in tree.missing.
func openTree(log *slog.Logger) (*tree, error) {
	mounts, err := readKernelFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	own, err := readKernelFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	mountpoint, dir, err := findCgroup(string(mounts), string(own))
	if err != nil {
		return nil, err
	}
	base, err := claimBase(mountpoint, dir)
	if err != nil {
		return nil, err
	}
	// One at a time: between mkdir and flock a place looks like a dead daemon's.
	lock, err := os.Open(base)
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, &fs.PathError{Op: "flock", Path: base, Err: err}
	}
	sweep(base, log)

	t := &tree{mountpoint: mountpoint, base: base, next: make(chan int64, 1)}
	t.next <- 1
	path := filepath.Join(base, fmt.Sprintf("%s%d-%d", runsPrefix, os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	if t.runs, err = os.Open(path); err != nil {
		return nil, errors.Join(err, os.Remove(path))
	}
	if err := unix.Flock(int(t.runs.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(&fs.PathError{Op: "flock", Path: path, Err: err}, t.close())
	}
	for _, c := range controllers {
		if distribute(base, c) != nil || distribute(path, c) != nil {
			t.missing = append(t.missing, c)
		}
	}
	return t, nil
}

// close removes the place of this daemon. What cannot be removed is left for the next sweep.
func (t *tree) close() error {
	if t == nil || t.runs == nil {
		return nil
	}
	return errors.Join(removeGroup(t.runs.Name()), t.runs.Close())
}

var errNoCgroup2 = errors.New("no cgroup v2 hierarchy is mounted")

// findCgroup finds where the cgroup v2 hierarchy is mounted and the directory of this process's cgroup, from
// /proc/self/mountinfo and /proc/self/cgroup. The directory is the mount point where our cgroup cannot be seen from there.
func findCgroup(mounts, own string) (mountpoint, dir string, err error) {
	root := ""
	for line := range strings.Lines(mounts) {
		// 35 24 0:30 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw (proc_pid_mountinfo(5)). The fourth field is
		// the cgroup that is the root of the mount, as seen from our cgroup namespace.
		before, after, _ := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		// The first, or what is mounted over it.
		if path := unescape.Replace(fields[4]); mountpoint == "" || mountpoint == path {
			root, mountpoint = fields[3], path
		}
	}
	if mountpoint == "" {
		return "", "", errNoCgroup2
	}
	for line := range strings.Lines(own) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::") // cgroups(7)
		if !ok {
			continue
		}
		// What is outside of our cgroup namespace begins with "/..".
		below, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(root, "/")+"/")
		if !ok || strings.HasPrefix(below, "..") {
			return mountpoint, mountpoint, nil
		}
		return mountpoint, filepath.Join(mountpoint, below), nil
	}
	return "", "", errors.New("this process is in no cgroup v2")
}

// unescape undoes what the kernel does to a path in mountinfo.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// claimBase returns a directory below which we may make groups and hand them controllers. Dir is our own cgroup.
//
//   - our own cgroup, when we are alone in it: it was made for us (Delegate=, a container). We move into
//     a child of it;
//   - the parent of such a child, when that has been done (a daemon started by a daemon);
//   - a group at the root of what is mounted, which takes root, as a rule.
func claimBase(mountpoint, dir string) (string, error) {
	var refused []error
	if filepath.Base(dir) != daemonGroup && !isRootGroup(dir) {
		alone, err := onlyProcess(dir)
		if err == nil && alone {
			if err = moveInto(filepath.Join(dir, daemonGroup)); err == nil {
				return dir, nil
			}
		}
		refused = append(refused, err)
	}
	if filepath.Base(dir) == daemonGroup {
		parent := filepath.Dir(dir)
		err := writable(parent)
		if err == nil {
			return parent, nil
		}
		refused = append(refused, err)
	}
	base := filepath.Join(mountpoint, rootGroup)
	err := os.Mkdir(base, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = writable(base)
	}
	if err != nil {
		return "", fmt.Errorf("no cgroup to divide: %w", errors.Join(append(refused, err)...))
	}
	for _, c := range controllers {
		_ = distribute(mountpoint, c) // what is missing shows in base
	}
	return base, nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// isRootGroup reports whether a group is the root of the whole hierarchy, which has no cgroup.type (cgroups(7)). Processes
// do not keep it from being divided. The root of a cgroup namespace, such as a container's, is a group like any other.
func isRootGroup(group string) bool {
	_, err := os.Stat(filepath.Join(group, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// onlyProcess reports whether this process is the only one in the group.
func onlyProcess(group string) (bool, error) {
	procs, err := readKernelFile(filepath.Join(group, "cgroup.procs"))
	return strings.TrimSpace(string(procs)) == strconv.Itoa(os.Getpid()), err
}

func moveInto(group string) error {
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return writeKernelFile(filepath.Join(group, "cgroup.procs"), "0")
}

// distribute hands one controller to the children of a group.
func distribute(group, controller string) error {
	return writeKernelFile(filepath.Join(group, "cgroup.subtree_control"), "+"+controller)
}

// sweep ends what daemons that died without closing their tree left running, and removes it.
// A living daemon holds a lock on its place.
func sweep(base string, log *slog.Logger) {
	places, _ := filepath.Glob(filepath.Join(base, runsPrefix+"*"))
	for _, path := range places {
		place, err := os.Open(path)
		if err != nil {
			continue // its daemon closed it meanwhile
		}
		if unix.Flock(int(place.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			err := removeGroup(path)
			log.Info("swept what a killed daemon left", "cgroup", path, "error", err)
		}
		place.Close()
	}
}

// removeGroup kills what runs in a group and removes it with its leaves. See process.kill for
// why cgroup.kill is not enough.
func removeGroup(path string) error {
	_ = writeKernelFile(filepath.Join(path, "cgroup.kill"), "1") // fails where there is none
	leaves, _ := filepath.Glob(filepath.Join(path, "*", "cgroup.procs"))
	for _, procs := range leaves {
		l := leaf{path: filepath.Dir(procs)}
		pids, _ := l.procs()
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		if err := rmdirEmptied(l.path, killPatience); err != nil {
			return err
		}
	}
	return rmdirEmptied(path, killPatience)
}

// rmdirEmptied removes a group whose processes are dead or dying: EBUSY until the last is gone,
// for which it waits as long as patience.
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

// leaf is the cgroup of one run.
type leaf struct {
	path   string
	dir    *os.File // for clone3
	memory bool     // the memory controller enforces the limit

	forTemplates bool // a template may have children be born in it
}

// newLeaf makes a cgroup with the limits of one run. The template's user, if there is one, may put
// processes into it.
func (t *tree) newLeaf(limits sandbox.Limits, template hostID) (*leaf, error) {
	if t == nil {
		return nil, nil
	}
	n := <-t.next
	t.next <- n + 1
	path := filepath.Join(t.runs.Name(), strconv.FormatInt(n, 10))
	if err := os.Mkdir(path, 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(path)
	if err == nil {
		err = t.limit(path, limits)
	}
	if err != nil {
		if dir != nil {
			dir.Close()
		}
		return nil, errors.Join(err, rmdirEmptied(path, killPatience))
	}
	return &leaf{path: path, dir: dir, memory: t.has("memory"), forTemplates: t.openTo(path, template)}, nil
}

// openTo lets another user put processes into a leaf: that takes the right to write to it, and to the
// cgroup above it and that of the user's own process (cgroups(7), "delegation containment").
func (t *tree) openTo(leaf string, user hostID) bool {
	const procs = "cgroup.procs"
	switch {
	case user == hostID{} || user.by == byHelper: // no template; no right to give files away
		return false
	case user.by == byOwner:
		return true
	}
	return os.Chown(filepath.Join(t.runs.Name(), procs), user.uid, user.gid) == nil &&
		os.Chown(filepath.Join(leaf, procs), user.uid, user.gid) == nil
}

// limit writes the limits that the kernel enforces for a leaf as a whole.
func (t *tree) limit(path string, limits sandbox.Limits) error {
	var r cgroup2.Resources
	if t.has("memory") {
		var swap int64
		group := true
		r.Memory = &cgroup2.Memory{Max: &limits.Memory, OOMGroup: &group}
		if _, err := os.Stat(filepath.Join(path, "memory.swap.max")); err == nil {
			r.Memory.Swap = &swap // the file is absent where the kernel has no swap
		}
	}
	if t.has("pids") {
		r.Pids = &cgroup2.Pids{Max: int64(limits.Pids + ownProcesses)}
	}
	if t.has("cpu") {
		quota, period := int64(limits.CPU*cpuPeriod), uint64(cpuPeriod)
		r.CPU = &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quota, &period)}
	}
	if len(t.missing) == len(controllers) {
		return nil
	}
	group, err := cgroup2.Load("/"+strings.TrimPrefix(path, t.mountpoint+"/"), cgroup2.WithMountpoint(t.mountpoint))
	if err != nil {
		return err
	}
	return group.Update(&r)
}

// cpuPeriod is the window of cpu.max in microseconds; the kernel's default.
const cpuPeriod = 100_000

func (t *tree) has(controller string) bool { return !slices.Contains(t.missing, controller) }

// kill ends every process of the leaf at once (cgroup.kill, Linux 5.14).
func (l *leaf) kill() error {
	if l == nil {
		return unix.ENOSYS
	}
	return writeKernelFile(filepath.Join(l.path, "cgroup.kill"), "1")
}

func (l *leaf) controlsMemory() bool { return l != nil && l.memory }

// remove gives the leaf back. Its processes are dead.
func (l *leaf) remove(patience time.Duration) error {
	if l == nil {
		return nil
	}
	return errors.Join(rmdirEmptied(l.path, patience), l.dir.Close())
}

// procs lists the processes of the leaf.
func (l *leaf) procs() (pids []int, err error) {
	list, err := readKernelFile(filepath.Join(l.path, "cgroup.procs"))
	for field := range bytes.FieldsSeq(list) {
		if pid, err := strconv.Atoi(string(field)); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// freeze stops all processes of the leaf, or lets them go on (cgroup.freeze, Linux 5.2).
func (l *leaf) freeze(stop bool) error {
	state := "0"
	if stop {
		state = "1"
	}
	return writeKernelFile(filepath.Join(l.path, "cgroup.freeze"), state)
}

// frozen reports whether all of them have stopped.
func (l *leaf) frozen() bool { return keyed(l.read("cgroup.events"), "frozen") == 1 }

// read returns what a file of the leaf says, or nothing where the file does not exist.
func (l *leaf) read(file string) []byte {
	data, err := readKernelFile(filepath.Join(l.path, file))
	if err != nil {
		return nil
	}
	return data
}

// account is what the kernel counted for a leaf. Fields whose controller is missing are 0.
type account struct {
	oomKills int64         // memory.events, oom_kill
	peak     int64         // memory.peak, bytes (Linux 5.19)
	cpu      time.Duration // cpu.stat, usage_usec; needs no controller
}

// account reads the leaf's counters. It is called when the last process is dead.
func (l *leaf) account() account {
	if l == nil {
		return account{}
	}
	peak, _ := strconv.ParseInt(strings.TrimSpace(string(l.read("memory.peak"))), 10, 64)
	return account{
		oomKills: keyed(l.read("memory.events"), "oom_kill"),
		peak:     peak,
		cpu:      l.cpuTime(),
	}
}

func (l *leaf) cpuTime() time.Duration {
	return time.Duration(keyed(l.read("cpu.stat"), "usage_usec")) * time.Microsecond
}

// cpuTime is what the jail's processes have taken while python3 waits: by its leaf, or without one by the first thread
// of the program (/proc/PID/schedstat, in nanoseconds).
func (p *process) cpuTime() time.Duration {
	if p.leaf != nil {
		return p.leaf.cpuTime()
	}
	stat, _ := readKernelFile(fmt.Sprintf("/proc/%d/schedstat", p.program()))
	return time.Duration(leadingNumber(stat))
}

// usage prefers the kernel's account of the leaf to what was seen from outside.
// spent is the time before the program's own.
func (a account) usage(e exit, spent time.Duration, peakSeen int64) sandbox.Usage {
	u := sandbox.Usage{CPU: a.cpu, PeakMemory: a.peak}
	if u.CPU == 0 {
		u.CPU = e.cpu
	}
	u.CPU = max(0, u.CPU-spent)
	if u.PeakMemory == 0 {
		u.PeakMemory = peakSeen
	}
	return u
}

// keyed finds a value in a flat keyed file ("key value" per line), 0 when it is not there.
func keyed(file []byte, key string) int64 {
	for line := range bytes.Lines(file) {
		if k, v, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); ok && string(k) == key {
			n, _ := strconv.ParseInt(string(v), 10, 64)
			return n
		}
	}
	return 0
}
