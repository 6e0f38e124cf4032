package jail

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// The file system that a program sees, described as data by the daemon (rootPlan) and replayed
// by the init (buildRoot) over a tmpfs that becomes read-only when it is filled:
//
//	/usr /bin /lib …   the host's, read-only
//	/etc               a handful of files, ours or the host's
//	/dev               null, zero, full, random, urandom; shm is scratch
//	/proc              of the new pid namespace, nothing but processes, read-only
//	/sandbox           the launcher
//	/home/sandbox      main.py and whatever it writes   ┐
//	/tmp /dev/shm      writable                         ├ one scratch tmpfs: one quota
//	/run               the launcher's compiled main     ┘
const (
	homeDir      = "/home/sandbox"
	userName     = "sandbox"
	launcherDir  = "/sandbox"
	runDir       = "/run"
	compiledPath = runDir + "/main.pyc"
	hostName     = "sandbox"

	// assembly is where the new root is attached while it is being filled: any directory of
	// the host does, it is hidden in our mount namespace only.
	assembly = "/tmp"
)

// node is one entry of the new root, made in the order of the plan.
type node struct {
	Op     op
	Path   string // in the new root, absolute
	Source string `json:",omitempty"` // bind: path on the host; link: target
	Data   string `json:",omitempty"` // file: content
	Mode   uint32 `json:",omitempty"` // dir, scratch: permission bits
}

type op string

const (
	opDir     op = "dir"
	opLink    op = "link"
	opFile    op = "file"    // read-only like all of the root
	opTree    op = "tree"    // bind of a host directory with what is mounted below it
	opBind    op = "bind"    // bind of one host file, not executable
	opDevice  op = "device"  // bind of a host device node
	opProc    op = "proc"    //
	opScratch op = "scratch" // a directory of the scratch file system
)

const (
	readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	inert    = readOnly | unix.MOUNT_ATTR_NOEXEC
	writable = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	devices  = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)

// etcFromHost are the files of the host's /etc that python3 and its packages need: how to find
// libraries, types of files, the plots' defaults. Nothing in them tells of the host's users
// or its place in the network.
var etcFromHost = []string{
	"/etc/alternatives", // libblas.so.3 is a link through it
	"/etc/ld.so.cache",
	"/etc/fonts",
	"/etc/matplotlibrc",
	"/etc/mime.types",
}

// rootPlan describes the new root on this host.
func rootPlan(python interpreter) []node {
	plan := []node{
		{Op: opDir, Path: "/usr", Mode: 0o755},
		{Op: opTree, Path: "/usr", Source: "/usr"},
	}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		plan = append(plan, mirror(dir)...)
	}
	plan = append(plan, node{Op: opDir, Path: "/etc", Mode: 0o755})
	for _, path := range etcFromHost {
		plan = append(plan, mirror(path)...)
	}
	passwd := fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", userName, insideUID, insideGID, homeDir)
	plan = append(plan,
		node{Op: opFile, Path: "/etc/passwd", Data: passwd},
		node{Op: opFile, Path: "/etc/group", Data: fmt.Sprintf("%s:x:%d:\n", userName, insideGID)},
		node{Op: opFile, Path: "/etc/hosts", Data: "127.0.0.1 localhost " + hostName + "\n::1 localhost\n"},
		node{Op: opFile, Path: "/etc/hostname", Data: hostName + "\n"},
		node{Op: opFile, Path: "/etc/nsswitch.conf", Data: "passwd: files\ngroup: files\nhosts: files\n"},
		node{Op: opDir, Path: "/dev", Mode: 0o755},
	)
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		plan = append(plan, node{Op: opDevice, Path: "/dev/" + name, Source: "/dev/" + name})
	}
	plan = append(plan,
		node{Op: opLink, Path: "/dev/fd", Source: "/proc/self/fd"},
		node{Op: opLink, Path: "/dev/stdin", Source: "/proc/self/fd/0"},
		node{Op: opLink, Path: "/dev/stdout", Source: "/proc/self/fd/1"},
		node{Op: opLink, Path: "/dev/stderr", Source: "/proc/self/fd/2"},
		node{Op: opProc, Path: "/proc"},
		node{Op: opDir, Path: "/home", Mode: 0o755},
		node{Op: opScratch, Path: homeDir, Mode: 0o700},
		node{Op: opScratch, Path: "/tmp", Mode: 0o1777},
		node{Op: opScratch, Path: "/dev/shm", Mode: 0o1777},
		node{Op: opScratch, Path: runDir, Mode: 0o700},
		node{Op: opDir, Path: launcherDir, Mode: 0o755},
	)
	for _, prefix := range python.prefixes {
		for _, dir := range parents(prefix) {
			plan = append(plan, node{Op: opDir, Path: dir, Mode: 0o755})
		}
		plan = append(plan, node{Op: opDir, Path: prefix, Mode: 0o755}, node{Op: opTree, Path: prefix, Source: prefix})
	}
	return plan
}

// mirror plans a file, link or directory of the host at its own path; nothing where it is
// not there.
func mirror(path string) []node {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return nil
		}
		return []node{{Op: opLink, Path: path, Source: target}}
	case info.IsDir():
		return []node{{Op: opDir, Path: path, Mode: 0o755}, {Op: opTree, Path: path, Source: path}}
	default:
		return []node{{Op: opBind, Path: path, Source: path}}
	}
}

// parents lists the directories above path, the topmost first, without the root.
func parents(path string) []string {
	dir := filepath.Dir(path)
	if dir == "/" {
		return nil
	}
	return append(parents(dir), dir)
}

// buildRoot replays the plan and leaves the new root as our working directory. All paths below
// are relative to its descriptor: nothing of the old tree is under it to be followed.
func buildRoot(o *order) error {
	unix.Umask(0)
	defer unix.Umask(0o022)
	// Nothing that we mount may reach the host, and nothing that the host mounts may reach us.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return failed("private mounts", err)
	}
	root, err := newMount("tmpfs", writable, "size=4m", "nr_inodes=512", "mode=755")
	if err != nil {
		return err
	}
	// Attached before it is filled: newer kernels refuse mounts on top of a detached one.
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, assembly, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return failed("attach the new root", err)
	}
	b := builder{root: root}
	if err := b.scratchSpace(o.Limits); err != nil {
		return err
	}
	for _, n := range o.Plan {
		if err := b.make(n); err != nil {
			return err
		}
	}
	if err := b.file(filepath.Join(launcherDir, "sitecustomize.pyc"), o.launcher); err != nil {
		return err
	}
	if err := b.file(filepath.Join(homeDir, "main.py"), o.source); err != nil {
		return err
	}
	if err := b.detachScratch(); err != nil {
		return err
	}
	if err := setAttributes(root, inert, 0); err != nil {
		return failed("read-only root", err)
	}
	return failed("enter the new root", unix.Fchdir(root))
}

// builder fills a new root.
type builder struct {
	root int // descriptor of its topmost directory
}

// scratchAt is where the scratch file system is attached while its directories are handed out.
const scratchAt = ".scratch"

func (b builder) make(n node) error {
	path := relative(n.Path)
	switch n.Op {
	case opDir:
		err := unix.Mkdirat(b.root, path, n.Mode)
		if err == unix.EEXIST {
			err = nil
		}
		return failed("mkdir "+n.Path, err)
	case opLink:
		return failed("symlink "+n.Path, unix.Symlinkat(n.Source, b.root, path))
	case opFile:
		return b.file(n.Path, []byte(n.Data))
	case opTree:
		return b.bind(n, readOnly, unix.AT_RECURSIVE)
	case opBind:
		if err := b.file(n.Path, nil); err != nil {
			return err
		}
		return b.bind(n, inert, 0)
	case opDevice:
		if err := b.file(n.Path, nil); err != nil {
			return err
		}
		return b.bind(n, devices, 0)
	case opProc:
		return b.proc(n)
	case opScratch:
		return b.scratch(n)
	default:
		return failed("plan "+string(n.Op), unix.EINVAL)
	}
}

// file writes a small file, readable by all.
func (b builder) file(path string, data []byte) error {
	fd, err := unix.Openat(b.root, relative(path), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return failed("create "+path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if _, err := f.Write(data); err != nil {
		return failed("write "+path, err)
	}
	return failed("close "+path, f.Close())
}

// bind clones a mount of the host, which takes on its attributes before it becomes visible.
func (b builder) bind(n node, attributes uint64, recursive uint) error {
	from, err := unix.OpenTree(unix.AT_FDCWD, n.Source, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|recursive)
	if err != nil {
		return failed("open_tree "+n.Source, err)
	}
	defer unix.Close(from)
	if err := setAttributes(from, attributes, recursive); err != nil {
		return failed("mount_setattr "+n.Source, err)
	}
	return b.attach(from, n.Path)
}

// proc mounts what a program may know of processes: its own pid namespace's, and of the rest
// of /proc nothing (subset=pid: no cpuinfo, no sys, no kernel addresses).
func (b builder) proc(n node) error {
	if err := unix.Mkdirat(b.root, relative(n.Path), 0o555); err != nil {
		return failed("mkdir "+n.Path, err)
	}
	fd, err := newMount("proc", inert, "subset=pid")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return b.attach(fd, n.Path)
}

// scratchSpace makes the file system whose directories are all that a program can write to.
func (b builder) scratchSpace(limits Limits) error {
	fd, err := newMount("tmpfs", writable, "size="+strconv.FormatInt(limits.Scratch, 10),
		"nr_inodes="+strconv.FormatInt(limits.Inodes, 10), "mode=755")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Mkdirat(b.root, scratchAt, 0o700); err != nil {
		return failed("mkdir scratch", err)
	}
	return b.attach(fd, "/"+scratchAt)
}

// scratch hands out one directory of it.
func (b builder) scratch(n node) error {
	inside := scratchAt + "/" + strings.ReplaceAll(relative(n.Path), "/", "-")
	if err := unix.Mkdirat(b.root, inside, n.Mode); err != nil {
		return failed("mkdir "+inside, err)
	}
	if err := unix.Mkdirat(b.root, relative(n.Path), 0o755); err != nil {
		return failed("mkdir "+n.Path, err)
	}
	fd, err := unix.OpenTree(b.root, inside, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return failed("open_tree "+inside, err)
	}
	defer unix.Close(fd)
	return b.attach(fd, n.Path)
}

// detachScratch leaves the handed out directories as the only ways to the scratch space.
func (b builder) detachScratch() error {
	at := filepath.Join(assembly, scratchAt)
	if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
		return failed("detach scratch", err)
	}
	return failed("rmdir scratch", unix.Unlinkat(b.root, scratchAt, unix.AT_REMOVEDIR))
}

func (b builder) attach(mount int, path string) error {
	err := unix.MoveMount(mount, "", b.root, relative(path), unix.MOVE_MOUNT_F_EMPTY_PATH)
	return failed("move_mount "+path, err)
}

// newMount makes a detached mount of a new file system. Options are "key=value".
func newMount(fstype string, attributes uint64, options ...string) (int, error) {
	fs, err := unix.Fsopen(fstype, unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, failed("fsopen "+fstype, err)
	}
	defer unix.Close(fs)
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		if err := unix.FsconfigSetString(fs, key, value); err != nil {
			return -1, failed(fstype+" "+option, err)
		}
	}
	if err := unix.FsconfigCreate(fs); err != nil {
		return -1, failed("make "+fstype, err)
	}
	mount, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, int(attributes))
	return mount, failed("fsmount "+fstype, err)
}

func setAttributes(mount int, attributes uint64, recursive uint) error {
	return unix.MountSetattr(mount, "", unix.AT_EMPTY_PATH|recursive, &unix.MountAttr{Attr_set: attributes})
}

func relative(path string) string { return strings.TrimPrefix(path, "/") }
