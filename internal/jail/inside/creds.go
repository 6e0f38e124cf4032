package inside

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// becomeUser closes inherited descriptors, then switches to the mapped uid and gid. The process was cloned before
// its ids were mapped, so until now it is nobody. It has the daemon's groups, and keeps them where the daemon had
// no right to drop them either.
func (a *assembler) becomeUser(uid, gid int, keepGroups bool) {
	a.closeFrom(Status + 1)
	a.call("setresgid", unix.SYS_SETRESGID, num(gid), num(gid), num(gid))
	if !keepGroups {
		a.call("setgroups", unix.SYS_SETGROUPS, num(0), num(0))
	}
	a.call("setresuid", unix.SYS_SETRESUID, num(uid), num(uid), num(uid))
	// Only now: a change of ids takes the parent death signal away (prctl(2)). If the daemon has died before this
	// call, the report at the end of the script fails, and the jail ends.
	a.call("PR_SET_PDEATHSIG", unix.SYS_PRCTL, num(unix.PR_SET_PDEATHSIG), num(unix.SIGKILL))
	a.dumpable(true) // a change of ids may clear it; the process needs its own /proc/self
}

// lastUserNamespace sets the number of user namespaces that may be made below ours to none: in one
// of its own the program would have every capability again. The seccomp filter says the same;
// this holds without it.
func (a *assembler) lastUserNamespace() {
	a.set("/proc/sys/user/max_user_namespaces", "0") // of our namespace, in whosever /proc
}

// dropPrivileges empties every capability set for good and sees to it that no execve gives
// anything back. From here on we are an ordinary user, in a namespace that has no root.
func (a *assembler) dropPrivileges() {
	done := &label{}
	for capability := range lastCapability + 1 {
		c := a.call("PR_CAPBSET_DROP", unix.SYS_PRCTL, num(unix.PR_CAPBSET_DROP), num(capability))
		if capability > unix.CAP_AUDIT_READ {
			c.unless(unix.EINVAL, done) // past the last one that this kernel knows
		}
	}
	a.mark(done)
	a.call("PR_SET_SECUREBITS", unix.SYS_PRCTL, num(unix.PR_SET_SECUREBITS), num(secureBits))
	a.call("PR_CAP_AMBIENT_CLEAR_ALL", unix.SYS_PRCTL, num(unix.PR_CAP_AMBIENT), num(unix.PR_CAP_AMBIENT_CLEAR_ALL))
	a.capset(0)
	a.call("PR_SET_NO_NEW_PRIVS", unix.SYS_PRCTL, num(unix.PR_SET_NO_NEW_PRIVS), num(1))
}

// keepPrivileges keeps what it takes to jail others in turn, over execve too: a uid other than 0 keeps none
// but ambient ones.
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

// capset makes a set of capabilities the effective, the permitted and the inheritable one.
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

// lastCapability is the last one that a set of 64 has room for.
const lastCapability = 63

// secureBits, each with its lock: uid 0 means nothing, setuid changes no capability, none is
// kept over setuid, none can become ambient (capabilities(7); the header is not in x/sys).
const secureBits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS_LOCKED, with the bit itself off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE
