package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// held is a Runner whose runs last until the test releases or cancels them.
type held struct {
	begun chan struct{}
	letGo chan struct{}
}

func newHeld() *held { return &held{make(chan struct{}, 100), make(chan struct{})} }

func (h *held) run(ctx context.Context, _ sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
	h.begun <- struct{}{}
	select {
	case <-h.letGo:
		return result(sandbox.Exited, "done", ""), nil
	case <-ctx.Done():
		return result(sandbox.Cancelled, "", ""), nil
	}
}

func TestOverloadIsToldAtOnce(t *testing.T) {
	h := newHeld()
	s := serve(t, h.run, func(c *setup) { c.Gate = admission.New(1, 1) })
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() { s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"done","stderr":""}`) })
	}
	<-h.begun
	eventually(t, "one in the queue", func() bool { return s.cfg.Service.Gate().Depth() == 1 })

	a := s.execute(t, `{"code":"x"}`)
	a.want(t, 503, `{"detail":"Too many programs are running: try again later"}`)
	if a.Header.Get("Retry-After") == "" || a.Close {
		t.Errorf("Retry-After is %q, Connection: close is %v", a.Header.Get("Retry-After"), a.Close)
	}
	// Other routes answer while all slots are in use, and the metrics show it.
	s.call(t, "GET", "/", "").want(t, 200, `{"Message":"Welcome to the Python Playground Backend!"}`)
	for series, want := range map[string]string{
		"sandboxd_runs_in_flight": "1", "sandboxd_queue_depth": "1",
		`sandboxd_requests_rejected_total{reason="queue_full"}`: "1",
	} {
		if got := s.metric(t, series); got != want {
			t.Errorf("%s = %s, want %s", series, got, want)
		}
	}
	close(h.letGo)
	clients.Wait()
}

func TestDrainRefusesNewRunsAndLetsOldOnesFinish(t *testing.T) {
	h := newHeld()
	s := serve(t, h.run, func(c *setup) { c.Gate = admission.New(1, 1) })
	var clients sync.WaitGroup
	clients.Go(func() { s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"done","stderr":""}`) })
	<-h.begun
	clients.Go(func() {
		a := s.execute(t, `{"code":"x"}`)
		if a.StatusCode != 503 {
			t.Errorf("the one in the queue is answered with %d", a.StatusCode)
		}
	})
	eventually(t, "one in the queue", func() bool { return s.cfg.Service.Gate().Depth() == 1 })
	s.call(t, "GET", "/readyz", "").want(t, 200, `{"status":"ready"}`)

	s.Drain()
	a := s.execute(t, `{"code":"x"}`)
	a.want(t, 503, `{"detail":"The service is shutting down: try again later"}`)
	if a.Header.Get("Retry-After") == "" || !a.Close {
		t.Errorf("Retry-After is %q, Connection: close is %v", a.Header.Get("Retry-After"), a.Close)
	}
	s.call(t, "GET", "/readyz", "").want(t, 503, `{"detail":"Not ready: no new run is started: draining"}`)
	if a := s.call(t, "GET", "/healthz", ""); a.StatusCode != 200 {
		t.Errorf("/healthz says %d: it is alive", a.StatusCode)
	}
	close(h.letGo)
	clients.Wait()
}

func TestClientThatGoesAwayIsNotRunFor(t *testing.T) {
	h := newHeld()
	s := serve(t, h.run, func(c *setup) { c.Gate = admission.New(1, 1) })
	post := func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, "POST", s.url+"/playground/execute", strings.NewReader(`{"code":"x"}`))
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	var clients sync.WaitGroup
	running, cancelRunning := context.WithCancel(t.Context())
	queued, cancelQueued := context.WithCancel(t.Context())
	for _, ctx := range []context.Context{running, queued} {
		clients.Go(func() {
			if err := post(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("client: %v", err)
			}
		})
		eventually(t, "a run", func() bool { return s.cfg.Service.Gate().InFlight() == 1 })
	}
	<-h.begun
	eventually(t, "one in the queue", func() bool { return s.cfg.Service.Gate().Depth() == 1 })
	cancelQueued()
	eventually(t, "the queue to be empty", func() bool {
		return s.cfg.Service.Gate().Depth() == 0 && s.metric(t, `sandboxd_requests_rejected_total{reason="client_gone"}`) == "1"
	})
	cancelRunning()
	eventually(t, "the run to be cancelled", func() bool {
		return s.cfg.Service.Gate().InFlight() == 0 && s.metric(t, `sandboxd_runs_total{verdict="cancelled"}`) == "1"
	})
	clients.Wait()
	eventually(t, "its record", func() bool { return strings.Contains(s.logs.String(), "verdict=cancelled") })
	eventually(t, "both requests to be counted", func() bool {
		return s.metric(t, `sandboxd_http_requests_total{code="499",route="/playground/execute"}`) == "2"
	})
	if len(h.begun) != 0 {
		t.Error("the one in the queue was run")
	}
}

// The program is large. JSON needs an escape for none of its bytes, or for all of them.
func TestSourceLimitCountsTheProgramNotItsJSON(t *testing.T) {
	s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		return result(sandbox.Exited, fmt.Sprint(len(spec.Source)), ""), nil
	}, nil)
	const full = sandbox.MaxSource
	const tooLarge = `{"detail":"The program is too large: the limit is 1048576 bytes"}`
	for _, tt := range []struct {
		name, code string
		status     int
		body       string
	}{
		{"longest", strings.Repeat("x", full), 200, `{"stdout":"1048576","stderr":""}`},
		{"longest, escaped", strings.Repeat(`\u0078`, full), 200, `{"stdout":"1048576","stderr":""}`},
		{"longest of two-byte characters", strings.Repeat("é", full/2), 200, `{"stdout":"1048576","stderr":""}`},
		{"one byte more", strings.Repeat("x", full+1), 413, tooLarge},
		{"one more of two-byte characters", strings.Repeat(`\u00e9`, full/2+1), 413, tooLarge},
		{"more than any program needs", strings.Repeat(`\u0078`, full+1000), 413, `{"detail":"The request body is too large: the limit is 6292480 bytes"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.execute(t, `{"code":"`+tt.code+`"}`).want(t, tt.status, tt.body)
		})
	}
	if s.metric(t, `sandboxd_requests_rejected_total{reason="body_too_large"}`) != "3" {
		t.Error("not counted")
	}
	if !s.bodies.Take(bodiesInMemory) {
		t.Error("memory for bodies is not given back")
	}
}

// letters is an endless body that counts the bytes that are read.
type letters struct{ left, read int64 }

func (l *letters) Read(p []byte) (int, error) {
	if l.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), l.left))
	for i := range p[:n] {
		p[i] = 'x'
	}
	l.left -= int64(n)
	l.read += int64(n)
	return n, nil
}

func TestHundredMegabytesAreRefusedWithoutKeepingThem(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	const want = `{"detail":"The request body is too large: the limit is 6292480 bytes"}`
	for _, tt := range []struct {
		name   string
		length int64 // announced; -1 for chunks
	}{{"announced", 100 << 20}, {"in chunks", -1}} {
		t.Run(tt.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+"/playground/execute", io.NopCloser(&letters{left: 100 << 20}))
			if err != nil {
				t.Fatal(err)
			}
			req.ContentLength = tt.length
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 413 || string(body) != want {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
				t.Errorf("%d MiB were allocated for it", took>>20)
			}
		})
	}
}

// A client that sends the whole body before it reads must receive the refusal.
func TestRefusalReachesClientThatDoesNotListenYet(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	c := dial(t, s)
	fmt.Fprintf(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", 100<<20)
	if _, err := io.Copy(c, &letters{left: 100 << 20}); err != nil {
		t.Fatalf("sending: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("answer: %v", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != 413 || !resp.Close {
		t.Errorf("%d, close %v", resp.StatusCode, resp.Close)
	}
}

func TestClientThatAsksForLeaveIsToldNotToSend(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	c := dial(t, s)
	fmt.Fprintf(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", 100<<20)
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || line != "HTTP/1.1 413 Request Entity Too Large\r\n" {
		t.Errorf("first line is %q, %v", line, err)
	}
}

func TestLargeBodiesShareBoundedMemory(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	if !s.bodies.Take(bodiesInMemory) {
		t.Fatal("not free")
	}
	a := s.execute(t, `{"code":"`+strings.Repeat("x", smallBody)+`"}`)
	a.want(t, 503, `{"detail":"too many large requests at once"}`)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"","stderr":""}`)
	s.bodies.Give(bodiesInMemory)
	s.execute(t, `{"code":"`+strings.Repeat("x", smallBody)+`"}`).want(t, 200, `{"stdout":"","stderr":""}`)
}

func dial(t *testing.T, s *testServer) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSlowClientsAreCutOff(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) {
		c.ReadHeaderTimeout, c.ReadTimeout, c.IdleTimeout = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	})
	for _, tt := range []struct{ name, sent, answer string }{
		{"half a head", "POST /playground/execute HTTP/1.1\r\nHost: x\r\n", ""},
		{"half a body", "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{", `{"detail":"the request body did not arrive in time"}`},
		{"nothing after an answer", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", `"memory":"works"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, s)
			fmt.Fprint(c, tt.sent)
			got, err := io.ReadAll(c) // until the server ends the connection
			if err != nil {
				t.Fatalf("the connection was not ended: %v", err)
			}
			if !strings.HasSuffix(string(got), tt.answer) || tt.answer == "" && len(got) > 0 && !strings.HasPrefix(string(got), "HTTP/1.1 408") {
				t.Errorf("answer is %q", got)
			}
		})
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="body_timeout"}`); got != "1" {
		t.Errorf("counted %s times", got)
	}
}

// A client that does not read its answer holds its connection until WriteTimeout, but no slot.
func TestClientThatNeverReadsHoldsNoSlot(t *testing.T) {
	huge := strings.Repeat("x", 32<<20) // more than the sockets' buffers hold
	s := serve(t, exits(huge, ""), func(c *setup) {
		c.Gate, c.WriteTimeout = admission.New(1, 0), 300*time.Millisecond
	})
	c := dial(t, s)
	fmt.Fprint(c, "POST /playground/execute HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n{\"code\":\"x\"}")
	eventually(t, "the run to be over", func() bool { return s.metric(t, `sandboxd_runs_total{verdict="exited"}`) == "1" })
	eventually(t, "the slot to be free", func() bool { return s.cfg.Service.Gate().InFlight() == 0 })
	eventually(t, "the writing to be given up", func() bool {
		return s.metric(t, `sandboxd_http_request_duration_seconds_count{route="/playground/execute"}`) == "1"
	})
	got, _ := io.ReadAll(c)
	if len(got) >= len(huge) {
		t.Error("the whole answer came: the client was not slow")
	}
}

// A run may take longer than the read timeout of the request.
func TestRunMayTakeLongerThanReadTimeout(t *testing.T) {
	s := serve(t, func(ctx context.Context, _ sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		select {
		case <-ctx.Done():
			return result(sandbox.Cancelled, "", ""), nil
		case <-time.After(300 * time.Millisecond):
			return result(sandbox.Exited, "done", ""), nil
		}
	}, func(c *setup) { c.ReadTimeout = 50 * time.Millisecond })
	s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"done","stderr":""}`)
}

func TestReadinessIsTriedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var tries atomic.Int64
		var err error
		p := probe{try: func(context.Context) error { tries.Add(1); return err }, log: slog.New(slog.DiscardHandler)}
		for range 10 {
			if got := p.result(t.Context()); got != nil {
				t.Fatal(got)
			}
		}
		err = errors.New("no python3")
		time.Sleep(probeEvery)
		var askers sync.WaitGroup
		for range 10 {
			askers.Go(func() {
				if got := p.result(t.Context()); got != err {
					t.Errorf("result is %v", got)
				}
			})
		}
		askers.Wait()
		if got := tries.Load(); got != 2 {
			t.Errorf("tried %d times", got)
		}
	})
}

func TestReadinessTellsStrangersTheStageAndTheLogTheRest(t *testing.T) {
	mkdir := errors.New("mkdir /sys/fs/cgroup/system.slice/run-7: permission denied")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"the sandbox failed", &sandbox.SetupError{Stage: "cgroup", Err: mkdir}, "the sandbox could not be set up (cgroup)"},
		{"anything else", mkdir, "a trial run failed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, exits("", ""), func(c *setup) {
				c.Ready = func(context.Context) error { return tt.err }
			})
			s.call(t, "GET", "/readyz", "").want(t, 503, `{"detail":"Not ready: `+tt.want+`"}`)
			if logs := s.logs.String(); !strings.Contains(logs, "level=WARN") || !strings.Contains(logs, mkdir.Error()) {
				t.Errorf("the log is %q", logs)
			}
		})
	}
}

func TestReadinessIsLoggedOncePerChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var err error
		logs := &lockedBuffer{}
		p := probe{try: func(context.Context) error { return err }, log: slog.New(slog.NewTextHandler(logs, nil))}
		at := func(stage string, run int) error {
			return &sandbox.SetupError{Stage: stage, Err: fmt.Errorf("run-%d", run)}
		}
		for _, err = range []error{nil, at("cgroup", 1), at("cgroup", 2), at("clone", 3), nil, nil} {
			_ = p.result(t.Context())
			time.Sleep(probeEvery)
		}
		var got []string
		for line := range strings.Lines(logs.String()) {
			_, line, _ = strings.Cut(strings.TrimSpace(line), " ") // the time
			got = append(got, line)
		}
		want := []string{
			`level=WARN msg="not ready" error="sandbox set-up failed at cgroup: run-1"`,
			`level=WARN msg="not ready" error="sandbox set-up failed at clone: run-3"`,
			`level=INFO msg="ready again"`,
		}
		if !slices.Equal(got, want) {
			t.Errorf("logged %q", got)
		}
	})
}
