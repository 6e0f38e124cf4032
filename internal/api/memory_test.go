package api

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

const oneLine = "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"code\":\"x\"}"

// The memory of the service for answers, in bytes.
const (
	replySlack   = 128 << 10
	unreadMemory = 256 << 20
	extras       = sandbox.MaxDisplayBytes + sandbox.MaxOutBytes // what a run of the typed API may return besides
)

// nuls is a runFunc that fills both streams with NUL bytes, each of which takes six bytes in JSON. The slices grow by append, as those of
// the jail do.
func nuls(size int) runFunc {
	grown := func() sandbox.Output {
		var kept []byte
		for len(kept) < size {
			kept = append(kept, make([]byte, min(64<<10, size-len(kept)))...)
		}
		return sandbox.Output{Kept: kept, Total: int64(size)}
	}
	return func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		return &sandbox.Outcome{Verdict: sandbox.Exited, Stdout: grown(), Stderr: grown()}, nil
	}
}

// An answer that its client does not read takes only the memory of the run's output.
func TestUnreadAnswersTakeNoMoreThanWhatWasKept(t *testing.T) {
	const clients = 20
	s := serve(t, nuls(1<<20), func(c *setup) { c.Gate = admission.New(2, clients) })
	before := heap()
	for range clients {
		c := dial(t, s)
		if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, oneLine)
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil { // the answer has begun
			t.Fatal(err)
		}
	}
	if took := (heap() - before) / clients; took > 2<<20+replySlack {
		t.Errorf("an answer takes %d KiB", took>>10)
	}
}

// heap returns the number of reachable bytes.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestUnreadAnswersShareBoundedMemory(t *testing.T) {
	ran := 0
	s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		ran++
		return result(sandbox.Exited, "a", ""), nil
	}, func(c *setup) { c.Gate = admission.New(3, 0) })
	// All slots can be used while the maximum number of answers is unread.
	budget := int64(unreadMemory + 3*(2<<20+replySlack+extras))
	if !s.memory.Take(budget) || s.memory.Take(1) {
		t.Fatal("the budget is another")
	}
	a := s.execute(t, `{"code":"x"}`)
	a.want(t, 503, `{"detail":"too many answers are waiting to be read: try again later"}`)
	if a.Header.Get("Retry-After") == "" || a.Close {
		t.Errorf("Retry-After is %q, Connection: close is %v", a.Header.Get("Retry-After"), a.Close)
	}
	if ran != 0 || s.cfg.Service.Gate().InFlight() != 0 {
		t.Errorf("%d were run, %d slots are held", ran, s.cfg.Service.Gate().InFlight())
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="answer_memory"}`); got != "1" {
		t.Errorf("counted %s times", got)
	}
	s.call(t, "POST", "/playground/execute", `{"code":""}`).want(t, 200, `{"stdout":"","stderr":""}`)
	s.memory.Give(budget)
	s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"a","stderr":""}`)
}

// A request holds the memory of its answer, and releases it whatever its end is.
func TestSpaceOfAnAnswerIsGivenBack(t *testing.T) {
	const budget = unreadMemory + 2<<20 + replySlack + extras // of one slot
	free := func(s *testServer, n int64) bool {
		ok := s.memory.Take(n)
		if ok {
			s.memory.Give(n)
		}
		return ok
	}
	for _, tt := range []struct {
		name   string
		run    runFunc
		status int
	}{
		{"read", nuls(1 << 20), 200},
		{"sandbox failed", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		}, 500},
		{"panic", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("x") }, 500},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.run, func(c *setup) { c.Gate = admission.New(1, 0) })
			if a := s.execute(t, `{"code":"x"}`); a.StatusCode != tt.status {
				t.Errorf("status is %d", a.StatusCode)
			}
			eventually(t, "all of it", func() bool { return free(s, budget) })
		})
	}
	t.Run("run, unread, gone", func(t *testing.T) {
		const each = 900 << 10
		begun, letGo := make(chan struct{}), make(chan struct{})
		s := serve(t, func(ctx context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
			close(begun)
			<-letGo
			return nuls(each)(ctx, spec, nil)
		}, func(c *setup) { c.Gate = admission.New(1, 0) })
		c := dial(t, s)
		if err := c.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, oneLine)
		<-begun
		if !free(s, unreadMemory+extras) || free(s, unreadMemory+extras+1) {
			t.Error("a run does not hold the space of the largest answer")
		}
		close(letGo)
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		const unread = 2*each + replySlack
		if !free(s, budget-unread) || free(s, budget-unread+1) {
			t.Error("an unread answer does not hold what it takes")
		}
		c.Close()
		eventually(t, "all of it", func() bool { return free(s, budget) })
	})
}

// largest is the size of the largest write, in bytes.
type largest struct {
	bytes.Buffer
	most int
}

func (l *largest) Write(b []byte) (int, error) {
	l.most = max(l.most, len(b))
	return l.Buffer.Write(b)
}

// The pieces together are the same as the whole answer, wherever the pieces begin.
func TestPiecesMakeTheSameAnswer(t *testing.T) {
	for _, unit := range []string{
		"", "x", "\x00", "é", "€", "😀", "x😀", "é€😀", "\xff", "\x80", "\xf0\x9f\x98", "\xf0\x80\x80\x80\x80", "€\xe2\x82", "\"\\\n\x1b\u2028",
	} {
		for shift := range 5 {
			stream := []byte(strings.Repeat("a", shift) + strings.Repeat(unit, 100_000/max(len(unit), 1)))
			a := streams{stdout: stream, stderr: stream[:len(stream)/2], notes: []byte("\nError")}
			want := append([]byte(`{"stdout":`), appendString(nil, a.stdout)...)
			want = append(want, `,"stderr":`...)
			want = append(appendString(want, append(bytes.Clone(a.stderr), a.notes...)), '}')
			var got largest
			if err := a.encode(&got); err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("%q after %d: %d bytes, want %d (%v)", unit, shift, got.Len(), len(want), err)
			}
			if got.most > 64<<10 {
				t.Errorf("%q: %d bytes at once", unit, got.most)
			}
		}
	}
}

func TestLongAnswersHaveTheirLength(t *testing.T) {
	s := serve(t, nuls(100_000), nil)
	a := s.execute(t, `{"code":"x"}`)
	nul := strings.Repeat(`\u0000`, 100_000)
	if want := `{"stdout":"` + nul + `","stderr":"` + nul + `"}`; a.body != want || a.ContentLength != int64(len(want)) {
		t.Errorf("%d bytes, announced %d, want %d", len(a.body), a.ContentLength, len(want))
	}
}

// A client that announces a large body and sends nothing takes no counted memory.
func TestSilentBodiesDenyNobody(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	heads := []string{"Content-Length: 4180000"}
	for range 12 {
		heads = append(heads, "Transfer-Encoding: chunked")
	}
	for _, head := range heads {
		c := dial(t, s)
		// The server sends "100 Continue" when it begins to read the body.
		fmt.Fprintf(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n%s\r\n\r\n", head)
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
			t.Errorf("%s: first line is %q, %v", head, line, err)
		}
	}
	s.execute(t, `{"code":"`+strings.Repeat("x", 100<<10)+`"}`).want(t, 200, `{"stdout":"","stderr":""}`)
	if !s.bodies.Take(bodiesInMemory) {
		t.Error("silence holds memory")
	}
}

// The memory of a large body is counted as the body arrives, and released whatever the end of the request is.
func TestBodiesCountAsTheyCome(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	c := dial(t, s)
	fmt.Fprint(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 4180000\r\n\r\n")
	if _, err := io.CopyN(c, &letters{left: 1 << 20}, 1<<20); err != nil {
		t.Fatal(err)
	}
	free := func(n int64) bool {
		ok := s.bodies.Take(n)
		if ok {
			s.bodies.Give(n)
		}
		return ok
	}
	eventually(t, "a megabyte to be counted", func() bool { return !free(bodiesInMemory - 1<<20 + 1) })
	if !free(bodiesInMemory - 2<<20) {
		t.Error("more than twice of it is counted")
	}
	c.Close()
	eventually(t, "it to be given back", func() bool { return free(bodiesInMemory) })
}

// A body that is refused for lack of memory holds none while its rest is read and discarded.
func TestBodyWithoutRoomHoldsNone(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	const room = 256 << 10
	if !s.bodies.Take(bodiesInMemory - room) {
		t.Fatal("not free")
	}
	c := dial(t, s)
	fmt.Fprint(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 4180000\r\n\r\n")
	if _, err := io.CopyN(c, &letters{left: room}, room-1); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all the room to be taken", func() bool {
		taken := !s.bodies.Take(1)
		if !taken {
			s.bodies.Give(1)
		}
		return taken
	})
	if _, err := io.CopyN(c, &letters{left: room}, room); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it to be given back", func() bool { return s.bodies.Take(room) })
}

// pipes is a listener for connections in memory. Their deadlines use the clock of the test (testing/synctest).
type pipes struct {
	conns chan net.Conn
	done  func()
	ended context.Context
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.ended.Done():
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.done(); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{} }

func TestBodiesMustKeepUpAPace(t *testing.T) {
	for _, tt := range []struct {
		name   string
		bytes  int           // at once
		every  time.Duration // and again after
		times  int
		status int
		from   time.Duration // the answer comes not before
		to     time.Duration
	}{
		{"silence", 0, time.Second, 100, 408, 10 * time.Second, 11 * time.Second},
		{"trickle", 100, time.Second, 100, 408, 10 * time.Second, 12 * time.Second},
		{"half the pace", 8 << 10, time.Second, 100, 408, 18 * time.Second, 22 * time.Second},
		{"fast first, silent then", 2 << 20, 40 * time.Second, 2, 408, 10 * time.Second, 11 * time.Second},
		{"slow, but fast enough", 20 << 10, time.Second, 25, 200, 24 * time.Second, 26 * time.Second},
		{"longer than ReadTimeout", 20 << 10, time.Second, 100, 408, 30 * time.Second, 31 * time.Second},
		{"small and late", 6, 9 * time.Second, 2, 200, 9 * time.Second, 10 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serveInMemory(t)
				client, server := net.Pipe()
				defer client.Close()
				s.conns <- server
				start := time.Now()
				var sender sync.WaitGroup
				defer sender.Wait()
				defer client.Close()
				sender.Go(func() {
					total := max(tt.bytes, 1) * tt.times
					body := []byte(`{"code":"x"}` + strings.Repeat(" ", max(total-12, 0)))[:max(total, 12)]
					fmt.Fprintf(client, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", len(body))
					for range tt.times {
						if _, err := client.Write(body[:tt.bytes]); err != nil {
							return
						}
						body = body[tt.bytes:]
						time.Sleep(tt.every)
					}
				})
				resp, err := http.ReadResponse(bufio.NewReader(client), nil)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if took := time.Since(start); resp.StatusCode != tt.status || took < tt.from || took > tt.to {
					t.Errorf("%d after %v", resp.StatusCode, took)
				}
			})
		})
	}
}

// serveInMemory starts a Server for connections in memory.
func serveInMemory(t *testing.T) *pipes {
	t.Helper()
	ended, done := context.WithCancel(context.Background())
	p := &pipes{make(chan net.Conn, 1), done, ended}
	srv := configured(t, exits("", ""), nil, &lockedBuffer{}).HTTPServer()
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(p) })
	t.Cleanup(func() {
		srv.Close()
		serving.Wait()
		time.Sleep(time.Second) // of the test's clock: net/http lingers before it closes
	})
	return p
}

// All requests share one unpacked copy of an asset, so that clients that do not read take no more memory.
func TestUnpackedAssetsAreShared(t *testing.T) {
	handle := serveAsset(assets[1])
	req := &http.Request{}
	handle(discarding{io.Discard, http.Header{}}, req)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	handle(discarding{io.Discard, http.Header{}}, req)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 64<<10 {
		t.Errorf("the second time took %d KiB", took>>10)
	}
}

type discarding struct {
	io.Writer
	h http.Header
}

func (d discarding) Header() http.Header { return d.h }
func (d discarding) WriteHeader(int)     {}
