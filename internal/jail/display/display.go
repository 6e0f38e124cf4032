// Package display receives the displays of a program: pictures, tables, formulas. They come over the hand-off socket, which such a
// program keeps.
//
// The daemon does not trust these frames, because a program can write to the socket itself. So a frame has one simple form, a closed set
// of types, and bounds on number and size. The payload is passed on and never parsed. A malformed frame ends the channel, and the run
// goes on.
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
	before func() // called before each display is reported
	done   chan struct{}

	kept []sandbox.Display
	size int64
	lost int
	line int
}

// lineKind is the type of a frame that is not a display. Its payload (4 bytes) is the number of the line of main.py that the program
// executed when its time ran out.
const lineKind = 255

// Collect starts to receive displays from a socket and reports them to live, which may be nil. The socket must be in Go's poller; the
// caller closes it. Collect calls before ahead of each display, so that the output that was printed earlier can be reported first.
func Collect(from *os.File, live *sandbox.Stream, before func()) *Collector {
	c := &Collector{from: from, live: live, before: before, done: make(chan struct{})}
	_ = from.SetDeadline(time.Time{}) // fails only for a closed file
	go func() {
		defer close(c.done)
		if err := c.receive(); err != nil {
			c.lost++
			c.refuse()
		}
	}()
	return c
}

// Wait returns when the program's end of the socket is closed, at most after patience. It is called once, when the program has ended.
// lost is the number of displays that were dropped, as far as it is known. The methods of a nil Collector do nothing.
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

// end returns nil for an error that is the regular end of a channel, between two frames: end of file, or the deadline of Wait if a process
// that the program left still holds the channel. It returns other errors unchanged.
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

// read reads so many bytes. It allocates memory as they arrive, because the length comes from the program and may be false.
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

// refuse ends the channel: writes of the program fail with EPIPE. refuse also reads what the channel holds, because the kernel wakes a
// program that polls a full channel only when there is room (unix_poll in net/unix/af_unix.c).
func (c *Collector) refuse() {
	if conn, err := c.from.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RD) })
	}
	_, _ = io.Copy(io.Discard, c.from)
}
