package jail

import (
	"math"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// OwnProcesses is the number of processes of a run that are not the program's: the init. The kernel counts it in pids.max and
// RLIMIT_NPROC.
const OwnProcesses = 1

// Visitors is the number of visitors of a run (see greet). They are not in its cgroup, so pids.max does not count them. RLIMIT_NPROC
// does if the daemon maps its own uid for the run.
const Visitors = 1

// processes returns the value of RLIMIT_NPROC for a run of the environment with this limit of processes. Without the pids controller,
// a program may have one process more than its limit as long as the run has no visitor.
func (e *environment) processes(pids int) uint64 {
	if e.host.ids.Mapper() == hostid.ByOwner {
		pids += Visitors
	}
	return uint64(pids + OwnProcesses)
}

// rlimits returns the limits of each process, with this value of RLIMIT_NPROC. They do not bound memory: RLIMIT_AS and RLIMIT_DATA count reserved memory, and BLAS and
// threads reserve much more than they use. A limit for each process would not bound the sum either.
func rlimits(limits sandbox.Limits, processes uint64) []inside.Rlimit {
	// A run can use at most the wall clock time on all processors. RLIMIT_CPU is one second more, so that the clock of the daemon
	// ends the run first. RLIMIT_CPU ends it if the daemon is stopped.
	seconds := uint64(math.Ceil(limits.Wall.Seconds()*float64(runtime.NumCPU()))) + 1
	return []inside.Rlimit{
		{Resource: unix.RLIMIT_NOFILE, Value: 256},
		{Resource: unix.RLIMIT_NPROC, Value: processes},
		{Resource: unix.RLIMIT_FSIZE, Value: uint64(limits.Scratch)},
		{Resource: unix.RLIMIT_CPU, Value: seconds},
		{Resource: unix.RLIMIT_STACK, Value: 8 << 20},
		// 1 and not 0: if core_pattern is a pipe, the kernel ignores RLIMIT_CORE except for the value 1, for which it does not
		// start the helper (core(5)). The helper would run as root of the host and read data of the program.
		{Resource: unix.RLIMIT_CORE, Value: 1},
		{Resource: unix.RLIMIT_MEMLOCK, Value: 64 << 10},
		{Resource: unix.RLIMIT_MSGQUEUE, Value: 0},
		{Resource: unix.RLIMIT_SIGPENDING, Value: 256},
		{Resource: unix.RLIMIT_NICE, Value: 0},
		{Resource: unix.RLIMIT_RTPRIO, Value: 0},
	}
}
