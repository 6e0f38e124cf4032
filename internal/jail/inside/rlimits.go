package inside

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// setRlimits sets the limits of each process, soft and hard alike.
func (a *assembler) setRlimits(limits []Rlimit) {
	for _, l := range limits {
		a.call("prlimit of resource "+strconv.Itoa(l.Resource), unix.SYS_PRLIMIT64,
			num(0), num(l.Resource), at(a.words(l.Value, l.Value)), num(0))
	}
}
