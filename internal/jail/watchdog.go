package jail

import (
	"os"
	"runtime"
	"sync"
	"time"
)

// The watchdog bounds the memory of a run where no memory controller does. Nothing that the program does
// decides how often it looks.
//
// Every 10 to 40 ms it makes a cheap look: at the resident sets of all processes, by files of /proc for which the
// kernel takes no lock that a program can hold. While their sum is under the limit, all is well. But a sum
// counts a page once for each process that maps it. So when the sum is over the limit, it makes a dear look: at the
// proportional sets. It is up to the program how long that takes, so the program is stopped
// meanwhile, and the cheap looks go on.
//
// From then on the watchdog knows an upper bound: what the dear look found, and a page for each page fault since.
// Both are seen by cheap looks. Until that bound is over the limit there is no need for another dear look.
const (
	// watchInterval is the shortest rest between two cheap looks. What a program near its limit takes in that
	// time is the price of best effort.
	watchInterval = 10 * time.Millisecond

	// longestRest bounds the rest of a program that is far from its limit, and after a cheap look that took
	// long, on a machine that is very busy.
	longestRest = 4 * watchInterval

	// takingRate is how many bytes a second a processor can fill. No program comes to its limit earlier.
	takingRate = 4 << 30

	// watchShare says which part of a processor looks may take: one of so many. After a dear look the
	// program stays stopped until that is so again: it is the program that makes looks dear.
	watchShare = 5

	// stopPatience is how long a program may take to stop before it is looked at all the same.
	stopPatience = 2 * watchInterval

	// dearGrowth is the part of the limit, one of so many, that a program may take during a dear look, though it is
	// stopped: system calls that have begun go on. More counts as over the limit.
	dearGrowth = 4

	// blindPatience is how long the daemon goes on with a run that it cannot look at, for lack of descriptors
	// or of memory of its own. Longer counts as over the limit.
	blindPatience = 100 * time.Millisecond
)

var pageSize = int64(os.Getpagesize())

// watch is a running watchdog.
type watch struct {
	exceeded chan struct{} // closed when the program has more than it may
	quit     chan struct{}
	done     chan struct{} // closed when the watch is over, and nothing is stopped by it
	once     sync.Once
}

// watchMemory watches the memory of the jail's processes where no memory controller does. When it is more than the
// limit it closes exceeded, and kills them.
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

// hasExceeded reports whether the run was killed for its memory.
func (w *watch) hasExceeded() bool {
	select {
	case <-w.exceeded:
		return true
	default:
		return false
	}
}

// stop ends the watch without waiting for a look that is under way.
func (w *watch) stop() { w.once.Do(func() { close(w.quit) }) }

// meter is what the watchdog knows of one run.
type meter struct {
	of     *process
	limit  int64
	exceed func() // kills the run, once
	quit   <-chan struct{}
	short  <-chan struct{} // closed when the host is short of memory

	sight time.Time // of the last look that saw something
	known *baseline // of the last dear look; nil while there is no need of one
}

// baseline is what a run had at one moment.
type baseline struct {
	share  int64         // the sum of proportional sets, in bytes
	faults map[int]int64 // how many pages each process had taken until then
}

// watch looks until the run has more than it may, or is over.
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
		begin := time.Now()
		room := m.room()
		if room < 0 {
			m.exceed()
			return
		}
		rest = min(max(watchInterval, watchShare*time.Since(begin), timeToTake(room)), longestRest)
	}
}

// timeToTake is how long it takes at least to fill so many bytes.
func timeToTake(bytes int64) time.Duration {
	return time.Duration(float64(bytes) / float64(takingRate*runtime.NumCPU()) * float64(time.Second))
}

// room is how much more the run may take, as a cheap look tells, or a dear one if that does not. Less than nothing
// is over the limit.
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
	if m.lookDearly() {
		return over
	}
	return 0
}

// most is the upper bound of what the run has: what it had then, and what it has taken since. It is beyond
// every limit when that is not known.
func (b *baseline) most(seen look) int64 {
	const unknown = 1<<63 - 1
	if b == nil || seen.ended || b.lost(seen) {
		return unknown
	}
	return b.share + b.taken(seen) + seen.pageTables
}

// lost reports whether a process has ended since. What it had taken may live on in others.
func (b *baseline) lost(seen look) bool {
	for pid := range b.faults {
		if _, ok := seen.processes[pid]; !ok {
			return true
		}
	}
	return false
}

// taken is how many bytes the processes have taken since. That does not include what they gave back, nor what
// a new one has in common with its parent.
func (b *baseline) taken(seen look) (bytes int64) {
	for pid, f := range seen.processes {
		bytes += (f.faults - b.faults[pid]) * pageSize
		if _, ok := b.faults[pid]; !ok {
			b.faults[pid] = 0 // born since. From now on it is missed when it ends
		}
	}
	return bytes
}

// lookDearly finds out what a run has whose processes share memory, and stops it meanwhile.
func (m *meter) lookDearly() (exceeded bool) {
	defer m.of.stop()()
	defer func() {
		if exceeded {
			m.exceed() // before it goes on
		}
	}()
	before, err := m.of.look(m.limit)
	if err != nil || before.most() <= m.limit {
		return false // the next cheap look will say
	}
	m.known = nil
	since := before.baseline(0)
	found := make(chan shared, 1)
	go func() { found <- m.of.share(before) }() // it may not come back before the program's end
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var enough <-chan time.Time // when the program may go on
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
			m.known = before.baseline(all.bytes)
			enough = time.After(max(0, (watchShare-1)*all.cost-longestRest))
		case <-tick.C:
			now, err := m.of.look(m.limit)
			if err == nil && (now.least() > m.limit || since.taken(now) > m.limit/dearGrowth) {
				return true
			}
		}
	}
}
