package inside

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterInstructionSize is sizeof(struct sock_filter): code (16 bits), two jumps, a constant (32 bits).
const filterInstructionSize = 8

// loadFilter puts the calling thread under the seccomp filter, with the raw system call: the
// program was compiled by the daemon, and libseccomp is of no use in here. No TSYNC: this is
// the only thread that execve keeps. Then it says Go, and hands over the filter's listener with it.
//
// What the filter denies waits for the daemon from the moment it is loaded. So there is
// nothing but the two raw calls between the load and the listener's departure, and the filter must
// allow sendmsg.
func loadFilter(program []byte, listen bool) error {
	if len(program) == 0 || len(program)%filterInstructionSize != 0 {
		return failed("seccomp filter", unix.EINVAL)
	}
	fprog := unix.SockFprog{
		Len:    uint16(len(program) / filterInstructionSize),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0])),
	}
	ready := Report{Kind: Go}.Encode()
	load := func(flags uintptr) (uintptr, unix.Errno) {
		fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&fprog)))
		return fd, errno
	}
	if listen {
		iov := unix.Iovec{Base: &ready[0]}
		iov.SetLen(len(ready))
		rights := unix.UnixRights(0)
		msg := unix.Msghdr{Iov: &iov, Control: &rights[0]}
		msg.SetIovlen(1)
		msg.SetControllen(len(rights))
		where := rights[unix.CmsgLen(0):] // of the descriptor's number, in the control message

		// The signals that the program may handle wait until a notification is answered.
		listener, errno := load(unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
		if errno == 0 {
			binary.NativeEndian.PutUint32(where, uint32(listener))
			_, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, channelFD, uintptr(unsafe.Pointer(&msg)), 0)
			if errno == 0 {
				return nil
			}
			// ETOOMANYREFS: the descriptors in flight are counted by host uid, and another run of the
			// same one may have used them up. Without the listener the kernel answers ENOSYS to what
			// waits for it: the run goes on, and its denials are not counted.
			_ = unix.Close(int(listener))
			return sayGo(ready)
		}
		if errno != unix.EBUSY {
			return failed("seccomp(SET_MODE_FILTER)", errno)
		}
		// A filter below ours has a listener already, the daemon's container's, and the kernel has
		// room for one. Then the kernel gives all answers, and they are not counted.
		silence(program)
	}
	// What comes after "go" fails as a step of its own; a filter that does not load never said it.
	if _, errno := load(0); errno != 0 {
		return failed("seccomp(SET_MODE_FILTER)", errno)
	}
	return sayGo(ready)
}

func sayGo(ready []byte) error {
	_, err := unix.Write(channelFD, ready)
	return failed("report", err)
}

// silence has the kernel return each errno that the filter leaves to a listener: it is in the data
// of SECCOMP_RET_USER_NOTIF already.
func silence(program []byte) {
	for ; len(program) > 0; program = program[filterInstructionSize:] {
		code := binary.NativeEndian.Uint16(program)
		k := binary.NativeEndian.Uint32(program[4:])
		if code == unix.BPF_RET|unix.BPF_K && k&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF {
			binary.NativeEndian.PutUint32(program[4:], unix.SECCOMP_RET_ERRNO|k&unix.SECCOMP_RET_DATA)
		}
	}
}
