package inside

import "golang.org/x/sys/unix"

// isolateCPU adds the prctl calls of the order. By default there are none.
func (a *assembler) isolateCPU(calls []Prctl) {
	for _, c := range calls {
		a.call(c.Name, unix.SYS_PRCTL, num(c.Args[0]), num(c.Args[1]), num(c.Args[2]), num(c.Args[3]), num(c.Args[4]))
	}
}
