// Package admission bounds the runs: so many at once, so many waiting in line behind them,
// and everybody else is told at once to come back later. It knows neither HTTP nor jails.
package admission

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull says that every slot is taken and the queue is full too.
var ErrFull = errors.New("every slot is taken and the queue is full")

// ErrDraining says that no new run is started any more.
var ErrDraining = errors.New("no new run is started: draining")

// Gate hands out slots, first come, first served.
//
// It is not x/sync's semaphore because the bound of the queue, the order in it, and the
// sending away of those who wait when the gate drains have to be decided under one lock.
type Gate struct {
	slots, room int

	mu       sync.Mutex
	taken    int
	waiting  list.List // of chan error, the longest wait first; not empty only if taken == slots
	draining bool
	hold     time.Duration // how long a slot is held, a moving average; 0 before the first release
}

// New returns a gate with so many slots (at least 1) and room for so many that wait (0 is
// allowed: then nobody waits).
func New(slots, queue int) *Gate {
	return &Gate{slots: max(slots, 1), room: max(queue, 0)}
}

// Acquire takes a slot, in its turn. The caller must call release when the run is over; a
// second call does nothing. wait is the time spent in the queue, in case of an error too.
// The error is ErrFull, ErrDraining, or the cause of ctx's end.
func (g *Gate) Acquire(ctx context.Context) (release func(), wait time.Duration, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	start := time.Now()
	turn, place, err := g.enter()
	if err != nil {
		return nil, 0, err
	}
	if turn != nil {
		select {
		case err = <-turn:
		case <-ctx.Done():
			g.leave(turn, place)
			err = context.Cause(ctx)
		}
		wait = time.Since(start)
	}
	if err != nil {
		return nil, wait, err
	}
	got := time.Now()
	return sync.OnceFunc(func() { g.release(time.Since(got)) }), wait, nil
}

// enter takes a free slot (turn is nil) or the last place in the queue.
func (g *Gate) enter() (turn chan error, place *list.Element, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.draining:
		return nil, nil, ErrDraining
	case g.taken < g.slots:
		g.taken++
		return nil, nil, nil
	case g.waiting.Len() >= g.room:
		return nil, nil, ErrFull
	}
	turn = make(chan error, 1)
	return turn, g.waiting.PushBack(turn), nil
}

// leave gives up a place in the queue, and the slot if the turn came in the same moment.
func (g *Gate) leave(turn chan error, place *list.Element) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case err := <-turn:
		if err == nil {
			g.passOn()
		}
	default:
		g.waiting.Remove(place)
	}
}

func (g *Gate) release(held time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.hold == 0 {
		g.hold = held
	} else {
		g.hold += (held - g.hold) / 8
	}
	g.passOn()
}

// passOn gives a slot to the next in line. The lock is held.
func (g *Gate) passOn() {
	if next := g.waiting.Front(); next != nil {
		g.waiting.Remove(next).(chan error) <- nil
		return
	}
	g.taken--
}

// Drain starts no new run from here on and sends away those who wait. Runs that hold a slot
// are left alone.
func (g *Gate) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	for e := g.waiting.Front(); e != nil; e = g.waiting.Front() {
		g.waiting.Remove(e).(chan error) <- ErrDraining
	}
}

// Slots is how many runs there can be at once.
func (g *Gate) Slots() int { return g.slots }

// Room is how many can wait.
func (g *Gate) Room() int { return g.room }

// InFlight is how many slots are taken now.
func (g *Gate) InFlight() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken
}

// Depth is how many wait now.
func (g *Gate) Depth() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.waiting.Len()
}

// RetryAfter estimates when a newcomer would find a slot: the time in which all who are
// here now will have had theirs. It is whole seconds, from 1 s to 60 s.
func (g *Gate) RetryAfter() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	rounds := (g.waiting.Len() + g.slots) / g.slots
	d := time.Duration(rounds) * g.hold
	return min(max(d.Truncate(time.Second)+time.Second, time.Second), time.Minute)
}
