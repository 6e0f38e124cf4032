package sandbox

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestQueue(t *testing.T) {
	const cost = eventCost
	type write struct {
		kind Kind
		data string
	}
	take := write{kind: "take"}
	for _, tt := range []struct {
		name          string
		bound, stream int64
		writes        []write
		want          string // the events: kind, "-" and the bytes lost before it, and the data in parentheses
		passed        int64  // bytes of stdout that were passed on
	}{
		{"in order", 1000, 100, []write{{Started, ""}, {Stdout, "a"}, {Stderr, "b"}, {Stdout, "c"}, {Finished, ""}},
			"started stdout(a) stderr(b) stdout(c) finished", 2},
		{"output that waits is joined to one event", 1000, 100, []write{{Stdout, "a"}, {Stdout, "b"}, take, {Stdout, "c"}, {Stdout, "d"}},
			"stdout(ab) stdout(cd)", 4},
		{"output beyond the bound of a stream is dropped", 1000, 3, []write{{Stdout, "ab"}, {Stdout, "cd"}, take, {Stdout, "e"}, {Stderr, "f"}, {Finished, ""}},
			"stdout(abc) stderr(f) finished", 3},
		{"a stream of which nothing is passed on", 1000, 0, []write{{Stdout, "ab"}, {Finished, ""}}, "finished", 0},
		{"output beyond the bound of the queue is dropped and counted", cost + 3, 100, []write{{Stdout, "abcd"}, {Stdout, "e"}, take, {Stdout, "f"}, {Finished, ""}},
			"stdout(abc) stdout-2(f) finished", 4},
		{"a queue with room for the cost of an event but not for data", cost, 100, []write{{Stdout, "ab"}, take, {Stderr, "c"}}, "", 0},
		{"output after a loss is a new event", cost + 4, 100, []write{{Stdout, "ab€"}, {Stdout, "x"}, take, {Stdout, "y"}},
			"stdout(ab) stdout-4(y)", 3},
		{"characters stay whole", cost + 4, 100, []write{{Stdout, "ab€"}, take, {Stdout, "x"}}, "stdout(ab) stdout-3(x)", 3},
		{"bytes that are not UTF-8 are cut anywhere", cost + 4, 100, []write{{Stdout, "\xff\xff\xff\xff\xff"}}, "stdout(\xff\xff\xff\xff)", 4},
		{"the end always has room", 0, 100, []write{{Started, ""}, {Stdout, "x"}, {Finished, ""}}, "started finished", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := NewQueue(tt.bound, tt.stream)
			var got []string
			drain := func() {
				for _, e := range q.Take() {
					text := string(e.Kind)
					if e.Lost > 0 {
						text += fmt.Sprint("-", e.Lost)
					}
					if e.Data != nil {
						text += "(" + string(e.Data) + ")"
					}
					got = append(got, text)
				}
			}
			for _, w := range tt.writes {
				if w == take {
					drain()
					continue
				}
				q.Event(Event{Kind: w.kind, Data: []byte(w.data)})
			}
			drain()
			want := strings.Fields(tt.want)
			for i, e := range got { // events without data have none
				got[i] = strings.TrimSuffix(e, "()")
			}
			if fmt.Sprint(got) != fmt.Sprint(want) || q.Passed(Stdout) != tt.passed {
				t.Errorf("got %q, passed on %d", got, q.Passed(Stdout))
			}
		})
	}
}

// If the reader does not take events, Event does not block, and the queue holds at most its bound. A reader that takes them gets all output.
func TestQueueOfASlowReader(t *testing.T) {
	const chunk, chunks, bound = 1 << 10, 10_000, 64 << 10
	q := NewQueue(bound, 1<<40)
	data := []byte(strings.Repeat("x", chunk))
	for range chunks {
		q.Event(Event{Kind: Stdout, Data: data})
	}
	held := int64(0)
	for _, e := range q.Take() {
		held += int64(len(e.Data)) + eventCost
	}
	if held > bound || held < bound-chunk {
		t.Errorf("%d bytes wait, the bound is %d", held, bound)
	}
	data[0] = 'y' // the data is only valid during the call of Event
	var got int
	var wg sync.WaitGroup
	wg.Go(func() {
		for end := false; !end; {
			select {
			case <-q.Ready():
			case <-time.After(10 * time.Second):
				t.Error("Ready received no value after 10 s, but an event waits")
				return
			}
			for _, e := range q.Take() {
				got += len(e.Data)
				end = e.Kind == Finished
			}
		}
	})
	for range 50 {
		q.Event(Event{Kind: Stdout, Data: data})
	}
	q.Event(Event{Kind: Finished})
	wg.Wait()
	if got != 50*chunk {
		t.Errorf("got %d of %d", got, 50*chunk)
	}
}

func TestQueueKeepsItsOwnCopy(t *testing.T) {
	q := NewQueue(1000, 1000)
	data := []byte("a")
	q.Event(Event{Kind: Stdout, Data: data})
	data[0] = 'b'
	if got := q.Take(); string(got[0].Data) != "a" {
		t.Errorf("%q", got[0].Data)
	}
}
