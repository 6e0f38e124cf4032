package inside

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Visited is the descriptor of a visitor for the process that it visits.
const Visited = Status

// stageOwnFiles is the stage of a visitor's script.
const stageOwnFiles = "own-files"

// Own is a directory of the root. Mounted over the directory of a child process in /proc, it shows those files of the process
// that the process may read. The plan makes it with its subdirectory OwnFiles, and the first visitor fills both.
const (
	Own      = "/sandbox/own"
	OwnFiles = Own + "/files"
)

// ownLinks and ownDirectories are shown as they are. Landlock does not open the files in these directories, except what links lead to.
var (
	ownLinks       = []string{"cwd", "exe", "root"}
	ownDirectories = []string{"fd", "fdinfo", "ns", "task"}
)

// ShowOwnFiles compiles a script of a visitor: it gives the process with this id in the run's pid namespace its own files of /proc,
// those with these names. The process must wait meanwhile. first is set for the first script of a visitor.
//
// A Landlock rule is for an inode, and the inodes of these files do not exist before the process. So the files are mounted in
// OwnFiles, for which there is a rule. When all are there, the directory above is moved over /proc/PID, so that other processes of the
// run do not see a part of the files. The kernel removes the mounts when the process has been waited for (proc_flush_pid).
func ShowOwnFiles(pid int, files []string, first bool) *Script {
	a := &assembler{stage: stageOwnFiles}
	b := builder{assembler: a, root: a.cell()}
	if first {
		a.call("setns", unix.SYS_SETNS, fd(Visited), num(unix.CLONE_NEWUSER|unix.CLONE_NEWNS))
		a.call("close", unix.SYS_CLOSE, fd(Visited))
	}
	process, over := a.cell(), fmt.Sprintf("/proc/%d", pid)
	a.call("open /proc/PID", unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text(over), num(unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)).to(process)
	a.call("enter /proc/PID", unix.SYS_FCHDIR, process.value())
	b.openTree("open_tree "+Own, b.root, num(unix.AT_FDCWD), a.text(Own), 0)
	if first {
		b.fillOwn(files)
	}
	b.moveTo(Own, "attach "+Own, b.root) // because Linux 6.1 refuses to mount into a detached tree (EINVAL)
	// The working directory is /proc/PID.
	bind := func(name, at string) {
		a.call("bind "+name, unix.SYS_MOUNT, a.text(name), a.text(Own+"/"+at), num(0), num(unix.MS_BIND), num(0))
	}
	for _, name := range files {
		bind(name, "files/"+name)
	}
	for _, name := range ownDirectories {
		bind(name, name)
	}
	for _, name := range ownLinks { // mount(2) would follow them
		mount := a.cell()
		b.openTree("open_tree "+name, mount, num(unix.AT_FDCWD), a.text(name), unix.AT_SYMLINK_NOFOLLOW)
		b.attach(mount, name)
	}
	b.moveTo(over, "move_mount /proc/PID", b.root)
	a.close(b.root)
	a.close(process)
	a.call("leave /proc/PID", unix.SYS_CHDIR, a.text("/"))
	a.call("report", unix.SYS_WRITE, fd(Channel), at(a.put(Report{Kind: Done}.Encode())), num(reportSize))
	a.add("", callDone)
	return a.script()
}

// fillOwn makes the places where files are mounted, in a mount that is a copy of a read-only one. An earlier visitor may have made them.
func (b builder) fillOwn(files []string) {
	// New files need an owner that exists in the user namespace. With another real uid, the visitor would count as a process of the run.
	const same = -1
	b.call("setresgid", unix.SYS_SETRESGID, num(same), num(GID), num(same))
	b.call("setresuid", unix.SYS_SETRESUID, num(same), num(UID), num(same))
	b.changeAttributes("writable "+Own, b.root, 0, unix.MOUNT_ATTR_RDONLY, 0)
	place := func(name string) {
		b.call("mknod "+name, unix.SYS_MKNODAT, b.root.value(), b.text(name), num(unix.S_IFREG|0o444), num(0))
		b.tolerate(unix.EEXIST)
	}
	for _, name := range files {
		place("files/" + name)
		b.call("symlink "+name, unix.SYS_SYMLINKAT, b.text("files/"+name), b.root.value(), b.text(name))
		b.tolerate(unix.EEXIST)
	}
	for _, name := range ownLinks {
		place(name)
	}
	for _, name := range ownDirectories {
		b.mkdir("mkdir "+name, name, 0o555)
		b.tolerate(unix.EEXIST)
	}
	b.setAttributes("read-only "+Own, b.root, inert, 0)
}
