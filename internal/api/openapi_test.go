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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/page"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"
)

// description loads the OpenAPI document from the server.
func description(t *testing.T, s *testServer) *openapi3.T {
	t.Helper()
	a := s.call(t, "GET", "/openapi.json", "")
	if a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json" || !json.Valid([]byte(a.body)) {
		t.Fatalf("/openapi.json: %d %v", a.StatusCode, a.Header)
	}
	doc, err := openapi3.NewLoader().LoadFromData([]byte(a.body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestDescriptionIsValidOpenAPI31(t *testing.T) {
	doc := description(t, serve(t, exits("", ""), nil))
	if err := doc.Validate(t.Context()); err != nil {
		t.Error(err)
	}
	if doc.OpenAPI != "3.1.0" || doc.Info.Version != "v0.0.0-test" {
		t.Errorf("OpenAPI %s, version %s", doc.OpenAPI, doc.Info.Version)
	}
	// Clients generated from the description of the FastAPI service depend on these values.
	execute := doc.Paths.Value("/playground/execute").Post
	if execute.OperationID != "execute_code_playground_execute_post" || doc.Paths.Value("/").Get.OperationID != "read_root__get" {
		t.Error("operation ids are not FastAPI's")
	}
	if ref := execute.Responses.Value("422").Value.Content["application/json"].Schema.Ref; ref != "#/components/schemas/HTTPValidationError" {
		t.Errorf("422 is %s", ref)
	}
	if got := doc.Components.Schemas["ValidationError"].Value.Required; !slices.Equal(got, []string{"loc", "msg", "type"}) {
		t.Errorf("ValidationError requires %v", got)
	}
}

func TestDescriptionHasEveryRouteAndNoOther(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	want := map[string]bool{}
	for path, item := range description(t, s).Paths.Map() {
		for method := range item.Operations() {
			want[method+" "+path] = true
		}
	}
	got := map[string]bool{}
	for _, rt := range s.table() {
		// As in FastAPI, the document and its pages are not described. Neither are the pages of problems, the playground and the status page.
		if rt.path != "/problems/{name}" && rt.path != "/openapi.json" && !strings.HasPrefix(rt.path, "/docs") && !strings.HasPrefix(rt.path, "/redoc") && !slices.Contains(page.Paths(), rt.path) && !strings.HasPrefix(rt.path, "/status") {
			got[rt.method+" "+rt.path] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("served are %v, described are %v", got, want)
	}
}

// The test provokes and validates every answer of the described routes.
// The OpenAPI document describes no other answers.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	const run = "/playground/execute"
	returns := func(res *sandbox.Outcome) runFunc {
		return func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { return res, nil }
	}
	post := func(body string, headers ...string) func(*testing.T, *testServer) answerOf {
		return func(t *testing.T, s *testServer) answerOf { return s.call(t, "POST", run, body, headers...) }
	}
	get := func(path string) func(*testing.T, *testServer) answerOf {
		return func(t *testing.T, s *testServer) answerOf { return s.call(t, "GET", path, "") }
	}
	oneLine := post(`{"code":"x"}`)
	ring, _ := keyring(t, callers.Key{Name: "alice"})
	withKeys := func(c *setup) { c.Keys, c.Limiter = ring, callers.NewLimiter(callers.Rate{}) }
	seen := map[string]bool{}
	for _, tt := range []struct {
		name   string
		run    runFunc
		change func(*setup)
		call   func(*testing.T, *testServer) answerOf
		path   string
		status int
	}{
		{"welcome", nil, nil, get("/"), "/", 200},
		{"health", nil, nil, get("/healthz"), "/healthz", 200},
		{"metrics", nil, nil, get("/metrics"), "/metrics", 200},
		{"ready", nil, nil, get("/readyz"), "/readyz", 200},
		{"not ready", nil, func(c *setup) { c.Ready = func(context.Context) error { return errors.New("no") } }, get("/readyz"), "/readyz", 503},
		{"run", exits("é\x00\xff", "b"), nil, oneLine, run, 200},
		{"empty", nil, nil, post(`{"code":""}`), run, 200},
		{"signal and truncated", returns(&sandbox.Outcome{
			Verdict: sandbox.Signaled, Signal: unix.SIGSEGV, Stdout: sandbox.Output{Total: 1}, Stderr: sandbox.Output{Total: 1},
		}), nil, oneLine, run, 200},
		{"timeout", returns(result(sandbox.Timeout, "a", "")), nil, oneLine, run, 200},
		{"out of memory", returns(result(sandbox.OOM, "", "")), nil, oneLine, run, 200},
		{"finding", nil, func(c *setup) {
			c.Scanner = scanFunc(func(context.Context, []byte) ([]sandbox.Finding, error) {
				return []sandbox.Finding{{Rule: "module", Name: "os"}}, nil
			})
		}, oneLine, run, 200},
		{"unreadable", nil, nil, post("\"\xff\""), run, 400},
		{"foreign", nil, func(c *setup) { c.Origins = []string{"https://a.example"} }, post(`{"code":"x"}`, "Origin", "https://b.example"), run, 403},
		{"no key", nil, withKeys, oneLine, run, 401},
		{"too often", nil, func(c *setup) { withKeys(c); c.Limiter, c.Keys = used(), nil }, oneLine, run, 429},
		{"slow body", nil, func(c *setup) { c.ReadTimeout = 50 * time.Millisecond }, func(t *testing.T, s *testServer) answerOf {
			body, stop := io.Pipe()
			defer stop.Close()
			req, err := http.NewRequestWithContext(t.Context(), "POST", s.url+run, body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got, _ := io.ReadAll(resp.Body)
			return answerOf{resp, string(got)}
		}, run, 408},
		{"long source", nil, nil, post(`{"code":"` + strings.Repeat("x", sandbox.MaxSource+1) + `"}`), run, 413},
		{"long body", nil, func(c *setup) { c.MaxBody = 10 }, oneLine, run, 413},
		{"missing code", nil, nil, post(`{}`), run, 422},
		{"broken JSON", nil, nil, post(`{`), run, 422},
		{"list", nil, nil, post(`[]`), run, 422},
		{"no body", nil, nil, post(``), run, 422},
		{"sandbox failed", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
			return nil, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		}, nil, oneLine, run, 500},
		{"panic", func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("x") }, nil, oneLine, run, 500},
		{"draining", nil, func(c *setup) { c.Gate.Drain() }, oneLine, run, 503},
		{"full", nil, func(c *setup) {
			c.Gate = admission.New(1, 0)
			_, _, _ = c.Gate.Acquire(context.Background(), admission.Caller{})
		}, oneLine, run, 503},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.run == nil {
				tt.run = exits("", "")
			}
			s := serve(t, tt.run, tt.change)
			doc := description(t, serve(t, tt.run, withKeys))
			a := tt.call(t, s)
			if a.StatusCode != tt.status {
				t.Fatalf("status is %d, want %d: %s", a.StatusCode, tt.status, a.body)
			}
			conforms(t, doc, tt.path, a)
			seen[fmt.Sprint(tt.path, " ", tt.status)] = true
		})
	}

	described := map[string]bool{}
	for path, item := range description(t, serve(t, exits("", ""), withKeys)).Paths.Map() {
		if strings.HasPrefix(path, "/v1/") {
			continue // runs_test.go, meta_test.go
		}
		for _, op := range item.Operations() {
			for status := range op.Responses.Map() {
				described[path+" "+status] = true
			}
		}
	}
	if !maps.Equal(seen, described) {
		t.Errorf("seen are %v, described are %v", seen, described)
	}
}

// conforms validates an answer with its headers. For the body it uses a validator of JSON Schema 2020-12, which is the language of schemas in
// OpenAPI 3.1. The validator of kin-openapi applies the rules of OpenAPI 3.0 to a schema that refers to another one.
func conforms(t *testing.T, doc *openapi3.T, path string, a answerOf) {
	t.Helper()
	item := doc.Paths.Value(path)
	op := item.GetOperation(a.Request.Method)
	err := openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{
			Request: a.Request,
			Route:   &routers.Route{Spec: doc, Path: path, PathItem: item, Method: a.Request.Method, Operation: op},
		},
		Status:  a.StatusCode,
		Header:  a.Header,
		Body:    io.NopCloser(strings.NewReader(a.body)),
		Options: &openapi3filter.Options{ExcludeResponseBody: true},
	})
	if err != nil {
		t.Errorf("%d: %v", a.StatusCode, err)
	}
	for name := range a.Header {
		if strings.HasPrefix(name, "X-Sandboxd-") && op.Responses.Status(a.StatusCode).Value.Headers[name] == nil {
			t.Errorf("%s is not described", name)
		}
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	if err := bodyConforms(path, a.Request.Method, a.StatusCode, kind, a.body); err != nil {
		t.Errorf("%d %s: %v", a.StatusCode, a.body, err)
	}
}

func bodyConforms(path, method string, status int, kind, body string) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(refusals{true, true}.describe(openapiJSON)))
	if err != nil {
		return err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("file:///openapi.json", doc); err != nil {
		return err
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	schema, err := compiler.Compile(fmt.Sprintf("file:///openapi.json#/paths/%s/%s/responses/%d/content/%s/schema",
		escape(path), strings.ToLower(method), status, escape(kind)))
	if err != nil {
		return err
	}
	value := any(body)
	if kind == "application/json" {
		if value, err = jsonschema.UnmarshalJSON(strings.NewReader(body)); err != nil {
			return err
		}
	}
	return schema.Validate(value)
}

// The validation must find errors, or the test above could not fail.
func TestConformanceNoticesWrongAnswers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status int
		body   string
	}{
		{"third field", 200, `{"stdout":"","stderr":"","x":1}`},
		{"number", 200, `{"stdout":1,"stderr":""}`},
		{"one field", 200, `{"stdout":""}`},
		{"no JSON", 200, `{`},
		{"another shape", 422, `{"detail":"x"}`},
		{"no location", 422, `{"detail":[{"type":"missing","msg":"Field required","input":null}]}`},
		{"status that is not described", 418, `{"detail":"x"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if bodyConforms("/playground/execute", "POST", tt.status, "application/json", tt.body) == nil {
				t.Error("it conforms")
			}
		})
	}
}
