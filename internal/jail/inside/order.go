package inside

import "golang.org/x/sys/unix"

// Order is what is done inside, as data.
type Order struct {
	Role       Role
	UID, GID   int      // who we become: as a rule, the constants of that name
	KeepGroups bool     // the daemon had no right to drop its groups
	Plan       []Node   // the root file system, in the order in which it is made
	Scratch    []string // options of the scratch tmpfs, "key=value"
	Landlock   Ruleset  // what of the root may be opened
	CPU        []Prctl
	Rlimits    []Rlimit
	SmallPages bool   // no huge pages: each page that the program takes is a fault, which a watchdog counts
	Filter     []byte // struct sock_filter[]
	Listen     bool   // the filter has SECCOMP_RET_USER_NOTIF: hand its listener over

	// Argv and Env are python3's. Without Argv nothing is executed: the process goes on, jailed, as
	// what it was.
	Argv, Env []string

	// Faults are for tests: what happens at a stage instead of its step. An errno is how it fails.
	Faults map[string]int
}

// Faults besides errnos.
const (
	FaultExit = -1 // exit status 0, without a word
	FaultHang = -2 // no answer, ever
	FaultSkip = -3 // nothing: one layer of the jail is missing
)

// Role is what the process becomes.
type Role int

const (
	// Program is confined to all that the order says.
	Program Role = iota
	// Template is what programs are forked from. It is confined to its root, and keeps the rights that it takes to jail
	// them in turn: what a program must not have is taken from each of them.
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

// Ruleset is what Landlock leaves of our rights over files: of those in Handled, only what a rule
// gives.
type Ruleset struct {
	Handled uint64 // LANDLOCK_ACCESS_FS_*
	Scoped  uint64 // LANDLOCK_SCOPE_*
	Rules   []Rule
}

// Rule gives rights over a path and all that is below it.
type Rule struct {
	Path   string
	Rights uint64
}

// UID and GID are who the program is inside. Never 0: a program that is root in its own user
// namespace reaches much more of the kernel, and would regain capabilities at every execve.
const (
	UID = 1000
	GID = 1000
)

// Hostname is what every program sees.
const Hostname = "sandbox"

// Home is the program's working directory; the plan makes it.
const Home = "/home/sandbox"

// Assembly is where the new root is attached while it is being filled: a directory that every
// host has, hidden in our mount namespace only.
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

const (
	Dir     Op = "dir"
	Link    Op = "link"
	File    Op = "file"    // read-only like all of the root
	Copy    Op = "copy"    // File with the content of one of the host's
	Tree    Op = "tree"    // a host directory, with inodes of the jail's own
	Bind    Op = "bind"    // a host directory with what is mounted below it, and the host's inodes
	Cover   Op = "cover"   // a file that is there already, with content of ours over it
	Device  Op = "device"  // bind of a host device node
	Proc    Op = "proc"    // procfs of the new pid namespace, read-only
	Subset  Op = "subset"  // takes everything but processes, and what is covered, out of a Proc (subset=pid)
	AllProc Op = "allproc" // procfs with all that it has, for a template: its children need it before they have their own
	Scratch Op = "scratch" // a directory of the scratch file system
)

// Mount attributes (mount_setattr(2)).
const (
	readOnly = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV
	inert    = readOnly | unix.MOUNT_ATTR_NOEXEC
	writable = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV | unix.MOUNT_ATTR_NOEXEC
	devices  = unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
)
