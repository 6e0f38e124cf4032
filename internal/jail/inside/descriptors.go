package inside

import (
	"math"

	"golang.org/x/sys/unix"
)

// ownDescriptors closes all descriptors except 0, 1, 2 and Channel. The launcher closes Channel before the program starts, unless the
// program keeps it. Standard input becomes a new open file of the jail's /dev/null. The inherited one is the daemon's: all runs would
// share its file status flags, and it belongs to a writable mount of the host.
func (a *assembler) ownDescriptors() {
	null := a.cell()
	a.call("open /dev/null", unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text("/dev/null"), num(unix.O_RDONLY|unix.O_CLOEXEC)).to(null)
	a.call("dup3 /dev/null", unix.SYS_DUP3, null.value(), fd(0), num(0))
	a.closeFrom(Channel + 1)
}

// closeFrom closes all descriptors from first on.
func (a *assembler) closeFrom(first int) {
	a.call("close_range", unix.SYS_CLOSE_RANGE, fd(first), num(uint32(math.MaxUint32)), num(0))
}
