package jail

import (
	"runtime"
	"slices"
	"sync"
	"time"
)

// pool keeps waiting jails: each is built and confined, and python3 has started in it. A run takes one and never returns it. The pool
// prepares another one in the background.
//
// The number of waiting jails follows demand. It is one more than the number taken in the busiest second of the last minute, up to
// the configured maximum. When the host is short of memory, the pool discards all waiting jails.
type pool struct {
	start func() (*jail, error) // makes a jail that waits
	most  int
	wake  chan struct{} // receives a value when the pool may need another jail
	quit  chan struct{}

	starters sync.WaitGroup

	mu       sync.Mutex
	waiting  []*jail
	starting int
	demand   demand
	broken   time.Time // after a failed start: time before which no jail is started; zero after a successful start
	closed   bool
}

const (
	poolTick    = time.Second
	poolPause   = 10 * time.Millisecond // after a jail was taken: its run gets the processor first
	poolBackoff = poolTick * 9 / 10     // after a failed start; shorter than a tick, so that the next tick tries again

	// poolReserve is the part of the host's memory that must be available for jails to be kept waiting.
	poolReserve = 1. / 10
)

func newPool(most int, start func() (*jail, error)) *pool {
	return &pool{start: start, most: most, wake: make(chan struct{}, 1), quit: make(chan struct{})}
}

// open starts to fill the pool. One goroutine for each processor starts jails, because runs take jails from all processors.
func (p *pool) open() {
	for range min(p.most, runtime.NumCPU()) {
		p.starters.Go(p.maintain)
	}
}

// take removes a waiting jail from the pool and returns it, or returns nil if none waits. The caller must call finish of the jail.
func (p *pool) take() *jail {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.demand.count(time.Now())
	defer p.signal()
	for len(p.waiting) > 0 {
		j := p.waiting[0] // it has waited longest
		p.waiting = p.waiting[1:]
		if !j.process.hasEnded() {
			return j
		}
		j.discard()
	}
	return nil
}

// size returns the number of waiting jails.
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

// maintain starts jails whenever the pool needs some, until the pool is closed.
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

// lacks reports whether the pool needs another jail. If so, it is counted as starting, and the caller must call add.
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

// want returns how many jails are missing, and discards those that are too many. The caller holds mu.
func (p *pool) want(short bool) int {
	now := time.Now()
	target := min(p.most, 1+p.demand.most(now))
	if short || p.closed {
		target = 0
	}
	p.drop(target)
	// After a failed start, start one jail at a time until one succeeds.
	if now.Before(p.broken) || !p.broken.IsZero() && p.starting > 0 {
		return 0
	}
	return target - len(p.waiting) - p.starting
}

// drop discards the jails that have waited longest, until keep are left. The caller holds mu.
func (p *pool) drop(keep int) {
	for len(p.waiting) > keep {
		p.waiting[0].discard()
		p.waiting = p.waiting[1:]
	}
}

// add starts one jail.
func (p *pool) add() {
	j, err := p.start()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	switch {
	case err != nil:
		p.broken = time.Now().Add(poolBackoff) // err is dropped: a cold run fails with the same error and reports it
	case p.closed:
		j.discard()
	default:
		p.broken = time.Time{}
		p.waiting = append(p.waiting, j)
		go p.watch(j)
	}
}

// watch removes a jail from the pool if it dies while it waits.
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

// close discards all waiting jails and waits until no start is in progress.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.drop(0)
	p.mu.Unlock()
	close(p.quit)
	p.starters.Wait()
}

// demand counts events in each second of the last minute.
type demand struct {
	counts [60]int // by Unix time modulo 60
	last   int64   // the latest second for which counts is valid, in Unix time
}

// roll sets the counts of the seconds since the last call to zero.
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

// most returns the count of the busiest second.
func (d *demand) most(now time.Time) int {
	d.roll(now)
	return slices.Max(d.counts[:])
}

// renew discards all waiting jails. It is called when the template has been replaced or the root of new jails has changed.
func (p *pool) renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(0)
	p.signal()
}
