package api

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Headers that say for programs what stderr says for people. The two JSON fields are all that
// the contract allows in the body.
const (
	headerVerdict   = "X-Sandboxd-Verdict"   // a sandbox.Verdict
	headerExitCode  = "X-Sandboxd-Exit-Code" // for exited
	headerSignal    = "X-Sandboxd-Signal"    // for signaled, such as SIGSEGV
	headerTruncated = "X-Sandboxd-Truncated" // stdout, stderr, or both
	headerRequestID = "X-Request-Id"
	headerTiming    = "Server-Timing" // where the time went, in milliseconds
)

// spoken is the answer to a request that was understood: two streams, which are the run's own
// bytes and no copy of them, and what we have to say ourselves.
type spoken struct {
	stdout, stderr []byte
	notes          []byte // goes after stderr
}

// told gives the streams of a run as the client gets them: what the program wrote, and in
// stderr, each on a line of its own, what we add to it: what was dropped, and last why the
// program was ended. A program can print the same lines; only the headers are ours alone.
func told(o *sandbox.Outcome, limits sandbox.Limits) spoken {
	a := spoken{stdout: o.Stdout.Whole(), stderr: o.Stderr.Whole()}
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

// verdictHeaders tells programs what happened.
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

// answerAs is answer, with a type that is another kind of JSON.
func (s *Server) answerAs(w http.ResponseWriter, status int, contentType string, body []byte) {
	s.head(w, status, contentType, int64(len(body)))
	_, _ = w.Write(body) // an error means that the client went away
}

// answerStreams writes both streams. JSON makes up to six bytes of one, so it is made while it
// is sent, in pieces: of a client that does not read, the memory holds no more than the run
// itself left. The length is found by doing it twice.
func (s *Server) answerStreams(w http.ResponseWriter, a spoken) {
	var length counter
	e := encoder{to: &length}
	_ = e.encode(a) // a counter has no error
	s.head(w, http.StatusOK, "application/json", int64(length))
	e.to = w
	_ = e.encode(a) // an error means that the client went away
}

// head begins a JSON answer. From now on the client has WriteTimeout to take it.
func (s *Server) head(w http.ResponseWriter, status int, contentType string, length int64) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.FormatInt(length, 10))
	w.WriteHeader(status)
}

const (
	sendFrom = 32 << 10 // bytes of JSON that are worth a write
	pieceMax = 4 << 10  // bytes of a stream made into JSON at a time: 24 KiB of it at most
)

// encoder writes streams as JSON through a buffer of less than sendFrom + 6*pieceMax bytes. It
// stops at the first error.
type encoder struct {
	to  io.Writer
	buf []byte
	err error
}

// encode writes the two fields in the order of the contract.
func (e *encoder) encode(a spoken) error {
	e.buf = append(e.buf, `{"stdout":"`...)
	e.text(a.stdout)
	e.buf = append(e.buf, `","stderr":"`...)
	e.text(a.stderr)
	e.text(a.notes)
	e.buf = append(e.buf, `"}`...)
	e.send()
	return e.err
}

func (e *encoder) text(s []byte) {
	for len(s) > 0 && e.err == nil {
		n := cut(s, pieceMax)
		e.buf = appendEscaped(e.buf, s[:n])
		s = s[n:]
		if len(e.buf) >= sendFrom {
			e.send()
		}
	}
}

func (e *encoder) send() {
	if e.err == nil {
		_, e.err = e.to.Write(e.buf)
	}
	e.buf = e.buf[:0]
}

// cut is where to cut s so that at most limit bytes, at least utf8.UTFMax, come first and no
// character is cut in two. No character begins or goes on across a byte that can begin one, and
// none is so long that it reaches over UTFMax bytes of which none can.
func cut(s []byte, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return n
		}
	}
	return limit
}

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
