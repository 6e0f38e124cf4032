package jail

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

const (
	shortestCPULook = 5 * time.Millisecond
	longestCPULook  = 250 * time.Millisecond
)

// watchCPU closes exceeded when the processes of the jail have taken more CPU time than limit, besides what was spent before. A limit
// of 0 is none. The daemon looks at the time that the kernel counts: no controller stops a cgroup at a total (cgroups(7)), and
// RLIMIT_CPU counts each process for itself. It looks again when the limit can be reached at the earliest.
func (p *process) watchCPU(limit, spent time.Duration) (exceeded <-chan struct{}) {
	if limit == 0 {
		return nil
	}
	over := make(chan struct{})
	go func() {
		for {
			left := limit - (p.cpuTime() - spent)
			if left <= 0 {
				close(over)
				return
			}
			select {
			case <-p.ended:
				return
			case <-time.After(min(max(left/time.Duration(runtime.NumCPU()), shortestCPULook), longestCPULook)):
			}
		}
	}()
	return over
}

// cpuTime is what the jail's processes have taken: by its leaf, or without one by those that live, and the children for which these
// have waited.
func (p *process) cpuTime() (total time.Duration) {
	if p.leaf != nil {
		return p.leaf.CPUTime()
	}
	pids, _ := p.pids()
	for _, pid := range pids {
		stat, _ := kernfs.Read(fmt.Sprintf("/proc/%d/stat", pid))
		total += cpuOf(stat)
	}
	return total
}

// userHZ is the number of clock ticks in a second in files of /proc; the same on every architecture that Go knows (sysconf(3),
// _SC_CLK_TCK).
const userHZ = 100

// cpuOf is the user and system time of a process and of the children that it has waited for: fields 14 to 17 of its stat file
// (proc_pid_stat(5)). The second field is the name of the program, in parentheses, and may contain anything.
func cpuOf(stat []byte) (total time.Duration) {
	_, rest, found := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" "))
	fields := bytes.Fields(rest)
	if !found || len(fields) < 15 {
		return 0
	}
	for _, field := range fields[11:15] {
		ticks, _ := strconv.ParseInt(string(field), 10, 64)
		total += time.Duration(ticks) * time.Second / userHZ
	}
	return total
}
