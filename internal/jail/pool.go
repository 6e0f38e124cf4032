package jail

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// pool keeps jails that wait for a program: each built, confined and with python3 started in it. A
// run takes one, which ends with that run; another is prepared in its place, off the run's path.
//
// It follows demand: as many wait as were taken in the busiest second of the last minute and one
// more, at most as many as the setting says. They are given up when the host is short of memory.
type pool struct {
	start func() (*jail, error) // up to the point where it waits
	most  int
	wake  chan struct{} // something changed
	quit  chan struct{}

	starters sync.WaitGroup

	mu       sync.Mutex
	waiting  []*jail
	starting int
	demand   demand
	broken   time.Time // no new one is tried before; zero when the last one started
	closed   bool
}

const (
	poolTick    = time.Second
	poolPause   = 10 * time.Millisecond // after one is taken: the run that took it comes first
	poolBackoff = poolTick * 9 / 10     // after one that failed to start: over when it ticks next

	// poolReserve is the part of the host's memory that has to be available for jails to wait.
	poolReserve = 1. / 10
)

func newPool(most int, start func() (*jail, error)) *pool {
	return &pool{start: start, most: most, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// open begins to fill the pool: as many are started at once as there are processors to do it, or
// the pool would fall behind where runs do not.
func (p *pool) open() {
	for range min(p.most, runtime.NumCPU()) {
		p.starters.Go(p.maintain)
	}
}

// take returns a jail that waits, or nil. The caller must call its finish.
func (p *pool) take() *jail {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.demand.count(time.Now())
	defer p.signal()
	for len(p.waiting) > 0 {
		j := p.waiting[0] // the one that has waited longest
		p.waiting = p.waiting[1:]
		if !j.process.hasEnded() {
			return j
		}
		j.discard()
	}
	return nil
}

// size is how many wait.
func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func (p *pool) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// maintain keeps as many waiting as there should be.
func (p *pool) maintain() {
	tick := time.NewTicker(poolTick)
	defer tick.Stop()
	for {
		for p.lacks() {
			p.add()
		}
		select {
		case <-p.quit:
			return
		case <-tick.C:
		case <-p.wake:
			time.Sleep(poolPause)
		}
	}
}

// lacks reports whether one is missing, which the caller then adds.
func (p *pool) lacks() bool {
	short := hostHasLess(poolReserve)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.want(short) <= 0 {
		return false
	}
	p.starting++
	return true
}

// want says how many are missing, and gives up those that are too many, with mu held.
func (p *pool) want(short bool) int {
	now := time.Now()
	target := min(p.most, 1+p.demand.most(now))
	if short || p.closed {
		target = 0
	}
	p.drop(target)
	if now.Before(p.broken) || !p.broken.IsZero() && p.starting > 0 { // the one under way shows whether it is still so
		return 0
	}
	return target - len(p.waiting) - p.starting
}

// drop gives up all that wait but for a number, with mu held: those that have waited longest go.
func (p *pool) drop(keep int) {
	for len(p.waiting) > keep {
		p.waiting[0].discard()
		p.waiting = p.waiting[1:]
	}
}

// add starts one more.
func (p *pool) add() {
	j, err := p.start()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	switch {
	case err != nil:
		p.broken = time.Now().Add(poolBackoff) // a run would say the same, and to somebody
	case p.closed:
		j.discard()
	default:
		p.broken = time.Time{}
		p.waiting = append(p.waiting, j)
		go p.watch(j)
	}
}

// watch replaces a jail that dies while it waits.
func (p *pool) watch(j *jail) {
	<-j.process.exited
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, j); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		j.discard()
		p.signal()
	}
}

// close ends all that wait.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.drop(0)
	p.mu.Unlock()
	close(p.quit)
	p.starters.Wait()
}

// demand counts events by the second, for the last minute.
type demand struct {
	counts [60]int
	last   int64 // the second that was counted last
}

func (d *demand) roll(now time.Time) {
	second := now.Unix()
	for s := max(d.last+1, second-int64(len(d.counts))+1); s <= second; s++ {
		d.counts[s%int64(len(d.counts))] = 0
	}
	d.last = max(d.last, second)
}

func (d *demand) count(now time.Time) {
	d.roll(now)
	d.counts[now.Unix()%int64(len(d.counts))]++
}

// most is the count of the busiest second.
func (d *demand) most(now time.Time) int {
	d.roll(now)
	return slices.Max(d.counts[:])
}

// renew gives up all that wait: those that come are of a new template.
func (p *pool) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(0)
	p.signal()
}
