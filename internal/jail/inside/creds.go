package inside

import (
	"os"

	"golang.org/x/sys/unix"
)

// UID and GID are who the program is inside. Never 0: a program that is root in its own user
// namespace reaches much more of the kernel, and would regain capabilities at every execve.
const (
	UID = 1000
	GID = 1000
)

// becomeUser makes us the user of our user namespace. We were born before our ids were mapped, as
// nobody. The groups are the daemon's, and stay where it had no right to drop them either.
func becomeUser(keepGroups bool) error {
	if err := setID("setresgid", unix.SYS_SETRESGID, GID); err != nil {
		return err
	}
	if !keepGroups {
		if err := setID("setgroups", unix.SYS_SETGROUPS, 0); err != nil {
			return err
		}
	}
	if err := setID("setresuid", unix.SYS_SETRESUID, UID); err != nil {
		return err
	}
	// A change of ids takes the parent death signal away (prctl(2)). Should the daemon have died by
	// now, our report will fail.
	return failed("PR_SET_PDEATHSIG", unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0))
}

// setID changes ids of this thread, the only one that execve keeps.
func setID(name string, nr, id uintptr) error {
	if _, _, errno := unix.RawSyscall(nr, id, id, id); errno != 0 {
		return failed(name, errno)
	}
	return nil
}

// lastUserNamespace sets the number of user namespaces that may be made below ours to none: in one
// of its own the program would have every capability again. The seccomp filter says the same;
// this holds without it.
func lastUserNamespace() error {
	const limit = "/proc/sys/user/max_user_namespaces" // of our namespace, in whosever /proc
	return failed(limit, os.WriteFile(limit, []byte("0"), 0))
}

// dropPrivileges empties every capability set for good and sees to it that no execve gives
// anything back. From here on we are an ordinary user, in a namespace that has no root.
func dropPrivileges() error {
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err == unix.EINVAL && capability > unix.CAP_AUDIT_READ {
			break // past the last one that this kernel knows
		}
		if err != nil {
			return failed("PR_CAPBSET_DROP", err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secureBits, 0, 0, 0); err != nil {
		return failed("PR_SET_SECUREBITS", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return failed("PR_CAP_AMBIENT_CLEAR_ALL", err)
	}
	none := [2]unix.CapUserData{}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return failed("capset", err)
	}
	return failed("PR_SET_NO_NEW_PRIVS", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// secureBits, each with its lock: uid 0 means nothing, setuid changes no capability, none is
// kept over setuid, none can become ambient (capabilities(7); the header is not in x/sys).
const secureBits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS_LOCKED, with the bit itself off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE
