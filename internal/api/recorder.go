package api

import (
	"net/http"
	"time"
)

// recorder remembers the status of an answer, and makes deadlines for writing the same with each version of HTTP.
//
// With HTTP/1 a deadline that passes makes the next write fail. With HTTP/2 net/http resets the stream when the deadline passes,
// also while nothing is written, such as during a run. So there the deadline is set only while something is written.
type recorder struct {
	http.ResponseWriter
	status   int
	streamed bool      // by HTTP/2
	deadline time.Time // of HTTP/2
}

func newRecorder(w http.ResponseWriter, r *http.Request) *recorder {
	return &recorder{ResponseWriter: w, streamed: r.ProtoMajor >= 2}
}

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

// SetWriteDeadline is for http.ResponseController, as FlushError is.
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

// arm makes the deadline count, until disarm.
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

// Unwrap lets http.ResponseController through.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }
