package connlimit

import (
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// MaxRefusals is the maximum number of refused connections that get an answer at the same time, each for
	// refusalTimeout at most. They are open in addition to those of Limits. Others are closed without an answer.
	MaxRefusals    = 32
	refusalTimeout = 2 * time.Second
)

// refusal is the answer to a connection for which there is no room.
type refusal string

var (
	refusedFull   = newRefusal("Too many connections are open: try again later")
	refusedClient = newRefusal("Too many connections are open from this address: try again later")
)

func newRefusal(detail string) refusal {
	body := `{"detail":"` + detail + `"}`
	return refusal("HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n" +
		"Connection: close\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
}

// refuse sends a refusal and closes the connection.
func (l *Listener) refuse(c net.Conn, why refusal) {
	if l.limits.Silent {
		_ = c.Close()
		return
	}
	select {
	case l.refusals <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	go func() {
		defer func() { <-l.refusals }()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(refusalTimeout))
		_, _ = io.WriteString(c, string(why))
		// Closing with unread bytes resets the connection, and the client may lose the answer (RFC 1122, 4.2.2.13). So read
		// until the client closes its end.
		if closeWrite(c) == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}()
}

// makeWay closes a stopped connection. If it has not had a request, its client may be about to send the first one, so it gets
// an answer. Writing does not wait, because the send buffer is empty.
func (c *conn) makeWay() {
	if !c.asked && !c.from.limits.Silent {
		_, _ = io.WriteString(c.Conn, string(refusedFull))
	}
	_ = c.Conn.Close()
}
