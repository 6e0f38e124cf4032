package inside

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// setRlimits sets the soft and hard limits of each process.
func (a *assembler) setRlimits(limits []Rlimit) {
	for _, l := range limits {
		a.call("prlimit of resource "+strconv.Itoa(l.Resource), unix.SYS_PRLIMIT64,
			num(0), num(l.Resource), at(a.words(l.Value, l.Value)), num(0))
	}
}

// smallPages disables transparent huge pages, so that the kernel gives the process one page at each fault and not 512 (prctl(2),
// PR_SET_THP_DISABLE).
func (a *assembler) smallPages() {
	a.call("PR_SET_THP_DISABLE", unix.SYS_PRCTL, num(unix.PR_SET_THP_DISABLE), num(1), num(0), num(0), num(0))
}
