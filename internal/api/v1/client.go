package v1

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/sandboxd/sandboxd/internal/jsonout"
)

// client is the transport for HTTP answers. Each piece has its own write deadline. All pieces after the end of the run share one deadline.
type client struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	format   string // typeEvents or typeLines
	last     bool
	err      error
}

// begin writes the headers of the answer.
func (c *client) begin() {
	h := c.w.Header()
	h.Set("Content-Type", c.format)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // tells nginx not to buffer the answer
	c.w.WriteHeader(http.StatusOK)
}

func (c *client) event(name string, seq int64) io.Writer {
	if c.format == typeEvents {
		_, _ = io.WriteString(c, "event: "+name+"\nid: "+strconv.FormatInt(seq, 10)+"\ndata: ")
	}
	return c
}

func (c *client) endEvent() {
	end := "\n"
	if c.format == typeEvents {
		end = "\n\n"
	}
	_, _ = io.WriteString(c, end)
}

// beats returns false for JSON lines, because they have no comments.
func (c *client) beats() bool { return c.format == typeEvents }

func (c *client) beat() {
	_, _ = io.WriteString(c, ": the run goes on\n\n")
	c.flush()
}

func (c *client) failed() bool { return c.err != nil }

func (c *client) Write(b []byte) (n int, err error) {
	for len(b) > 0 && c.err == nil {
		piece := b[:min(len(b), jsonout.Chunk)]
		c.extend()
		var m int
		m, c.err = c.w.Write(piece)
		n, b = n+m, b[len(piece):]
	}
	return n, c.err
}

func (c *client) flush() {
	if c.err == nil {
		c.extend()
		c.err = c.control.Flush()
	}
}

func (c *client) extend() {
	if !c.last {
		_ = c.control.SetWriteDeadline(time.Now().Add(c.patience))
	}
}

// lastCall sets the deadline for everything that is still to be written.
func (c *client) lastCall() {
	c.extend()
	c.last = true
}
