package jail

import (
	"math"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// OwnProcesses is how many of the processes that the kernel counts for a run are not the program's: the init.
const OwnProcesses = 1

// rlimits are the limits of each process. Memory is not among them: address space (RLIMIT_AS) and private
// mappings (RLIMIT_DATA) say how much a process has reserved, not how much it uses, and BLAS and threads reserve
// much more than they use. A limit for each process would not bound their sum either.
func rlimits(limits sandbox.Limits) []inside.Rlimit {
	// All cores for as long as the wall clock runs is all the time that there is. The second
	// on top keeps this limit from ending a run before the clock does: it is for the case that
	// the daemon with the clock is stopped.
	seconds := uint64(math.Ceil(limits.Wall.Seconds()*float64(runtime.NumCPU()))) + 1
	return []inside.Rlimit{
		{Resource: unix.RLIMIT_NOFILE, Value: 256},
		{Resource: unix.RLIMIT_NPROC, Value: uint64(limits.Pids + OwnProcesses)},
		{Resource: unix.RLIMIT_FSIZE, Value: uint64(limits.Scratch)},
		{Resource: unix.RLIMIT_CPU, Value: seconds},
		{Resource: unix.RLIMIT_STACK, Value: 8 << 20},
		// 1, not 0: where core_pattern is a pipe the kernel asks for no size but this one, at
		// which it starts no helper (core(5)). The helper would be the host's root, reading
		// what the program left.
		{Resource: unix.RLIMIT_CORE, Value: 1},
		{Resource: unix.RLIMIT_MEMLOCK, Value: 64 << 10},
		{Resource: unix.RLIMIT_MSGQUEUE, Value: 0},
		{Resource: unix.RLIMIT_SIGPENDING, Value: 256},
		{Resource: unix.RLIMIT_NICE, Value: 0},
		{Resource: unix.RLIMIT_RTPRIO, Value: 0},
	}
}
