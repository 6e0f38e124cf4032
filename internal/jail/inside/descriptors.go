package inside

import (
	"math"

	"golang.org/x/sys/unix"
)

// ownDescriptors leaves the program descriptors 0, 1 and 2. Standard input becomes an open file
// of this jail's own /dev/null: the daemon's would be shared by all runs, flags and all, and
// lead to the host's writable mount of it. The others are closed by execve; closing them
// now would pull the rug from under Go's poller.
func ownDescriptors() error {
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return failed("open /dev/null", err)
	}
	if err := unix.Dup3(null, 0, 0); err != nil {
		return failed("dup3 /dev/null", err)
	}
	return failed("close_range", unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC))
}
