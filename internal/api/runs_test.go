package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// typed sends a request of the typed API.
func (s *testServer) typed(t *testing.T, body string, headers ...string) answerOf {
	t.Helper()
	return s.call(t, "POST", v1.Path, body, append([]string{"Content-Type", "application/json"}, headers...)...)
}

// apiDocument is an OpenAPI document that validates values.
type apiDocument struct {
	*openapi3.T
	compiler *jsonschema.Compiler
}

func documentOf(t *testing.T, s *testServer) apiDocument {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(s.call(t, "GET", "/openapi.json", "").body))
	if err != nil {
		t.Fatal(err)
	}
	d := apiDocument{description(t, s), jsonschema.NewCompiler()}
	d.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := d.compiler.AddResource("file:///openapi.json", value); err != nil {
		t.Fatal(err)
	}
	return d
}

// holds returns an error if JSON does not match a schema.
func (d apiDocument) holds(schema, text string) error {
	compiled, err := d.compiler.Compile("file:///openapi.json#/components/schemas/" + schema)
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return compiled.Validate(value)
}

// conforms validates an answer of POST /v1/runs.
func (d apiDocument) conforms(t *testing.T, a answerOf) {
	t.Helper()
	d.conformsTo(t, d.Paths.Value(v1.Path).Post, a)
}

// conformsTo validates an answer of an operation.
func (d apiDocument) conformsTo(t *testing.T, operation *openapi3.Operation, a answerOf) {
	t.Helper()
	response := operation.Responses.Value(fmt.Sprint(a.StatusCode))
	if response == nil {
		t.Fatalf("%d is not described: %s", a.StatusCode, a.body)
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	media := response.Value.Content[kind]
	if media == nil {
		t.Fatalf("%d as %q is not described", a.StatusCode, kind)
	}
	for name, header := range response.Value.Headers {
		if a.Header.Get(name) == "" {
			t.Errorf("%d without %s: %s", a.StatusCode, name, header.Value.Description)
		}
	}
	switch kind {
	case "application/json", "application/problem+json":
		if err := d.holds(strings.TrimPrefix(media.Schema.Ref, "#/components/schemas/"), a.body); err != nil {
			t.Errorf("%d %s: %v", a.StatusCode, a.body, err)
		}
	default:
		for _, event := range events(t, a) {
			if err := d.holds("Event", event); err != nil {
				t.Errorf("%s: %v", event, err)
			}
		}
	}
}

// events returns the events of an answer as JSON.
func events(t *testing.T, a answerOf) (list []string) {
	t.Helper()
	lines := strings.HasPrefix(a.Header.Get("Content-Type"), "application/jsonl")
	for i, block := range strings.Split(strings.TrimSuffix(a.body, "\n"), map[bool]string{true: "\n", false: "\n\n"}[lines]) {
		block = strings.TrimSpace(block)
		if lines {
			list = append(list, block)
			continue
		}
		if strings.HasPrefix(block, ":") {
			continue
		}
		var name, data string
		var id int
		if n, err := fmt.Sscanf(block, "event: %s\nid: %d\n", &name, &id); n != 2 || err != nil {
			t.Fatalf("event %d: %q", i, block)
		}
		_, data, _ = strings.Cut(block, "\ndata: ")
		var head v1.Head
		if err := json.Unmarshal([]byte(data), &head); err != nil || head.Event != name || int(head.Seq) != id || strings.Contains(data, "\n") {
			t.Fatalf("event %d: %q: %v", i, block, err)
		}
		list = append(list, data)
	}
	return list
}

// The test provokes every answer of POST /v1/runs and validates it. The OpenAPI document describes no other answers.
func TestEveryTypedAnswerIsAsDescribed(t *testing.T) {
	returns := func(res *sandbox.Outcome) runFunc {
		return func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { return res, nil }
	}
	post := func(body string, headers ...string) func(*testing.T, *testServer) answerOf {
		return func(t *testing.T, s *testServer) answerOf { return s.typed(t, body, headers...) }
	}
	const program = `{"code":"x"}`
	oneLine := post(program)
	many := result(sandbox.Exited, "é\x00\xff\n\"\\\x7f", strings.Repeat("€", 20_000))
	many.Denials, many.Warm, many.Timing.Queued = map[string]int{"socket": 3, "ptrace": 1}, true, time.Second
	many.Stdout.Total += 10
	many.Displays, many.LostDisplays = []sandbox.Display{
		{MIME: "image/png", Title: "Figure 1", Data: bytes.Repeat([]byte("png\x00"), 5000)}, {MIME: "text/html", Data: []byte("<b>é")},
		{MIME: "image/svg+xml", Data: []byte("\xff")}, {MIME: "application/json", Data: []byte("{}")},
	}, 2
	many.Files, many.LostFiles = []sandbox.File{{Path: "a\n.csv", Data: []byte("1,2")}, {Path: "b.bin", Data: []byte{255, 0}}, {Path: "c"}}, 1
	many.Findings = []sandbox.Finding{{Rule: "module", Message: "no", Line: 1, Column: 8, EndLine: 2, EndColumn: 3}}
	// The document comes from another server, because the server of a case may refuse the request for it.
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	doc := documentOf(t, serve(t, exits("", ""), func(c *setup) { c.Keys, c.Limiter = ring, callers.NewLimiter(callers.Rate{}) }))
	seen := map[string]bool{}
	for _, tt := range []struct {
		name    string
		run     runFunc
		change  func(*setup)
		call    func(*testing.T, *testServer) answerOf
		status  int
		problem *v1.Kind
		has     string
	}{
		{"exited", nil, nil, oneLine, 200, nil, `"verdict":"exited","exit_code":0,"signal":null,"reason":"The program ended by itself with exit code 0."`},
		{"everything that there can be", returns(many), nil, oneLine, 200, nil,
			`"truncated":{"stdout_bytes":10,"stderr_bytes":0,"displays":2,"files":1},"findings":[{"rule":"module","message":"no","line":1,"column":8,"end_line":2,"end_column":3}],"denials":[{"syscall":"ptrace",`},
		{"signaled", returns(&sandbox.Outcome{Verdict: sandbox.Signaled, Signal: unix.SIGSEGV}), nil, oneLine, 200, nil, `"exit_code":null,"signal":"SIGSEGV","reason":"The program was ended by signal SIGSEGV: `},
		{"timeout", returns(result(sandbox.Timeout, "a", "")), nil, post(`{"code":"x","limits":{"wall_seconds":1.5}}`), 200, nil,
			`"verdict":"timeout","exit_code":null,"signal":null,"reason":"The program was stopped after 1.5 s of wall-clock time, which is the limit."`},
		{"out of memory", returns(result(sandbox.OOM, "a", "")), nil, oneLine, 200, nil, `"verdict":"out_of_memory"`},
		{"rejected", nil, func(c *setup) {
			c.Scanner = scanFunc(func(context.Context, []byte) ([]sandbox.Finding, error) {
				return []sandbox.Finding{{Rule: "module", Name: "os", Message: "no os", Line: 2, Column: 3, EndLine: 2, EndColumn: 5}}, nil
			})
		}, oneLine, 200, nil, `"verdict":"rejected","exit_code":null,"signal":null,"reason":"The program was not run, because the policy forbids what it does in line 2."`},
		{"a layer is missing", nil, func(c *setup) { c.Isolation.Mode = "best-effort"; c.Isolation.Layers[1].State = LayerMissing }, oneLine, 200, nil, `"isolation":{"enforced":false,"missing":["memory"]}`},
		{"a layer is missing that is not required", nil, func(c *setup) { c.Isolation.Layers[1] = Layer{"host-uid", LayerMissing} }, oneLine, 200, nil, `"isolation":{"enforced":true,"missing":["host-uid"]}`},
		{"events", exits("a", "b"), nil, post(program, "Accept", "text/event-stream"), 200, nil, "event: finished\n"},
		{"lines", exits("a", "b"), nil, post(program, "Accept", "application/jsonl"), 200, nil, `{"event":"finished","seq":0,`},
		{"broken JSON", nil, nil, post(`{"code":`), 400, v1.InvalidJSON, "after byte 8"},
		{"no body", nil, nil, post(``), 400, v1.InvalidJSON, ""},
		{"two values", nil, nil, post(`{"code":"x"} 1`), 400, v1.InvalidJSON, ""},
		{"a name twice", nil, nil, post(`{"code":"x","code":"y"}`), 400, v1.InvalidJSON, "duplicate"},
		{"no UTF-8", nil, nil, post("{\"code\":\"\xff\"}"), 400, v1.InvalidJSON, "UTF-8"},
		{"half a surrogate pair", nil, nil, post(`{"code":"\ud800"}`), 400, v1.InvalidJSON, "surrogate"},
		{"UTF-16", nil, nil, post("{\x00\"\x00c\x00"), 400, v1.InvalidJSON, ""},
		{"a wrong host", nil, func(c *setup) { c.Hosts = hosts(t, NamedHosts, "a.example") }, oneLine, 400, v1.UnknownHost, ""},
		{"an idempotency key", nil, nil, post(program, "Idempotency-Key", "1"), 400, v1.NotOffered, "Idempotency-Key"},
		{"no key", nil, func(c *setup) { c.Keys = ring }, oneLine, 401, v1.Unauthorized, "has no key"},
		{"foreign", nil, func(c *setup) { c.Origins = []string{"https://a.example"} }, post(program, "Origin", "https://b.example"), 403, v1.ForeignPage, ""},
		{"not acceptable", nil, nil, post(program, "Accept", "text/html, application/xml;q=0.9"), 406, v1.NotAcceptable, ""},
		{"slow body", nil, func(c *setup) { c.ReadTimeout = 50 * time.Millisecond }, slowBody, 408, v1.BodyTimeout, ""},
		{"long body", nil, func(c *setup) { c.MaxTypedBody = 10 }, oneLine, 413, v1.TooLarge, "10 bytes"},
		{"no content type", nil, nil, post(program, "Content-Type", ""), 415, v1.UnsupportedMediaType, ""},
		{"a form", nil, nil, post("code=x", "Content-Type", "application/x-www-form-urlencoded"), 415, v1.UnsupportedMediaType, ""},
		{"another charset", nil, nil, post(program, "Content-Type", "application/json; charset=latin-1"), 415, v1.UnsupportedMediaType, ""},
		{"missing code", nil, nil, post(`{}`), 422, v1.InvalidRequest, `{"pointer":"/code","detail":"is missing"}`},
		{"files that do not fit", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.InvalidError{Path: []string{"files"}, Reason: "do not fit into the scratch space"}
		}, nil, oneLine, 422, v1.InvalidRequest, `{"pointer":"/files","detail":"do not fit into the scratch space"}`},
		{"the same for a stream", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.InvalidError{Path: []string{"files"}, Reason: "do not fit"}
		}, nil, post(program, "Accept", "text/event-stream"), 422, v1.InvalidRequest, "do not fit"},
		{"sandbox failed", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		}, nil, oneLine, 500, v1.SandboxFailed, "could not be set up (clone)"},
		{"panic", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("x") }, nil, oneLine, 500, v1.Internal, ""},
		{"panic before a stream", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("x") }, nil,
			post(program, "Accept", "text/event-stream"), 500, v1.Internal, ""},
		{"too often", nil, func(c *setup) { c.Limiter = used() }, oneLine, 429, v1.RateLimited, "try again in 100 s"},
		{"draining", nil, func(c *setup) { c.Gate.Drain() }, oneLine, 503, v1.ShuttingDown, ""},
		{"draining, for a stream", nil, func(c *setup) { c.Gate.Drain() }, post(program, "Accept", "application/jsonl"), 503, v1.ShuttingDown, ""},
		{"full", nil, func(c *setup) {
			c.Gate = admission.New(1, 0)
			_, _, _ = c.Gate.Acquire(context.Background(), admission.Caller{})
		}, oneLine, 503, v1.Busy, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.run == nil {
				tt.run = exits("", "")
			}
			s := serve(t, tt.run, tt.change)
			a := tt.call(t, s)
			if a.StatusCode != tt.status || !strings.Contains(a.body, tt.has) {
				t.Fatalf("%d: %s\nwant %d with %s", a.StatusCode, a.body, tt.status, tt.has)
			}
			doc.conforms(t, a)
			if tt.problem != nil {
				var problem v1.Problem
				if err := json.Unmarshal([]byte(a.body), &problem); err != nil || problem.Type != "/problems/"+tt.problem.Name || problem.Status != tt.status {
					t.Errorf("%v, %+v", err, problem)
				}
				seen[tt.problem.Name] = true
			}
			seen[fmt.Sprint(tt.status, " ", a.Header.Get("Content-Type"))] = true
		})
	}
	described := map[string]bool{}
	for status, response := range doc.Paths.Value(v1.Path).Post.Responses.Map() {
		for kind := range response.Value.Content {
			described[status+" "+kind] = true
		}
	}
	for _, kind := range v1.Answers {
		described[kind.Name] = true
	}
	if !maps.Equal(seen, described) {
		t.Errorf("seen are %v, described are %v", seen, described)
	}
}

// slowBody sends a request whose body does not arrive.
func slowBody(t *testing.T, s *testServer) answerOf {
	t.Helper()
	body, stop := io.Pipe()
	defer stop.Close()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+v1.Path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, _ := io.ReadAll(resp.Body)
	return answerOf{resp, string(got)}
}

// The validation must find errors, or the test above could not fail.
func TestTypedConformanceNoticesWrongAnswers(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	doc := documentOf(t, s)
	right := s.typed(t, `{"code":"x"}`).body
	if err := doc.holds("RunAnswer", right); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"exited"`, `"ended"`}, {`"exit_code":0`, `"exit_code":"0"`}, {`"exit_code":0`, `"exit_code":256`}, {`"stdout":""`, `"x":""`},
		{`"findings":[]`, `"findings":null`}, {`"stdout_bytes":0`, `"stdout_bytes":-1`}, {`"run_`, `"r_`}, {`{"id"`, `{"more":1,"id"`},
	} {
		if wrong := strings.Replace(right, change[0], change[1], 1); wrong == right || doc.holds("RunAnswer", wrong) == nil {
			t.Errorf("it conforms: %s", wrong)
		}
	}
	for _, wrong := range []string{`{"event":"stdout","seq":0,"at_seconds":0}`, `{"event":"started","seq":-1,"at_seconds":0,"id":"x"}`, `{}`} {
		if doc.holds("Event", wrong) == nil {
			t.Errorf("it conforms: %s", wrong)
		}
	}
}

// Unknown paths and methods below /v1 are answered with problems too.
func TestTypedPaths(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	doc := documentOf(t, s)
	for _, tt := range []struct {
		method, path string
		status       int
		kind         *v1.Kind
	}{
		{"GET", "/v1/runs", 405, v1.MethodNotAllowed}, {"DELETE", "/v1/runs", 405, v1.MethodNotAllowed},
		{"GET", "/v1/nothing", 404, v1.NotFound}, {"POST", "/v1/runs/x/y", 404, v1.NotFound}, {"GET", "/v1", 404, v1.NotFound},
	} {
		a := s.call(t, tt.method, tt.path, "")
		if err := doc.holds("Problem", a.body); err != nil || a.StatusCode != tt.status || !strings.Contains(a.body, "/problems/"+tt.kind.Name) ||
			a.Header.Get("Content-Type") != "application/problem+json" || tt.status == 405 && a.Header.Get("Allow") != "POST" {
			t.Errorf("%s %s: %d %s: %v", tt.method, tt.path, a.StatusCode, a.body, err)
		}
	}
	s.call(t, "GET", "/v10", "").want(t, 404, `{"detail":"Not Found"}`)
	for _, kind := range v1.Kinds {
		if a := s.call(t, "GET", "/problems/"+kind.Name, ""); a.StatusCode != 200 || !strings.Contains(a.body, kind.Means) || !strings.Contains(a.body, fmt.Sprint(kind.Status)) {
			t.Errorf("%s: %d %s", kind.Name, a.StatusCode, a.body)
		}
	}
	s.call(t, "GET", "/problems/nothing", "").want(t, 404, `{"detail":"Not Found"}`)
}

// The rules for web pages are the same as for /playground/execute.
func TestTypedCORS(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) { c.Origins = []string{"https://a.example"} })
	a := s.call(t, "OPTIONS", v1.Path, "", "Origin", "https://a.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type")
	if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("%d %v", a.StatusCode, a.Header)
	}
	for _, accept := range []string{"application/json", "text/event-stream"} {
		a = s.typed(t, `{"code":"x"}`, "Origin", "https://a.example", "Accept", accept)
		if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Origin") != "https://a.example" ||
			!strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "X-Request-Id") || a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%d %v", a.StatusCode, a.Header)
		}
	}
	a = s.call(t, "OPTIONS", v1.Path, "", "Origin", "https://b.example", "Access-Control-Request-Method", "POST")
	if a.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%v", a.Header)
	}
}

// A request holds its memory while its program runs, and then releases it.
func TestTypedBodiesAreCounted(t *testing.T) {
	started, goOn := make(chan bool), make(chan bool)
	s := serve(t, func(_ context.Context, _ sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		started <- true
		<-goOn
		return result(sandbox.Exited, "", ""), nil
	}, nil)
	body, err := json.Marshal(map[string]any{"code": "x", "files": []any{map[string]string{"path": "a", "text": strings.Repeat("x", 5<<20)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, accept := range []string{"application/json", "application/jsonl"} {
		done := make(chan answerOf)
		go func() { done <- s.typed(t, string(body), "Accept", accept) }()
		<-started
		if !s.bodies.Take(bodiesInMemory-6<<20) || s.bodies.Take(1<<20) {
			t.Error("the program is not counted while it runs, or for more than it takes")
		}
		s.bodies.Give(bodiesInMemory - 6<<20)
		goOn <- true
		if a := <-done; a.StatusCode != 200 {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		if !s.bodies.Take(bodiesInMemory) {
			t.Error("it is counted when it has ended")
		}
		// A request is refused if there is no memory for it.
		if a := s.typed(t, string(body), "Accept", accept); a.StatusCode != 503 || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.StatusCode, a.body)
		}
		s.bodies.Give(bodiesInMemory)
	}
}

// An unread answer takes only the memory of the run's output, even if its JSON is longer.
func TestTypedAnswersAreSentInPieces(t *testing.T) {
	out := strings.Repeat("\x00\"é\xff€", 100_000)
	s := serve(t, exits(out, "b"), func(c *setup) { c.Limits.Output = 4 << 20 })
	var a v1.Answer
	got := s.typed(t, `{"code":"x"}`)
	if err := json.Unmarshal([]byte(got.body), &a); err != nil || a.Stdout != strings.ToValidUTF8(out, "\ufffd") || a.Stderr != "b" {
		t.Errorf("%v, %d bytes", err, len(got.body))
	}
	if got.ContentLength != int64(len(got.body)) {
		t.Errorf("length %d of %d", got.ContentLength, len(got.body))
	}
	if !s.memory.Take(256 << 20) {
		t.Error("memory is held after the answer")
	}
}

func TestFieldsOfATypedRequest(t *testing.T) {
	var ran sandbox.Program
	s := serve(t, func(_ context.Context, p sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		ran = p
		return result(sandbox.Exited, "", ""), nil
	}, func(c *setup) {
		c.Templates = []string{"data", "default"}
		c.Policy = "strict"
		c.Max = c.Limits
		c.Max.Wall = 20 * time.Second
	})
	a := s.typed(t, `{"code":"c","stdin":"i","args":["a","b"],"env":{"A.B":"v","":""},"files":[{"path":"x/y.z","text":""},{"path":"b","base64":"AP8="}],
		"environment":"data","policy":"strict","limits":{"wall_seconds":12.5,"memory_bytes":16777216,"processes":3,"output_bytes":5}}`)
	if a.StatusCode != 422 || !strings.Contains(a.body, `"pointer":"/env/"`) { // all is right but for that name
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	a = s.typed(t, `{"code":"c","stdin":"i","args":["a","b"],"env":{"A.B":"v"},"files":[{"path":"x/y.z","text":""},{"path":"b","base64":"AP8="}],
		"collect":["*.csv"],"environment":"data","policy":"strict","limits":{"wall_seconds":12.5,"cpu_seconds":0.5,"memory_bytes":16777216,"processes":3,"output_bytes":5}}`)
	want := sandbox.Program{
		Source: []byte("c"), Stdin: []byte("i"), Args: []string{"a", "b"}, Env: map[string]string{"A.B": "v"},
		Files:    []sandbox.File{{Path: "x/y.z", Data: []byte{}}, {Path: "b", Data: []byte{0, 255}}},
		Displays: true, Collect: []string{"*.csv"},
		Template: "data", Limits: sandbox.Bounds{Wall: 12500 * time.Millisecond, CPUTime: 500 * time.Millisecond, Memory: 16 << 20, Pids: 3, Output: 5},
	}
	if a.StatusCode != 200 || fmt.Sprintf("%+v", ran) != fmt.Sprintf("%+v", want) {
		t.Errorf("%d %s\nran  %+v\nwant %+v", a.StatusCode, a.body, ran, want)
	}
	for _, tt := range []struct{ name, fields, pointer, detail string }{
		{"an unknown field", `"display":true`, "/display", "is not a known field"},
		{"a pattern that leads out", `"collect":["a","../*"]`, "/collect/1", "is not relative to the working directory"},
		{"a pattern that is incomplete", `"collect":["[a"]`, "/collect/0", "is not a valid pattern"},
		{"too many patterns", `"collect":[` + strings.Repeat(`"a",`, 32) + `"a"]`, "/collect", "has 33 entries"},
		{"a known one in another case", `"Code":"x"`, "/Code", "is not a known field"},
		{"an unknown field with dots", `"a.b[0]":1`, "/a.b[0]", "is not a known field"},
		{"one that is to be escaped", `"a/b~":1`, "/a~1b~0", "is not a known field"},
		{"null", `"stdin":null`, "/stdin", "expected string"},
		{"null in a list", `"args":[null]`, "/args/0", "expected string"},
		{"null for a limit", `"limits":{"processes":null}`, "/limits/processes", "expected integer"},
		{"another type", `"args":"a"`, "/args", "expected array"},
		{"another type of an object", `"limits":[]`, "/limits", "expected object"},
		{"a number in a list of texts", `"args":["a",1]`, "/args/1", "expected string"},
		{"a variable that is no text", `"env":{"A.B":5}`, "/env/A.B", "expected string"},
		{"a variable that is refused", `"env":{"LD_PRELOAD":"x"}`, "/env/LD_PRELOAD", "cannot be set"},
		{"too many arguments", `"args":[` + strings.Repeat(`"",`, 256) + `""]`, "/args", "has 257 entries"},
		{"a file without content", `"files":[{"path":"a"}]`, "/files/0", "needs exactly one of text or base64"},
		{"a file with two contents", `"files":[{"path":"a","text":"","base64":""}]`, "/files/0", "needs exactly one of text or base64"},
		{"a file without a path", `"files":[{"text":""}]`, "/files/0/path", "is missing"},
		{"a file that leads out", `"files":[{"path":"a","text":""},{"path":"../a","text":""}]`, "/files/1/path", "is not a relative path"},
		{"no base64", `"files":[{"path":"a","base64":"?"}]`, "/files/0/base64", "base64"},
		{"base64 without padding", `"files":[{"path":"a","base64":"AP8"}]`, "/files/0/base64", "base64"},
		{"a file of bytes without any, and one with bits too many", `"files":[{"path":"e","base64":""},{"path":"a","base64":"AP9="}]`, "/files/1/base64", "base64"},
		{"base64 with bits too many", `"files":[{"path":"a","base64":"AP9="}]`, "/files/0/base64", "base64"},
		{"an environment that there is not", `"environment":"x"`, "/environment", `one of "data, default"`},
		{"a policy that is not offered", `"policy":"off"`, "/policy", `one of "strict"`},
		{"more time than there is", `"limits":{"wall_seconds":20.1}`, "/limits/wall_seconds", "is above the maximum of this service, which is 20"},
		{"much more time", `"limits":{"wall_seconds":1e400}`, "/limits/wall_seconds", "is above the maximum"},
		{"more memory", `"limits":{"memory_bytes":268435457}`, "/limits/memory_bytes", "which is 268435456"},
		{"no time", `"limits":{"wall_seconds":0}`, "/limits/wall_seconds", "expected number >= 0.01"},
		{"part of a process", `"limits":{"processes":1.5}`, "/limits/processes", "expected integer"},
		{"more CPU time", `"limits":{"cpu_seconds":20.1}`, "/limits/cpu_seconds", "is above the maximum of this service, which is 20"},
		{"another limit", `"limits":{"disk_bytes":1}`, "/limits/disk_bytes", "is not a known field"},
		{"a long input", `"stdin":"` + strings.Repeat("x", sandbox.MaxStdin+1) + `"`, "/stdin", "length <= 1048576"},
		{"a long input of few characters", `"stdin":"` + strings.Repeat("€", sandbox.MaxStdin/2) + `"`, "/stdin", "is longer than 1048576 bytes"},
		{"too many values", `"x":[` + strings.Repeat("0,", 5000) + `0]`, "", "has more than 4096 values"},
		{"values too deep", `"x":` + strings.Repeat("[", 20) + strings.Repeat("]", 20), "", "is nested more than"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, accept := range []string{"application/json", "text/event-stream"} {
				a := s.typed(t, `{"code":"x",`+tt.fields+`}`, "Accept", accept)
				var problem v1.Problem
				if err := json.Unmarshal([]byte(a.body), &problem); err != nil || a.StatusCode != 422 || len(problem.Errors) != 1 {
					t.Fatalf("%d %.300s", a.StatusCode, a.body)
				}
				if got := problem.Errors[0]; got.Pointer != tt.pointer || !strings.Contains(got.Detail, tt.detail) {
					t.Errorf("%+v", got)
				}
			}
		})
	}
	// An answer lists all faults in order, up to a maximum number.
	a = s.typed(t, `{"z":1,"args":[1,2],"limits":{"x":1},"files":[{"path":1}]}`)
	var problem v1.Problem
	if err := json.Unmarshal([]byte(a.body), &problem); err != nil {
		t.Fatal(err)
	}
	var pointers []string
	for _, e := range problem.Errors {
		pointers = append(pointers, e.Pointer)
	}
	if got := strings.Join(pointers, " "); got != "/code /args/0 /args/1 /files/0 /files/0/path /limits/x /z" {
		t.Errorf("%s", got)
	}
	a = s.typed(t, `{"code":"x","args":[`+strings.Repeat("1,", 99)+`1]}`)
	if n := bytes.Count([]byte(a.body), []byte(`"pointer"`)); n != 16 {
		t.Errorf("%d faults are named", n)
	}
}
