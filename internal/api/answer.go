package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// These headers tell programs what stderr tells people. The contract allows no fields in the body besides the two streams.
const (
	headerVerdict   = "X-Sandboxd-Verdict"   // a sandbox.Verdict
	headerExitCode  = "X-Sandboxd-Exit-Code" // for exited
	headerSignal    = "X-Sandboxd-Signal"    // for signaled, such as SIGSEGV
	headerTruncated = "X-Sandboxd-Truncated" // stdout, stderr, or both
	headerRequestID = "X-Request-Id"
	headerTiming    = "Server-Timing" // the phases of the run, in milliseconds
)

// streams is the body of an answer.
type streams struct {
	stdout, stderr []byte // of the run, not copied
	notes          []byte // the daemon's own lines, which follow stderr
}

// streamsOf returns the streams of a run, with the daemon's notes: which output was dropped, and why the program was ended. A program can print
// the same lines, so clients must rely on the headers.
func streamsOf(o *sandbox.Outcome, limits sandbox.Limits) streams {
	a := streams{stdout: o.Stdout.Whole(), stderr: o.Stderr.Whole()}
	say := func(format string, args ...any) {
		last := a.notes
		if len(last) == 0 {
			last = a.stderr
		}
		if len(last) > 0 && last[len(last)-1] != '\n' {
			a.notes = append(a.notes, '\n')
		}
		a.notes = fmt.Appendf(a.notes, format, args...)
	}
	if o.Stdout.Truncated() {
		say("Warning: stdout was truncated (%d of %d bytes kept).", len(a.stdout), o.Stdout.Total)
	}
	if o.Stderr.Truncated() {
		say("Warning: stderr was truncated (%d of %d bytes kept).", len(a.stderr), o.Stderr.Total)
	}
	if o.Verdict == sandbox.Rejected {
		say("%s", o.Findings[0].Message)
	} else if reason := o.Reason(limits); reason != "" {
		say("Error: %s", reason)
	}
	return a
}

// verdictHeaders sets the headers that report how the run ended.
func verdictHeaders(h http.Header, o *sandbox.Outcome) {
	h.Set(headerVerdict, string(o.Verdict))
	switch o.Verdict {
	case sandbox.Exited:
		h.Set(headerExitCode, strconv.Itoa(o.ExitCode))
	case sandbox.Signaled:
		h.Set(headerSignal, sandbox.SignalName(o.Signal))
	}
	if cut := o.Truncated(); len(cut) > 0 {
		h.Set(headerTruncated, strings.Join(cut, ", "))
	}
	t := o.Timing
	h.Set(headerTiming, fmt.Sprintf("queue;dur=%s, clone;dur=%s, setup;dur=%s, program;dur=%s, teardown;dur=%s",
		ms(t.Queued), ms(t.Clone), ms(t.Setup), ms(t.Program), ms(t.Teardown)))
}

func ms(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// answer writes a JSON answer.
func (s *Server) answer(w http.ResponseWriter, status int, body []byte) {
	s.answerAs(w, status, "application/json", body)
}

// answerAs writes an answer of another type of JSON.
func (s *Server) answerAs(w http.ResponseWriter, status int, contentType string, body []byte) {
	s.head(w, status, contentType, int64(len(body)))
	_, _ = w.Write(body) // an error means that the client went away
}

// answerStreams writes both streams in pieces (see jsonout). It encodes them twice, first for their length: a client that does not read
// then takes no memory besides the output of its run.
func (s *Server) answerStreams(w http.ResponseWriter, a streams) {
	var length jsonout.Counter
	_ = a.encode(&length) // a counter has no error
	s.head(w, http.StatusOK, "application/json", int64(length))
	_ = a.encode(w) // an error means that the client went away
}

// head begins a JSON answer. From this moment the client has WriteTimeout to read it.
func (s *Server) head(w http.ResponseWriter, status int, contentType string, length int64) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
}

// encode writes the two fields in the order of the contract.
func (a streams) encode(to io.Writer) error {
	w := jsonout.New(to)
	w.Raw(`{"stdout":"`)
	w.Text(a.stdout)
	w.Raw(`","stderr":"`)
	w.Text(a.stderr)
	w.Text(a.notes)
	w.Raw(`"}`)
	return w.Flush()
}
