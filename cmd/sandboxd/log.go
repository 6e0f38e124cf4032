package main

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	logBuffer    = 1024        // records that are buffered
	flushTimeout = time.Second // time to write the buffered records at the end
)

// logWriter writes records in its own goroutine, because the reader of standard error may stop reading, and no run may wait
// for it. If the buffer is full, records are dropped and counted.
type logWriter struct {
	records chan record
	lost    atomic.Int64
}

// record is the text of one Write. A record with written is a marker: that channel is closed when all earlier records are written.
type record struct {
	text    []byte
	written chan struct{}
}

// newLogWriter returns a writer to to, which may block. After to has blocked, direct logs the number of records that were lost.
func newLogWriter(to io.Writer, direct *slog.Logger) *logWriter {
	w := &logWriter{records: make(chan record, logBuffer)}
	go func() {
		for r := range w.records {
			if r.written != nil {
				close(r.written)
				continue
			}
			_, _ = to.Write(r.text) // a failure cannot be reported anywhere
			if lost := w.lost.Swap(0); lost > 0 {
				direct.Warn("log records were lost: the reader of standard error was too slow", "records", lost)
			}
		}
	}()
	return w
}

// Write buffers a record. It never waits and never fails.
func (w *logWriter) Write(text []byte) (int, error) {
	select {
	case w.records <- record{text: append([]byte(nil), text...)}:
	default:
		w.lost.Add(1)
	}
	return len(text), nil
}

// flush waits until all buffered records are written, for flushTimeout at most.
func (w *logWriter) flush() {
	written := make(chan struct{})
	enough := time.After(flushTimeout)
	select {
	case w.records <- record{written: written}:
	case <-enough:
		return
	}
	select {
	case <-written:
	case <-enough:
	}
}
