package inside

import "golang.org/x/sys/unix"

// pivotRoot makes our working directory the root and lets go of the old one: with both
// arguments the same directory the old root lands on top of the new, from where it is detached
// (pivot_root(2), "pivot_root(".", ".")"). No name is needed in either tree.
func pivotRoot() error {
	if err := unix.PivotRoot(".", "."); err != nil {
		return failed("pivot_root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return failed("detach the old root", err)
	}
	return failed("chdir "+Home, unix.Chdir(Home))
}

// Hostname is what every program sees.
const Hostname = "sandbox"

func setHostname() error {
	if err := unix.Sethostname([]byte(Hostname)); err != nil {
		return failed("sethostname", err)
	}
	return failed("setdomainname", unix.Setdomainname([]byte("(none)")))
}

// unshareCgroup makes the leaf the root of what the program sees of the cgroup hierarchy.
func unshareCgroup() error {
	return failed("unshare(CLONE_NEWCGROUP)", unix.Unshare(unix.CLONE_NEWCGROUP))
}

// newSession cuts the ties of a session: the controlling terminal, and the keyring that would
// be inherited from the daemon.
func newSession() error {
	if _, err := unix.Setsid(); err != nil {
		return failed("setsid", err)
	}
	_, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // 0: anonymous
	if err == unix.ENOSYS {                                                // a kernel without keyrings has none to share
		err = nil
	}
	return failed("keyctl(JOIN_SESSION_KEYRING)", err)
}
