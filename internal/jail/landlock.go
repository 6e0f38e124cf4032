package jail

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Landlock is the wall behind the mounts: whatever file system a program should come to see by a
// fault of theirs, it may open there only what the plan of the root names (landlock(7)). It also
// takes away for good the right to change mounts.

// Rights over files, by the version of Landlock that brought them (the kernel's
// Documentation/userspace-api/landlock.rst, "Previous limitations"). A kernel refuses rights that
// it does not know.
var landlockRights = []struct {
	abi    int
	rights uint64
}{
	{1, unix.LANDLOCK_ACCESS_FS_MAKE_SYM<<1 - 1}, // the first thirteen
	{2, unix.LANDLOCK_ACCESS_FS_REFER},
	{3, unix.LANDLOCK_ACCESS_FS_TRUNCATE},
	{5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
}

// landlockScopes is the version that knows scopes: signals and abstract sockets stay within.
const landlockScopes = 6

// What the program may do with each kind of node.
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

// ofItself are the files of /proc/self, the program's own, that tell of it and of nothing else. The
// others stay closed, to its children and threads all of them: smaps and pagemap tell whether somebody else
// maps a page, net/softnet_stat and autogroup tell of all runs together. A rule is for an inode; one that the kernel drops when memory
// is short comes back as another, which is closed too.
var ofItself = []string{"auxv", "cgroup", "cmdline", "comm", "environ", "limits", "maps",
	"mountinfo", "mounts", "stat", "statm", "status", "uid_map", "gid_map"}

// landlockABI asks the kernel for its version of Landlock, 1 or more.
func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, os.NewSyscallError("landlock_create_ruleset", errno)
	}
	return int(abi), nil
}

// landlockRules derives from the plan of the root what of it may be opened. A rule holds for all that is
// below its path. So the root directory, which programs list as any other, gives the right to list everywhere:
// of a directory that the mounts show by a fault of theirs a program learns the names, and can open nothing.
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
	// The kernel refuses a rule that gives no right (ENOMSG), and rights that it does not know (EINVAL).
	rule := func(path string, rights uint64) {
		if rights &= set.Handled; rights != 0 {
			set.Rules = append(set.Rules, inside.Rule{Path: path, Rights: rights})
		}
	}
	rule("/", mayList)
	for _, n := range plan {
		rule(n.Path, may[n.Op])
		if n.Op == inside.Cover && strings.HasPrefix(n.Path, "/proc/") { // the tree around it gives no right to read
			rule(n.Path, mayRead)
		}
		if n.Path == "/dev/null" {
			// Standard input: that it is no terminal, its driver shall say (ENOTTY) and not Landlock (EACCES). It has
			// no request of its own.
			rule(n.Path, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV)
		}
		if n.Op == inside.Proc {
			for _, name := range ofItself {
				rule(n.Path+"/self/"+name, mayRead)
			}
		}
	}
	return set
}

var errNoLandlock = errors.New("the kernel offers no Landlock")

// landlock is landlockRules for this kernel.
func landlock(plan []inside.Node) (inside.Ruleset, error) {
	abi, err := landlockABI()
	if err != nil {
		return inside.Ruleset{}, fmt.Errorf("%w: %w", errNoLandlock, err)
	}
	return landlockRules(abi, plan), nil
}
