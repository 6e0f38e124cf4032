package inside

import "golang.org/x/sys/unix"

// pivotRoot makes the working directory the root and detaches the old root. If both arguments are the same directory, the old root is
// mounted over the new one and can be detached by the same path (pivot_root(2), 'pivot_root(".", ".")').
func (a *assembler) pivotRoot() {
	here := a.text(".")
	a.call("pivot_root", unix.SYS_PIVOT_ROOT, here, here)
	a.call("detach the old root", unix.SYS_UMOUNT2, here, num(unix.MNT_DETACH))
	a.call("chdir "+Home, unix.SYS_CHDIR, a.text(Home))
}

func (a *assembler) setHostname() {
	const noDomain = "(none)"
	a.call("sethostname", unix.SYS_SETHOSTNAME, a.text(Hostname), num(len(Hostname)))
	a.call("setdomainname", unix.SYS_SETDOMAINNAME, a.text(noDomain), num(len(noDomain)))
}

// unshareCgroup creates a cgroup namespace, in which the leaf is the root of the hierarchy.
func (a *assembler) unshareCgroup() {
	a.call("unshare(CLONE_NEWCGROUP)", unix.SYS_UNSHARE, num(unix.CLONE_NEWCGROUP))
}

// newSession creates a session without a controlling terminal, and a new session keyring in place of the daemon's.
func (a *assembler) newSession() {
	a.call("setsid", unix.SYS_SETSID)
	a.call("keyctl(JOIN_SESSION_KEYRING)", unix.SYS_KEYCTL, num(unix.KEYCTL_JOIN_SESSION_KEYRING), num(0)) // 0: anonymous
	a.tolerate(unix.ENOSYS)                                                                                // the kernel has no keyrings
}
