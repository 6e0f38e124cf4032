package jail

import (
	"math"
	"runtime"

	"golang.org/x/sys/unix"
)

// setRlimits sets the limits of each process, soft and hard alike. Memory is not among them:
// address space says nothing about memory used, and a limit on it breaks BLAS and threads.
func setRlimits(limits Limits) error {
	// All cores for as long as the wall clock runs is all the time that there is. The second
	// on top keeps this limit from ending a run before the clock does: it is for the case that
	// the daemon with the clock is stopped.
	seconds := uint64(math.Ceil(limits.Wall.Seconds()*float64(runtime.NumCPU()))) + 1
	for _, l := range []struct {
		name     string
		resource int
		value    uint64
	}{
		{"NOFILE", unix.RLIMIT_NOFILE, 256},
		{"NPROC", unix.RLIMIT_NPROC, uint64(limits.Pids)},
		{"FSIZE", unix.RLIMIT_FSIZE, uint64(limits.Scratch)},
		{"CPU", unix.RLIMIT_CPU, seconds},
		{"STACK", unix.RLIMIT_STACK, 8 << 20},
		// 1, not 0: where core_pattern is a pipe the kernel asks for no size but this one, at
		// which it starts no helper (core(5)). The helper would be the host's root, reading
		// what the program left.
		{"CORE", unix.RLIMIT_CORE, 1},
		{"MEMLOCK", unix.RLIMIT_MEMLOCK, 64 << 10},
		{"MSGQUEUE", unix.RLIMIT_MSGQUEUE, 0},
		{"SIGPENDING", unix.RLIMIT_SIGPENDING, 256},
		{"NICE", unix.RLIMIT_NICE, 0},
		{"RTPRIO", unix.RLIMIT_RTPRIO, 0},
	} {
		// prlimit, not setrlimit: Go restores the soft NOFILE that it found at start when
		// it execs, unless its own Setrlimit was told otherwise.
		var now unix.Rlimit
		err := unix.Prlimit(0, l.resource, nil, &now)
		if err == nil {
			value := min(l.value, now.Max) // the daemon may be under a lower one itself
			err = unix.Prlimit(0, l.resource, &unix.Rlimit{Cur: value, Max: value}, nil)
		}
		if err != nil {
			return failed("RLIMIT_"+l.name, err)
		}
	}
	return nil
}
