package inside

import "golang.org/x/sys/unix"

// Prctl is one call of prctl(2) that the program inherits.
type Prctl struct {
	Name string
	Args [5]uint64 // the option first
}

// isolateCPU makes the calls that the daemon chose; none, as a rule.
func isolateCPU(calls []Prctl) error {
	for _, c := range calls {
		if err := unix.Prctl(int(c.Args[0]), uintptr(c.Args[1]), uintptr(c.Args[2]), uintptr(c.Args[3]), uintptr(c.Args[4])); err != nil {
			return failed(c.Name, err)
		}
	}
	return nil
}
