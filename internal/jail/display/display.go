// Package display receives what a program shows: pictures, tables, formulas. They come over the hand-off socket, which the program
// keeps for it.
//
// Everything that comes is the program's: it can write to the socket itself. So the frames have one simple form, a closed set of types,
// and bounds on number and size; the payload is carried and never parsed; and a frame that makes no sense ends the channel, while the
// run goes on.
//
// A frame is, in the machine's byte order: the length of the rest (4 bytes), the number of the type in sandbox.MIMETypes (1), the
// length of the title (2), the title in UTF-8, and the payload. display.py of package python is the other side.
package display

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

const (
	headSize = 1 + 2 // of the rest of a frame, before the title
	maxTitle = 1 << 10
	maxFrame = headSize + maxTitle + sandbox.MaxDisplayBytes
)

// Collector receives the displays of one run.
type Collector struct {
	from   *os.File
	live   *sandbox.Stream
	before func() // called before a display is reported
	done   chan struct{}

	kept []sandbox.Display
	size int64
	lost int
	line int
}

// lineKind is the type of a frame that is no display: its payload is the number of the line of main.py in which the program was when its
// time ran out (4 bytes).
const lineKind = 255

// Collect starts to receive displays from a socket, which waits in Go's poller and stays the caller's, and reports them to live, which
// may be nil. It calls before each time: what the program has printed before is to be reported first.
func Collect(from *os.File, live *sandbox.Stream, before func()) *Collector {
	c := &Collector{from: from, live: live, before: before, done: make(chan struct{})}
	_ = from.SetDeadline(time.Time{}) // fails for no open socket
	go func() {
		defer close(c.done)
		if err := c.receive(); err != nil {
			c.lost++
			c.refuse()
		}
	}()
	return c
}

// Wait returns when the program's end of the socket is closed, or after patience. It is called once, when the program has ended. lost
// is how many displays are missing, as far as that is known. The methods of a nil Collector do nothing.
func (c *Collector) Wait(patience time.Duration) (kept []sandbox.Display, lost int) {
	if c == nil {
		return nil, 0
	}
	_ = c.from.SetReadDeadline(time.Now().Add(patience))
	<-c.done
	return c.kept, c.lost
}

// Line returns the line that the program reported, 0 if it reported none. It is called after Wait.
func (c *Collector) Line() int {
	if c == nil || c.line > sandbox.MaxSource {
		return 0
	}
	return c.line
}

var errMalformed = errors.New("malformed frame")

// receive receives frames until the end of the channel.
func (c *Collector) receive() error {
	for {
		var wire [4]byte
		if _, err := io.ReadFull(c.from, wire[:]); err != nil {
			return end(err)
		}
		size := int64(binary.NativeEndian.Uint32(wire[:]))
		if size < headSize || size > maxFrame {
			return errMalformed
		}
		if err := c.frame(size); err != nil {
			return err
		}
	}
}

// end is nil for what ends a channel between two frames: its end, or that the program has ended and others hold the channel.
func end(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}

// frame receives the rest of a frame.
func (c *Collector) frame(size int64) error {
	var head [headSize]byte
	if _, err := io.ReadFull(c.from, head[:]); err != nil {
		return err
	}
	kind, length := int(head[0]), int64(binary.NativeEndian.Uint16(head[1:]))
	if kind == lineKind && length == 0 && size == headSize+4 {
		line, err := c.read(4)
		if err == nil {
			c.line = int(binary.NativeEndian.Uint32(line))
		}
		return err
	}
	if kind >= len(sandbox.MIMETypes) || length > maxTitle || headSize+length > size {
		return errMalformed
	}
	payload := size - headSize - length
	if len(c.kept) == sandbox.MaxDisplays || c.size+payload+length > sandbox.MaxDisplayBytes {
		c.lost++
		_, err := io.CopyN(io.Discard, c.from, size-headSize)
		return err
	}
	data, err := c.read(length + payload)
	if err != nil {
		return err
	}
	d := sandbox.Display{
		MIME: sandbox.MIMETypes[kind], Title: strings.ToValidUTF8(string(data[:length]), "\ufffd"), Data: data[length:],
	}
	c.kept, c.size = append(c.kept, d), c.size+int64(len(data))
	if c.live != nil {
		c.before()
		c.live.Display(&d)
	}
	return nil
}

// read reads so many bytes. The memory for them grows as they come: the length is only what the program says.
func (c *Collector) read(size int64) ([]byte, error) {
	data := make([]byte, 0, min(size, 64<<10))
	for int64(len(data)) < size {
		if len(data) == cap(data) {
			grown := make([]byte, len(data), min(size, 2*int64(cap(data))))
			copy(grown, data)
			data = grown
		}
		n, err := c.from.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err != nil {
			return nil, err
		}
	}
	return data, nil
}

// refuse ends the channel: the program gets EPIPE when it writes. What is in the channel is read, since the kernel wakes a program that
// polls the full channel only when there is room (unix_poll in net/unix/af_unix.c).
func (c *Collector) refuse() {
	if conn, err := c.from.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
	_, _ = io.Copy(io.Discard, c.from)
}
