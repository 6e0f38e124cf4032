package connlimit

import (
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// Farewells is how many refused connections are told so at once, each for farewellTime at most. They are
	// open beside those that Limits counts. Further ones are closed without a word.
	Farewells    = 32
	farewellTime = 2 * time.Second
)

// refusal is the answer to a newcomer for whom there is no room.
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

// refuse tells a newcomer that there is no room, and closes its connection.
func (l *Listener) refuse(c net.Conn, why refusal) {
	select {
	case l.farewells <- struct{}{}:
	default:
		_ = c.Close()
		return
	}
	go func() {
		defer func() { <-l.farewells }()
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(farewellTime))
		_, _ = io.WriteString(c, string(why))
		// What the client sends is read until it closes its end: closing before that resets the connection,
		// and the client may lose the answer.
		if closeWrite(c) == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}()
}

// makeWay closes a stopped connection. If no request has come on it, its client may be about to send the first,
// and is told why. The send buffer is empty then, so that this does not wait.
func (c *conn) makeWay() {
	if !c.asked {
		_, _ = io.WriteString(c.Conn, string(refusedFull))
	}
	_ = c.Conn.Close()
}
