package inside

import (
	"strings"

	"golang.org/x/sys/unix"
)

// buildRoot builds the plan and makes the new root the working directory. The paths of the plan are relative to a descriptor of the new
// root, so no link can lead into the old root.
func (a *assembler) buildRoot(o *Order) {
	a.call("umask", unix.SYS_UMASK, num(0))
	// Private propagation: mounts of the jail do not appear on the host, and later mounts of the host do not appear in the jail.
	a.call("private mounts", unix.SYS_MOUNT, num(0), a.text("/"), num(0), num(unix.MS_REC|unix.MS_PRIVATE), num(0))
	message, scratch := a.message(Report{Kind: Built})
	b := builder{assembler: a, root: a.cell(), scratch: scratch, proc: a.cell()}
	// The scratch space is attached in the old root and covered by the new root. It is detached together with the old root. Only its
	// bind mounts in the new root remain.
	b.newMount(b.scratch, "", "tmpfs", writable, o.Scratch...)
	b.assemble("attach scratch", b.scratch)
	b.call("mkdir scratch/"+empty, unix.SYS_MKDIRAT, b.scratch.value(), b.text(empty), num(0o555))
	// The root is attached before it is filled, because Linux 6.1 refuses to mount into a detached tree (EINVAL).
	b.newMount(b.root, "", "tmpfs", writable, "size=4m", "nr_inodes=512", "mode=755")
	b.assemble("attach the new root", b.root)
	for _, n := range o.Plan {
		b.make(n)
	}
	b.setAttributes("read-only root", b.root, inert, 0)
	b.call("enter the new root", unix.SYS_FCHDIR, b.root.value())
	b.close(b.root)
	if o.Role == Program {
		b.report(Report{Kind: Built}, message)
	}
	b.close(b.scratch)
	a.call("umask", unix.SYS_UMASK, num(0o022))
}

// builder fills a new root.
type builder struct {
	*assembler
	root    cell // descriptor of the new root
	scratch cell // descriptor of the scratch space
	proc    cell // descriptor of the procfs, to reconfigure it
}

// empty is a directory of the scratch space that is mounted nowhere. It is the second layer of each overlay, because an overlay without
// an upper layer needs two lower directories. It must not be deleted: then the kernel ends the listing of an overlay's root with
// ENOENT, and readdir(3) takes that for an empty directory.
const empty = "empty"

// assemble attaches a mount at Assembly, on top of what is mounted there.
func (b builder) assemble(object string, mount cell) { b.moveTo(Assembly, object, mount) }

// moveTo attaches a mount, or moves it, to an absolute path.
func (b builder) moveTo(path, object string, mount cell) {
	b.call(object, unix.SYS_MOVE_MOUNT, mount.value(), b.text(""), num(unix.AT_FDCWD), b.text(path), num(unix.MOVE_MOUNT_F_EMPTY_PATH))
}

func (b builder) make(n Node) {
	switch n.Op {
	case Dir:
		b.mkdir("mkdir "+n.Path, n.Path, n.Mode)
		b.tolerate(unix.EEXIST)
	case Link:
		b.call("symlink "+n.Path, unix.SYS_SYMLINKAT, b.text(n.Source), b.root.value(), b.path(n.Path))
	case File:
		b.file(n.Path, n.Data)
	case Copy:
		b.copy(n)
	case Tree:
		b.tree(n)
	case Bind:
		b.bind(n, readOnly, unix.AT_RECURSIVE)
	case Cover:
		b.cover(n)
	case Device:
		b.file(n.Path, "")
		b.bind(n, devices, 0) // a bind mount, because a user namespace has no right to mknod
	case Proc:
		b.procfs(n, inert)
	case Subset:
		b.subset(n)
	case AllProc:
		b.procfs(n, writable)
		b.close(b.proc)
	case Scratch:
		b.scratchDirectory(n)
	default:
		b.fail("plan "+string(n.Op), unix.EINVAL)
	}
}

// path returns a path relative to the new root.
func (b builder) path(path string) arg { return b.text(strings.TrimPrefix(path, "/")) }

func (b builder) mkdir(object, path string, mode uint32) {
	b.call(object, unix.SYS_MKDIRAT, b.root.value(), b.path(path), num(mode))
}

// create creates a file with mode 0644 in the new root and opens it for writing.
func (b builder) create(path string) cell {
	file := b.cell()
	b.call("create "+path, unix.SYS_OPENAT, b.root.value(), b.path(path),
		num(unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC), num(0o644)).to(file)
	return file
}

func (b builder) file(path, data string) {
	file := b.create(path)
	if data != "" {
		b.call("write "+path, unix.SYS_WRITE, file.value(), b.text(data), num(len(data))).wants(len(data))
	}
	b.close(file)
}

func (b builder) copy(n Node) {
	const all = 1 << 30 // more than the size of the new root
	from := b.cell()
	b.call("open "+n.Source, unix.SYS_OPENAT, num(unix.AT_FDCWD), b.text(n.Source), num(unix.O_RDONLY|unix.O_CLOEXEC)).to(from)
	to := b.create(n.Path)
	b.call("write "+n.Path, unix.SYS_SENDFILE, to.value(), from.value(), num(0), num(all))
	b.call("write "+n.Path, unix.SYS_SENDFILE, to.value(), from.value(), num(0), num(all)).wants(0) // 0: the first call has copied the whole file
	b.close(to)
	b.close(from)
}

// Numbers of descriptors that appear in a mount option. They are higher than all other descriptors of the init.
const (
	lowerFD = 14
	emptyFD = 15
	overlay = "lowerdir=/proc/self/fd/14:/proc/self/fd/15"
)

// tree mounts a host directory through a read-only overlay. A bind mount would show the host's inodes. All runs would share them, and
// could communicate by locks, leases and watches on them. An overlay has its own inodes.
func (b builder) tree(n Node) {
	const directory = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	from, below, mount := b.cell(), b.cell(), b.cell()
	b.call("open "+n.Source, unix.SYS_OPENAT, num(unix.AT_FDCWD), b.text(n.Source), num(directory)).to(from)
	b.call("open scratch/"+empty, unix.SYS_OPENAT, b.scratch.value(), b.text(empty), num(directory)).to(below)
	// The option names descriptors and not paths, because a path may contain ":" or ",", and an option of fsconfig(2) has at most 256
	// bytes.
	b.call("dup3", unix.SYS_DUP3, from.value(), fd(lowerFD), num(unix.O_CLOEXEC))
	b.call("dup3", unix.SYS_DUP3, below.value(), fd(emptyFD), num(unix.O_CLOEXEC))
	b.newMount(mount, n.Source+" through ", "overlay", readOnly, overlay)
	b.attach(mount, n.Path)
	b.call("close", unix.SYS_CLOSE_RANGE, fd(lowerFD), fd(emptyFD), num(0))
	b.close(from)
	b.close(below)
}

// bind clones a mount of the host, sets its attributes, and then attaches it.
func (b builder) bind(n Node, attributes uint64, recursive uint) {
	from := b.cell()
	b.openTree("open_tree "+n.Source, from, num(unix.AT_FDCWD), b.text(n.Source), recursive)
	b.setAttributes("mount_setattr "+n.Source, from, attributes, recursive)
	b.attach(from, n.Path)
}

// cover mounts a new read-only file over an existing file.
func (b builder) cover(n Node) {
	const name = ".cover"
	b.file(name, n.Data)
	mount := b.cell()
	b.openTree("open_tree "+name, mount, b.root.value(), b.text(name), 0)
	b.setAttributes("mount_setattr "+name, mount, inert, 0)
	b.attach(mount, n.Path)
	b.call("unlink "+name, unix.SYS_UNLINKAT, b.root.value(), b.text(name), num(0))
}

// procfs mounts a procfs of the new pid namespace.
func (b builder) procfs(n Node, attributes uint64) {
	b.mkdir("mkdir "+n.Path, n.Path, 0o555)
	mount := b.cell()
	b.makeMount(b.proc, mount, "", "proc", attributes)
	b.attach(mount, n.Path)
}

// subset reconfigures the mounted procfs so that it only shows processes, and neither /proc/sys nor kernel addresses (subset=pid, Linux
// 5.8). Covered files stay visible: a mount point stays in the kernel's dentry cache, and path lookup finds it there without asking
// procfs.
//
// Newer kernels refuse this change (EINVAL; Linux 7.3 does). There a new procfs that only shows processes replaces the mounted one, and
// with it the covered files.
func (b builder) subset(n Node) {
	const option = "subset=pid"
	key, value, _ := strings.Cut(option, "=")
	refused, done := &label{}, &label{}
	b.call("proc "+option, unix.SYS_FSCONFIG, b.proc.value(), num(unix.FSCONFIG_SET_STRING), b.text(key), b.text(value), num(0))
	b.call("reconfigure proc", unix.SYS_FSCONFIG, b.proc.value(), num(unix.FSCONFIG_CMD_RECONFIGURE), num(0), num(0), num(0)).
		unless(unix.EINVAL, refused)
	b.jump(done)
	b.mark(refused)
	b.call("enter the new root", unix.SYS_FCHDIR, b.root.value())
	b.call("unmount "+n.Path, unix.SYS_UMOUNT2, b.path(n.Path), num(unix.MNT_DETACH))
	mount := b.cell()
	b.newMount(mount, "", "proc", inert, option)
	b.attach(mount, n.Path)
	b.mark(done)
	b.close(b.proc)
}

// ScratchName is the name of a directory of a jail in its scratch space.
func ScratchName(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "-")
}

// scratchDirectory creates a directory of the scratch space and mounts it in the new root.
func (b builder) scratchDirectory(n Node) {
	name := ScratchName(n.Path)
	b.call("mkdir scratch/"+name, unix.SYS_MKDIRAT, b.scratch.value(), b.text(name), num(n.Mode))
	b.mkdir("mkdir "+n.Path, n.Path, 0o755)
	mount := b.cell()
	b.openTree("open_tree scratch/"+name, mount, b.scratch.value(), b.text(name), 0)
	b.attach(mount, n.Path)
}

func (b builder) openTree(object string, to cell, directory, path arg, flags uint) {
	b.call(object, unix.SYS_OPEN_TREE, directory, path, num(unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|flags)).to(to)
}

// attach attaches a detached mount in the new root and closes its descriptor.
func (b builder) attach(mount cell, path string) {
	b.call("move_mount "+path, unix.SYS_MOVE_MOUNT, mount.value(), b.text(""), b.root.value(), b.path(path),
		num(unix.MOVE_MOUNT_F_EMPTY_PATH))
	b.close(mount)
}

// newMount makes a detached mount of a new file system. Options have the form "key=value". prefix is the beginning of the object in
// error messages.
func (b builder) newMount(to cell, prefix, fstype string, attributes uint64, options ...string) {
	fs := b.cell()
	b.makeMount(fs, to, prefix, fstype, attributes, options...)
	b.close(fs)
}

// makeMount does the same as newMount, and leaves the descriptor fs open, by which the file system can be reconfigured.
func (b builder) makeMount(fs, to cell, prefix, fstype string, attributes uint64, options ...string) {
	b.call(prefix+"fsopen "+fstype, unix.SYS_FSOPEN, b.text(fstype), num(unix.FSOPEN_CLOEXEC)).to(fs)
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		b.call(prefix+fstype+" "+option, unix.SYS_FSCONFIG, fs.value(), num(unix.FSCONFIG_SET_STRING), b.text(key), b.text(value), num(0))
	}
	b.call(prefix+"make "+fstype, unix.SYS_FSCONFIG, fs.value(), num(unix.FSCONFIG_CMD_CREATE), num(0), num(0), num(0))
	b.call(prefix+"fsmount "+fstype, unix.SYS_FSMOUNT, fs.value(), num(unix.FSMOUNT_CLOEXEC), num(attributes)).to(to)
}

func (b builder) setAttributes(object string, mount cell, attributes uint64, recursive uint) {
	b.changeAttributes(object, mount, attributes, 0, recursive)
}

func (b builder) changeAttributes(object string, mount cell, set, cleared uint64, recursive uint) {
	const size = 4 * 8 // struct mount_attr: set, clear, propagation, user namespace
	b.call(object, unix.SYS_MOUNT_SETATTR, mount.value(), b.text(""), num(unix.AT_EMPTY_PATH|recursive),
		at(b.words(set, cleared, 0, 0)), num(size))
}
