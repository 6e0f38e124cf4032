package v1

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// Head has the fields of all events.
type Head struct {
	Event string  `json:"event" enum:"started,stdout,stderr,display,finished,error"`
	Seq   int64   `json:"seq" minimum:"0" doc:"From 0, without a gap."`
	At    float64 `json:"at_seconds" minimum:"0" doc:"Since the program was started."`
}

// StartedEvent reports that the program has started. A program that the policy rejects has no such event.
type StartedEvent struct {
	Head
	ID string `json:"id" doc:"The name of the run."`
}

// OutputEvent has text that the program wrote to stdout or stderr.
type OutputEvent struct {
	Head
	LostBytes int64  `json:"lost_bytes,omitempty" minimum:"1" doc:"Bytes of the stream that were lost before these, because they were not read in time."`
	Text      string `json:"text" doc:"Whole characters. Bytes that are not UTF-8 become U+FFFD."`
}

// DisplayEvent has a display of the program.
type DisplayEvent struct {
	Head
	Display
}

// FinishedEvent is the last event of a run.
type FinishedEvent struct {
	Head
	Outcome
	Files []OutputFile `json:"files" nullable:"false" doc:"Files that collect names, sorted by path."`
}

// ErrorEvent is the last event if the run was refused or its sandbox failed.
type ErrorEvent struct {
	Head
	Problem Problem `json:"problem"`
}

const (
	// mostQueued is the maximum size of the events that wait for the reader of a stream, in bytes. Events of the same size may be
	// in the process of being written.
	mostQueued = 1 << 20

	// beatEvery is the interval of the comments in a stream of server-sent events, which keep proxies from closing it.
	beatEvery = 10 * time.Second
)

// stream writes events to the answer while the program runs. It returns an error that occurs before the first event or comment, so that the
// answer can have the status of the error.
func (a *API) stream(ctx context.Context, w http.ResponseWriter, format string, run service.Request, limits sandbox.Limits, call Call) error {
	to := &client{w: w, control: http.NewResponseController(w), patience: a.cfg.WriteTimeout, format: format}
	return a.follow(ctx, to, format, run, limits, call)
}

// follow writes the events of a run to a transport while the program runs. It returns an error that occurs before the first event or comment.
// format is the value of the label for the kind of stream in the metrics.
func (a *API) follow(ctx context.Context, to transport, format string, run service.Request, limits sandbox.Limits, call Call) error {
	bound := min(2*limits.Output, mostQueued) + 1<<10 // 1 KiB for events without data
	run.Held = 2 * bound
	queue := sandbox.NewQueue(bound, limits.Output)
	id := run.Run
	out := &stream{
		to: to, format: format, run: id,
		tails: map[sandbox.Kind][]byte{}, began: a.cfg.Metrics.StreamBegan, lost: a.cfg.Metrics.StreamLost,
		outcome: func(o *sandbox.Outcome) Outcome {
			return a.outcome(id, o, limits, queue.Passed(sandbox.Stdout), queue.Passed(sandbox.Stderr))
		},
	}
	defer out.close()
	running, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan ended, 1)
	go a.runFor(running, run, queue, done)
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		select {
		case <-queue.Ready():
			out.events(queue.Take())
		case <-beat.C:
			out.beat()
		case end := <-done:
			call.release()
			return out.end(queue, end, call, ctx.Err() != nil)
		}
		if out.failed() { // the client no longer reads
			cancel()
			end := <-done
			end.reply.close()
			return service.ErrGone
		}
	}
}

// ended is the result of runFor.
type ended struct {
	reply    closer
	err      error
	panicked any
}

// closer is a reply, or nil.
type closer struct{ *service.Reply }

func (c closer) close() {
	if c.Reply != nil {
		c.Close()
	}
}

// runFor runs a program for a stream. It recovers a panic and passes it on, so that stream panics in the goroutine of the request.
func (a *API) runFor(ctx context.Context, run service.Request, queue *sandbox.Queue, done chan<- ended) {
	var end ended
	defer func() {
		if thrown := recover(); thrown != nil {
			end.panicked = fmt.Sprintf("%v\n%s", thrown, debug.Stack())
		}
		done <- end
	}()
	reply, err := a.cfg.Service.Run(ctx, run, queue)
	end.reply, end.err = closer{reply}, invalid(err)
}

// transport carries the events of one stream to the client.
type transport interface {
	begin()                                 // is called before the first event or beat
	event(name string, seq int64) io.Writer // returns the writer for the JSON of an event
	endEvent()
	flush()
	beats() bool // whether the transport has beats, which keep the connection open while there are no events
	beat()       // writes a beat
	lastCall()   // sets the deadline for all remaining writes
	failed() bool
}

// stream writes events.
type stream struct {
	to      transport
	format  string
	run     string
	outcome func(*sandbox.Outcome) Outcome
	began   func(format string) (ended func())
	lost    func(stream string, bytes int64)

	ended func() // nil before the first byte
	seq   int64
	tails map[sandbox.Kind][]byte // for each stream, an incomplete character at the end of the output so far
	last  time.Duration
}

// end writes the remaining events after the end of the run, unless the client has closed the connection.
func (s *stream) end(queue *sandbox.Queue, end ended, call Call, gone bool) error {
	defer end.reply.close()
	s.to.lastCall()
	switch {
	case end.panicked != nil:
		panic(end.panicked)
	case end.err != nil && s.ended == nil:
		return end.err
	case end.err != nil:
		problem := call.Explain(end.err)
		if problem == nil {
			return service.ErrGone
		}
		s.events(queue.Take())
		s.fail(problem)
		return nil
	case gone && end.reply.Verdict == sandbox.Cancelled:
		return service.ErrGone
	}
	s.events(queue.Take())
	return nil
}

// fail writes the last event of a run that could not be carried out.
func (s *stream) fail(problem *Error) {
	s.write("error", s.last, func(head Head, w *jsonout.Writer) { w.Raw(object(ErrorEvent{head, problem.Problem()})) })
	s.to.flush()
}

// events writes events and flushes them.
func (s *stream) events(events []sandbox.Event) {
	if s.failed() {
		return
	}
	for _, e := range events {
		s.last = e.At
		switch e.Kind {
		case sandbox.Started:
			s.write("started", e.At, func(head Head, w *jsonout.Writer) { w.Raw(object(StartedEvent{head, s.run})) })
		case sandbox.Finished:
			for _, kind := range []sandbox.Kind{sandbox.Stdout, sandbox.Stderr} {
				s.rest(kind, e.At)
			}
			s.write("finished", e.At, func(head Head, w *jsonout.Writer) {
				w.Raw(object(struct {
					Head
					Outcome
				}{head, s.outcome(e.Outcome)}))
				w.Raw(",")
				writeFiles(w, e.Outcome.Files)
			})
		case sandbox.Shown:
			s.write("display", e.At, func(head Head, w *jsonout.Writer) {
				writeDisplay(w, object(struct {
					Head
					Display
				}{head, displayHead(*e.Display)}), *e.Display)
			})
		default:
			s.output(e)
		}
	}
	s.to.flush()
}

// output writes output in whole characters. It keeps an incomplete character at the end until the rest arrives.
func (s *stream) output(e sandbox.Event) {
	data := append(s.tails[e.Kind], e.Data...)
	if e.Lost > 0 {
		s.lost(string(e.Kind), e.Lost)
		s.rest(e.Kind, e.At) // the rest of the character is lost
		data = e.Data
	}
	now := whole(data)
	s.tails[e.Kind] = data[len(now):]
	if len(now) > 0 || e.Lost > 0 {
		s.text(e.Kind, e.At, e.Lost, now)
	}
}

// rest writes the incomplete character of a stream, when its rest will not arrive.
func (s *stream) rest(kind sandbox.Kind, at time.Duration) {
	tail := s.tails[kind]
	s.tails[kind] = nil
	if len(tail) > 0 {
		s.text(kind, at, 0, tail)
	}
}

func (s *stream) text(kind sandbox.Kind, at time.Duration, lost int64, text []byte) {
	s.write(string(kind), at, func(head Head, w *jsonout.Writer) {
		w.Raw(object(head))
		if lost > 0 {
			w.Raw(`,"lost_bytes":` + strconv.FormatInt(lost, 10))
		}
		w.Raw(`,"text":"`)
		w.Text(text)
		w.Raw(`"`)
	})
}

// write writes one event. body writes the JSON object without its closing brace.
func (s *stream) write(name string, at time.Duration, body func(Head, *jsonout.Writer)) {
	s.begin()
	w := jsonout.New(s.to.event(name, s.seq))
	body(Head{name, s.seq, at.Seconds()}, w)
	w.Raw("}")
	_ = w.Flush() // the transport keeps its error
	s.to.endEvent()
	s.seq++
}

// beat writes a beat, so that no proxy closes the connection for inactivity.
func (s *stream) beat() {
	if s.to.beats() {
		s.begin()
		s.to.beat()
	}
}

// begin begins the answer before the first event.
func (s *stream) begin() {
	if s.ended == nil {
		s.ended = s.began(s.format)
		s.to.begin()
	}
}

func (s *stream) failed() bool { return s.to.failed() }

func (s *stream) close() {
	if s.ended != nil {
		s.ended()
	}
}
