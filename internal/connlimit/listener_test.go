package connlimit

import (
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	// Addresses of clients.
	one   = "127.0.0.1"
	two   = "127.0.0.2"
	three = "127.0.0.3"

	// Bodies of the two refusals.
	full       = `{"detail":"Too many connections are open: try again later"}`
	clientFull = `{"detail":"Too many connections are open from this address: try again later"}`
)

func TestNewConnectionReplacesTheLongestIdle(t *testing.T) {
	s := serve(t, nil, Limits{Total: 3})
	var peers []*peer
	for i := range 3 {
		p := s.dial(t, one)
		p.ask(t)
		peers = append(peers, p)
		s.settle(t, i+1)
	}
	peers[0].ask(t) // so the second one has been idle longest
	s.settle(t, 3)
	for _, closed := range []int{1, 2, 0} {
		another := s.dial(t, two)
		another.ask(t)
		peers[closed].wantClosed(t)
		s.settle(t, 3)
	}
	s.wantCounts(t, 3, 0, 0)
	if s.Open() != 3 {
		t.Errorf("%d connections are open, want 3", s.Open())
	}
}

// A connection without a complete header of a request makes room for a new one, whatever its client has sent before.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	for _, tt := range []struct {
		name     string
		hold     func(t *testing.T, p *peer)
		answered bool // whether the client gets a 503 before the end: its first request may be on its way
	}{
		{"silence from the start", func(*testing.T, *peer) {}, true},
		{"a byte", func(t *testing.T, p *peer) { p.say(t, "G") }, true},
		{"half a header", func(t *testing.T, p *peer) { p.say(t, "GET / HTTP/1.1\r\nHost: x\r\n") }, true},
		{"silence after an answer", func(t *testing.T, p *peer) { p.ask(t) }, false},
		{"half of a second header", func(t *testing.T, p *peer) { p.ask(t); p.say(t, "GET / HTTP/1.1\r\n") }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, nil, Limits{Total: 1})
			holder := s.dial(t, one)
			tt.hold(t, holder)
			eventually(t, "the server to have read all bytes", func() bool {
				s.mu.Lock()
				defer s.mu.Unlock()
				if s.idle.Len() == 0 {
					return false
				}
				c := s.idle.Front().Value.(*conn)
				return c.state.Load() == reading && c.unread() == 0
			})
			s.dial(t, two).ask(t)
			if tt.answered {
				holder.wantAnswer(t, http.StatusServiceUnavailable, full)
			}
			holder.wantClosed(t)
		})
	}
}

func TestRequestInProgressIsNeverClosed(t *testing.T) {
	s := serve(t, nil, Limits{Total: 2})
	busy := []*peer{s.dial(t, one), s.dial(t, two)}
	for _, p := range busy {
		s.wait(t, p)
	}
	for range 3 {
		another := s.dial(t, three)
		another.say(t, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		another.wantAnswer(t, http.StatusServiceUnavailable, full)
		another.wantClosed(t)
	}
	s.release()
	for _, p := range busy {
		p.wantAnswer(t, http.StatusOK, "served")
	}
	s.settle(t, 2)
	s.dial(t, three).ask(t)
	s.wantCounts(t, 1, 3, 0)
}

// A new connection of a client at its limit replaces only connections of this client.
func TestClientsAreBounded(t *testing.T) {
	s := serve(t, nil, Limits{Total: 5, PerClient: 2})
	neighbour := s.dial(t, two)
	neighbour.ask(t)
	var last *peer
	for i := range 10 {
		p := s.dial(t, one)
		p.ask(t)
		s.settle(t, min(i, 1)+2)
		s.wantCounts(t, max(i-1, 0), 0, 0)
		last = p
	}
	neighbour.ask(t)
	last.ask(t)

	// Both connections of the client have a request in progress, so its third one is refused. Other clients are served.
	s.wait(t, last)
	s.wait(t, s.dial(t, one))
	refused := s.dial(t, one)
	refused.wantAnswer(t, http.StatusServiceUnavailable, clientFull)
	refused.wantClosed(t)
	neighbour.ask(t)
	s.dial(t, three).ask(t)
	if full, client := s.RefusedFull(), s.RefusedClient(); full != 0 || client != 1 {
		t.Errorf("refused in total: %d, want 0; refused for a client: %d, want 1", full, client)
	}
}

func TestUnixSocketHasNoClients(t *testing.T) {
	inner, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, inner, Limits{Total: 3, PerClient: 1})
	var first *peer
	for i := range 3 {
		p := s.dial(t, "")
		p.ask(t)
		if s.settle(t, i+1); i == 0 {
			first = p
		}
	}
	s.dial(t, "").ask(t)
	first.wantClosed(t)
}

func TestClientOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.7:1":             "192.0.2.7/32",
		"127.0.0.1:1":             "127.0.0.1/32",
		"[::ffff:192.0.2.7]:1":    "192.0.2.7/32",
		"[2001:db8:1:2:3:4::5]:1": "2001:db8:1:2::/64",
		"[2001:db8:1:2::ffff]:9":  "2001:db8:1:2::/64",
		"[fe80::1%lo]:1":          "fe80::/64",
		"[::1]:1":                 "::/64",
	} {
		tcp := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(address))
		if got := clientOf(tcp).String(); got != want {
			t.Errorf("%s counts for %s, want %s", address, got, want)
		}
	}
	for _, address := range []net.Addr{&net.UnixAddr{Name: "@"}, nil, &net.TCPAddr{}} {
		if got := clientOf(address); got.IsValid() {
			t.Errorf("%v counts for %v", address, got)
		}
	}
}

// stuck is a connection on which Read waits until the gate is closed. Bytes that arrive before stay in the kernel.
type stuck struct {
	*net.TCPConn
	gate <-chan struct{}
}

func (c *stuck) Read(p []byte) (int, error) {
	<-c.gate
	return c.TCPConn.Read(p)
}

// stuckListener accepts connections that are stuck.
type stuckListener struct {
	net.Listener
	gate     <-chan struct{}
	accepted atomic.Int32
}

func (l *stuckListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.accepted.Add(1)
	return &stuck{c.(*net.TCPConn), l.gate}, nil
}

// A request whose header has arrived completely counts as in progress, even if the server has not read it yet.
func TestRequestThatWaitsToBeReadIsNotClosed(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	s := serve(t, &stuckListener{Listener: inner, gate: gate}, Limits{Total: 1})
	first := s.dial(t, one)
	first.say(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	s.settle(t, 1)
	eventually(t, "the header to arrive", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.idle.Front().Value.(*conn).unread() > 0
	})
	s.dial(t, two).wantAnswer(t, http.StatusServiceUnavailable, full)
	close(gate)
	first.wantAnswer(t, http.StatusOK, "served")
}

// If idle connections have sent bytes that are not handled yet, a new connection waits and is not refused.
func TestNewConnectionWaitsForUnhandledBytes(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := make(chan struct{})
	listener := &stuckListener{Listener: inner, gate: gate}
	s := serve(t, listener, Limits{Total: 1})
	s.patience = time.Minute
	first := s.dial(t, one)
	first.say(t, "GET / HTTP/1.1\r\n")
	eventually(t, "half of a header to arrive", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.idle.Len() == 1 && s.idle.Front().Value.(*conn).unread() > 0
	})
	another := s.dial(t, two)
	another.say(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	eventually(t, "the connection to be accepted", func() bool { return listener.accepted.Load() == 2 })
	close(gate)
	another.wantAnswer(t, http.StatusOK, "served")
	first.wantAnswer(t, http.StatusServiceUnavailable, full)
	s.wantCounts(t, 1, 0, 0)
}

// The server gets no bytes from a stopped connection.
func TestStoppedConnectionReadsNothing(t *testing.T) {
	client, inner := net.Pipe()
	defer client.Close()
	l := New(nil, Limits{Total: 1})
	c := &conn{Conn: inner, from: l}
	done := make(chan error)
	read := func() {
		_, err := c.Read(make([]byte, 4))
		done <- err
	}
	go read()
	if _, err := io.WriteString(client, "GET "); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || c.stop() {
		t.Fatalf("the first read failed (%v), or the connection could be stopped while the server handled bytes", err)
	}
	go read()
	eventually(t, "the server to read", c.stop)
	if _, err := io.WriteString(client, "/ HT"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err == nil {
		t.Error("the server got bytes of a stopped connection")
	}
	if _, err := c.Read(make([]byte, 8)); err == nil {
		t.Error("the server got bytes of a stopped connection by another Read")
	}
}

// Many clients compete for few connections, and some of them send nothing. Every client is served or refused, and in the end all
// counts are 0.
func TestCountsAfterManyClients(t *testing.T) {
	s := serve(t, nil, Limits{Total: 8, PerClient: 6})
	var idlers []*peer
	for i := range 8 {
		idlers = append(idlers, s.dial(t, []string{one, two}[i%2]))
		idlers[i].ask(t)
	}
	s.settle(t, 8)
	var crowd sync.WaitGroup
	for i := range 64 {
		from := []string{one, two, three}[i%3]
		crowd.Go(func() {
			for range 10 {
				p := s.dial(t, from)
				// The refusal and the end of the connection may come before the request is sent.
				_, _ = io.WriteString(p, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
				response, err := http.ReadResponse(p.in, nil)
				if err != nil {
					continue // closed without an answer: more than MaxRefusals were refused at once
				}
				if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("status %d", response.StatusCode)
				}
				_ = p.Close()
			}
		})
	}
	crowd.Wait()
	for _, p := range idlers {
		_ = p.Close()
	}
	eventually(t, "all connections to be closed", func() bool { return s.Open() == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle.Len() != 0 || len(s.clients) != 0 {
		t.Errorf("the listener still counts %d idle connections and %d clients", s.idle.Len(), len(s.clients))
	}
}
