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
		want          string // of each event: kind, what was lost before it, data
		passed        int64  // of stdout
	}{
		{"in order", 1000, 100, []write{{Started, ""}, {Stdout, "a"}, {Stderr, "b"}, {Stdout, "c"}, {Finished, ""}},
			"started stdout(a) stderr(b) stdout(c) finished", 2},
		{"what nobody takes is one event", 1000, 100, []write{{Stdout, "a"}, {Stdout, "b"}, take, {Stdout, "c"}, {Stdout, "d"}},
			"stdout(ab) stdout(cd)", 4},
		{"beyond what is passed on of a stream", 1000, 3, []write{{Stdout, "ab"}, {Stdout, "cd"}, take, {Stdout, "e"}, {Stderr, "f"}, {Finished, ""}},
			"stdout(abc) stderr(f) finished", 3},
		{"nothing is passed on", 1000, 0, []write{{Stdout, "ab"}, {Finished, ""}}, "finished", 0},
		{"beyond the bound", cost + 3, 100, []write{{Stdout, "abcd"}, {Stdout, "e"}, take, {Stdout, "f"}, {Finished, ""}},
			"stdout(abc) stdout-2(f) finished", 4},
		{"an event that has no room", cost, 100, []write{{Stdout, "ab"}, take, {Stderr, "c"}}, "", 0},
		{"after a loss nothing is added to what came before it", cost + 4, 100, []write{{Stdout, "ab€"}, {Stdout, "x"}, take, {Stdout, "y"}},
			"stdout(ab) stdout-4(y)", 3},
		{"characters stay whole", cost + 4, 100, []write{{Stdout, "ab€"}, take, {Stdout, "x"}}, "stdout(ab) stdout-3(x)", 3},
		{"what is no character is bytes", cost + 4, 100, []write{{Stdout, "\xff\xff\xff\xff\xff"}}, "stdout(\xff\xff\xff\xff)", 4},
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

// A reader that does not read holds nobody up and keeps no more than the bound; one that reads gets everything.
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
	data[0] = 'y' // the event's data is valid for the time of the call only
	var got int
	var wg sync.WaitGroup
	wg.Go(func() {
		for end := false; !end; {
			select {
			case <-q.Ready():
			case <-time.After(10 * time.Second):
				t.Error("nobody said that there is something to take")
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
