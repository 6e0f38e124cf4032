package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// answers serves one answer to all requests and returns a client for it.
func answers(t *testing.T, answer http.HandlerFunc, options ...Option) *Client {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	c, err := New(server.URL+"/", options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func says(contentType string, status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Request-Id", "r1")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestAddresses(t *testing.T) {
	for _, wrong := range []string{"", "127.0.0.1:8000", "ftp://a", "http://", "http://a/?x=1", "http://a/#x", "unix:", "http://a b"} {
		if _, err := New(wrong); err == nil {
			t.Errorf("%q is accepted", wrong)
		}
	}
	if _, err := New("ftp://user:secret@a"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	c := answers(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, `{"stdout":%q}`, r.URL.Path) })
	c.base += "/below"
	if got, err := c.Run(t.Context(), Request{}); err != nil || got.Stdout != "/below/v1/runs" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: says(typeJSON, 200, `{"stdout":"1"}`)}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()
	c, err := New("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Run(t.Context(), Request{}); err != nil || got.Stdout != "1" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestKey(t *testing.T) {
	seen := ""
	c := answers(t, func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Authorization")
		_, _ = io.WriteString(w, "{}")
	}, WithKey("abc"))
	if _, err := c.Run(t.Context(), Request{}); err != nil || seen != "Bearer abc" {
		t.Errorf("%q, %v", seen, err)
	}
	c.key = "a\nb"
	if _, err := c.Run(t.Context(), Request{}); err == nil || strings.Contains(err.Error(), "a\nb") {
		t.Errorf("%v", err)
	}
}

// A redirect is not followed, because that would send the key to another address.
func TestRedirect(t *testing.T) {
	c := answers(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://elsewhere.example/", http.StatusTemporaryRedirect)
	}, WithKey("abc"))
	var p *Problem
	if _, err := c.Run(t.Context(), Request{}); !errors.As(err, &p) || p.Status != 307 || p.Detail != "the address redirects to http://elsewhere.example/" {
		t.Errorf("%v", err)
	}
}

func TestFilesHaveExactlyOneContent(t *testing.T) {
	for want, file := range map[string]File{
		`{"path":"a","text":""}`:       {Path: "a"},
		`{"path":"a","text":"x"}`:      {Path: "a", Text: "x"},
		`{"path":"a","base64":""}`:     {Path: "a", Base64: []byte{}},
		`{"path":"a","base64":"AP8="}`: {Path: "a", Base64: []byte{0, 255}, Text: "ignored"},
	} {
		if got, err := json.Marshal(file); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

// A request with a text that is not UTF-8 is refused, because JSON would change the text.
func TestTextsThatAreNotUTF8(t *testing.T) {
	c := answers(t, says(typeJSON, 200, "{}"))
	for want, request := range map[string]Request{
		"the code":            {Code: "\xff"},
		"the standard input":  {Stdin: "\xff"},
		"argument 1":          {Args: []string{"a", "\xff"}},
		`the variable "A"`:    {Env: map[string]string{"A": "\xff"}},
		`the variable "\xff"`: {Env: map[string]string{"\xff": "A"}},
		`the path "\xff"`:     {Files: []File{{Path: "\xff"}}},
		`the text of "a"`:     {Files: []File{{Path: "a", Text: "\xff"}}},
	} {
		if _, err := c.Run(t.Context(), request); err == nil || err.Error() != "client: "+want+" is not UTF-8" {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if _, err := c.Run(t.Context(), Request{Files: []File{{Path: "a", Base64: []byte("\xff")}}}); err != nil {
		t.Error(err)
	}
}

func TestProblems(t *testing.T) {
	const invalid = `{"type":"/problems/invalid-request","title":"Wrong","status":422,"detail":"/a is missing","errors":` +
		`[{"pointer":"/a","detail":"is missing"},{"pointer":"/b","detail":"is wrong"}],"later":1}`
	for _, tt := range []struct {
		name   string
		answer http.HandlerFunc
		want   Problem
		text   string
	}{
		{"fields", says(typeProblem, 422, invalid),
			Problem{Type: ProblemInvalidRequest, Title: "Wrong", Status: 422, Detail: "/a is missing",
				Errors: []FieldError{{"/a", "is missing"}, {"/b", "is wrong"}}, RequestID: "r1"},
			"Wrong (422): /a is missing; /b is wrong"},
		{"another time", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7")
			says(typeProblem+"; charset=utf-8", 503, `{"type":"/problems/busy","title":"Busy","status":503,"detail":"full"}`)(w, r)
		}, Problem{Type: ProblemBusy, Title: "Busy", Status: 503, Detail: "full", RetryAfter: 7 * time.Second, RequestID: "r1"}, "Busy (503): full"},
		{"a proxy's page", says("text/html", 502, "<h1>Bad</h1>\n"+strings.Repeat("x", 1000)),
			Problem{Type: "about:blank", Title: "Bad Gateway", Status: 502, Detail: "<h1>Bad</h1> " + strings.Repeat("x", 187) + "…", RequestID: "r1"}, ""},
		{"no JSON", says(typeProblem, 500, "{"), Problem{Type: "about:blank", Title: "Internal Server Error", Status: 500, Detail: "{", RequestID: "r1"}, ""},
		{"nothing", says("", 599, ""), Problem{Type: "about:blank", Status: 599, RequestID: "r1"}, "The request failed (599)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := answers(t, tt.answer)
			for way, call := range map[string]func() error{
				"run":    func() error { _, err := c.Run(t.Context(), Request{}); return err },
				"stream": func() error { _, err := all(t.Context(), c); return err },
			} {
				err := call()
				var p *Problem
				if !errors.As(err, &p) || !reflect.DeepEqual(*p, tt.want) || tt.text != "" && err.Error() != tt.text {
					t.Errorf("%s: %#v", way, err)
				}
			}
		})
	}
}

// all returns the events of a stream, up to its end or its first error.
func all(ctx context.Context, c *Client) (events []Event, err error) {
	for e, err := range c.Stream(ctx, Request{}) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

// Fields and events that a later version adds are ignored.
func TestUnknownFieldsAndEvents(t *testing.T) {
	c := answers(t, says(typeJSON, 200, `{"verdict":"paused","later":{"a":1},"stdout":"x","usage":{"later":[]}}`))
	if got, err := c.Run(t.Context(), Request{}); err != nil || got.Stdout != "x" || got.Verdict != "paused" {
		t.Errorf("%+v, %v", got, err)
	}
	c = answers(t, says(typeEvents, 200, ": a comment\n\nretry: 5\nevent: later\nid: 0\ndata: {\"event\":\"later\",\"seq\":0,\"at_seconds\":0}\n\n"+
		"data: {\"event\":\"stdout\",\"seq\":1,\ndata:\"at_seconds\":1.5,\"text\":\"a\",\"lost_bytes\":3,\"later\":0}\r\n\r\n"+
		"data: {\"event\":\"finished\",\"seq\":2,\"at_seconds\":2,\"id\":\"run_1\",\"verdict\":\"exited\",\"exit_code\":0,\"later\":0}\n\nrest"))
	events, err := all(t.Context(), c)
	zero := 0
	want := []Event{
		{Kind: "later"}, {Kind: Stdout, Seq: 1, AtSeconds: 1.5, Text: "a", LostBytes: 3},
		{Kind: Finished, Seq: 2, AtSeconds: 2, ID: "run_1", Outcome: &Outcome{ID: "run_1", Verdict: Exited, ExitCode: &zero}},
	}
	if err != nil || !reflect.DeepEqual(events, want) {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestStreamsThatBreak(t *testing.T) {
	const started = "data: {\"event\":\"started\",\"seq\":0,\"at_seconds\":0,\"id\":\"run_1\"}\n\n"
	for _, tt := range []struct {
		name, rest string
		want       func(error) bool
	}{
		{"an end that comes early", "data: {", func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		{"a gap", "data: {\"event\":\"stdout\",\"seq\":2}\n\n", func(err error) bool { return err.Error() == "client: event 2 follows event 0" }},
		{"no JSON", "data: {\n\n", func(err error) bool { return strings.HasPrefix(err.Error(), "client: decoding an event: ") }},
		{"a line that is too long", "data: " + strings.Repeat("x", maxEvent), func(err error) bool { return errors.Is(err, ErrTooLong) }},
		{"many lines that are too long together", strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", maxEvent>>20+1), func(err error) bool { return errors.Is(err, ErrTooLong) }},
		{"a problem", "data: {\"event\":\"error\",\"seq\":1,\"at_seconds\":1,\"problem\":{\"type\":\"/problems/sandbox-failed\",\"status\":500}}\n\n", func(err error) bool {
			p := (*Problem)(nil)
			return errors.As(err, &p) && p.Type == ProblemSandboxFailed && p.Status == 500 && p.RequestID == "r1"
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, err := all(t.Context(), answers(t, says(typeEvents, 200, started+tt.rest)))
			if len(events) != 1 || err == nil || !tt.want(err) {
				t.Errorf("%d events, %v", len(events), err)
			}
		})
	}
}

func TestAnswersThatAreTooLong(t *testing.T) {
	text := `{"stdout":"x"}`
	c := answers(t, says(typeJSON, 200, text), WithMaxAnswer(int64(len(text))))
	if got, err := c.Run(t.Context(), Request{}); err != nil || got.Stdout != "x" {
		t.Errorf("%+v, %v", got, err)
	}
	c.most--
	if _, err := c.Run(t.Context(), Request{}); !errors.Is(err, ErrTooLong) {
		t.Errorf("%v", err)
	}
}

// A loop that is left early ends the request.
func TestLeavingAStream(t *testing.T) {
	left := make(chan struct{})
	c := answers(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: {\"event\":\"started\",\"seq\":0,\"at_seconds\":0,\"id\":\"run_1\"}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	})
	for range c.Stream(t.Context(), Request{}) {
		break
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Error("the request goes on")
	}
}
