// Package admission bounds the runs: so many at once, so many that wait, and everybody else is told at once to come back later.
// The slots go round between the callers, so that one caller's queue does not delay another's runs. It knows neither HTTP nor
// jails.
package admission

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull says that every slot is taken and the queue is full too.
var ErrFull = errors.New("every slot is taken and the queue is full")

// ErrCallerFull says that the caller has as many runs waiting as one caller may have.
var ErrCallerFull = errors.New("the caller has as many runs waiting as it may have")

// ErrDraining says that no new run is started any more.
var ErrDraining = errors.New("no new run is started: draining")

// Caller is whom a run counts for.
type Caller struct {
	ID          string
	Concurrency int // runs at once; 0: no bound of its own
}

// Gate hands out slots: fairly between callers, first come, first served for each of them. See fair.go.
//
// It is not x/sync's semaphore because the bounds of the queue, the order in it, and the
// sending away of those who wait when the gate drains have to be decided under one lock.
type Gate struct {
	slots, room int
	perCaller   int // of the room, for one caller; 0: all of it

	mu       sync.Mutex
	taken    int
	line     line
	draining bool
	hold     mean // how long a slot is held
}

// New returns a gate with so many slots (at least 1) and room for so many that wait (0 is
// allowed: then nobody waits).
func New(slots, queue int) *Gate {
	return &Gate{slots: max(slots, 1), room: max(queue, 0), line: newLine()}
}

// BoundCallers sets how many runs of one caller may wait. It is called before the gate is used.
func (g *Gate) BoundCallers(queue int) { g.perCaller = queue }

// Acquire takes a slot for a caller, in its turn. The caller must call release when the run is over; a
// second call does nothing. wait is the time spent in the queue, in case of an error too.
// The error is ErrFull, ErrCallerFull, ErrDraining, or the cause of ctx's end.
func (g *Gate) Acquire(ctx context.Context, of Caller) (release func(), wait time.Duration, err error) {
	if ctx.Err() != nil {
		return nil, 0, context.Cause(ctx)
	}
	start := time.Now()
	t, err := g.enter(of)
	if err != nil {
		return nil, 0, err
	}
	if !t.started {
		select {
		case err = <-t.turn:
		case <-ctx.Done():
			g.leave(t)
			err = context.Cause(ctx)
		}
		wait = time.Since(start)
	}
	if err != nil {
		return nil, wait, err
	}
	got := time.Now()
	return sync.OnceFunc(func() { g.release(t, time.Since(got)) }), wait, nil
}

// enter takes a free slot, or a place in the queue.
func (g *Gate) enter(of Caller) (*ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return nil, ErrDraining
	}
	c := g.line.caller(of)
	g.handOutLocked() // the caller's bound may be higher than before, and some of its runs wait for that
	free := g.taken < g.slots
	switch {
	case free && c.able():
		g.taken++
		return &ticket{of: c, started: true, charged: g.line.start(c, g.hold)}, nil
	case g.perCaller > 0 && c.waiting.Len() >= g.perCaller:
		g.line.tidy(c)
		return nil, ErrCallerFull
	case g.line.waiting >= g.room:
		g.line.tidy(c)
		if free {
			return nil, ErrCallerFull // a slot is free, and the caller has as many runs as it may have at once
		}
		return nil, ErrFull
	}
	return g.line.enter(c), nil
}

// leave gives up a place in the queue, and the slot if the turn came in the same moment.
func (g *Gate) leave(t *ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case err := <-t.turn:
		if err == nil {
			g.taken--
			g.line.end(t, 0)
		}
	default:
		g.line.leave(t)
	}
	g.handOutLocked()
}

func (g *Gate) release(t *ticket, held time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold.add(held)
	t.of.hold.add(held)
	g.taken--
	g.line.end(t, held)
	g.handOutLocked()
}

// handOutLocked gives free slots to those who wait. Afterwards a slot is free only if all who wait are at the bound of their
// own concurrency.
func (g *Gate) handOutLocked() {
	for g.taken < g.slots {
		t := g.line.next(g.hold)
		if t == nil {
			return
		}
		g.taken++
		t.turn <- nil
	}
}

// Drain starts no new run from here on and sends away those who wait. Runs that hold a slot
// are left alone.
func (g *Gate) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	for _, t := range g.line.all() {
		g.line.leave(t)
		t.turn <- ErrDraining
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
	return g.line.waiting
}

// RetryAfter estimates when a newcomer would find a slot: the time in which all who are
// here now will have had theirs. It is whole seconds, from 1 s to 60 s.
func (g *Gate) RetryAfter() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	rounds := (g.line.waiting + g.slots) / g.slots
	d := time.Duration(rounds) * g.hold.value
	return min(max(d.Truncate(time.Second)+time.Second, time.Second), time.Minute)
}

// mean is a moving average of durations.
type mean struct {
	value time.Duration // 0 before the first
}

func (m *mean) add(d time.Duration) {
	if m.value == 0 {
		m.value = d
	} else {
		m.value += (d - m.value) / 8
	}
}
