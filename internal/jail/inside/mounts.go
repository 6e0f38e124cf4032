package inside

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Node is one entry of the new root, made in the order of the plan.
type Node struct {
	Op     Op
	Path   string // in the new root, absolute
	Source string // tree, bind, copy, device: path on the host; link: target
	Data   string // file: content
	Mode   uint32 // dir, scratch: permission bits
}

// Op is how a Node is made.
type Op string

const (
	Dir     Op = "dir"
	Link    Op = "link"
	File    Op = "file"    // read-only like all of the root
	Copy    Op = "copy"    // File with the content of one of the host's
	Tree    Op = "tree"    // a host directory, with inodes of the jail's own
	Bind    Op = "bind"    // a host directory with what is mounted below it, and the host's inodes
	Device  Op = "device"  // bind of a host device node
	Proc    Op = "proc"    //
	Scratch Op = "scratch" // a directory of the scratch file system
)

const (
	readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	inert    = readOnly | unix.MOUNT_ATTR_NOEXEC
	writable = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	devices  = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)

// Assembly is where the new root is attached while it is being filled: a directory that every
// host has, hidden in our mount namespace only.
const Assembly = "/tmp"

// Home is the program's working directory; the plan makes it.
const Home = "/home/sandbox"

// buildRoot replays the plan and leaves the new root as our working directory. All paths below
// are relative to its descriptor: nothing of the old tree is under it to be followed.
func buildRoot(o *Order) error {
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
	if err := unix.MoveMount(root, "", unix.AT_FDCWD, Assembly, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return failed("attach the new root", err)
	}
	b := builder{root: root}
	if err := b.scratchSpace(o.Scratch); err != nil {
		return err
	}
	if err := failed("mkdir empty", unix.Mkdirat(b.root, emptyAt, 0o555)); err != nil {
		return err
	}
	for _, n := range o.Plan {
		if err := b.make(n); err != nil {
			return err
		}
	}
	if err := b.detachScratch(); err != nil {
		return err
	}
	if err := failed("rmdir empty", unix.Unlinkat(b.root, emptyAt, unix.AT_REMOVEDIR)); err != nil {
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

// Directories of the new root while it is being filled.
const (
	scratchAt = ".scratch" // where the scratch file system is attached while it is handed out
	emptyAt   = ".empty"   // what a tree is laid over: an overlay wants two directories
)

func (b builder) make(n Node) error {
	path := relative(n.Path)
	switch n.Op {
	case Dir:
		err := unix.Mkdirat(b.root, path, n.Mode)
		if err == unix.EEXIST {
			err = nil
		}
		return failed("mkdir "+n.Path, err)
	case Link:
		return failed("symlink "+n.Path, unix.Symlinkat(n.Source, b.root, path))
	case File:
		return b.file(n.Path, n.Data)
	case Copy:
		data, err := os.ReadFile(n.Source)
		if err != nil {
			return failed("read "+n.Source, err)
		}
		return b.file(n.Path, string(data))
	case Tree:
		return b.tree(n)
	case Bind:
		return b.bind(n, readOnly, unix.AT_RECURSIVE)
	case Device:
		if err := b.file(n.Path, ""); err != nil {
			return err
		}
		return b.bind(n, devices, 0) // nobody here may make a node
	case Proc:
		return b.proc(n)
	case Scratch:
		return b.scratch(n)
	default:
		return failed("plan "+string(n.Op), unix.EINVAL)
	}
}

// file writes a small file, readable by all.
func (b builder) file(path, data string) error {
	fd, err := unix.Openat(b.root, relative(path), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return failed("create "+path, err)
	}
	f := os.NewFile(uintptr(fd), path)
	if _, err := f.WriteString(data); err != nil {
		return failed("write "+path, err)
	}
	return failed("close "+path, f.Close())
}

// tree shows a host directory through an overlay that has nothing to write to. A bind would show
// the host's own inodes, which all runs then had in common, with every lock, lease and watch that
// a program puts on one: those of an overlay are this jail's alone.
func (b builder) tree(n Node) error {
	const directory = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	from, err := unix.Open(n.Source, directory, 0)
	if err != nil {
		return failed("open "+n.Source, err)
	}
	defer unix.Close(from)
	empty, err := unix.Openat(b.root, emptyAt, directory, 0)
	if err != nil {
		return failed("open empty", err)
	}
	defer unix.Close(empty)
	// By descriptor: a path might hold what means something in an option, and 256 bytes are all
	// that an option may have.
	mount, err := newMount("overlay", readOnly, "lowerdir="+descriptorPath(from)+":"+descriptorPath(empty))
	if err != nil {
		return failed(n.Source+" through "+err.Error(), err)
	}
	defer unix.Close(mount)
	return b.attach(mount, n.Path)
}

func descriptorPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// bind clones a mount of the host, which takes on its attributes before it becomes visible.
func (b builder) bind(n Node, attributes uint64, recursive uint) error {
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
func (b builder) proc(n Node) error {
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
func (b builder) scratchSpace(options []string) error {
	fd, err := newMount("tmpfs", writable, options...)
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
func (b builder) scratch(n Node) error {
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
	at := Assembly + "/" + scratchAt
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
