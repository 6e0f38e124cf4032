package connlimit

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Limits are how many connections may be open at once.
type Limits struct {
	Total     int // at least 1
	PerClient int // 0: no limit of its own for a client
}

// Listener is a net.Listener whose connections are bounded. It is safe for concurrent use.
type Listener struct {
	net.Listener
	limits    Limits
	farewells chan struct{} // one element for each refused connection that is being told so
	changed   chan struct{} // has an element where a connection may have become one that can make way
	patience  time.Duration

	mu      sync.Mutex
	open    int
	idle    list.List // of *conn, the longest idle first
	clients map[netip.Prefix]*client

	closedForRoom, refusedFull, refusedClient int // since the start
}

// client is what one client has open.
type client struct {
	open int
	idle list.List // of *conn, the longest idle first
}

// New bounds the connections of a listener. The http.Server that serves them must have ConnState of the result
// as its ConnState: without it every connection counts as idle.
func New(inner net.Listener, limits Limits) *Listener {
	return &Listener{
		Listener:  inner,
		limits:    limits,
		farewells: make(chan struct{}, Farewells),
		changed:   make(chan struct{}, 1),
		patience:  patience,
		clients:   map[netip.Prefix]*client{},
	}
}

// Open is how many connections are open now.
func (l *Listener) Open() int { return l.read(&l.open) }

// ClosedForRoom is how many idle connections have made way for a newcomer since the start.
func (l *Listener) ClosedForRoom() int { return l.read(&l.closedForRoom) }

// RefusedFull is how many newcomers have been refused because every connection had a request under way.
func (l *Listener) RefusedFull() int { return l.read(&l.refusedFull) }

// RefusedClient is how many newcomers have been refused because every connection of their client had.
func (l *Listener) RefusedClient() int { return l.read(&l.refusedClient) }

func (l *Listener) read(n *int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return *n
}

// Accept waits for the next connection for which there is room, or room can be made.
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

// patience is how long a newcomer waits for the server to handle what idle connections have sent.
const patience = time.Second

// admitPatiently is admit, but for connections that are idle and have sent something that the server has not handled
// yet: on a busy machine that may be all of them. Each soon has a request under way, or can make way.
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

// change wakes the newcomer that waits, if there is one.
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

// admit counts a connection in. The victim, if there is one, has made way for it: it is counted out, and the
// caller closes it. A refusal means that every connection that could make way has a request under way.
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
		owner = l.clients[c.client] // the victim may have been its last
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

// longestIdle picks the connection that has been idle longest, and stops it: from here on it gives its server no
// more bytes. It is nil where none can be stopped without losing a request.
func longestIdle(idle *list.List) *conn {
	for e := idle.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*conn); c.stop() {
			return c
		}
	}
	return nil
}

// ConnState follows what the server does with a connection. It is for http.Server.ConnState.
func (l *Listener) ConnState(nc net.Conn, state http.ConnState) {
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
		l.change() // there may be nobody idle left to wait for
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

// forget counts a connection out.
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

// clientOf is whom an address counts for: the zero Prefix for nobody in particular.
func clientOf(address net.Addr) netip.Prefix {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, _ := ip.Prefix(bits) // no address has too few bits; the zero Addr gives the zero Prefix
	return prefix
}
