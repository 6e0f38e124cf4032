package jail

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// watchInterval is how often the watchdog looks at least. A program can take memory at
	// several GB per second: what it has taken between two looks is the price of best effort.
	watchInterval = 10 * time.Millisecond

	// watchShare bounds the watchdog's own cost: after a look that took long it rests this many
	// times as long.
	watchShare = 10

	// hostReserve is the part of the host's memory that best effort does not let runs take: below
	// it every watched run is killed. It is for memory that no sum over processes shows, such
	// as socket buffers and shared pages that nobody maps any more.
	hostReserve = 1. / 20
)

// watch is a running watchdog.
type watch struct {
	exceeded chan struct{} // closed when the program has more than it may
	quit     chan struct{}
}

// watchMemory watches the memory of the jail's processes where no memory controller does, and
// closes exceeded when it is more than the limit.
func (p *process) watchMemory(limit int64) watch {
	w := watch{exceeded: make(chan struct{}), quit: make(chan struct{})}
	if p.leaf.controlsMemory() {
		return w
	}
	go func() {
		for rest := watchInterval; ; {
			select {
			case <-w.quit:
				return
			case <-time.After(rest):
			}
			begin := time.Now()
			used := p.memory(limit)
			p.peak.Store(max(p.peak.Load(), used))
			if used > limit || hostHasLess(hostReserve) {
				close(w.exceeded)
				return
			}
			rest = max(watchInterval, watchShare*time.Since(begin))
		}
	}()
	return w
}

// stop ends the watch without waiting for a look that is under way.
func (w watch) stop() { close(w.quit) }

// memory is what the jail's processes hold, in bytes. The sum of resident sets counts a page
// as often as it is shared; only when that sum is over the limit the dearer proportional sets
// are asked for.
func (p *process) memory(limit int64) int64 {
	pids := p.pids()
	var resident int64
	for _, pid := range pids {
		m := memoryOf(pid)
		if m.pageTables > limit {
			return m.pageTables // nobody shares them, and a walk through so many would take long
		}
		resident += m.total()
	}
	if resident <= limit {
		return resident
	}
	var proportional int64
	for _, pid := range pids {
		m := memoryOf(pid)
		if m.parent > 0 && sameMemory(pid, m.parent) {
			continue // between vfork and execve: it has its parent's memory, which is counted
		}
		if share := proportionalSet(pid); share > 0 {
			m.resident = share
		} else {
			m = memoryOf(pid) // it may have ended meanwhile: then it has nothing
		}
		proportional += m.total()
	}
	return proportional
}

// pids lists the jail's processes: those of the leaf, or where there is none the first one's
// descendants (an orphan is adopted by the first process of its pid namespace).
func (p *process) pids() []int {
	if p.leaf != nil {
		return p.leaf.procs()
	}
	found := []int{p.pid}
	for i := 0; i < len(found); i++ {
		threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", found[i]))
		for _, thread := range threads {
			children, _ := readKernelFile(fmt.Sprintf("/proc/%d/task/%s/children", found[i], thread.Name()))
			for _, child := range strings.Fields(string(children)) {
				if pid, err := strconv.Atoi(child); err == nil {
					found = append(found, pid)
				}
			}
		}
	}
	return found
}

// processMemory is what one process holds, in bytes.
type processMemory struct {
	resident   int64 // VmRSS
	pageTables int64 // VmPTE: a program can make many of them with no resident page at all
	parent     int   // process id, 0 for none that we see
}

func (m processMemory) total() int64 { return m.resident + m.pageTables }

// memoryOf reads /proc/PID/status; nothing for a process that is gone. A process whose first
// thread has exited shows its memory at the others only.
func memoryOf(pid int) processMemory {
	m, ok := readStatus(fmt.Sprintf("/proc/%d/status", pid))
	if ok {
		return m
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, thread := range threads {
		if m, ok := readStatus(thread); ok {
			return m
		}
	}
	return processMemory{}
}

// readStatus reports whether the thread has memory.
func readStatus(path string) (m processMemory, ok bool) {
	status, err := readKernelFile(path)
	if err != nil {
		return m, false
	}
	for line := range bytes.Lines(status) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "PPid":
			m.parent = int(leadingNumber(value))
		case "VmRSS":
			m.resident, ok = leadingNumber(value)<<10, true
		case "VmPTE":
			m.pageTables = leadingNumber(value) << 10
		}
	}
	return m, ok
}

// proportionalSet is the Pss of /proc/PID/smaps_rollup (Linux 4.14), in bytes; 0 when it cannot
// be read.
func proportionalSet(pid int) int64 {
	rollup, err := readKernelFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(rollup) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
			return leadingNumber(rest) << 10
		}
	}
	return 0
}

// sameMemory reports whether two processes share one address space (kcmp(2), KCMP_VM).
func sameMemory(a, b int) bool {
	const kcmpVM = 1
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	return errno == 0 && order == 0
}

// hostHasLess reports whether less than a part of the host's memory is available. It has, for all we
// know, when we cannot look (ENFILE, ENOMEM): then the sums above see nothing either.
func hostHasLess(part float64) bool {
	info, err := readKernelFile("/proc/meminfo")
	if err != nil {
		return true
	}
	var total, available int64
	for line := range bytes.Lines(info) {
		switch key, value, _ := bytes.Cut(line, []byte(":")); string(key) {
		case "MemTotal":
			total = leadingNumber(value)
		case "MemAvailable":
			available = leadingNumber(value)
		}
	}
	return float64(available) < part*float64(total)
}

// leadingNumber reads the number at the beginning of a field such as "   1234 kB".
func leadingNumber(field []byte) int64 {
	words := bytes.Fields(field)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(words[0]), 10, 64)
	return n
}
