package inside

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

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

// restrictFiles puts this thread, and what it becomes, under a ruleset (landlock_restrict_self(2)).
// We have no capability left; no_new_privs is what gives the right to do it.
func restrictFiles(set Ruleset) error {
	// The network is left out: the loopback is the program's own. What a kernel has no field for
	// may follow as zeros.
	attr := unix.LandlockRulesetAttr{Handled_access_fs: set.Handled, Scoped: set.Scoped}
	ruleset, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return failed("landlock_create_ruleset", errno)
	}
	defer unix.Close(int(ruleset))
	for _, rule := range set.Rules {
		if err := allow(int(ruleset), rule); err != nil {
			return err
		}
	}
	_, _, errno = unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0, 0)
	if errno != 0 {
		return failed("landlock_restrict_self", errno)
	}
	return nil
}

func allow(ruleset int, rule Rule) error {
	at, err := unix.Open(rule.Path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed("open "+rule.Path, err)
	}
	defer unix.Close(at)
	beneath := unix.LandlockPathBeneathAttr{Allowed_access: rule.Rights, Parent_fd: int32(at)}
	_, _, errno := unix.RawSyscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset),
		unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&beneath)), 0, 0, 0)
	if errno != 0 {
		return failed("landlock_add_rule "+rule.Path, errno)
	}
	return nil
}
