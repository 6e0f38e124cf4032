package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// untilCancelled is a runFunc whose run lasts until ctx ends.
func untilCancelled(ctx context.Context, _ sandbox.Program, live *sandbox.Stream) (*sandbox.Outcome, error) {
	live.Start()
	live.Output(sandbox.Stdout, []byte("so far"))
	<-ctx.Done()
	o := result(sandbox.Cancelled, "so far", "")
	o.Timing.Program = time.Second
	return o, nil
}

// The test provokes every answer of DELETE /v1/runs/{id} and validates it. The OpenAPI document describes no other answers.
func TestCancelAnswers(t *testing.T) {
	doc := documentOf(t, serve(t, exits("", ""), nil))
	operation := doc.Paths.Value(v1.RunPath).Delete
	seen := map[string]bool{}
	for _, tt := range []struct {
		name    string
		change  func(*setup)
		path    string
		headers []string
		status  int
		kind    *v1.Kind
	}{
		{"an id that there is not", nil, "/v1/runs/run_X", nil, 404, v1.NoSuchRun},
		{"strange characters", nil, "/v1/runs/%00%20%C3%A9", nil, 404, v1.NoSuchRun},
		{"a wrong host", func(c *setup) { c.Hosts = hosts(t, NamedHosts, "a.example") }, "/v1/runs/run_X", nil, 400, v1.UnknownHost},
		{"foreign", func(c *setup) { c.Origins = []string{"https://a.example"} }, "/v1/runs/run_X", []string{"Origin", "https://b.example"}, 403, v1.ForeignPage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := serve(t, exits("", ""), tt.change).call(t, "DELETE", tt.path, "", tt.headers...)
			doc.conformsTo(t, operation, a)
			if a.StatusCode != tt.status || !strings.Contains(a.body, `"/problems/`+tt.kind.Name+`"`) {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			seen[fmt.Sprint(a.StatusCode)] = true
		})
	}
	s := serve(t, untilCancelled, nil)
	id, ended := startStream(t, s)
	a := s.call(t, "DELETE", "/v1/runs/"+id, "")
	if a.StatusCode != 202 || a.body != "" || a.Header.Get("X-Request-Id") == "" || operation.Responses.Value("202").Value.Content != nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	seen["202"] = true
	if last := ended(); !strings.Contains(last, `{"event":"finished",`) || !strings.Contains(last, `"id":"`+id+`","verdict":"cancelled",`) || doc.holds("Event", last) != nil {
		t.Error(last)
	}
	if a := s.call(t, "DELETE", "/v1/runs/"+id, ""); a.StatusCode != 404 {
		t.Errorf("a run that has ended: %d %s", a.StatusCode, a.body)
	}
	described := map[string]bool{}
	for status := range operation.Responses.Map() {
		described[status] = true
	}
	if !maps.Equal(seen, described) {
		t.Errorf("seen are %v, described are %v", seen, described)
	}
	if a := s.call(t, "DELETE", "/v1/runs/run_X/?a=1", ""); a.StatusCode != 307 || a.Header.Get("Location") != "/v1/runs/run_X?a=1" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	if a := s.call(t, "GET", "/v1/runs/run_X", ""); a.StatusCode != 405 || a.Header.Get("Allow") != "DELETE" || doc.holds("Problem", a.body) != nil {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
}

// startStream starts a run with a stream of JSON lines. It returns the id of the run, and a function that returns the last event.
func startStream(t *testing.T, s *testServer) (id string, ended func() string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", s.url+v1.Path, strings.NewReader(`{"code":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", "application/jsonl")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	lines := bufio.NewScanner(response.Body)
	var started v1.StartedEvent
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &started) != nil || started.ID == "" {
		t.Fatalf("%v: %s", lines.Err(), lines.Text())
	}
	return started.ID, func() (last string) {
		for lines.Scan() {
			last = lines.Text()
		}
		return last
	}
}
