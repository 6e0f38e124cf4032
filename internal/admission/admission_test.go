package admission

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// taken acquires a slot that must be free.
func taken(t *testing.T, g *Gate) (release func()) {
	t.Helper()
	release, wait, err := g.Acquire(t.Context(), Caller{})
	if err != nil || wait != 0 {
		t.Fatalf("Acquire = wait %v, %v; want a free slot", wait, err)
	}
	return release
}

func TestSlotsThenQueueThenFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(2, 1)
		first, second := taken(t, g), taken(t, g)

		waited := make(chan time.Duration)
		go func() {
			release, wait, err := g.Acquire(t.Context(), Caller{})
			if err != nil {
				t.Errorf("queued Acquire: %v", err)
			} else {
				defer release()
			}
			waited <- wait
		}()
		synctest.Wait()
		if got := g.Depth(); got != 1 {
			t.Errorf("Depth = %d, want 1", got)
		}
		if _, _, err := g.Acquire(t.Context(), Caller{}); !errors.Is(err, ErrFull) {
			t.Errorf("Acquire with a full queue = %v, want ErrFull", err)
		}
		time.Sleep(3 * time.Second) // synctest's clock: no real time passes
		first()
		if got := <-waited; got != 3*time.Second {
			t.Errorf("wait = %v, want 3s", got)
		}
		second()
		synctest.Wait()
		if g.InFlight() != 0 || g.Depth() != 0 {
			t.Errorf("InFlight = %d, Depth = %d after all released", g.InFlight(), g.Depth())
		}
	})
}

func TestFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 10)
		release := taken(t, g)
		var order []int
		var mu sync.Mutex
		for i := range 10 {
			go func() {
				release, _, err := g.Acquire(t.Context(), Caller{})
				if err != nil {
					t.Errorf("Acquire %d: %v", i, err)
					return
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				release()
			}()
			synctest.Wait() // so that i is in the queue before i+1
		}
		release()
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("order = %v", order)
			}
		}
		if len(order) != 10 {
			t.Fatalf("%d of 10 had their turn", len(order))
		}
	})
}

func TestClientThatGoesAwayLosesItsPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 2)
		release := taken(t, g)
		gone := errors.New("client gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		errs := make(chan error, 1)
		go func() {
			_, _, err := g.Acquire(ctx, Caller{})
			errs <- err
		}()
		synctest.Wait()
		cancel(gone)
		if err := <-errs; !errors.Is(err, gone) {
			t.Errorf("Acquire = %v, want the cause", err)
		}
		if got := g.Depth(); got != 0 {
			t.Errorf("Depth = %d, want 0", got)
		}
		release()
		taken(t, g)()
		if _, _, err := g.Acquire(ctx, Caller{}); !errors.Is(err, gone) {
			t.Errorf("Acquire with an ended context = %v", err)
		}
	})
}

// If a run gets a slot while its client leaves, no slot is lost.
func TestNoSlotIsLostBetweenTurnAndDeparture(t *testing.T) {
	g := New(1, 1)
	for range 2000 {
		release, _, err := g.Acquire(t.Context(), Caller{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if release, _, err := g.Acquire(ctx, Caller{}); err == nil {
				release()
			}
		})
		for g.Depth() == 0 {
			// until the other run is in the queue
		}
		wg.Go(cancel)
		wg.Go(release)
		wg.Wait()
		if g.InFlight() != 0 || g.Depth() != 0 {
			t.Fatalf("InFlight = %d, Depth = %d", g.InFlight(), g.Depth())
		}
	}
}

func TestReleaseTwiceFreesOneSlot(t *testing.T) {
	g := New(2, 0)
	release := taken(t, g)
	taken(t, g)
	release()
	release()
	if got := g.InFlight(); got != 1 {
		t.Errorf("InFlight = %d, want 1", got)
	}
}

func TestDrainSendsTheQueueAwayAndLeavesRunsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(1, 5)
		release := taken(t, g)
		errs := make(chan error, 3)
		for range 3 {
			go func() {
				_, _, err := g.Acquire(t.Context(), Caller{})
				errs <- err
			}()
		}
		synctest.Wait()
		g.Drain()
		for range 3 {
			if err := <-errs; !errors.Is(err, ErrDraining) {
				t.Errorf("queued Acquire = %v, want ErrDraining", err)
			}
		}
		if g.InFlight() != 1 {
			t.Errorf("InFlight = %d, want the one run", g.InFlight())
		}
		release()
		if _, _, err := g.Acquire(t.Context(), Caller{}); !errors.Is(err, ErrDraining) {
			t.Errorf("Acquire = %v, want ErrDraining", err)
		}
	})
}

func TestRetryAfterFollowsTheLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(2, 100)
		if got := g.RetryAfter(); got != time.Second {
			t.Errorf("RetryAfter of an idle gate = %v, want 1s", got)
		}
		release := taken(t, g)
		time.Sleep(4 * time.Second)
		release()
		a, b := taken(t, g), taken(t, g)
		if got := g.RetryAfter(); got != 5*time.Second {
			t.Errorf("RetryAfter with full slots = %v, want 5s", got)
		}
		ctx, cancel := context.WithCancel(t.Context())
		for range 100 {
			go func() { _, _, _ = g.Acquire(ctx, Caller{}) }()
		}
		synctest.Wait()
		if got := g.RetryAfter(); got != time.Minute {
			t.Errorf("RetryAfter with a long queue = %v, want its cap", got)
		}
		cancel()
		synctest.Wait()
		a()
		b()
	})
}
