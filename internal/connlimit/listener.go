package connlimit

import (
	"container/list"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sandboxd/sandboxd/internal/network"
)

// Limits are the maximum numbers of open connections.
type Limits struct {
	Total     int // at least 1
	PerClient int // 0 for no limit for each client

	// Silent closes connections without an answer. It is for listeners with TLS, whose clients could not read an answer in plain text.
	Silent bool
}

// Listener is a net.Listener with a limit on its connections. It is safe for concurrent use.
type Listener struct {
	net.Listener
	limits   Limits
	refusals chan struct{} // one element for each refused connection that is still open
	changed  chan struct{} // has an element if a connection may have become able to make room
	patience time.Duration // how long a new connection waits: the constant patience, except in tests

	mu      sync.Mutex
	open    int
	idle    list.List // of *conn, the one that has been idle longest first
	clients map[netip.Prefix]*client

	closedForRoom, refusedFull, refusedClient int // since the start
}

// client counts the connections of one client.
type client struct {
	open int
	idle list.List // of *conn, the one that has been idle longest first
}

// New limits the connections of a listener. The ConnState of the http.Server that serves them must be the ConnState of the result.
// Otherwise every connection counts as idle.
func New(inner net.Listener, limits Limits) *Listener {
	return &Listener{
		Listener: inner,
		limits:   limits,
		refusals: make(chan struct{}, MaxRefusals),
		changed:  make(chan struct{}, 1),
		patience: patience,
		clients:  map[netip.Prefix]*client{},
	}
}

// Open returns the number of open connections.
func (l *Listener) Open() int { return l.read(&l.open) }

// ClosedForRoom returns the number of idle connections that were closed to make room, since the start.
func (l *Listener) ClosedForRoom() int { return l.read(&l.closedForRoom) }

// RefusedFull returns the number of connections that were refused because all connections had a request in progress.
func (l *Listener) RefusedFull() int { return l.read(&l.refusedFull) }

// RefusedClient returns the number of connections that were refused because all connections of their client had a request in progress.
func (l *Listener) RefusedClient() int { return l.read(&l.refusedClient) }

func (l *Listener) read(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n
}

// Accept waits for the next connection, and makes room for it if necessary. It refuses connections for which it cannot make room.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		inner, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: inner, from: l, client: clientOf(inner.RemoteAddr())}
		victim, why := l.admitPatiently(c)
		if why != "" {
			l.countRefusal(why)
			l.refuse(inner, why)
			continue
		}
		if victim != nil {
			victim.makeWay()
		}
		return c, nil
	}
}

// patience is how long a new connection waits for the server to handle bytes that idle connections have sent.
const patience = time.Second

// admitPatiently is like admit, but waits if idle connections have sent bytes that the server has not handled yet. On a busy machine
// all of them may be in this state. Each soon has a request in progress, or can be stopped.
func (l *Listener) admitPatiently(c *conn) (victim *conn, why refusal) {
	if victim, why = l.admit(c); why != refusedFull {
		return victim, why
	}
	over := time.NewTimer(l.patience)
	defer over.Stop()
	for why == refusedFull && l.anyIdle() {
		select {
		case <-l.changed:
			victim, why = l.admit(c)
		case <-over.C:
			return nil, refusedFull
		}
	}
	return victim, why
}

func (l *Listener) anyIdle() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idle.Len() > 0
}

// change wakes the connection that waits, if there is one.
func (l *Listener) change() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

func (l *Listener) countRefusal(why refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if why == refusedClient {
		l.refusedClient++
	} else {
		l.refusedFull++
	}
}

// admit counts a new connection. If it has to make room, it stops counting another connection and returns it as victim; the caller
// closes it. A refusal means that no connection can be stopped.
func (l *Listener) admit(c *conn) (victim *conn, why refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	owner := l.clients[c.client]
	switch {
	case l.limits.PerClient > 0 && owner != nil && owner.open >= l.limits.PerClient:
		if victim = longestIdle(&owner.idle); victim == nil {
			return nil, refusedClient
		}
	case l.open >= l.limits.Total:
		if victim = longestIdle(&l.idle); victim == nil {
			return nil, refusedFull
		}
	}
	if victim != nil {
		l.closedForRoom++
		l.forgetLocked(victim)
	}
	l.open++
	if c.client.IsValid() {
		owner = l.clients[c.client] // forgetLocked may have deleted it
		if owner == nil {
			owner = &client{}
			l.clients[c.client] = owner
		}
		owner.open++
		c.owner = owner
	}
	l.idleLocked(c)
	return victim, ""
}

// longestIdle stops the connection that has been idle longest and returns it. It returns nil if no connection can be stopped without
// losing a request.
func longestIdle(idle *list.List) *conn {
	for e := idle.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); c.stop() {
			return c
		}
	}
	return nil
}

// ConnState follows the state of a connection in the server. Use it as http.Server.ConnState. It unwraps connections of crypto/tls.
func (l *Listener) ConnState(nc net.Conn, state http.ConnState) {
	if wrapped, is := nc.(*tls.Conn); is {
		nc = wrapped.NetConn()
	}
	c, ours := nc.(*conn)
	if !ours {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.forgotten {
		return
	}
	switch state {
	case http.StateIdle:
		l.idleLocked(c)
	case http.StateActive, http.StateHijacked:
		c.asked = true
		l.busyLocked(c)
		l.change() // perhaps no idle connection is left to wait for
	}
}

func (l *Listener) idleLocked(c *conn) {
	l.busyLocked(c)
	c.inAll = l.idle.PushBack(c)
	if c.owner != nil {
		c.inClient = c.owner.idle.PushBack(c)
	}
}

func (l *Listener) busyLocked(c *conn) {
	if c.inAll != nil {
		l.idle.Remove(c.inAll)
		c.inAll = nil
	}
	if c.inClient != nil {
		c.owner.idle.Remove(c.inClient)
		c.inClient = nil
	}
}

// forget stops counting a connection.
func (l *Listener) forget(c *conn) {
	l.mu.Lock()
	l.forgetLocked(c)
	l.mu.Unlock()
	l.change()
}

func (l *Listener) forgetLocked(c *conn) {
	if c.forgotten {
		return
	}
	c.forgotten = true
	l.busyLocked(c)
	l.open--
	if c.owner != nil {
		if c.owner.open--; c.owner.open == 0 {
			delete(l.clients, c.client)
		}
	}
}

// clientOf returns the client of an address. It is the zero Prefix for an address that counts for no client.
func clientOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	return network.Of(tcp.AddrPort().Addr())
}
