package inside

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// filterInstructionSize is sizeof(struct sock_filter).
const filterInstructionSize = 8

// loadFilter puts the calling thread under the seccomp filter, with the raw system call: the
// program was compiled by the daemon, and libseccomp is of no use in here. No TSYNC: this is
// the only thread that execve keeps.
func loadFilter(program []byte) error {
	if len(program) == 0 || len(program)%filterInstructionSize != 0 {
		return failed("seccomp filter", unix.EINVAL)
	}
	fprog := unix.SockFprog{
		Len:    uint16(len(program) / filterInstructionSize),
		Filter: (*unix.SockFilter)(unsafe.Pointer(&program[0])),
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	if errno != 0 {
		return failed("seccomp(SET_MODE_FILTER)", errno)
	}
	return nil
}
