package api

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

func TestRequestMayNameATemplate(t *testing.T) {
	wrongType := func(input string) string {
		return `{"detail":[{"type":"string_type","loc":["body","template"],"msg":"Input should be a valid string","input":` + input + `}]}`
	}
	unknown := func(input, expected string) string {
		return `{"detail":[{"type":"literal_error","loc":["body","template"],"msg":"Input should be ` + expected +
			`","input":` + input + `,"ctx":{"expected":"` + expected + `"}}]}`
	}
	ran := func(template string) string { return `{"stdout":"ran in <` + template + `>","stderr":""}` }
	none, two, three := []string(nil), []string{"data", "default"}, []string{"a", "b_-9", "default"}
	for _, tt := range []struct {
		name      string
		templates []string
		body      string
		status    int
		answer    string
	}{
		{"none is named", two, `{"code":"x"}`, 200, ran("")},
		{"the default", two, `{"code":"x","template":"default"}`, 200, ran("default")},
		{"another", two, `{"template":"data","code":"x"}`, 200, ran("data")},
		{"the last of two", two, `{"template":"nope","code":"x","t\u0065mplate":"d\u0061ta"}`, 200, ran("data")},
		{"that of something else", two, `{"a":{"template":5},"code":"x"}`, 200, ran("")},
		{"unknown", two, `{"code":"x","template":"Data"}`, 422, unknown(`"Data"`, "'data' or 'default'")},
		{"unknown of many", three, `{"code":"x","template":"c"}`, 422, unknown(`"c"`, "'a', 'b_-9' or 'default'")},
		{"no name at all", two, `{"code":"x","template":""}`, 422, unknown(`""`, "'data' or 'default'")},
		{"half a surrogate pair", two, `{"code":"x","template":"\ud800"}`, 422, unknown(`"`+"\ufffd"+`"`, "'data' or 'default'")},
		{"long input is not echoed", two, `{"code":"x","template":"` + strings.Repeat("x", 100_000) + `"}`, 422, unknown(`null`, "'data' or 'default'")},
		{"a number", two, `{"code":"x","template":5}`, 422, wrongType(`5`)},
		{"null", two, `{"code":"x","template":null}`, 422, wrongType(`null`)},
		{"a list", two, `{"code":"x","template":["data"]}`, 422, wrongType(`["data"]`)},
		{"the code is wrong too", two, `{"template":5,"code":5}`, 422, `{"detail":[{"type":"string_type","loc":["body","code"],"msg":"Input should be a valid string","input":5}]}`},
		{"there is no code", two, `{"template":"nope"}`, 422, `{"detail":[{"type":"missing","loc":["body","code"],"msg":"Field required","input":{"template":"nope"}}]}`},
		{"of a program that does nothing", two, `{"code":"","template":"nope"}`, 422, unknown(`"nope"`, "'data' or 'default'")},
		{"nothing to choose", none, `{"code":"x"}`, 200, ran("")},
		{"nothing to choose, the default", none, `{"code":"x","template":"default"}`, 200, ran("default")},
		{"nothing to choose, another", none, `{"code":"x","template":"data"}`, 422, unknown(`"data"`, "'default'")},
		{"nothing to choose, a number", none, `{"code":"x","template":5}`, 422, wrongType(`5`)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
				return result(sandbox.Exited, "ran in <"+spec.Template+">", ""), nil
			}, func(c *setup) { c.Templates = tt.templates })
			s.execute(t, tt.body).want(t, tt.status, tt.answer)
			if got := s.metric(t, `sandboxd_requests_rejected_total{reason="invalid_body"}`); (got == "1") != (tt.status == 422) {
				t.Errorf("invalid_body is %s", got)
			}
		})
	}
}

func TestDescriptionNamesTheTemplates(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) { c.Templates = []string{"data", "default"} })
	doc := description(t, s)
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	request := doc.Components.Schemas["CodeRequest"].Value
	field := request.Properties["template"]
	if field == nil || !field.Value.Type.Is("string") || !slices.Equal(field.Value.Enum, []any{"data", "default"}) || field.Value.Default != "default" {
		t.Errorf("the field is %+v", field)
	}
	if !slices.Equal(request.Required, []string{"code"}) {
		t.Errorf("required are %v", request.Required)
	}
	conforms(t, doc, "/playground/execute", s.call(t, "POST", "/playground/execute", `{"code":"x","template":"nope"}`))

	// If only the default template exists, the OpenAPI document has no field for a template.
	type parts struct {
		Paths      map[string]json.RawMessage
		Components struct{ Schemas map[string]json.RawMessage }
	}
	var was, is parts
	if err := json.Unmarshal(openapiJSON, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(serve(t, exits("", ""), nil).call(t, "GET", "/openapi.json", "").body), &is); err != nil {
		t.Fatal(err)
	}
	for path, text := range was.Paths {
		if !bytes.Equal(is.Paths[path], text) || bytes.Contains(text, []byte("emplate")) {
			t.Errorf("%s has changed", path)
		}
	}
	for name, text := range was.Components.Schemas {
		if !bytes.Equal(is.Components.Schemas[name], text) || bytes.Contains(text, []byte("emplate")) {
			t.Errorf("%s has changed", name)
		}
	}
}
