package main

import (
	"io"
	"log/slog"
	"sync/atomic"
	"time"
)

const (
	logRoom     = 1024        // records that wait to be written
	logPatience = time.Second // for those that are left at the end
)

// logWriter writes records from a goroutine of its own. Whoever reads standard error may stop
// reading, and no run shall wait for that: records that find no room are lost, and counted.
type logWriter struct {
	records chan record
	lost    atomic.Int64
}

// record is one write, or the question whether all before it are done.
type record struct {
	text    []byte
	written chan struct{}
}

// newLogWriter returns a writer to a slow one. direct logs how many records were lost when the slow
// one takes them again.
func newLogWriter(to io.Writer, direct *slog.Logger) *logWriter {
	w := &logWriter{records: make(chan record, logRoom)}
	go func() {
		for r := range w.records {
			if r.written != nil {
				close(r.written)
				continue
			}
			_, _ = to.Write(r.text) // there is nobody else to tell
			if lost := w.lost.Swap(0); lost > 0 {
				direct.Warn("log records were lost: standard error did not take them", "records", lost)
			}
		}
	}()
	return w
}

// Write takes a record. It never waits and never fails.
func (w *logWriter) Write(text []byte) (int, error) {
	select {
	case w.records <- record{text: append([]byte(nil), text...)}:
	default:
		w.lost.Add(1)
	}
	return len(text), nil
}

// flush waits until all is written, as long as logPatience.
func (w *logWriter) flush() {
	written := make(chan struct{})
	enough := time.After(logPatience)
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
