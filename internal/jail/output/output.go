// Package output reads what a program writes to its two streams. It keeps the first bytes of each stream and counts the rest,
// so that the daemon's memory is bounded, and it reads at a pace that bounds the daemon's processor time.
package output

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Streams are the two streams of a run.
type Streams struct {
	stdout, stderr *collector
}

// Collect starts to read both streams. It takes the files over, keeps the first keep bytes of each stream, and reports all
// output to live, which may be nil.
func Collect(stdout, stderr *os.File, keep int64, live *sandbox.Stream) *Streams {
	return &Streams{newCollector(stdout, keep, sandbox.Stdout, live), newCollector(stderr, keep, sandbox.Stderr, live)}
}

// Settle returns when the output that is in both pipes now has been reported, at most after patience. The caller uses it to report an
// action of the program after the output that was written before.
func (s *Streams) Settle(patience time.Duration) {
	deadline := time.Now().Add(patience)
	for _, c := range []*collector{s.stdout, s.stderr} {
		for !c.settled() && time.Now().Before(deadline) {
			c.from.hurry()
			time.Sleep(settlePause)
		}
	}
}

// settlePause is the interval at which Settle checks the streams.
const settlePause = 100 * time.Microsecond

// Wait returns when both streams have ended, or after patience. It is called once, when the program has ended.
func (s *Streams) Wait(patience time.Duration) (stdout, stderr sandbox.Output) {
	deadline := time.Now().Add(patience)
	return s.stdout.wait(deadline), s.stderr.wait(deadline)
}

// collector reads one stream to its end. The pipe decides how often it reads.
type collector struct {
	from *pipe
	out  sandbox.Output
	done chan struct{}

	// reporting is whether bytes may have been read that are not reported yet.
	reporting atomic.Bool
}

// settled reports whether the pipe is empty and all output read from it has been reported. It must check the pipe first: a read sets
// reporting before it empties the pipe.
func (c *collector) settled() bool { return c.from.empty() && !c.reporting.Load() }

func newCollector(from *os.File, keep int64, kind sandbox.Kind, live *sandbox.Stream) *collector {
	c := &collector{from: openPipe(from, keep), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer c.reporting.Store(false)
		c.from.reading = c.reporting.Store
		c.copy(c.from, keep, kind, live)
	}()
	return c
}

// skipper is a reader that can drop input without copying it.
type skipper interface {
	Skip() (int, error)
}

// copy reads until the end of the stream.
func (c *collector) copy(from io.Reader, keep int64, kind sandbox.Kind, live *sandbox.Stream) {
	buffer := make([]byte, pipeSize)
	skipper, skips := from.(skipper)
	for err := error(nil); err == nil; {
		var n int
		if c.out.Truncated() && live == nil && skips { // the rest is only counted
			n, err = skipper.Skip()
			c.out.Total += int64(n)
			continue
		}
		if c.out.Truncated() && len(buffer) < FloodSize {
			buffer = make([]byte, FloodSize)
		}
		c.reporting.Store(false)
		n, err = from.Read(buffer)
		c.out.Total += int64(n)
		room := keep - int64(len(c.out.Kept))
		c.out.Kept = append(c.out.Kept, buffer[:min(int64(n), room)]...)
		if n > 0 {
			live.Output(kind, buffer[:n])
		}
	}
}

func (c *collector) wait(deadline time.Time) sandbox.Output {
	c.from.finish(deadline)
	<-c.done
	_ = c.from.Close()
	return c.out
}
