package inside

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// setRlimits sets the limits of each process, soft and hard alike.
func setRlimits(limits []Rlimit) error {
	for _, l := range limits {
		// prlimit, not setrlimit: Go restores the soft NOFILE that it found at start when it
		// execs, unless its own Setrlimit was told otherwise.
		var now unix.Rlimit
		err := unix.Prlimit(0, l.Resource, nil, &now)
		if err == nil {
			value := min(l.Value, now.Max) // the daemon may be under a lower one itself
			err = unix.Prlimit(0, l.Resource, &unix.Rlimit{Cur: value, Max: value}, nil)
		}
		if err != nil {
			return failed("prlimit of resource "+strconv.Itoa(l.Resource), err)
		}
	}
	return nil
}
