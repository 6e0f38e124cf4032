package inside

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// filterInstructionSize is sizeof(struct sock_filter): code (16 bits), two jumps (8 bits each), a constant (32 bits).
const filterInstructionSize = 8

// loadFilter installs a seccomp filter. With say it then reports Go to the daemon. With listen the filter's listener is sent together
// with Go.
//
// As soon as the filter is installed, a denied call waits for the daemon, which does not have the listener yet. So the script makes no
// call between seccomp and sendmsg, and the filter must allow sendmsg.
func (a *assembler) loadFilter(program []byte, listen, say bool) {
	if len(program) == 0 || len(program)%filterInstructionSize != 0 {
		a.fail("seccomp filter", unix.EINVAL)
		return
	}
	load := func(program []byte, flags uint64) *call {
		fprog := a.words(uint64(len(program)/filterInstructionSize), 0) // struct sock_fprog: a length, a pointer
		a.link(fprog+8, a.put(program))
		return a.call("seccomp(SET_MODE_FILTER)", unix.SYS_SECCOMP, num(unix.SECCOMP_SET_MODE_FILTER), num(flags), at(fprog))
	}
	ready := a.put(Report{Kind: Go}.Encode())
	said, unsent, unlistened := &label{}, &label{}, &label{}
	if listen {
		message, listener := a.message(Report{Kind: Go})
		// WAIT_KILLABLE_RECV (Linux 5.19): while a call waits for its answer, only a fatal signal interrupts it.
		load(program, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).to(listener).
			unless(unix.EBUSY, unlistened)
		a.call("report", unix.SYS_SENDMSG, fd(Channel), at(message), num(0)).unless(unix.ETOOMANYREFS, unsent)
		a.close(listener)
		a.jump(said)

		// The kernel limits the descriptors in flight of each host uid, and another run with the same uid may have reached the limit.
		// Then the listener is closed: the run goes on, the kernel answers denied calls with ENOSYS, and they are not counted.
		a.mark(unsent)
		a.close(listener)
		a.call("report", unix.SYS_WRITE, fd(Channel), at(ready), num(reportSize))
		a.jump(said)

		// EBUSY: another filter of this process, that of the daemon's container, has a listener, and the kernel allows only one. Then
		// the kernel answers denied calls with the errno of the filter, and they are not counted.
		a.mark(unlistened)
		program = Silence(program)
	}
	load(program, 0)
	if say {
		a.call("report", unix.SYS_WRITE, fd(Channel), at(ready), num(reportSize))
	}
	a.mark(said)
}

// Silence returns the filter without notifications: the kernel itself returns the errno of each denied call. The data of
// SECCOMP_RET_USER_NOTIF contains the errno, or 0 if the call is allowed.
func Silence(program []byte) []byte {
	program = slices.Clone(program)
	for rest := program; len(rest) > 0; rest = rest[filterInstructionSize:] {
		code := binary.NativeEndian.Uint16(rest)
		k := binary.NativeEndian.Uint32(rest[4:])
		if code == unix.BPF_RET|unix.BPF_K && k&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF {
			silent := unix.SECCOMP_RET_ERRNO | k&unix.SECCOMP_RET_DATA
			if k&unix.SECCOMP_RET_DATA == 0 {
				silent = unix.SECCOMP_RET_ALLOW
			}
			binary.NativeEndian.PutUint32(rest[4:], silent)
		}
	}
	return program
}
