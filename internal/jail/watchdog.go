package jail

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// The watchdog bounds the memory of a run if there is no memory controller. A program cannot make it measure less often.
//
// Every 5 to 40 ms the watchdog makes a quick measurement (type look): it adds up the resident sets of all processes. It reads them
// from files of /proc for which the kernel takes no lock that a program can hold. If the sum is under the limit, the run is under
// the limit. But the sum counts a shared page once for each process that maps it. So if the sum is over the limit, the watchdog
// makes a full measurement: it reads the proportional sets, which count each page once. The program determines how long the kernel
// needs for that. So the program is stopped in the meantime, and the quick measurements continue.
//
// After a full measurement the watchdog knows an upper bound (type baseline): the result, plus one page for each page fault since. The
// quick measurements include the page faults. The next full measurement is made when this bound exceeds the limit.
const (
	// watchInterval is the shortest pause between two quick measurements. A program near its limit can exceed it in that time;
	// without a controller this cannot be prevented.
	watchInterval = 5 * time.Millisecond

	// longestRest is the longest pause: for a program that is far from its limit, and after a quick measurement that cost much
	// processor time.
	longestRest = 8 * watchInterval

	// takingRate is the highest rate at which one processor can fill memory, in bytes per second. It determines how soon a
	// program can reach its limit. The watchdog pauses for half of that time, because on a busy machine it wakes late.
	takingRate = 4 << 30

	// watchShare bounds the processor time of the measurements: they take at most 1/watchShare of one processor. After an
	// expensive full measurement the program stays stopped until that holds, since the program determines the cost.
	watchShare = 5

	// stopPatience bounds the wait for the program to stop. After that it is measured while it runs.
	stopPatience = 4 * watchInterval

	// dearGrowth bounds what a stopped program may add during a full measurement, because its system calls in progress
	// continue: 1/dearGrowth of the limit. If it adds more, it counts as over the limit.
	dearGrowth = 4

	// blindPatience bounds how long a run may continue if it cannot be measured because the daemon lacks descriptors or
	// memory. After that the run counts as over the limit.
	blindPatience = 100 * time.Millisecond
)

var pageSize = int64(os.Getpagesize())

// watch is a running watchdog.
type watch struct {
	exceeded chan struct{} // closed when the program exceeds its limit
	quit     chan struct{}
	done     chan struct{} // closed when the watchdog has ended and no process is stopped by it
	once     sync.Once
}

// watchMemory starts a watchdog for the jail's processes, unless a memory controller bounds them. When they exceed the limit, the
// watchdog closes exceeded and kills them.
func (p *process) watchMemory(limit int64) *watch {
	w := &watch{exceeded: make(chan struct{}), quit: make(chan struct{}), done: make(chan struct{})}
	if p.leaf.ControlsMemory() {
		close(w.done)
		return w
	}
	go func() {
		defer close(w.done)
		short, leave := ofHost.watch()
		defer leave()
		m := &meter{of: p, limit: limit, quit: w.quit, short: short, sight: time.Now()}
		m.exceed = sync.OnceFunc(func() {
			close(w.exceeded)
			p.killEach()
		})
		m.watch()
	}()
	return w
}

// hasExceeded reports whether the watchdog killed the run.
func (w *watch) hasExceeded() bool {
	select {
	case <-w.exceeded:
		return true
	default:
		return false
	}
}

// stop ends the watchdog. It does not wait for a measurement in progress.
func (w *watch) stop() { w.once.Do(func() { close(w.quit) }) }

// meter is the state of the watchdog of one run.
type meter struct {
	of     *process
	limit  int64
	exceed func() // kills the run, once
	quit   <-chan struct{}
	short  <-chan struct{} // closed when the host is short of memory

	sight time.Time // time of the last successful measurement
	known *baseline // from the last full measurement; nil if none was needed since the sum was under the limit

	full time.Duration // processor time that room has spent on the proportional sets, in another thread
}

// baseline is the memory of a run at the time of a full measurement.
type baseline struct {
	share  int64         // the sum of proportional sets, in bytes
	faults map[int]int64 // page faults of each process until then, by process id
}

// watch measures until the run exceeds its limit or has ended.
func (m *meter) watch() {
	for rest := watchInterval; ; {
		select {
		case <-m.quit:
			return
		case <-m.short:
			m.exceed()
			return
		case <-time.After(rest):
		}
		// The program can make the machine busy, so that a measurement takes long. It must not gain time by that.
		runtime.LockOSThread() // threadTime is the time of this thread
		begin := threadTime()
		m.full = 0
		room := m.room()
		took := threadTime() - begin + m.full
		runtime.UnlockOSThread()
		if room < 0 {
			m.exceed()
			return
		}
		rest = min(max(watchInterval, watchShare*took, timeToTake(room)/2), longestRest)
	}
}

// timeToTake returns the shortest time in which a program can fill so many bytes on all processors.
func timeToTake(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / float64(takingRate*runtime.NumCPU()) * float64(time.Second))
}

// room returns how many bytes the run is below its limit, or a negative number if it is over the limit. It makes a quick measurement,
// and a full one if that is needed.
func (m *meter) room() int64 {
	const over = -1
	seen, err := m.of.look(m.limit)
	switch {
	case err != nil && time.Since(m.sight) > blindPatience:
		return over
	case err != nil:
		return 0
	}
	m.sight = time.Now()
	if seen.most() <= m.limit {
		m.of.sawMemory(seen.most())
		m.known = nil
		return m.limit - seen.most()
	}
	if seen.least() > m.limit {
		m.of.sawMemory(seen.least())
		return over
	}
	if most := m.known.most(seen); most <= m.limit {
		return m.limit - most
	}
	if m.measureFully() {
		return over
	}
	return 0
}

// most returns an upper bound for the memory of the run: the baseline, and what the run has taken since. If the bound is unknown, it
// returns the largest int64, which exceeds every limit.
func (b *baseline) most(seen look) int64 {
	const unknown = 1<<63 - 1
	if b == nil || seen.ended || b.lost(seen) {
		return unknown
	}
	return b.share + b.taken(seen) + seen.pageTables
}

// lost reports whether a process has ended since the baseline. Other processes may still use memory that it had taken.
func (b *baseline) lost(seen look) bool {
	for pid := range b.faults {
		if _, ok := seen.processes[pid]; !ok {
			return true
		}
	}
	return false
}

// taken returns how many bytes the processes have taken since the baseline, by page faults. Memory that they gave back is not
// subtracted. Memory that a new process shares with its parent causes no fault and is not counted again.
func (b *baseline) taken(seen look) (bytes int64) {
	for pid, f := range seen.processes {
		bytes += (f.faults - b.faults[pid]) * pageSize
		if _, ok := b.faults[pid]; !ok {
			b.faults[pid] = 0 // a new process; now lost notices its end
		}
	}
	return bytes
}

// measureFully makes a full measurement while the run is stopped, and reports whether the run exceeds its limit.
func (m *meter) measureFully() (exceeded bool) {
	defer m.of.stop()()
	defer func() {
		if exceeded {
			m.exceed() // while the run is still stopped
		}
	}()
	stopping, err := m.of.look(m.limit)
	if err != nil {
		return false // the next quick measurement decides
	}
	since := stopping.baseline(0)
	m.of.awaitStop()
	before, err := m.of.look(m.limit)
	switch {
	case err != nil || before.most() <= m.limit:
		return false
	case since.taken(before) > m.limit/dearGrowth:
		return true
	}
	m.known = nil
	found := make(chan shared, 1)
	go func() { found <- m.of.share(before) }() // may block until the program ends
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var enough <-chan time.Time // receives a value when the program may continue
	for {
		select {
		case <-m.quit:
			return false
		case <-m.short:
			return true
		case <-enough:
			return false
		case all := <-found:
			m.of.sawMemory(all.bytes + before.pageTables)
			if all.bytes+before.pageTables > m.limit {
				return true
			}
			m.known, m.full = before.baseline(all.bytes), all.cost
			enough = time.After(max(0, (watchShare-1)*all.cost-longestRest))
		case <-tick.C:
			now, err := m.of.look(m.limit)
			if err == nil && (now.least() > m.limit || since.taken(now) > m.limit/dearGrowth) {
				return true
			}
		}
	}
}
