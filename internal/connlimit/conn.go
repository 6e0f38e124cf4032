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

// States of a connection.
const (
	reading = iota // the server waits for bytes, or has not started to read
	working        // the server handles bytes that it has read, or a request
	stopped        // the server gets no more bytes, because the connection is closed to make room
)

// conn is a connection that its Listener counts.
type conn struct {
	net.Conn
	from   *Listener
	client netip.Prefix
	state  atomic.Int32

	// Guarded by from.mu.
	owner           *client // nil if the connection counts for no client
	inAll, inClient *list.Element
	asked           bool // the connection has had the header of a request
	forgotten       bool
}

// Read marks the connection as reading while the server waits for bytes. It can only be stopped in that state. Bytes that arrive
// later are dropped, so that no request begins on a connection that is about to be closed.
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

// errStopped returns the error of a closed connection, for which net/http sends no answer.
func (c *conn) errStopped() error {
	return &net.OpError{Op: "read", Net: c.LocalAddr().Network(), Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: net.ErrClosed}
}

// Close closes the connection and then stops counting it. In this order the count is never less than the number of open ones.
func (c *conn) Close() error {
	err := c.Conn.Close()
	c.from.forget(c)
	return err
}

// CloseWrite lets net/http close the connection in two steps, so that a client can read the last answer before the connection ends.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// stop marks the connection as stopped, and reports whether it could. It cannot while the server handles bytes, or while the kernel has
// unread bytes: both may be the end of a request's header.
func (c *conn) stop() bool {
	return c.state.Load() == reading && c.unread() == 0 && c.state.CompareAndSwap(reading, stopped)
}

// unread returns the number of unread bytes in the kernel.
func (c *conn) unread() (n int) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }) // an error means that it is closed
	return n
}
