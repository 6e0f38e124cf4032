package connlimit

import (
	"container/list"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// What the server does with a connection.
const (
	reading = iota // it waits for bytes, or has not come to read the first
	working        // it handles bytes that it has read, or a request
	stopped        // it gets no more bytes: the connection makes way for a newcomer
)

// conn is a connection that its Listener counts.
type conn struct {
	net.Conn
	from   *Listener
	client netip.Prefix
	state  atomic.Int32

	// Guarded by from.mu.
	owner           *client // nil where the address counts for nobody
	inAll, inClient *list.Element
	asked           bool // the head of a request has come on it
	forgotten       bool
}

// Read notes that the server waits for bytes: only then may the connection be stopped. Bytes that come after that
// are dropped, so that no request begins on a connection that is about to be closed.
func (c *conn) Read(p []byte) (int, error) {
	if !c.state.CompareAndSwap(working, reading) && c.state.Load() == stopped {
		return 0, c.errStopped()
	}
	c.from.change()
	n, err := c.Conn.Read(p)
	if !c.state.CompareAndSwap(reading, working) && c.state.Load() == stopped {
		return 0, c.errStopped()
	}
	return n, err
}

// errStopped is what reading from a closed connection says, to which net/http answers nothing.
func (c *conn) errStopped() error {
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
}

// Close closes the connection and counts it out, in this order: what is counted is never less than what is open.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.from.forget(c)
	return err
}

// CloseWrite lets net/http close in two steps, so that a client reads the last answer before it learns of the
// end.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// stop makes the server get no more bytes, and reports whether it could: not while the server handles bytes that
// it has read, nor while there are some that it has not read yet. Either may be the end of a request's head.
func (c *conn) stop() bool {
	return c.state.Load() == reading && c.unread() == 0 && c.state.CompareAndSwap(reading, stopped)
}

// unread is how many bytes wait in the kernel.
func (c *conn) unread() (n int) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // a closed one has none
	return n
}
