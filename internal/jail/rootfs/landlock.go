package rootfs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Landlock is a second wall behind the mounts. If a program sees a file of the host because of a mistake in the mounts, it still
// can open only what the plan of the root names (landlock(7)). Landlock also takes away the right to change mounts.

// landlockRights are the rights over files, each with the first version of Landlock that knows it (the kernel's
// Documentation/userspace-api/landlock.rst, "Previous limitations"). A kernel refuses rights that it does not know.
var landlockRights = []struct {
	abi    int
	rights uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}, // the first thirteen
	{2, unix.LANDLOCK_ACCESS_FS_REFER},
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// landlockScopes is the first version that can keep signals and abstract sockets inside of the jail.
const landlockScopes = 6

// Rights of the program over each kind of node.
const (
	mayList   = unix.LANDLOCK_ACCESS_FS_READ_DIR
	mayRead   = unix.LANDLOCK_ACCESS_FS_READ_FILE
	mayRun    = mayRead | mayList | unix.LANDLOCK_ACCESS_FS_EXECUTE
	mayDevice = mayRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE
	// Everything but to execute, to make device nodes and to use them.
	mayScratch = mayDevice | mayList |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_REFER | unix.LANDLOCK_ACCESS_FS_TRUNCATE
)

// OfItself are the files of /proc/self that describe only the process itself. The other files stay closed: smaps and pagemap
// show whether another process maps a page, net/softnet_stat and autogroup show what all runs do together. A Landlock rule is for
// an inode. So there is one for each file of the program, and the files of its child processes are mounted in inside.OwnFiles. If
// the kernel drops the inode of a file of the program because memory is short, the file comes back with another inode and is closed.
var OfItself = []string{"auxv", "cgroup", "cmdline", "comm", "environ", "limits", "maps",
	"mountinfo", "mounts", "stat", "statm", "status", "uid_map", "gid_map"}

// landlockABI returns the kernel's version of Landlock, 1 or more.
func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return int(abi), nil
}

// landlockRules derives from the plan what the program may open. A rule holds for everything below its path. Programs may list
// the root directory, so they may list every directory: if the mounts show a directory by mistake, a program learns the names in
// it, but can open nothing.
func landlockRules(abi int, plan []inside.Node) inside.Ruleset {
	var set inside.Ruleset
	for _, known := range landlockRights {
		if abi >= known.abi {
			set.Handled |= known.rights
		}
	}
	if abi >= landlockScopes {
		set.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	may := map[inside.Op]uint64{
		inside.Dir: mayList, inside.File: mayRead, inside.Copy: mayRead, inside.Tree: mayRun, inside.Bind: mayRun,
		inside.Device: mayDevice, inside.Proc: mayList, inside.Scratch: mayScratch,
	}
	// The kernel refuses a rule without rights (ENOMSG), and rights that it does not know (EINVAL).
	add := func(r inside.Rule) {
		if r.Rights &= set.Handled; r.Rights != 0 {
			set.Rules = append(set.Rules, r)
		}
	}
	rule := func(path string, rights uint64) { add(inside.Rule{Path: path, Rights: rights}) }
	rule("/", mayList)
	for _, n := range plan {
		rule(n.Path, may[n.Op])
		if n.Op == inside.Cover && strings.HasPrefix(n.Path, "/proc/") { // the rule for /proc gives no right to read
			add(inside.Rule{Path: n.Path, Rights: mayRead, Optional: true}) // not every kernel shows it: see inside.Subset
		}
		if n.Path == inside.OwnFiles {
			rule(n.Path, mayRead)
		}
		if n.Path == "/dev/null" {
			// Standard input. Programs ask by ioctl whether it is a terminal, and expect ENOTTY of the driver, not EACCES of
			// Landlock. The driver has no requests of its own.
			rule(n.Path, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
		}
		if n.Op == inside.Proc {
			for _, name := range OfItself {
				rule(n.Path+"/self/"+name, mayRead)
			}
		}
	}
	return set
}

// ErrNoLandlock means that the kernel has no Landlock, or that it is switched off.
var ErrNoLandlock = errors.New("the kernel offers no Landlock")

// Landlock returns the rules for a plan, with the rights that this kernel knows.
func Landlock(plan []inside.Node) (inside.Ruleset, error) {
	abi, err := landlockABI()
	if err != nil {
		return inside.Ruleset{}, fmt.Errorf("%w: %w", ErrNoLandlock, err)
	}
	return landlockRules(abi, plan), nil
}
