package seccompprofiles

import (
	"slices"

	"golang.org/x/sys/unix"
)

// announcement is the action for a call that is allowed, and that waits until the listener has prepared something for the process.
const announcement Action = unix.SECCOMP_RET_USER_NOTIF

// announceInstructions is the number of instructions that announce adds.
const announceInstructions = 13

// announce returns the program of a filter with an announcement of new processes in front of it. A new process announces itself by
// prlimit(0, RLIMIT_STACK, NULL, …), which asks for the limit of its stack:
//
//   - glibc makes this call when a program starts, before main (__pthread_initialize_minimal);
//   - the launcher makes it in each process that Python forks, by sysconf(_SC_ARG_MAX).
//
// Other calls like it are rare, and cost a round trip to the daemon. If there is no listener, the call fails with ENOSYS, and both
// callers go on with a default. A profile that does not allow the call has no announcements.
func announce(f *Filter, m machine) []unix.SockFilter {
	i := slices.IndexFunc(f.Syscalls, func(s Syscall) bool { return s.Name == "prlimit64" })
	if i < 0 {
		return f.Program
	}
	number := f.Syscalls[i].Number
	if action, err := f.Decide(m.audit, number, [6]uint64{1: unix.RLIMIT_STACK}); err != nil || !action.Allows() {
		return f.Program
	}
	// Offsets in struct seccomp_data (linux/seccomp.h).
	const nr, arch, pid, resource, limit = 0, 4, 16, 24, 32
	var block []unix.SockFilter
	for _, want := range []struct{ at, value uint32 }{
		{arch, m.audit}, {nr, number}, {pid, 0}, {resource, unix.RLIMIT_STACK}, {limit, 0}, {limit + 4, 0},
	} {
		left := uint8(announceInstructions - len(block) - 2) // to the program, if the values differ
		block = append(block,
			unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: want.at},
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: want.value, Jf: left})
	}
	block = append(block, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: uint32(announcement)})
	return append(block, f.Program...)
}
