package connlimit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// server is an http.Server behind a Listener. It answers a request for /wait when letGo is closed, and any other request at once.
type server struct {
	*Listener
	address string
	begun   chan struct{}
	letGo   chan struct{}
}

// serve serves on a listener. If it is nil, serve opens one on all addresses, so that clients can use several addresses of the loopback
// network.
func serve(t *testing.T, inner net.Listener, limits Limits) *server {
	t.Helper()
	if inner == nil {
		var err error
		if inner, err = net.Listen("tcp", "0.0.0.0:0"); err != nil {
			t.Fatal(err)
		}
	}
	s := &server{Listener: New(inner, limits), begun: make(chan struct{}, 100), letGo: make(chan struct{})}
	if tcp, ok := inner.Addr().(*net.TCPAddr); ok {
		s.address = fmt.Sprintf("127.0.0.1:%d", tcp.Port)
	} else {
		s.address = inner.Addr().String()
	}
	srv := &http.Server{ConnState: s.ConnState, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			s.begun <- struct{}{}
			<-s.letGo
		}
		_, _ = io.WriteString(w, "served")
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(s.Listener) }()
	t.Cleanup(func() {
		s.release()
		_ = srv.Close()
		<-served
	})
	return s
}

// release ends the requests for /wait.
func (s *server) release() {
	select {
	case <-s.letGo:
	default:
		close(s.letGo)
	}
}

// peer is the client's end of a connection.
type peer struct {
	net.Conn
	in *bufio.Reader
}

// dial connects from an address of the loopback network.
func (s *server) dial(t *testing.T, from string) *peer {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	network := "tcp"
	if s.Addr().Network() == "unix" {
		d, network = net.Dialer{}, "unix"
	}
	c, err := d.Dial(network, s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // so that the test does not hang
	return &peer{c, bufio.NewReader(c)}
}

// say sends bytes.
func (p *peer) say(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(p, text); err != nil {
		t.Fatal(err)
	}
}

// ask sends a request and leaves the connection idle after its answer.
func (p *peer) ask(t *testing.T) {
	t.Helper()
	p.say(t, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	p.wantAnswer(t, http.StatusOK, "served")
}

// wait sends a request that stays in progress.
func (s *server) wait(t *testing.T, p *peer) {
	t.Helper()
	p.say(t, "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
	<-s.begun
}

// wantAnswer reads one answer.
func (p *peer) wantAnswer(t *testing.T, status int, body string) {
	t.Helper()
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	got, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status || string(got) != body {
		t.Fatalf("answered %d %s, %v; want %d %s", response.StatusCode, got, err, status, body)
	}
	if status == http.StatusServiceUnavailable && (response.Header.Get("Retry-After") == "" || !response.Close) {
		t.Errorf("a 503 without Retry-After, or without Connection: close: %v", response.Header)
	}
}

// wantClosed expects that the connection is closed without another answer.
func (p *peer) wantClosed(t *testing.T) {
	t.Helper()
	if rest, err := io.ReadAll(p.in); len(rest) > 0 || isTimeout(err) {
		t.Errorf("not closed without an answer: read %q, %v", rest, err)
	}
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// eventually waits for a condition that another goroutine fulfils.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for: %s", what)
		}
	}
}

// wantCounts compares the numbers of connections that were closed for room, refused in total, and refused for a client.
func (s *server) wantCounts(t *testing.T, closed, full, client int) {
	t.Helper()
	if got, want := [3]int{s.ClosedForRoom(), s.RefusedFull(), s.RefusedClient()}, [3]int{closed, full, client}; got != want {
		t.Errorf("closed for room, refused in total, refused for a client: %v, want %v", got, want)
	}
}

// settle waits until the given number of connections is idle, and the server waits for bytes on each of them. A client may get its
// answer before that.
func (s *server) settle(t *testing.T, idle int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d idle connections", idle), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for e := s.idle.Front(); e != nil; e = e.Next() {
			if e.Value.(*conn).state.Load() == reading {
				n++
			}
		}
		return n == idle && s.idle.Len() == idle
	})
}
