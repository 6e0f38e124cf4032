package inside

import "golang.org/x/sys/unix"

// pivotRoot makes the working directory the root and lets go of the old one: with both
// arguments the same directory the old root lands on top of the new, from where it is detached
// (pivot_root(2), "pivot_root(".", ".")"). No name is needed in either tree.
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

// unshareCgroup makes the leaf the root of what the program sees of the cgroup hierarchy.
func (a *assembler) unshareCgroup() {
	a.call("unshare(CLONE_NEWCGROUP)", unix.SYS_UNSHARE, num(unix.CLONE_NEWCGROUP))
}

// newSession cuts the ties of a session: the controlling terminal, and the keyring that would
// be inherited from the daemon.
func (a *assembler) newSession() {
	a.call("setsid", unix.SYS_SETSID)
	a.call("keyctl(JOIN_SESSION_KEYRING)", unix.SYS_KEYCTL, num(unix.KEYCTL_JOIN_SESSION_KEYRING), num(0)) // 0: anonymous
	a.tolerate(unix.ENOSYS)                                                                                // a kernel without keyrings has none to share
}
