package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// plays is a runFunc whose program writes the given output.
func plays(act func(ctx context.Context, live *sandbox.Stream) (*sandbox.Outcome, error)) runFunc {
	return func(ctx context.Context, _ sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
		return act(ctx, live)
	}
}

// event has the fields of all kinds of events.
type event struct {
	v1.Head
	Text      string
	LostBytes int64 `json:"lost_bytes"`
	ID        string
	Verdict   string
	Truncated v1.Truncated
	Problem   *v1.Problem
}

func parseEvents(t *testing.T, list []string) (parsed []event) {
	t.Helper()
	for i, text := range list {
		var e event
		if err := json.Unmarshal([]byte(text), &e); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if int(e.Seq) != i {
			t.Errorf("event %d has number %d", i, e.Seq)
		}
		parsed = append(parsed, e)
	}
	return parsed
}

// inWords describes each event in a few words.
func inWords(events []event) string {
	var list []string
	for _, e := range events {
		word := e.Event
		if e.Text != "" {
			word += fmt.Sprintf("(%s)", e.Text)
		}
		list = append(list, word)
	}
	return strings.Join(list, " ")
}

func TestStreams(t *testing.T) {
	const pause = 20 * time.Millisecond // so long that the reader has taken what came before
	for _, tt := range []struct {
		name   string
		writes []string // "o text", "e text", "d bytes" or "pause"
		want   string
	}{
		{"nothing", nil, "started finished"},
		{"both streams", []string{"o a", "e b", "o c"}, "started stdout(a) stderr(b) stdout(c) finished"},
		{"a character in two pieces", []string{"o a\xe2\x82", "pause", "o \xacb"}, "started stdout(a) stdout(€b) finished"},
		{"one in four pieces", []string{"o \xf0", "pause", "o \x9f", "pause", "o \x90", "pause", "o \x8d"}, "started stdout(🐍) finished"},
		{"two in two streams at once", []string{"o \xe2\x82", "e \xc3", "pause", "o \xac", "e \xa9"}, "started stdout(€) stderr(é) finished"},
		{"one that does not go on", []string{"o \xe2\x82", "pause", "o x"}, "started stdout(\ufffd\ufffdx) finished"},
		{"one that does not end", []string{"o a\xe2\x82"}, "started stdout(a) stdout(\ufffd\ufffd) finished"},
		{"what is no character", []string{"o \xff\xfe\x00"}, "started stdout(\ufffd\ufffd\x00) finished"},
		{"a display between lines", []string{"o a", "d png", "o b"}, "started stdout(a) display stdout(b) finished"},
		{"lines that would end an event", []string{"o a\n\ndata: b\r\n: c\n\n"}, "started stdout(a\n\ndata: b\r\n: c\n\n) finished"},
	} {
		for _, accept := range []string{"text/event-stream", "application/jsonl"} {
			t.Run(tt.name+", "+accept, func(t *testing.T) {
				s := serve(t, plays(func(_ context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
					live.Start()
					o := result(sandbox.Exited, "", "")
					for _, w := range tt.writes {
						if w == "pause" {
							time.Sleep(pause)
							continue
						}
						data := []byte(w[2:])
						if w[0] == 'd' {
							live.Display(&sandbox.Display{MIME: "image/png", Title: "t", Data: data})
							continue
						}
						if w[0] == 'o' {
							live.Output(sandbox.Stdout, data)
							o.Stdout.Total += int64(len(data))
						} else {
							live.Output(sandbox.Stderr, data)
							o.Stderr.Total += int64(len(data))
						}
					}
					return o, nil
				}), nil)
				a := s.typed(t, `{"code":"x"}`, "Accept", accept)
				documentOf(t, s).conforms(t, a)
				got := parseEvents(t, events(t, a))
				if inWords(got) != tt.want || got[len(got)-1].Truncated != (v1.Truncated{}) {
					t.Errorf("%q, want %q", inWords(got), tt.want)
				}
				if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Content-Type") != accept {
					t.Errorf("%v", a.Header)
				}
			})
		}
	}
}

// The client receives output while the program runs.
func TestStreamsAreLive(t *testing.T) {
	goOn := make(chan bool)
	s := serve(t, plays(func(_ context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		for i := range 3 {
			live.Output(sandbox.Stdout, fmt.Append(nil, i))
			<-goOn
		}
		return result(sandbox.Exited, "", ""), nil
	}), nil)
	lines, stop := s.open(t, `{"code":"x"}`)
	defer stop()
	next := func() (e event) {
		line, err := lines.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &e)
		}
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		return e
	}
	if e := next(); e.Event != "started" || !strings.HasPrefix(e.ID, "run_") {
		t.Errorf("%+v", e)
	}
	for i := range 3 {
		if e := next(); e.Event != "stdout" || e.Text != fmt.Sprint(i) {
			t.Errorf("%+v", e)
		}
		goOn <- true
	}
	if e := next(); e.Event != "finished" || e.Verdict != "exited" {
		t.Errorf("%+v", e)
	}
}

// open starts a run with a stream of JSON lines.
func (s *testServer) open(t *testing.T, body string) (lines *bufio.Reader, stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "POST", s.url+v1.Path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/jsonl")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return bufio.NewReader(resp.Body), func() {
		cancel()
		resp.Body.Close()
	}
}

// If the client closes the connection, the run is cancelled and all its memory is released.
func TestClientThatLeavesAStream(t *testing.T) {
	cancelled := make(chan bool, 1)
	s := serve(t, plays(func(ctx context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		live.Output(sandbox.Stdout, []byte("x"))
		<-ctx.Done()
		cancelled <- true
		return result(sandbox.Cancelled, "x", ""), nil
	}), nil)
	lines, stop := s.open(t, `{"code":"x"}`)
	if _, err := lines.ReadBytes('\n'); err != nil {
		t.Fatal(err)
	}
	stop()
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Fatal("the run goes on")
	}
	eventually(t, "memory and a slot", func() bool {
		free := s.memory.Take(256 << 20)
		if free {
			s.memory.Give(256 << 20)
		}
		return free && s.cfg.Service.Gate().InFlight() == 0
	})
	eventually(t, "the end of the stream to be counted", func() bool {
		return strings.Contains(s.call(t, "GET", "/metrics", "").body, "\nsandboxd_streams 0\n")
	})
	if body := s.call(t, "GET", "/metrics", "").body; !strings.Contains(body, `sandboxd_streams_total{type="application/jsonl"} 1`) {
		t.Error("the stream is not counted")
	}
}

// A client that does not read delays neither the run nor the release of its slot. When it reads again, it gets the number of lost bytes.
func TestSlowReaderOfAStream(t *testing.T) {
	const chunk, chunks = 1 << 10, 20 << 10
	ended, heard := make(chan bool), make(chan bool)
	var total atomic.Int64
	s := serve(t, plays(func(ctx context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		write := func(data []byte) {
			live.Output(sandbox.Stdout, data)
			total.Add(int64(len(data)))
		}
		data := []byte(strings.Repeat("x", chunk))
		for range chunks {
			write(data)
		}
		close(ended)
		for heardOne := false; !heardOne; { // these are lost too until the client has read what waits
			write([]byte("."))
			select {
			case <-heard:
				heardOne = true
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		o := result(sandbox.Exited, "", "")
		o.Stdout.Total = total.Load()
		return o, nil
	}), func(c *setup) { c.Limits.Output = 64 << 20 })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	const body = `{"code":"x"}`
	fmt.Fprintf(conn, "POST /v1/runs HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAccept: application/jsonl\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	select {
	case <-ended: // it wrote all of it while nobody read
	case <-time.After(20 * time.Second):
		t.Fatal("the run waits for its reader")
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	var passed, lost int64
	var last event
	heardOne := false
	for number := 0; last.Event != "finished"; number++ {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		last = event{}
		if err := json.Unmarshal(line, &last); err != nil || int(last.Seq) != number {
			t.Fatalf("%d: %.100s: %v", number, line, err)
		}
		passed += int64(len(last.Text))
		lost += last.LostBytes
		if !heardOne && strings.HasSuffix(last.Text, ".") {
			heardOne = true
			close(heard)
		}
	}
	if all := total.Load(); lost == 0 || passed+lost != all || last.Truncated.StdoutBytes != all-passed {
		t.Errorf("%d of %d came, %d are said to be lost on the way and %d at the end", passed, all, lost, last.Truncated.StdoutBytes)
	}
	if body := s.call(t, "GET", "/metrics", "").body; !strings.Contains(body, fmt.Sprintf("sandboxd_stream_lost_bytes_total{stream=\"stdout\"} %v\n", float64(lost))) {
		t.Errorf("%d lost bytes are not counted", lost)
	}
}

// Output beyond output_bytes is dropped, as in an answer that is not a stream.
func TestStreamsHaveTheOutputLimit(t *testing.T) {
	s := serve(t, plays(func(_ context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		live.Output(sandbox.Stdout, []byte("aé€"))
		live.Output(sandbox.Stderr, []byte("123456"))
		o := result(sandbox.Exited, "", "")
		o.Stdout.Total, o.Stderr.Total = 6, 6
		return o, nil
	}), nil)
	got := parseEvents(t, events(t, s.typed(t, `{"code":"x","limits":{"output_bytes":5}}`, "Accept", "application/jsonl")))
	if w := inWords(got); w != "started stdout(aé) stderr(12345) finished" || got[3].Truncated != (v1.Truncated{StdoutBytes: 3, StderrBytes: 1}) {
		t.Errorf("%q, %+v", w, got[len(got)-1].Truncated)
	}
}

// If the sandbox fails after the answer has begun, the last event has the problem.
func TestErrorsInAStream(t *testing.T) {
	s := serve(t, plays(func(_ context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		live.Output(sandbox.Stdout, []byte("x"))
		return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("a secret of the host")}
	}), nil)
	doc := documentOf(t, s)
	for range 20 { // whether the answer has begun is a matter of time
		a := s.typed(t, `{"code":"x"}`, "Accept", "text/event-stream")
		doc.conforms(t, a)
		if a.StatusCode == 500 {
			continue
		}
		got := parseEvents(t, events(t, a))
		if last := got[len(got)-1]; inWords(got) != "started stdout(x) error" || last.Problem == nil || last.Problem.Type != "/problems/sandbox-failed" || strings.Contains(a.body, "secret") {
			t.Fatalf("%s", a.body)
		}
		return
	}
	t.Error("it never began")
}

// If a stream fails after it has begun, the connection is closed without a last event, so the client sees that the stream is incomplete.
func TestPanicInAStream(t *testing.T) {
	s := serve(t, plays(func(_ context.Context, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		time.Sleep(50 * time.Millisecond)
		panic("x")
	}), nil)
	lines, stop := s.open(t, `{"code":"x"}`)
	defer stop()
	all, err := io.ReadAll(lines)
	if err == nil || strings.Contains(string(all), "finished") {
		t.Errorf("%q, %v", all, err)
	}
	if a := s.call(t, "GET", "/healthz", ""); a.StatusCode != 200 {
		t.Error("the service has died of it")
	}
}
