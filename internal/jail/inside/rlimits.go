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

// smallPages has the kernel give the process single pages, and not 512 at a fault (prctl(2), PR_SET_THP_DISABLE).
func (a *assembler) smallPages() {
	a.call("PR_SET_THP_DISABLE", unix.SYS_PRCTL, num(unix.PR_SET_THP_DISABLE), num(1), num(0), num(0), num(0))
}
