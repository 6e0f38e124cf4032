package jail

import (
	"io"
	"os"
	"time"
)

// drainPatience is how long a stream may stay open when the program is dead. It ends with its
// last writer; only a process that clones, and that did not answer, can hold it longer.
const drainPatience = 2 * time.Second

// streams are the two collectors of a run.
type streams struct {
	stdout, stderr *collector
}

// collect starts to read both streams.
func (p *process) collect(keep int64, spec Spec) *streams {
	return &streams{newCollector(p.stdout, keep, spec.Stdout), newCollector(p.stderr, keep, spec.Stderr)}
}

// wait returns when both streams have ended, or patience is over.
func (s *streams) wait(patience time.Duration) (stdout, stderr Output) {
	deadline := time.Now().Add(patience)
	return s.stdout.wait(deadline), s.stderr.wait(deadline)
}

// collector reads one stream to its end. It keeps the first bytes and counts the rest, so that the
// daemon's memory is bounded. How often it reads is the pipe's business.
type collector struct {
	from *pipe
	out  Output
	done chan struct{}
}

func newCollector(from *os.File, keep int64, live io.Writer) *collector {
	c := &collector{from: openPipe(from, keep), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.copy(c.from, keep, live)
	}()
	return c
}

// skipper is a reader that can pass over what it reads.
type skipper interface {
	Skip() (int, error)
}

// copy reads until the end of the stream. An error of the live writer silences it and nothing
// else: the reader of our own output may go away, and the program is not to blame.
func (c *collector) copy(from io.Reader, keep int64, live io.Writer) {
	buffer := make([]byte, pipeSize)
	skipper, skips := from.(skipper)
	for err := error(nil); err == nil; {
		var n int
		if c.out.Truncated() && live == nil && skips { // nobody looks at the rest
			n, err = skipper.Skip()
			c.out.Total += int64(n)
			continue
		}
		if c.out.Truncated() && len(buffer) < floodSize {
			buffer = make([]byte, floodSize)
		}
		n, err = from.Read(buffer)
		c.out.Total += int64(n)
		room := keep - int64(len(c.out.Kept))
		c.out.Kept = append(c.out.Kept, buffer[:min(int64(n), room)]...)
		if live != nil && n > 0 {
			if _, err := live.Write(buffer[:n]); err != nil {
				live = nil
			}
		}
	}
}

func (c *collector) wait(deadline time.Time) Output {
	c.from.finish(deadline)
	<-c.done
	_ = c.from.Close()
	return c.out
}
