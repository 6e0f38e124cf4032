package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
)

// Kind is the kind of an Event.
type Kind string

// The kinds of events.
const (
	Started  Kind = "started"  // the program has started; a program that is rejected has no such event
	Stdout   Kind = "stdout"   // the program wrote Event.Text
	Stderr   Kind = "stderr"   // the program wrote Event.Text to standard error
	Shown    Kind = "display"  // the program showed Event.Display
	Finished Kind = "finished" // the run has ended, with Event.Outcome; the last event

	failed Kind = "error" // the run failed; Stream returns the problem as an error
)

// Event is something that happens in a run.
type Event struct {
	Kind      Kind
	Seq       int64   // from 0, without a gap
	AtSeconds float64 // since the program was started

	ID        string       // of Started and Finished: the id of the run
	Text      string       // of Stdout and Stderr: whole characters; bytes that are not UTF-8 are U+FFFD
	LostBytes int64        // of Stdout and Stderr: bytes before Text that were lost, because this client read too slowly
	Display   *Display     // of Shown
	Outcome   *Outcome     // of Finished
	Files     []OutputFile // of Finished
}

// The events as the service sends them.
type (
	head struct {
		Event     Kind    `json:"event"`
		Seq       int64   `json:"seq"`
		AtSeconds float64 `json:"at_seconds"`
	}
	startedEvent struct {
		head
		ID string `json:"id"`
	}
	outputEvent struct {
		head
		LostBytes int64  `json:"lost_bytes,omitempty"`
		Text      string `json:"text"`
	}
	displayEvent struct {
		head
		Display
	}
	finishedEvent struct {
		head
		Outcome
		Files []OutputFile `json:"files"`
	}
	errorEvent struct {
		head
		Problem Problem `json:"problem"`
	}
)

// Stream runs a program and yields its events while it runs. It ends after the last event, or after the first error. If the caller
// leaves the loop early, or ctx ends, the service cancels the run.
//
// If the caller handles events too slowly, output is lost: see Event.LostBytes. If it takes no event for 30 seconds, the service ends the
// run.
func (c *Client) Stream(ctx context.Context, request Request) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		response, err := c.do(ctx, http.MethodPost, "/v1/runs", typeEvents, request)
		if err != nil {
			yield(Event{}, err)
			return
		}
		defer response.Body.Close()
		events := newEventReader(response.Body)
		for next := int64(0); ; next++ {
			e, err := events.next()
			if err == nil && e.Seq != next {
				err = fmt.Errorf("client: event %d follows event %d", e.Seq, next-1)
			}
			if err != nil {
				if problem := (*Problem)(nil); errors.As(err, &problem) {
					problem.RequestID = response.Header.Get("X-Request-Id")
				}
				yield(Event{}, err)
				return
			}
			if !yield(e, nil) || e.Kind == Finished {
				return
			}
		}
	}
}

// maxEvent is the length of the longest event that is accepted, in bytes. An event has at most 8 MiB of displays or files, and JSON
// encodes a byte of text in at most six bytes.
const maxEvent = 64 << 20

// eventReader reads server-sent events. The client prefers them to lines of JSON, because they can contain comments: the service sends
// these regularly, so that proxies do not close a connection without output.
type eventReader struct{ lines *bufio.Scanner }

func newEventReader(from io.Reader) eventReader {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxEvent)
	return eventReader{lines}
}

// next reads one event. For an event of kind failed, it returns the event's *Problem as the error.
func (r eventReader) next() (Event, error) {
	var data []byte
	for r.lines.Scan() {
		line := r.lines.Bytes()
		if len(line) == 0 && len(data) > 0 {
			return decodeEvent(data)
		}
		// The other fields repeat parts of the data. Comments begin with a colon.
		if value, found := bytes.CutPrefix(line, []byte("data:")); found {
			if len(data)+len(value) > maxEvent {
				return Event{}, fmt.Errorf("client: %w", ErrTooLong)
			}
			if data != nil {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		}
	}
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return Event{}, fmt.Errorf("client: %w", ErrTooLong)
	case err != nil:
		return Event{}, fmt.Errorf("client: reading the events: %w", err)
	}
	return Event{}, fmt.Errorf("client: the events end before the run: %w", io.ErrUnexpectedEOF)
}

func decodeEvent(data []byte) (Event, error) {
	decode := func(to any) error {
		if err := json.Unmarshal(data, to); err != nil {
			return fmt.Errorf("client: decoding an event: %w", err)
		}
		return nil
	}
	var h head
	if err := decode(&h); err != nil {
		return Event{}, err
	}
	e := Event{Kind: h.Event, Seq: h.Seq, AtSeconds: h.AtSeconds}
	switch h.Event {
	case Started:
		var started startedEvent
		err := decode(&started)
		e.ID = started.ID
		return e, err
	case Stdout, Stderr:
		var output outputEvent
		err := decode(&output)
		e.Text, e.LostBytes = output.Text, output.LostBytes
		return e, err
	case Shown:
		var shown displayEvent
		err := decode(&shown)
		e.Display = &shown.Display
		return e, err
	case Finished:
		var finished finishedEvent
		err := decode(&finished)
		e.ID, e.Outcome, e.Files = finished.ID, &finished.Outcome, finished.Files
		return e, err
	case failed:
		var f errorEvent
		if err := decode(&f); err != nil {
			return Event{}, err
		}
		return Event{}, &f.Problem
	}
	return e, nil // an event of a later version
}
