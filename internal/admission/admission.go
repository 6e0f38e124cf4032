// Package admission bounds the number of concurrent runs and of waiting runs. It refuses further runs immediately. Slots are shared
// fairly between callers, so one caller's queue does not delay another caller's runs. It knows neither HTTP nor jails.
package admission

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrFull means that all slots are taken and the queue is full.
var ErrFull = errors.New("every slot is taken and the queue is full")

// ErrCallerFull means that the caller is at its bound of waiting runs, or at its concurrency while the queue is full.
var ErrCallerFull = errors.New("the caller has as many runs waiting as it may have")

// ErrDraining means that the gate starts no new runs.
var ErrDraining = errors.New("no new run is started: draining")

// Caller is the caller to which a run is attributed.
type Caller struct {
	ID          string
	Concurrency int // maximum number of concurrent runs; 0: no bound
}

// Gate assigns slots: fairly between callers, and in order of arrival for each caller. See fair.go.
//
// It does not use x/sync's semaphore because the queue's bounds, its order and draining must be decided under one lock.
type Gate struct {
	slots, room int
	perCaller   int // maximum number of waiting runs of one caller; 0: room

	mu       sync.Mutex
	taken    int
	line     line
	draining bool
	hold     mean // mean time for which a run holds a slot
}

// New returns a gate with this number of slots (at least 1) and of waiting runs (0: no run waits).
func New(slots, queue int) *Gate {
	return &Gate{slots: max(slots, 1), room: max(queue, 0), line: newLine()}
}

// BoundCallers sets the maximum number of waiting runs of one caller. It must be called before the gate is used.
func (g *Gate) BoundCallers(queue int) { g.perCaller = queue }

// Acquire waits for a slot. The slot is held until release is called; a second call does nothing. wait is the time spent in the
// queue, also if there is an error. The error is ErrFull, ErrCallerFull, ErrDraining, or the cause of ctx's end.
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

// enter takes a free slot or joins the queue.
func (g *Gate) enter(of Caller) (*ticket, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draining {
		return nil, ErrDraining
	}
	c := g.line.caller(of)
	g.handOutLocked() // the caller's bound may have been raised, so that its waiting runs can start
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
			return nil, ErrCallerFull // a slot is free, but the caller is at its concurrency
		}
		return nil, ErrFull
	}
	return g.line.enter(c), nil
}

// leave removes a run from the queue. If the run was given a slot concurrently, leave frees the slot.
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

// handOutLocked gives free slots to waiting runs. Afterwards a slot is free only if every caller with a waiting run is at its
// concurrency.
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

// Drain makes the gate refuse new runs, and ends all waits with ErrDraining. Runs that hold a slot continue.
func (g *Gate) Drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	for _, t := range g.line.all() {
		g.line.leave(t)
		t.turn <- ErrDraining
	}
}

// Slots returns the number of slots.
func (g *Gate) Slots() int { return g.slots }

// Room returns the maximum number of waiting runs.
func (g *Gate) Room() int { return g.room }

// InFlight returns the number of taken slots.
func (g *Gate) InFlight() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken
}

// Depth returns the number of waiting runs.
func (g *Gate) Depth() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.line.waiting
}

// RetryAfter estimates when a new run would get a slot: after all current runs. It returns whole seconds, from 1 s to 60 s.
func (g *Gate) RetryAfter() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	rounds := (g.line.waiting + g.slots) / g.slots
	d := time.Duration(rounds) * g.hold.value
	return min(max(d.Truncate(time.Second)+time.Second, time.Second), time.Minute)
}

// mean is a moving average of durations.
type mean struct {
	value time.Duration // 0 before the first duration
}

func (m *mean) add(d time.Duration) {
	if m.value == 0 {
		m.value = d
	} else {
		m.value += (d - m.value) / 8
	}
}
