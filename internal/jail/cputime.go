package jail

import (
	"bytes"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// Bounds of the pause between two reads of the CPU time.
const (
	shortestCPULook = 5 * time.Millisecond
	longestCPULook  = 250 * time.Millisecond
)

// watchCPU closes exceeded when the processes of the jail have used more CPU time than limit, in addition to spent. A limit of 0 means
// no limit. The daemon has to read the time repeatedly: no cgroup controller bounds the total CPU time (cgroups(7)), and RLIMIT_CPU
// counts each process alone. The next read is when the limit can be reached at the earliest, within the bounds above.
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

// cpuTime returns the CPU time of the jail's processes so far, from the leaf. Without a leaf it is the time of the living processes and
// of the children that they have waited for.
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

// userHZ is the number of clock ticks per second in files of /proc (sysconf(3), _SC_CLK_TCK). It is the same on all architectures that
// Go supports.
const userHZ = 100

// cpuOf returns the user and system time of a process and of the children that it has waited for: fields 14 to 17 of its stat file
// (proc_pid_stat(5)). The second field is the name of the process in parentheses, and may contain spaces and parentheses.
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
