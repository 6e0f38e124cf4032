package api

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/jail"
	"golang.org/x/sys/unix"
)

// Headers that say for programs what stderr says for people. The two JSON fields are all that
// the contract allows in the body.
const (
	headerVerdict   = "X-Sandboxd-Verdict"   // a jail.Verdict, or "rejected" for a finding of the scan
	headerExitCode  = "X-Sandboxd-Exit-Code" // for exited
	headerSignal    = "X-Sandboxd-Signal"    // for signaled, such as SIGSEGV
	headerTruncated = "X-Sandboxd-Truncated" // stdout, stderr, or both
	headerRequestID = "X-Request-Id"
	headerTiming    = "Server-Timing" // where the time went, in milliseconds
)

// streams is the answer to a request that was understood, in the order of the contract.
func streams(stdout, stderr []byte) []byte {
	dst := make([]byte, 0, len(stdout)+len(stderr)+64)
	dst = append(dst, `{"stdout":`...)
	dst = appendString(dst, stdout)
	dst = append(dst, `,"stderr":`...)
	dst = appendString(dst, stderr)
	return append(dst, '}')
}

// told gives the streams of a run as the client gets them: what the program wrote, and in
// stderr, each on a line of its own, what the program cannot have said itself: what was
// dropped, and last why it was ended.
func told(res *jail.Result, limits jail.Limits) (stdout, stderr []byte) {
	stdout, stderr = whole(res.Stdout), whole(res.Stderr)
	say := func(format string, args ...any) {
		if len(stderr) > 0 && stderr[len(stderr)-1] != '\n' {
			stderr = append(stderr, '\n')
		}
		stderr = fmt.Appendf(stderr, format, args...)
	}
	if res.Stdout.Truncated() {
		say("Warning: stdout was truncated (%d of %d bytes kept).", len(res.Stdout.Kept), res.Stdout.Total)
	}
	if res.Stderr.Truncated() {
		say("Warning: stderr was truncated (%d of %d bytes kept).", len(res.Stderr.Kept), res.Stderr.Total)
	}
	switch res.Verdict {
	case jail.Timeout:
		say("Error: Code execution timed out (%s second limit).", seconds(limits.Wall))
	case jail.OOM:
		say("Error: Memory limit exceeded (%s limit).", size(limits.Memory))
	case jail.Signaled:
		say("Error: Program was killed by signal %s%s.", signalName(res.Signal), signalMeaning[res.Signal])
	}
	return stdout, stderr
}

// whole is what was kept of a stream, less a character that the cap cut in two.
func whole(o jail.Output) []byte {
	kept := bytes.Clone(o.Kept)
	if !o.Truncated() {
		return kept
	}
	for i := 1; i < utf8.UTFMax && i <= len(kept); i++ {
		if tail := kept[len(kept)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				kept = kept[:len(kept)-i]
			}
			break
		}
	}
	return kept
}

// signalMeaning says what a signal that needs it is a sign of, in a jail.
var signalMeaning = map[unix.Signal]string{
	unix.SIGSYS:  " (it made a system call that the sandbox does not allow)",
	unix.SIGXCPU: " (CPU time limit)",
	unix.SIGXFSZ: " (file size limit)",
}

func signalName(s unix.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return strconv.Itoa(int(s))
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

func size(bytes int64) string {
	for _, u := range []struct {
		name string
		of   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= u.of && bytes%u.of == 0 {
			return fmt.Sprintf("%d %s", bytes/u.of, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}

// verdictHeaders tells programs what happened.
func verdictHeaders(h http.Header, res *jail.Result, queued time.Duration) {
	h.Set(headerVerdict, string(res.Verdict))
	switch res.Verdict {
	case jail.Exited:
		h.Set(headerExitCode, strconv.Itoa(res.ExitCode))
	case jail.Signaled:
		h.Set(headerSignal, signalName(res.Signal))
	}
	var cut []string
	if res.Stdout.Truncated() {
		cut = append(cut, "stdout")
	}
	if res.Stderr.Truncated() {
		cut = append(cut, "stderr")
	}
	if len(cut) > 0 {
		h.Set(headerTruncated, strings.Join(cut, ", "))
	}
	h.Set(headerTiming, fmt.Sprintf("queue;dur=%s, clone;dur=%s, setup;dur=%s, program;dur=%s, teardown;dur=%s",
		ms(queued), ms(res.Timing.Clone), ms(res.Timing.Setup), ms(res.Timing.Program), ms(res.Timing.Teardown)))
}

func ms(d time.Duration) string {
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 3, 64)
}

// answer writes a JSON answer. From now on the client has WriteTimeout to take it.
func (s *Server) answer(w http.ResponseWriter, status int, body []byte) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client went away
}
