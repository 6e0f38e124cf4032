package api

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// serveHTTP2 is serve over TLS and HTTP/2, with a client that has a small flow-control window.
func serveHTTP2(t *testing.T, run runFunc, change func(*setup)) (*testServer, *http.Client) {
	t.Helper()
	logs := &lockedBuffer{}
	s := configured(t, run, change, logs)
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = s.HTTPServer()
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	s.url, s.logs = srv.URL, logs
	client := srv.Client()
	client.Transport.(*http.Transport).HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: 35 << 10}
	return s, client
}

func postHTTP2(t *testing.T, s *testServer, client *http.Client, body io.Reader, accept string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+newRoute, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	if response.ProtoMajor != 2 {
		t.Fatalf("the protocol is %s", response.Proto)
	}
	return response
}

// In HTTP/2, net/http resets a stream as soon as its write deadline expires, even if nothing is being written. A run that takes longer
// than the deadline, or writes nothing for longer, must not be reset.
func TestRunsLongerThanTheWriteDeadlineByHTTP2(t *testing.T) {
	const deadline = 100 * time.Millisecond
	s, client := serveHTTP2(t, func(_ context.Context, _ sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
		live.Start()
		live.Output(sandbox.Stdout, []byte("first"))
		time.Sleep(5 * deadline) // longer than it may take to write
		live.Output(sandbox.Stdout, []byte("last"))
		return result(sandbox.Exited, "firstlast", ""), nil
	}, func(c *setup) { c.ReadTimeout, c.WriteTimeout = deadline, deadline })
	for accept, want := range map[string]string{"application/json": `"stdout":"firstlast"`, "application/jsonl": `"text":"last"`} {
		response := postHTTP2(t, s, client, strings.NewReader(aProgram), accept)
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d %s, %v", accept, response.StatusCode, body, err)
		}
	}
}

// If a client does not read its answer, the stream is reset and the memory of the answer is released.
func TestSlowReaderByHTTP2(t *testing.T) {
	const patience = 200 * time.Millisecond
	// The window has room for all of the second answer but its last bytes, which net/http writes after the handler has returned.
	for _, size := range []int{1 << 20, 35_600} {
		s, client := serveHTTP2(t, exits(strings.Repeat("x", size), ""), func(c *setup) { c.WriteTimeout = patience })
		response := postHTTP2(t, s, client, strings.NewReader(aProgram), "application/json")
		eventually(t, "the end of the request", func() bool {
			return s.metric(t, `sandboxd_http_requests_total{code="200",route="/v1/runs"}`) == "1"
		})
		free := s.memory.Share()
		eventually(t, "the memory of the answer", func() bool { return free.Grow(256 << 20) })
		free.Release()
		time.Sleep(3 * patience) // the client's own time
		if body, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("a reader that comes too late gets %d bytes", len(body))
		}
	}
}

func TestSlowBodyByHTTP2(t *testing.T) {
	s, client := serveHTTP2(t, exits("", ""), func(c *setup) { c.ReadTimeout = 100 * time.Millisecond })
	body, stop := io.Pipe()
	defer stop.Close()
	if response := postHTTP2(t, s, client, body, "application/json"); response.StatusCode != http.StatusRequestTimeout {
		t.Errorf("status %d", response.StatusCode)
	}
}
