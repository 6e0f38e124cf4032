package inside

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// becomeUser closes inherited descriptors, then switches to the mapped uid and gid. Until then the process has the overflow ids,
// because it was cloned before its ids were mapped. keepGroups leaves the daemon's supplementary groups as they are: setgroups is
// refused if the daemon had no right to it either.
func (a *assembler) becomeUser(uid, gid int, keepGroups bool) {
	a.closeFrom(Status + 1)
	a.call("setresgid", unix.SYS_SETRESGID, num(gid), num(gid), num(gid))
	if !keepGroups {
		a.call("setgroups", unix.SYS_SETGROUPS, num(0), num(0))
	}
	a.call("setresuid", unix.SYS_SETRESUID, num(uid), num(uid), num(uid))
	// After the change of ids, which clears the parent death signal (prctl(2)). If the daemon has died before this call, the report at
	// the end of the script fails and the jail ends.
	a.call("PR_SET_PDEATHSIG", unix.SYS_PRCTL, num(unix.PR_SET_PDEATHSIG), num(unix.SIGKILL))
	a.dumpable(true) // a change of ids may clear the flag, and then root owns the files of /proc/self, which the init needs
}

// lastUserNamespace sets max_user_namespaces to 0, so that the program cannot create a user namespace, in which it would have all
// capabilities again. The seccomp filter forbids that too; this limit also holds without the filter.
func (a *assembler) lastUserNamespace() {
	a.set("/proc/sys/user/max_user_namespaces", "0") // the kernel applies it to the writer's user namespace, in any procfs
}

// dropPrivileges removes all capabilities, and prevents that an execve gives any back. From then on the process is an ordinary user in
// a namespace without root.
func (a *assembler) dropPrivileges() {
	done := &label{}
	for capability := range lastCapability + 1 {
		c := a.call("PR_CAPBSET_DROP", unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(capability))
		if capability > unix.CAP_AUDIT_READ {
			c.unless(unix.EINVAL, done) // the kernel does not know this capability or later ones
		}
	}
	a.mark(done)
	a.call("PR_SET_SECUREBITS", unix.SYS_PRCTL, num(unix.PR_SET_SECUREBITS), num(secureBits))
	a.call("PR_CAP_AMBIENT_CLEAR_ALL", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	a.capset(0)
	a.call("PR_SET_NO_NEW_PRIVS", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1))
}

// keepPrivileges keeps the capabilities that a template needs to jail its children. It also makes them ambient: at execve, a process
// whose uid is not 0 keeps only ambient capabilities (capabilities(7)).
func (a *assembler) keepPrivileges() {
	kept := []int{
		unix.CAP_SYS_ADMIN,    // mount, pivot_root, sethostname, unshare(CLONE_NEWCGROUP)
		unix.CAP_NET_ADMIN,    // loopback up
		unix.CAP_SETPCAP,      // empty the bounding set, lock the securebits
		unix.CAP_SYS_RESOURCE, // forbid further user namespaces
		unix.CAP_SETUID,       // become the user that its ids are mapped to
		unix.CAP_SETGID,       // likewise, and drop the daemon's groups
	}
	var set uint64
	for _, capability := range kept {
		set |= 1 << capability
	}
	a.capset(set)
	for _, capability := range kept {
		a.call("PR_CAP_AMBIENT_RAISE", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_RAISE), num(capability))
	}
}

// capset sets the effective, permitted and inheritable sets.
func (a *assembler) capset(set uint64) {
	header := binary.NativeEndian.AppendUint32(nil, unix.LINUX_CAPABILITY_VERSION_3) // struct __user_cap_header_struct
	header = binary.NativeEndian.AppendUint32(header, 0)                             // this thread
	var data []byte                                                                  // struct __user_cap_data_struct[2]
	for _, half := range []uint32{uint32(set), uint32(set >> 32)} {
		for range 3 {
			data = binary.NativeEndian.AppendUint32(data, half)
		}
	}
	a.call("capset", unix.SYS_CAPSET, at(a.put(header)), at(a.put(data)))
}

// lastCapability is the highest number of a capability for which the kernel's 64-bit sets have room.
const lastCapability = 63

// secureBits are the securebits with their locks (capabilities(7); x/sys does not define them). Uid 0 has no special meaning, setuid
// changes and keeps no capabilities, and no capability can become ambient.
const secureBits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS_LOCKED, with the bit itself off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE
