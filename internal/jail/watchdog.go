package jail

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// watchInterval is how often the watchdog looks. A program can take memory at several GB per
// second: what it has taken between two looks is the price of best effort.
const watchInterval = 10 * time.Millisecond

// watch is a running watchdog.
type watch struct {
	exceeded chan struct{}
	quit     chan struct{}
	done     chan struct{}
}

// watchMemory watches the memory of the jail's processes where no memory controller does, and
// closes exceeded when it is more than the limit. With a controller it only sleeps.
func (p *process) watchMemory(limit int64) watch {
	w := watch{exceeded: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{})}
	if p.leaf.controlsMemory() {
		close(w.done)
		return w
	}
	go func() {
		defer close(w.done)
		ticks := time.NewTicker(watchInterval)
		defer ticks.Stop()
		for {
			select {
			case <-w.quit:
				return
			case <-ticks.C:
			}
			used := p.memory(limit)
			p.peak.Store(max(p.peak.Load(), used))
			if used > limit {
				close(w.exceeded)
				return
			}
		}
	}()
	return w
}

func (w watch) stop() {
	close(w.quit)
	<-w.done
}

// memory is what the jail's processes hold, in bytes. The sum of resident sets counts a page
// as often as it is shared; only when that sum is over the limit the dearer proportional sets
// are asked for.
func (p *process) memory(limit int64) int64 {
	pids := p.pids()
	var resident int64
	for _, pid := range pids {
		resident += residentSet(pid)
	}
	if resident <= limit {
		return resident
	}
	var proportional int64
	for _, pid := range pids {
		proportional += proportionalSet(pid)
	}
	return proportional
}

// pids lists the jail's processes: those of the leaf, or where there is none the first one's
// descendants (an orphan is adopted by the first process of its pid namespace).
func (p *process) pids() []int {
	if p.leaf != nil {
		return p.leaf.procs()
	}
	found := []int{p.proc.Pid}
	for i := 0; i < len(found); i++ {
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", found[i]))
		for _, thread := range threads {
			children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", found[i], thread.Name()))
			for _, child := range strings.Fields(string(children)) {
				if pid, err := strconv.Atoi(child); err == nil {
					found = append(found, pid)
				}
			}
		}
	}
	return found
}

// residentSet is the second field of /proc/PID/statm, in bytes; 0 for a process that is gone.
func residentSet(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// proportionalSet is the Pss of /proc/PID/smaps_rollup (Linux 4.14), in bytes.
func proportionalSet(pid int) int64 {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(rollup) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			kilobytes, _ := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}
