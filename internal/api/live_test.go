package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// socket is a client's WebSocket.
type socket struct {
	*websocket.Conn
	t *testing.T
}

// live opens a WebSocket and sends these messages.
func (s *testServer) live(t *testing.T, messages ...string) socket {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), s.url+v1.LivePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { conn.CloseNow() })
	c := socket{conn, t}
	for _, m := range messages {
		c.send(m)
	}
	return c
}

func (c socket) send(message string) {
	c.t.Helper()
	if err := c.Write(c.t.Context(), websocket.MessageText, []byte(message)); err != nil {
		c.t.Error(err)
	}
}

// next returns the next event.
func (c socket) next() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	_, message, err := c.Read(ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(message)
}

// rest returns all events until the connection is closed. The test fails if it is closed with another status.
func (c socket) rest(status websocket.StatusCode) (events []string) {
	c.t.Helper()
	for {
		_, message, err := c.Read(c.t.Context())
		if err != nil {
			if got := websocket.CloseStatus(err); got != status {
				c.t.Errorf("closed with %d (%v), want %d", got, err, status)
			}
			return events
		}
		events = append(events, string(message))
	}
}

// echoes copies standard input to stdout until the input or the run ends.
func echoes(ctx context.Context, p sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
	live.Start()
	var stdout, stderr string
	for {
		select {
		case data, more := <-p.Input.Stdin:
			if !more {
				return result(sandbox.Exited, stdout, stderr), nil
			}
			live.Output(sandbox.Stdout, data)
			stdout += string(data)
		case <-p.Input.Interrupt:
			live.Output(sandbox.Stderr, []byte("interrupted"))
			stderr += "interrupted"
		case <-ctx.Done():
			return result(sandbox.Cancelled, "", ""), nil
		}
	}
}

func TestLiveRun(t *testing.T) {
	s := serve(t, echoes, nil)
	doc := documentOf(t, s)
	c := s.live(t, `{"code":"x","args":["a"],"stdin":"first"}`)
	var all []string
	want := func(kind, text string) {
		t.Helper()
		message := c.next()
		all = append(all, message)
		var e event
		if err := errors.Join(json.Unmarshal([]byte(message), &e), doc.holds("Event", message)); err != nil || e.Event != kind || e.Text != text {
			t.Fatalf("got %s, %v; want %s(%s)", message, err, kind, text)
		}
	}
	want("started", "")
	want("stdout", "first")
	c.send(`{"event":"stdin","text":"zweitens: ü\n"}`)
	want("stdout", "zweitens: ü\n")
	c.send(`{"event":"interrupt"}`)
	want("stderr", "interrupted")
	c.send(`{"event":"eof"}`)
	last := c.rest(websocket.StatusNormalClosure)
	if len(last) != 1 || !strings.Contains(last[0], `"event":"finished","seq":4`) || !strings.Contains(last[0], `"verdict":"exited"`) || doc.holds("Event", last[0]) != nil {
		t.Errorf("%q", last)
	}
	parseEvents(t, append(all, last...))
}

func TestLiveRunIsCancelled(t *testing.T) {
	t.Run("by a message", func(t *testing.T) {
		s := serve(t, echoes, nil)
		c := s.live(t, `{"code":"x","args":["a"]}`)
		c.next()
		c.send(`{"event":"cancel"}`)
		events := c.rest(websocket.StatusNormalClosure)
		if last := events[len(events)-1]; !strings.Contains(last, `"verdict":"cancelled"`) {
			t.Errorf("%q", events)
		}
	})
	for name, leave := range map[string]func(socket){
		"by the client's going away":        func(c socket) { c.CloseNow() },
		"by the client's closing handshake": func(c socket) { c.Close(websocket.StatusNormalClosure, "") },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{})
			s := serve(t, func(ctx context.Context, p sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
				defer close(ended)
				return echoes(ctx, p, live)
			}, nil)
			c := s.live(t, `{"code":"x"}`)
			c.next()
			leave(c)
			<-ended
			eventually(t, "the slot is free", func() bool { return s.cfg.Service.Gate().InFlight() == 0 })
		})
	}
	t.Run("by the end of the service", func(t *testing.T) {
		s := serve(t, echoes, nil)
		c := s.live(t, `{"code":"x"}`)
		c.next()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		s.WaitForSockets(ctx)
		c.rest(-1) // it is cut off
	})
	t.Run("an end waits for it", func(t *testing.T) {
		s := serve(t, echoes, nil)
		c := s.live(t, `{"code":"x"}`)
		c.next()
		waited := make(chan struct{})
		go func() { s.WaitForSockets(t.Context()); close(waited) }()
		c.send(`{"event":"eof"}`)
		c.rest(websocket.StatusNormalClosure)
		<-waited
	})
}

// Each error becomes an event with a problem, and the run ends.
func TestLiveProblems(t *testing.T) {
	ok := `{"code":"x"}`
	for _, tt := range []struct {
		name     string
		change   func(*setup)
		messages []string
		kind     *v1.Kind
		has      string
	}{
		{"no JSON", nil, []string{`{`}, v1.InvalidJSON, ""},
		{"an unknown field", nil, []string{`{"code":"x","y":1}`}, v1.InvalidRequest, `"pointer":"/y"`},
		{"a file that leads out", nil, []string{`{"code":"x","files":[{"path":"../a","text":""}]}`}, v1.InvalidRequest, `"/files/0/path"`},
		{"a request of bytes that are no UTF-8", nil, []string{"{\"code\":\"\xff\"}"}, v1.InvalidJSON, ""},
		{"a message that is no object", nil, []string{ok, `[]`}, v1.InvalidRequest, `"/event"`},
		{"a message that is no JSON", nil, []string{ok, `stdin`}, v1.InvalidJSON, ""},
		{"a message that there is not", nil, []string{ok, `{"event":"suspend"}`}, v1.InvalidRequest, `"/event"`},
		{"text without its message", nil, []string{ok, `{"event":"eof","text":"x"}`}, v1.InvalidRequest, `"/text"`},
		{"a message without its text", nil, []string{ok, `{"event":"stdin"}`}, v1.InvalidRequest, `"/text"`},
		{"an unknown field of a message", nil, []string{ok, `{"event":"stdin","text":"x","y":1}`}, v1.InvalidRequest, `"/text"`},
		{"input after its end", nil, []string{ok, `{"event":"eof"}`, `{"event":"stdin","text":"x"}`}, v1.InvalidRequest, "after the end"},
		{"input that the policy refuses", func(c *setup) { c.Nulled = []string{"input"} }, []string{ok, `{"event":"stdin","text":"x"}`}, v1.InvalidRequest, "refuses input()"},
		{"input of the request that the policy refuses", func(c *setup) { c.Nulled = []string{"input"} }, []string{`{"code":"x","stdin":"y"}`}, v1.InvalidRequest, `"/stdin"`},
		{"draining", func(c *setup) { c.Gate.Drain() }, []string{ok}, v1.ShuttingDown, ""},
		{"full", func(c *setup) {
			c.Gate = admission.New(1, 0)
			_, _, _ = c.Gate.Acquire(context.Background(), admission.Caller{})
		}, []string{ok}, v1.Busy, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(ctx context.Context, _ sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
				live.Start()
				<-ctx.Done() // it reads nothing
				return result(sandbox.Cancelled, "", ""), nil
			}, tt.change)
			before := s.bodies
			events := s.live(t, tt.messages...).rest(websocket.StatusPolicyViolation)
			if len(events) == 0 {
				t.Fatal("no event")
			}
			parseEvents(t, events)
			last := events[len(events)-1]
			if !strings.Contains(last, `"type":"/problems/`+tt.kind.Name+`"`) || !strings.Contains(last, tt.has) || documentOf(t, serve(t, exits("", ""), nil)).holds("Event", last) != nil {
				t.Errorf("got %q", events)
			}
			eventually(t, "the memory is free", func() bool { return before.Take(64<<20) && s.memory.Take(256<<20) })
		})
	}
	t.Run("a sandbox that fails", func(t *testing.T) {
		s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		}, nil)
		if events := s.live(t, ok).rest(websocket.StatusPolicyViolation); len(events) != 1 || !strings.Contains(events[0], `"/problems/sandbox-failed"`) {
			t.Errorf("got %q", events)
		}
	})
}

// The amount of standard input that waits for a program is limited.
func TestLiveInputThatIsNotRead(t *testing.T) {
	s := serve(t, func(ctx context.Context, _ sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		<-ctx.Done()
		return result(sandbox.Cancelled, "", ""), nil
	}, nil)
	c := s.live(t, `{"code":"x"}`)
	c.next()
	part := strings.Repeat("x", 300<<10)
	for range 4 {
		c.send(fmt.Sprintf(`{"event":"stdin","text":%q}`, part))
	}
	events := c.rest(websocket.StatusPolicyViolation)
	if len(events) != 1 || !strings.Contains(events[0], "is too much") {
		t.Errorf("got %.300q", events)
	}
	c = s.live(t, `{"code":"x"}`)
	c.next()
	c.send(fmt.Sprintf(`{"event":"stdin","text":%q}`, strings.Repeat("x", 2<<20)))
	c.rest(websocket.StatusMessageTooBig)
}

// Each answer in place of a WebSocket is in the OpenAPI document. The origin of a page is checked.
func TestLiveOrigins(t *testing.T) {
	doc := documentOf(t, serve(t, exits("", ""), nil))
	operation := doc.Paths.Value(v1.LivePath).Get
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}
	some := func(c *setup) { c.Origins = []string{"https://a.example"} }
	for _, tt := range []struct {
		name    string
		change  func(*setup)
		headers []string
		status  int
	}{
		{"no upgrade", nil, []string{"Connection", "close"}, 426},
		{"no page", nil, upgrade, 101},
		{"any page", nil, append([]string{"Origin", "https://b.example"}, upgrade...), 101},
		{"any page, with a cookie", nil, append([]string{"Origin", "https://b.example", "Cookie", "a=b"}, upgrade...), 403},
		{"any page, with a password", nil, append([]string{"Origin", "https://b.example", "Authorization", "Basic x"}, upgrade...), 403},
		{"any page, as the browser says, with a cookie", nil, append([]string{"Origin", "https://b.example", "Sec-Fetch-Site", "cross-site", "Cookie", "a=b"}, upgrade...), 403},
		{"no page, with a key", nil, append([]string{"Authorization", "Bearer x"}, upgrade...), 101},
		{"an allowed page", some, append([]string{"Origin", "https://a.example"}, upgrade...), 101},
		{"another page", some, append([]string{"Origin", "https://b.example"}, upgrade...), 403},
		{"another page, as the browser says", some, append([]string{"Origin", "https://b.example", "Sec-Fetch-Site", "cross-site"}, upgrade...), 403},
		{"a wrong host", func(c *setup) { c.Hosts = hosts(t, NamedHosts, "a.example") }, upgrade, 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, exits("", ""), tt.change)
			request, err := http.NewRequestWithContext(t.Context(), "GET", s.url+v1.LivePath, nil)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(tt.headers); i += 2 {
				request.Header.Set(tt.headers[i], tt.headers[i+1])
			}
			answer, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != tt.status || operation.Responses.Value(fmt.Sprint(tt.status)) == nil {
				t.Errorf("status %d, want %d", answer.StatusCode, tt.status)
			}
			if kind := answer.Header.Get("Content-Type"); tt.status != 101 && kind != "application/problem+json" {
				t.Errorf("an answer of %s", kind)
			}
		})
	}
	s := serve(t, exits("", ""), nil)
	for _, method := range []string{"POST", "DELETE", "PUT"} {
		if a := s.call(t, method, v1.LivePath, ""); a.StatusCode != 405 || a.Header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, a.StatusCode, a.Header)
		}
	}
}

// A client gives its key in a header, or as a subprotocol if it is a page. A request without a key is refused.
func TestLiveKeys(t *testing.T) {
	ring, tokens := keyring(t, callers.Key{Name: "alice"})
	s := serve(t, exits("", ""), func(c *setup) { c.Keys = ring })
	key := tokens["alice"]
	for _, tt := range []struct {
		name    string
		options websocket.DialOptions
		status  int
	}{
		{"none", websocket.DialOptions{}, 401},
		{"in a header", websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + key}}}, 101},
		{"as a subprotocol", websocket.DialOptions{Subprotocols: []string{"sandboxd", "sandboxd.key." + key}}, 101},
		{"a wrong one", websocket.DialOptions{Subprotocols: []string{"sandboxd", "sandboxd.key.sbx_x"}}, 401},
		{"two", websocket.DialOptions{HTTPHeader: http.Header{"X-Api-Key": {key}}, Subprotocols: []string{"sandboxd.key." + key}}, 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, answer, err := websocket.Dial(t.Context(), s.url+v1.LivePath, &tt.options)
			if answer == nil || answer.StatusCode != tt.status {
				t.Fatalf("%v, %v", answer, err)
			}
			if err == nil {
				defer conn.CloseNow()
				if len(tt.options.Subprotocols) > 0 && conn.Subprotocol() != "sandboxd" {
					t.Errorf("the subprotocol is %q", conn.Subprotocol())
				}
			}
		})
	}
	// Other routes do not accept a key as a subprotocol.
	if a := s.typed(t, `{"code":"x"}`, "Sec-WebSocket-Protocol", "sandboxd.key."+key); a.StatusCode != 401 {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}
