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

// collector reads one stream to its end. It keeps the first bytes and counts the rest, so that
// the program never waits for a reader, and the daemon's memory is bounded.
type collector struct {
	from *os.File
	out  Output
	done chan struct{}
}

func newCollector(from *os.File, keep int64, live io.Writer) *collector {
	c := &collector{from: from, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.copy(from, keep, live)
	}()
	return c
}

// copy reads until the end of the stream. An error of the live writer silences it and nothing
// else: the reader of our own output may go away, and the program is not to blame.
func (c *collector) copy(from io.Reader, keep int64, live io.Writer) {
	buffer := make([]byte, 64<<10) // the capacity of a pipe
	for {
		n, err := from.Read(buffer)
		c.out.Total += int64(n)
		room := keep - int64(len(c.out.Kept))
		c.out.Kept = append(c.out.Kept, buffer[:min(int64(n), room)]...)
		if live != nil && n > 0 {
			if _, err := live.Write(buffer[:n]); err != nil {
				live = nil
			}
		}
		if err != nil {
			return
		}
	}
}

func (c *collector) wait(deadline time.Time) Output {
	_ = c.from.SetReadDeadline(deadline)
	<-c.done
	_ = c.from.Close()
	return c.out
}
