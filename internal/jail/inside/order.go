package inside

import "golang.org/x/sys/unix"

// Order is the input of Compile: it describes a jail as data.
type Order struct {
	Role       Role
	UID, GID   int      // in the jail's user namespace; the constants UID and GID except for a template
	KeepGroups bool     // the daemon had no right to drop its groups
	Plan       []Node   // the root file system, in the order in which it is made
	Scratch    []string // options of the scratch tmpfs, "key=value"
	Landlock   Ruleset  // rights over the files of the root
	CPU        []Prctl
	Rlimits    []Rlimit
	SmallPages bool   // no huge pages, so that each page that the program takes is a fault, which the watchdog counts
	Filter     []byte // struct sock_filter[]
	Listen     bool   // the filter has SECCOMP_RET_USER_NOTIF: send its listener to the daemon

	// Argv and Env are those of python3. If Argv is empty, the script ends without an execve, and the process goes on in the jail.
	Argv, Env []string

	// Faults are for tests: the fault of a stage replaces its step. A positive value is the errno with which the stage fails.
	Faults map[string]int
}

// Faults other than an errno.
const (
	FaultExit = -1 // exit with status 0 and without a report
	FaultHang = -2 // hang
	FaultSkip = -3 // skip the step, so that one layer of the jail is missing
)

// Role is the purpose of the process.
type Role int

const (
	// Program runs a program and is confined by all steps.
	Program Role = iota
	// Template forks programs. It is confined to its root but keeps the capabilities that it needs to jail its children. The steps in
	// leftToPrograms are made for each child.
	Template
)

// Prctl is one call of prctl(2) that the program inherits.
type Prctl struct {
	Name string
	Args [5]uint64 // the option first
}

// Rlimit is one resource limit, soft and hard alike.
type Rlimit struct {
	Resource int
	Value    uint64
}

// Ruleset is a Landlock ruleset. Of the rights in Handled, a process has only those that a rule gives.
type Ruleset struct {
	Handled uint64 // LANDLOCK_ACCESS_FS_*
	Scoped  uint64 // LANDLOCK_SCOPE_*
	Rules   []Rule
}

// Rule gives rights over a path and all that is below it.
type Rule struct {
	Path     string
	Rights   uint64
	Optional bool // there may be no such file
}

// UID and GID are the ids of the program in its user namespace. They are not 0: root of a user namespace can use much more of the kernel,
// and would regain capabilities at every execve.
const (
	UID = 1000
	GID = 1000
)

// Hostname is the host name of every jail.
const Hostname = "sandbox"

// Home is the program's working directory. The plan contains it.
const Home = "/home/sandbox"

// Assembly is the directory of the host over which the new root is mounted while it is filled. Every host has it. It is covered only in
// the jail's mount namespace.
const Assembly = "/tmp"

// Node is one entry of the new root, made in the order of the plan.
type Node struct {
	Op     Op
	Path   string // in the new root, absolute
	Source string // tree, bind, copy, device: path on the host; link: target
	Data   string // file, cover: content
	Mode   uint32 // dir, scratch: permission bits
}

// Op is how a Node is made.
type Op string

// The ways to make a Node.
const (
	Dir     Op = "dir"     // an empty directory
	Link    Op = "link"    // a symbolic link
	File    Op = "file"    // a file with content of the daemon, read-only like the rest of the root
	Copy    Op = "copy"    // a copy of a host file
	Tree    Op = "tree"    // a host directory through an overlay, with inodes of the jail's own
	Bind    Op = "bind"    // a bind mount of a host directory and of the mounts below it, with the host's inodes
	Cover   Op = "cover"   // a file with content of the daemon, mounted over an existing file
	Device  Op = "device"  // a bind mount of a host device node
	Proc    Op = "proc"    // procfs of the new pid namespace, read-only
	Subset  Op = "subset"  // hides everything in Proc except processes and, if the kernel allows it, covered files (subset=pid)
	AllProc Op = "allproc" // procfs with all files, for a template: its children use it until they mount their own
	Scratch Op = "scratch" // a directory of the scratch space
)

// Mount attributes (mount_setattr(2)).
const (
	readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	inert    = readOnly | unix.MOUNT_ATTR_NOEXEC
	writable = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	devices  = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)
