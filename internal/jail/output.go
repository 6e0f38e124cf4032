package jail

import (
	"io"
	"os"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// drainPatience is how long a stream may stay open when the program is dead. It ends with its
// last writer; only a process that clones, and that did not answer, can hold it longer.
const drainPatience = 2 * time.Second

// streams are the two collectors of a run.
type streams struct {
	stdout, stderr *collector
}

// collect starts to read both streams.
func (p *process) collect(keep int64, live *sandbox.Stream) *streams {
	return &streams{newCollector(p.stdout, keep, sandbox.Stdout, live), newCollector(p.stderr, keep, sandbox.Stderr, live)}
}

// wait returns when both streams have ended, or patience is over.
func (s *streams) wait(patience time.Duration) (stdout, stderr sandbox.Output) {
	deadline := time.Now().Add(patience)
	return s.stdout.wait(deadline), s.stderr.wait(deadline)
}

// collector reads one stream to its end. It keeps the first bytes and counts the rest, so that the
// daemon's memory is bounded. How often it reads is the pipe's business.
type collector struct {
	from *pipe
	out  sandbox.Output
	done chan struct{}
}

func newCollector(from *os.File, keep int64, kind sandbox.Kind, live *sandbox.Stream) *collector {
	c := &collector{from: openPipe(from, keep), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.copy(c.from, keep, kind, live)
	}()
	return c
}

// skipper is a reader that can pass over what it reads.
type skipper interface {
	Skip() (int, error)
}

// copy reads until the end of the stream.
func (c *collector) copy(from io.Reader, keep int64, kind sandbox.Kind, live *sandbox.Stream) {
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
