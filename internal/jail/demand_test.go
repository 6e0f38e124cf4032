package jail

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The pool keeps one jail more than were taken in the busiest second of the last minute.
func TestDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(5, nil)
		want := func(n int, when string) {
			t.Helper()
			if got := p.want(false); got != n {
				t.Errorf("%s: wants %d, not %d", when, got, n)
			}
			if got := p.want(true); got != 0 {
				t.Errorf("%s, short of memory: wants %d", when, got)
			}
		}
		want(1, "idle")
		p.take()
		want(2, "after one run")
		for range 2 {
			time.Sleep(time.Second)
			p.take()
		}
		want(2, "after one each second")
		for range 3 {
			p.take()
		}
		want(5, "after four in a second")
		for range 100 {
			p.take()
		}
		want(5, "after more than there may be")
		time.Sleep(58 * time.Second)
		want(5, "within the minute")
		time.Sleep(2 * time.Second)
		want(1, "a minute after")
		p.take()
		time.Sleep(time.Hour)
		want(1, "an hour after")
	})
}

// If no jail starts, the pool first tries as many as it starts at once, and then one every 0.9 s.
func TestPoolBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var starts atomic.Int64
		p := newPool(5, func() (*jail, error) {
			starts.Add(1)
			return nil, errors.New("no")
		})
		p.open()
		for range 100 { // runs, each of which wakes the pool
			p.take()
			time.Sleep(100 * time.Millisecond)
		}
		p.close()
		if n, most := starts.Load(), int64(min(5, runtime.NumCPU())+11); n < 5 || n > most {
			t.Errorf("%d starts in 10 seconds, more than %d", n, most)
		}
	})
}
