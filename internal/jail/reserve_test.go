package jail

import (
	"sync/atomic"
	"testing"
)

// One loop reads the host's memory for all runs, as long as there are any. If memory is short, all runs are notified.
func TestReserve(t *testing.T) {
	var loops, looks atomic.Int64
	var left atomic.Int64
	left.Store(1)
	looked := make(chan struct{})
	ended := make(chan struct{})
	r := &reserve{open: func() (func() int64, func()) {
		loops.Add(1)
		return func() int64 {
			looks.Add(1)
			select {
			case looked <- struct{}{}:
			default:
			}
			return left.Load()
		}, func() { ended <- struct{}{} }
	}}
	var runs []<-chan struct{}
	for range 3 {
		short, leave := r.watch()
		defer leave()
		runs = append(runs, short)
	}
	_, leave := r.watch()
	leave() // a run that has left is not notified
	for range 3 {
		<-looked
	}
	for _, short := range runs {
		select {
		case <-short:
			t.Fatal("a run was told of a shortage that there is not")
		default:
		}
	}
	left.Store(-1)
	for _, short := range runs {
		<-short
	}
	<-ended
	if loops.Load() != 1 {
		t.Errorf("%d loops look at one host", loops.Load())
	}

	left.Store(1)
	_, leave = r.watch() // a later run starts a new loop, which ends when the last run leaves
	<-looked
	leave()
	<-ended
	if loops.Load() != 2 {
		t.Errorf("%d loops, want a second one", loops.Load())
	}
}

func TestAbove(t *testing.T) {
	const meminfo = "MemTotal:        1000 kB\nMemFree:          10 kB\nMemAvailable:     200 kB\n"
	for _, tt := range []struct {
		name, meminfo string
		part          float64
		want          int64
	}{
		{"enough", meminfo, .1, 100 << 10},
		{"just enough", meminfo, .2, 0},
		{"too little", meminfo, .25, -50 << 10},
		{"an empty file", "", .1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := above([]byte(tt.meminfo), tt.part); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}
