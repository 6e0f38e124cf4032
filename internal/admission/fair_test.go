package admission

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a gate with runs of several callers, on synctest's clock.
type crowd struct {
	*Gate
	t    *testing.T
	mu   sync.Mutex
	came []string // callers whose runs have had a slot, in order
	held map[string]time.Duration
	now  map[string]int // runs that hold a slot
	most map[string]int
}

func newCrowd(t *testing.T, slots, queue int) *crowd {
	return &crowd{Gate: New(slots, queue), t: t, held: map[string]time.Duration{}, now: map[string]int{}, most: map[string]int{}}
}

// send starts runs of a caller with a given duration, and waits until each run holds a slot or waits for one.
func (c *crowd) send(of Caller, runs int, hold time.Duration) {
	for range runs {
		go c.run(of, hold)
		synctest.Wait() // so that the runs arrive in order
	}
}

func (c *crowd) run(of Caller, hold time.Duration) {
	release, _, err := c.Acquire(c.t.Context(), of)
	if errors.Is(err, ErrDraining) {
		return
	}
	if err != nil {
		c.t.Errorf("%s: %v", of.ID, err)
		return
	}
	c.mu.Lock()
	c.came = append(c.came, of.ID)
	c.now[of.ID]++
	c.most[of.ID] = max(c.most[of.ID], c.now[of.ID])
	c.mu.Unlock()
	time.Sleep(hold)
	c.mu.Lock()
	c.held[of.ID] += hold
	c.now[of.ID]--
	c.mu.Unlock()
	release()
}

// order returns the callers whose runs have had a slot, as "a b b".
func (c *crowd) order() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.came, " ")
}

// forget clears the recorded order.
func (c *crowd) forget() {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.came = nil
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.came)
}

// A thousand queued runs of one caller delay another caller's run until the next slot is free, and no further.
func TestThousandRunsOfOneCaller(t *testing.T) {
	for _, slots := range []int{1, 4} {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd(t, slots, 2000)
			c.send(Caller{ID: "many"}, 1000, time.Second)
			time.Sleep(10*time.Second + 500*time.Millisecond)
			synctest.Wait()
			before := c.count()
			begin := time.Now()
			c.run(Caller{ID: "one"}, 0)
			if waited := time.Since(begin); waited > 500*time.Millisecond {
				t.Errorf("%d slots: it waited for %v, and a slot was free after 500ms", slots, waited)
			}
			synctest.Wait()
			if at := slices.Index(strings.Fields(c.order()), "one"); at > before+slots-1 {
				t.Errorf("%d slots: %d runs of the other came before it", slots, at-before)
			}
			time.Sleep(1000 * time.Second)
			synctest.Wait()
			if c.count() != 1001 || c.InFlight() != 0 || c.Depth() != 0 || len(c.line.callers) != 0 {
				t.Errorf("%d runs had a slot; %d in flight, %d wait, callers %v", c.count(), c.InFlight(), c.Depth(), c.line.callers)
			}
		})
	}
}

func TestOrder(t *testing.T) {
	a, b, c := Caller{ID: "a"}, Caller{ID: "b"}, Caller{ID: "c"}
	for _, tt := range []struct {
		name string
		do   func(*crowd)
		want string
	}{
		{"one caller: first come, first served", func(s *crowd) { s.send(a, 4, time.Second) }, "a a a a"},
		{"two callers take turns", func(s *crowd) { s.send(a, 4, time.Second); s.send(b, 4, time.Second) }, "a b a b a b a b"},
		{"three callers", func(s *crowd) {
			s.send(a, 3, time.Second)
			s.send(b, 3, time.Second)
			s.send(c, 3, time.Second)
		}, "a b a c b a c b c"}, // the second newcomer waits for a run of the ring
		{"short runs count for what they take", func(s *crowd) {
			s.send(a, 3, 4*time.Second)
			s.send(b, 9, time.Second)
		}, "a b b b b a b b b b a b"},
		{"a caller that comes again is no newcomer", func(s *crowd) {
			s.send(a, 4, time.Second)
			s.send(b, 1, time.Second)
			time.Sleep(1500 * time.Millisecond) // b's run holds a slot
			s.send(b, 3, time.Second)
		}, "a b a b a b a b"},
		{"newcomers do not starve others", func(s *crowd) {
			s.send(a, 4, time.Second)
			for i := range 6 {
				s.send(Caller{ID: fmt.Sprint("n", i)}, 1, time.Second)
			}
		}, "a n0 a n1 a n2 a n3 n4 n5"},
		{"the last caller's debt is forgiven when nobody waits", func(s *crowd) {
			s.send(a, 50, time.Second)
			time.Sleep(time.Minute)
			s.forget()
			s.send(c, 1, time.Second)
			s.send(b, 2, time.Second)
			s.send(a, 2, time.Second)
		}, "c b a b a"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newCrowd(t, 1, 100)
				tt.do(s)
				time.Sleep(time.Hour)
				synctest.Wait()
				if got := s.order(); got != tt.want {
					t.Errorf("order %s\nwant  %s", got, tt.want)
				}
			})
		})
	}
}

// Callers whose queues do not run empty get equal slot time, whatever the duration of their runs.
func TestSlotTimeIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(t, 3, 10_000)
		takes := map[string]time.Duration{"print": 50 * time.Millisecond, "second": time.Second, "loop": 5 * time.Second}
		for id, hold := range takes {
			for range int(300 * time.Second / hold) {
				go s.run(Caller{ID: id}, hold)
			}
		}
		time.Sleep(200 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		shares := maps.Clone(s.held)
		s.mu.Unlock()
		for id := range takes {
			if held := shares[id]; held < 185*time.Second || held > 215*time.Second {
				t.Errorf("%s has had %v of a slot, want about 200s", id, held)
			}
		}
		s.Drain()
		time.Sleep(time.Minute)
		synctest.Wait()
	})
}

// A caller at its concurrency waits although slots are free, and leaves those slots to other callers.
func TestConcurrencyOfACaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(t, 4, 100)
		s.send(Caller{ID: "two", Concurrency: 2}, 6, time.Second)
		if s.InFlight() != 2 || s.Depth() != 4 {
			t.Errorf("%d in flight, %d wait", s.InFlight(), s.Depth())
		}
		s.send(Caller{ID: "any"}, 6, time.Second)
		if s.InFlight() != 4 || s.Depth() != 8 {
			t.Errorf("with another caller: %d in flight, %d wait", s.InFlight(), s.Depth())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.count() != 12 || s.most["two"] != 2 || s.InFlight() != 0 || len(s.line.callers) != 0 {
			t.Errorf("%d runs, %d of the bounded caller at once; left are %d and %v", s.count(), s.most["two"], s.InFlight(), s.line.callers)
		}
	})
}

// When a caller's concurrency is raised, for example by a reload of the keys, its waiting runs start.
func TestRaisedConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newCrowd(t, 4, 100)
		s.send(Caller{ID: "a", Concurrency: 1}, 4, time.Minute)
		s.send(Caller{ID: "a", Concurrency: 3}, 1, time.Minute)
		if s.InFlight() != 3 || s.Depth() != 2 {
			t.Errorf("%d in flight, %d wait", s.InFlight(), s.Depth())
		}
		time.Sleep(time.Hour) // until all have ended
		synctest.Wait()
	})
}

func TestWhoseBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 3)
		g.BoundCallers(2)
		ctx, cancel := context.WithCancel(t.Context())
		enter := func(of Caller) {
			go func() { _, _, _ = g.Acquire(ctx, of) }()
			synctest.Wait()
		}
		refused := func(of Caller, want error) {
			t.Helper()
			if _, _, err := g.Acquire(ctx, of); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", of.ID, err, want)
			}
		}
		a, b := Caller{ID: "a"}, Caller{ID: "b"}
		enter(a)
		enter(a)
		enter(a)
		refused(a, ErrCallerFull)
		enter(b)
		refused(b, ErrFull)
		refused(Caller{ID: "c"}, ErrFull)
		refused(a, ErrCallerFull)
		cancel()
		synctest.Wait()

		g = New(2, 0)
		ctx = t.Context()
		single := Caller{ID: "single", Concurrency: 1}
		enter(single)
		refused(single, ErrCallerFull) // a slot is free
		enter(b)
		refused(a, ErrFull)
	})
}

// After any sequence of arrivals, ends and cancellations, no slot is lost and no caller is kept.
func TestNothingIsLostInACrowd(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, 1))
			g := New(1+dice.IntN(4), dice.IntN(30))
			g.BoundCallers(dice.IntN(10))
			var running sync.Map
			for range 500 {
				of := Caller{ID: fmt.Sprint(dice.IntN(8)), Concurrency: dice.IntN(3)}
				after, hold, patience := dice.IntN(3000), dice.IntN(200), dice.IntN(1000)
				go func() {
					time.Sleep(time.Duration(after) * time.Millisecond)
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(patience)*time.Millisecond)
					defer cancel()
					release, _, err := g.Acquire(ctx, of)
					if err != nil {
						return
					}
					running.Store(&after, true)
					time.Sleep(time.Duration(hold) * time.Millisecond)
					running.Delete(&after)
					release()
				}()
			}
			for range 400 {
				time.Sleep(10 * time.Millisecond)
				synctest.Wait()
				n := 0
				running.Range(func(any, any) bool { n++; return true })
				g.mu.Lock()
				if n != g.taken || n > g.slots || g.line.waiting > g.room || len(g.line.all()) != g.line.waiting {
					t.Errorf("%d run, %d slots of %d are taken, %d wait, %d are in a list", n, g.taken, g.slots, g.line.waiting, len(g.line.all()))
				}
				g.mu.Unlock()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if g.taken != 0 || g.line.waiting != 0 || len(g.line.callers) != 0 || g.line.ring.Len()+g.line.fresh.Len()+g.line.resting.Len() != 0 {
				t.Errorf("seed %d: %d slots are taken, %d wait, callers %v", seed, g.taken, g.line.waiting, g.line.callers)
			}
		})
	}
}

// The number of callers kept for a debt is bounded, even while others wait.
func TestDebtsAreBounded(t *testing.T) {
	g := New(2, 10)
	enter := func(of Caller) *ticket {
		t.Helper()
		ticket, err := g.enter(of)
		if err != nil {
			t.Fatal(err)
		}
		return ticket
	}
	// One run always waits without getting a slot: its caller is at its concurrency.
	bounded := Caller{ID: "bounded", Concurrency: 1}
	enter(bounded)
	enter(bounded)
	holder := enter(Caller{ID: "first"})
	for i := range 3 * maxResting {
		next := enter(Caller{ID: fmt.Sprint(i)})
		g.release(holder, time.Hour)
		if len(next.turn) != 1 {
			t.Fatalf("newcomer %d does not have the free slot", i)
		}
		holder = next
	}
	if n := len(g.line.callers); n < maxResting || n > maxResting+g.room+g.slots {
		t.Errorf("%d callers are remembered, want about %d", n, maxResting)
	}
	if g.line.callers["bounded"] == nil || g.line.callers["bounded"].running != 1 {
		t.Error("a caller with a run is forgotten")
	}
}
