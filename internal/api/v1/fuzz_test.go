package v1

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// FuzzDecode: a body is a program that can be run, or a problem that says so; and what is read is what encoding/json reads.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"code":"x"}`, `{"code":"x","stdin":"y","args":["a"],"env":{"A":"b"},"files":[{"path":"p","text":"t"},{"path":"q","base64":"AA=="}],"limits":{"wall_seconds":1}}`,
		`{"code":"x","args":[null]}`, `{"code":5,"x":[[]]}`, `{`, ``, `[1e999]`, `{"code":"\ud83d\udc0d\u0000"}`, `{"files":[{"path":"../a"}],"code":""}`,
	} {
		f.Add([]byte(seed))
	}
	a := newAPI(func(context.Context, *sandbox.Stream) error { return nil })
	f.Fuzz(func(t *testing.T, body []byte) {
		request, err := a.decode(body)
		var program sandbox.Program
		if err == nil {
			program, err = request.program()
		}
		if err != nil {
			var problem *Error
			if !errors.As(err, &problem) || problem.Kind != InvalidJSON && problem.Kind != InvalidRequest || problem.Detail == "" {
				t.Fatalf("%q: %v", body, err)
			}
			if !json.Valid(problem.Body()) || (problem.Kind == InvalidRequest) != (len(problem.Fields) > 0) {
				t.Fatalf("%q: %s", body, problem.Body())
			}
			return
		}
		_ = program.Validate()
		var want Request
		if err := json.Unmarshal(body, &want); err != nil || want.Code != request.Code || want.Stdin != request.Stdin || len(want.Args) != len(request.Args) ||
			len(want.Env) != len(request.Env) || len(want.Files) != len(request.Files) || (want.Limits == nil) != (request.Limits == nil) {
			t.Fatalf("%q: read as %+v, not as %+v: %v", body, request, want, err)
		}
		if int64(len(body)) < size(&program) {
			t.Fatalf("%q: a program of %d bytes", body, size(&program))
		}
	})
}

// The fields of the request are those that are read.
func TestEveryFieldIsRead(t *testing.T) {
	a := newAPI(func(context.Context, *sandbox.Stream) error { return nil })
	const body = `{"code":"a","stdin":"b","args":["c"],"env":{"D":"e"},"files":[{"path":"f","text":"g"}],"collect":["h*"],"environment":"default","policy":"strict",
		"limits":{"wall_seconds":1,"cpu_seconds":1.5,"memory_bytes":20000000,"processes":2,"output_bytes":3}}`
	got, err := a.decode([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	back, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	var fields, read map[string]any
	if err := errors.Join(json.Unmarshal([]byte(body), &fields), json.Unmarshal(back, &read)); err != nil {
		t.Fatal(err)
	}
	for name := range a.request.Properties {
		if fields[name] == nil {
			t.Errorf("%s is not in the test", name)
		}
		want, _ := json.Marshal(fields[name])
		if is, _ := json.Marshal(read[name]); string(is) != string(want) {
			t.Errorf("%s was read as %s, not %s", name, is, want)
		}
	}
	for name := range a.registry.Map()["RunLimits"].Properties {
		if fields["limits"].(map[string]any)[name] == nil {
			t.Errorf("limits.%s is not in the test", name)
		}
	}
}
