package sandbox

import (
	"sync"
	"time"
)

// Kind says what an Event reports.
type Kind string

// The kinds of events of a run.
const (
	Started  Kind = "started"  // the program has started
	Stdout   Kind = "stdout"   // the program wrote Event.Data to standard output
	Stderr   Kind = "stderr"   // the program wrote Event.Data to standard error
	Shown    Kind = "display"  // the program displayed Event.Display
	Finished Kind = "finished" // the run has ended with Event.Outcome; the last event, and the only one of a rejected program
)

// Event is something that happens in a run.
type Event struct {
	Seq     int64         // number of the event, from 0, without a gap
	At      time.Duration // since the program was started
	Kind    Kind
	Data    []byte   // of Stdout and Stderr; only valid until Sink.Event returns
	Lost    int64    // bytes of the stream that a Queue dropped before Data
	Display *Display // of Shown
	Outcome *Outcome // of Finished
}

// Sink receives the events of a run, one at a time and in order. Event delays the program until it returns. A sink for a
// reader that may be slow must therefore buffer the events, bound its buffer, and return at once.
type Sink interface {
	Event(Event)
}

// Stream numbers the events of one run and passes them to a Sink. It is safe for concurrent use. The methods of a nil Stream
// do nothing.
type Stream struct {
	sink Sink

	mu      sync.Mutex
	next    int64
	started time.Time
}

// NewStream returns a stream to a sink, or nil if the sink is nil.
func NewStream(to Sink) *Stream {
	if to == nil {
		return nil
	}
	return &Stream{sink: to}
}

// Start reports that the program has started.
func (s *Stream) Start() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
}

// Output reports what the program wrote to Stdout or Stderr. Output may be called before Start, since different goroutines
// read the streams and start the program. It then reports the start first.
func (s *Stream) Output(kind Kind, data []byte) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.send(Event{Kind: kind, Data: data})
}

// Display reports a display of the program.
func (s *Stream) Display(d *Display) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.start()
	s.send(Event{Kind: Shown, Display: d})
}

// Finish reports the outcome.
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
