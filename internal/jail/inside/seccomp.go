package inside

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// filterInstructionSize is sizeof(struct sock_filter): code (16 bits), two jumps, a constant (32 bits).
const filterInstructionSize = 8

// loadFilter puts the calling thread under a seccomp filter. With say it then reports Go to the daemon, and hands
// over the filter's listener, if there is one.
//
// What the filter denies waits for the daemon from the moment it is loaded. So there is
// nothing between the load and the listener's departure, and the filter must allow sendmsg.
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
	said, unheard, alone := &label{}, &label{}, &label{}
	if listen {
		message, listener := a.message(Report{Kind: Go})
		// The signals that the program may handle wait until a notification is answered.
		load(program, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV).to(listener).
			unless(unix.EBUSY, alone)
		a.call("report", unix.SYS_SENDMSG, fd(Channel), at(message), num(0)).unless(unix.ETOOMANYREFS, unheard)
		a.close(listener)
		a.jump(said)

		// The descriptors in flight are counted by host uid, and another run of the same one may have
		// used them up. Without the listener the kernel answers ENOSYS to what waits for it: the run
		// goes on, and its denials are not counted.
		a.mark(unheard)
		a.close(listener)
		a.call("report", unix.SYS_WRITE, fd(Channel), at(ready), num(reportSize))
		a.jump(said)

		// A filter below ours has a listener already, the daemon's container's, and the kernel has
		// room for one. Then the kernel gives all answers, and they are not counted.
		a.mark(alone)
		program = Silence(program)
	}
	// What comes after "go" fails as a step of its own; a filter that does not load never said it.
	load(program, 0)
	if say {
		a.call("report", unix.SYS_WRITE, fd(Channel), at(ready), num(reportSize))
	}
	a.mark(said)
}

// Silence has the kernel return each errno that the filter leaves to a listener: it is in the data
// of SECCOMP_RET_USER_NOTIF already.
func Silence(program []byte) []byte {
	program = slices.Clone(program)
	for rest := program; len(rest) > 0; rest = rest[filterInstructionSize:] {
		code := binary.NativeEndian.Uint16(rest)
		k := binary.NativeEndian.Uint32(rest[4:])
		if code == unix.BPF_RET|unix.BPF_K && k&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF {
			binary.NativeEndian.PutUint32(rest[4:], unix.SECCOMP_RET_ERRNO|k&unix.SECCOMP_RET_DATA)
		}
	}
	return program
}
