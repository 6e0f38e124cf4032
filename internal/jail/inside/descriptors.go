package inside

import (
	"math"

	"golang.org/x/sys/unix"
)

// ownDescriptors leaves descriptors 0, 1 and 2, and Channel, which the launcher closes before the
// program starts. Standard input becomes an open file of this jail's own /dev/null: the daemon's
// would be shared by all runs, flags and all, and lead to the host's writable mount of it.
func (a *assembler) ownDescriptors() {
	null := a.cell()
	a.call("open /dev/null", unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text("/dev/null"), num(unix.O_RDONLY|unix.O_CLOEXEC)).to(null)
	a.call("dup3 /dev/null", unix.SYS_DUP3, null.value(), fd(0), num(0))
	a.closeFrom(Channel + 1)
}

// closeFrom closes every descriptor from a number on.
func (a *assembler) closeFrom(first int) {
	a.call("close_range", unix.SYS_CLOSE_RANGE, fd(first), num(uint32(math.MaxUint32)), num(0))
}
