package sandbox

import (
	"sync"
	"time"
)

// Kind is what an Event tells.
type Kind string

const (
	Started  Kind = "started"  // the program runs from now on
	Stdout   Kind = "stdout"   // it wrote Event.Data
	Stderr   Kind = "stderr"   // likewise
	Finished Kind = "finished" // it has ended: Event.Outcome. The last event, and the only one of a program that was not run
)

// Event is something that happens in a run.
type Event struct {
	Seq     int64         // from 0, without a gap
	At      time.Duration // since the program was started
	Kind    Kind
	Data    []byte   // of Stdout and Stderr; only valid until Sink.Event returns
	Outcome *Outcome // of Finished
}

// Sink takes the events of a run, one at a time, in their order. It holds up the program while it does: one for readers that
// may be slow keeps what it gets in bounds of its own, and returns.
type Sink interface {
	Event(Event)
}

// Stream numbers the events of one run for a Sink. Its methods may be called from several goroutines, and on nil, which
// nobody listens to.
type Stream struct {
	sink Sink

	mu      sync.Mutex
	next    int64
	started time.Time
}

// NewStream returns a stream to a sink, nil for nil.
func NewStream(to Sink) *Stream {
	if to == nil {
		return nil
	}
	return &Stream{sink: to}
}

// Start says that the program runs from now on.
func (s *Stream) Start() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

// Output says what the program wrote, to Stdout or Stderr. It may come before Start: the one is noticed by whoever reads
// the stream, the other by whoever started the program.
func (s *Stream) Output(kind Kind, data []byte) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.send(Event{Kind: kind, Data: data})
}

// Finish says how it ended.
func (s *Stream) Finish(o *Outcome) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.send(Event{Kind: Finished, Outcome: o})
}

func (s *Stream) start() {
	if s.started.IsZero() {
		s.started = time.Now()
		s.send(Event{Kind: Started})
	}
}

func (s *Stream) send(e Event) {
	e.Seq = s.next
	s.next++
	if !s.started.IsZero() {
		e.At = time.Since(s.started)
	}
	s.sink.Event(e)
}
