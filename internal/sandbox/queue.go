package sandbox

import "sync"

// Queue is a Sink for one reader that may be slow. It delays the run only for as long as it takes to copy the output. Two
// bounds apply: the bytes of each stream that are passed on, and the bytes of all events that wait for the reader. Output
// beyond either bound is dropped and counted. A Queue is safe for concurrent use.
type Queue struct {
	ready chan struct{}

	mu      sync.Mutex
	room    int64 // bytes of output that may still be added
	bound   int64
	waiting []Event
	flows   map[Kind]*flow
}

// flow is the state of one stream.
type flow struct {
	left   int64 // bytes that may still be passed on
	passed int64 // bytes that were passed on
	lost   int64 // bytes dropped since the last event
}

// eventCost is the size that an event is counted with in addition to its data, in bytes.
const eventCost = 128

// NewQueue returns a queue that holds at most bound bytes and passes on at most stream bytes of each stream.
func NewQueue(bound, stream int64) *Queue {
	return &Queue{
		ready: make(chan struct{}, 1), room: bound, bound: bound,
		flows: map[Kind]*flow{Stdout: {left: stream}, Stderr: {left: stream}},
	}
}

// Event adds an event.
func (q *Queue) Event(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if f := q.flows[e.Kind]; f != nil {
		if !q.output(f, &e) {
			return
		}
	} else {
		q.waiting = append(q.waiting, e) // bounded: one started, one finished, and MaxDisplays displays, which the Outcome holds too
	}
	select {
	case q.ready <- struct{}{}:
	default: // the reader has been notified already
	}
}

// output adds as much of the output as there is room for and reports whether it added anything. The caller holds mu.
func (q *Queue) output(f *flow, e *Event) bool {
	last := q.last(e.Kind)
	room := q.room
	if last == nil || f.lost > 0 {
		last = nil
		room -= eventCost
	}
	data := Output{Kept: e.Data[:max(0, min(int64(len(e.Data)), room, f.left))], Total: int64(len(e.Data))}.Whole()
	lost := int64(len(e.Data) - len(data))
	defer func() { f.lost += lost }()
	if len(data) == 0 {
		return false
	}
	n := int64(len(data))
	f.left -= n
	f.passed += n
	q.room -= n
	if last != nil {
		last.Data = append(last.Data, data...)
		return true
	}
	q.room -= eventCost
	q.waiting = append(q.waiting, Event{Seq: e.Seq, At: e.At, Kind: e.Kind, Data: append([]byte(nil), data...), Lost: f.lost})
	f.lost = 0
	return true
}

// last returns the newest waiting event if it is of this kind, and nil otherwise. The caller holds mu.
func (q *Queue) last(kind Kind) *Event {
	if n := len(q.waiting); n > 0 && q.waiting[n-1].Kind == kind {
		return &q.waiting[n-1]
	}
	return nil
}

// Ready receives a value when there are events to take.
func (q *Queue) Ready() <-chan struct{} { return q.ready }

// Take returns the waiting events in order. Consecutive output of one stream that arrived since the last call is one event,
// with the time of its first byte.
func (q *Queue) Take() []Event {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.waiting
	q.waiting, q.room = nil, q.bound
	return taken
}

// Passed returns how many bytes of a stream were passed on.
func (q *Queue) Passed(stream Kind) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.flows[stream].passed
}
