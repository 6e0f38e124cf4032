package spawn

// This file has methods for the tests of package jail.

// Hold waits until each zygote is idle and keeps it from serving, until the caller calls release. It returns their process ids.
func (z *Zygotes) Hold() (pids []int, release func()) {
	var held []*zygote
	for range cap(z.idle) {
		one := <-z.idle
		held = append(held, one)
		pids = append(pids, one.proc.Pid)
	}
	return pids, func() {
		for _, one := range held {
			z.idle <- one
		}
	}
}

// Program returns the path of the program that new zygotes execute.
func (z *Zygotes) Program() *string { return &z.path }
