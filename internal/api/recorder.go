package api

import (
	"net/http"
	"time"
)

// recorder records the status of an answer, and gives write deadlines the same meaning in all versions of HTTP.
//
// With HTTP/1, a deadline that has passed makes the next write fail. With HTTP/2, net/http resets the stream when the deadline passes, even if
// nothing is written then, for example during a run. So with HTTP/2 the deadline is set only during a write.
type recorder struct {
	http.ResponseWriter
	status   int
	streamed bool      // HTTP/2
	deadline time.Time // for the next write, if streamed
}

func newRecorder(w http.ResponseWriter, r *http.Request) *recorder {
	return &recorder{ResponseWriter: w, streamed: r.ProtoMajor >= 2}
}

// WriteHeader keeps the first final status. An informational one (1xx) is sent, but not kept.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *recorder) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.arm()
	defer w.disarm()
	return w.ResponseWriter.Write(b)
}

// SetWriteDeadline and FlushError implement the methods that http.ResponseController calls.
func (w *recorder) SetWriteDeadline(deadline time.Time) error {
	if w.streamed {
		w.deadline = deadline
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).SetWriteDeadline(deadline)
}

// FlushError sends what has been written.
func (w *recorder) FlushError() error {
	w.arm()
	defer w.disarm()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// arm sets the deadline, and disarm removes it.
func (w *recorder) arm() {
	if w.streamed {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(w.deadline)
	}
}

func (w *recorder) disarm() {
	if w.streamed {
		_ = http.NewResponseController(w.ResponseWriter).SetWriteDeadline(time.Time{})
	}
}

// Unwrap gives http.ResponseController the other methods of the writer.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
