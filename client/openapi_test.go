package client

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// document is the description that the daemon serves.
func document(t *testing.T) map[string]any {
	t.Helper()
	limits := sandbox.DefaultLimits()
	m := metrics.New("test", nil, nil, nil)
	log := slog.New(slog.DiscardHandler)
	server, err := api.New(api.Config{
		Service: service.New(service.Config{
			Limits: limits, Gate: admission.New(1, 1), Policy: "strict", Memory: service.AnswerMemory(1, limits), Metrics: m, Log: log,
		}),
		Metrics: m, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	server.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var doc map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// at returns the value in a document at a path of names.
func at(value any, names ...string) any {
	for _, name := range names {
		object, _ := value.(map[string]any)
		value = object[name]
	}
	return value
}

// counterparts maps the names of schemas to the types of this package.
var counterparts = map[string]any{
	"RunRequest": Request{}, "RunFile": File{}, "RunLimits": Limits{},
	"RunDisplay": Display{}, "RunOutputFile": OutputFile{}, "DisplayEvent": displayEvent{},
	"RunAnswer": Result{}, "RunTruncated": Truncated{}, "RunFinding": Finding{}, "RunDenial": Denial{}, "RunUsage": Usage{},
	"RunPhases": Phases{}, "RunIsolation": Isolation{},
	"StartedEvent": startedEvent{}, "OutputEvent": outputEvent{}, "FinishedEvent": finishedEvent{}, "ErrorEvent": errorEvent{},
	"Meta": Meta{}, "MetaLimits": MetaLimits{}, "MetaNumber": MetaNumber{}, "MetaInteger": MetaInteger{},
	"Problem": Problem{}, "FieldError": FieldError{},
}

// Each property of the document is a field of the client, with its type, and the other way round.
func TestTypesAreThoseOfTheDocument(t *testing.T) {
	doc := document(t)
	described := reachable(t, doc)
	for name := range described {
		if _, found := counterparts[name]; !found {
			t.Errorf("the schema %s has no type here", name)
		}
	}
	for name, value := range counterparts {
		t.Run(name, func(t *testing.T) {
			if !described[name] {
				t.Fatal("no operation of /v1 uses such a schema")
			}
			for _, difference := range compare(reflect.TypeOf(value), at(doc, "components", "schemas", name), name) {
				t.Error(difference)
			}
		})
	}
}

// reachable returns the names of the schemas with properties that the paths below /v1 use.
func reachable(t *testing.T, doc map[string]any) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	var visit func(any)
	visit = func(value any) {
		switch value := value.(type) {
		case []any:
			for _, item := range value {
				visit(item)
			}
		case map[string]any:
			for _, item := range value {
				visit(item)
			}
			ref, _ := value["$ref"].(string)
			name, is := strings.CutPrefix(ref, "#/components/schemas/")
			if is && !found[name] {
				found[name] = true
				visit(at(doc, "components", "schemas", name))
			}
		}
	}
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		if strings.HasPrefix(path, "/v1/") {
			visit(item)
		}
	}
	visit(map[string]any{"$ref": "#/components/schemas/Event"}) // OpenAPI describes a stream as a string, without its events
	delete(found, "Event")                                      // a union of the other events, which has no type of its own
	return found
}

// compare returns the differences between a Go type and a schema.
func compare(typ reflect.Type, schema any, where string) (differences []string) {
	differ := func(text string) { differences = append(differences, where+": "+text) }
	if ref, found := at(schema, "$ref").(string); found {
		want := strings.TrimPrefix(ref, "#/components/schemas/")
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ != reflect.TypeOf(counterparts[want]) {
			differ(typ.String() + " is not " + want)
		}
		return differences
	}
	kind, nullable := at(schema, "type"), false
	if several, found := kind.([]any); found {
		kind, nullable = several[0], slices.Contains(several, any("null"))
	}
	if nullable != (typ.Kind() == reflect.Pointer) {
		differ("null is allowed on one side only")
	}
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	same := false
	switch kind {
	case "object":
		if rest, open := at(schema, "additionalProperties").(map[string]any); open {
			if same = typ.Kind() == reflect.Map; same {
				differences = append(differences, compare(typ.Elem(), rest, where+".*")...)
			}
			break
		}
		if same = typ.Kind() == reflect.Struct; same {
			differences = append(differences, compareFields(typ, schema, where)...)
		}
	case "array":
		if same = typ.Kind() == reflect.Slice; same {
			differences = append(differences, compare(typ.Elem(), at(schema, "items"), where+"[]")...)
		}
	case "string":
		same = typ.Kind() == reflect.String && at(schema, "contentEncoding") == nil ||
			typ == reflect.TypeFor[[]byte]() && at(schema, "contentEncoding") == "base64"
	case "integer":
		same = typ.Kind() == reflect.Int || typ.Kind() == reflect.Int64
	case "number":
		same = typ.Kind() == reflect.Float64
	case "boolean":
		same = typ.Kind() == reflect.Bool
	}
	if !same {
		differ(typ.String() + " is no " + kind.(string))
	}
	return differences
}

func compareFields(typ reflect.Type, schema any, where string) (differences []string) {
	properties, _ := at(schema, "properties").(map[string]any)
	required, _ := at(schema, "required").([]any)
	fields := map[string]bool{}
	for _, field := range reflect.VisibleFields(typ) {
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if field.Anonymous || name == "-" {
			continue
		}
		fields[name] = true
		property, found := properties[name]
		if !found {
			differences = append(differences, where+"."+name+" is not in the document")
			continue
		}
		if optional := strings.Contains(options, "omitempty"); optional == slices.Contains(required, any(name)) {
			differences = append(differences, where+"."+name+" is required on one side only")
		}
		differences = append(differences, compare(field.Type, property, where+"."+name)...)
	}
	for name := range properties {
		if !fields[name] {
			differences = append(differences, where+"."+name+" has no field")
		}
	}
	return differences
}

// compare must find each kind of difference. Otherwise the tests above prove nothing.
func TestComparisonNoticesDifferences(t *testing.T) {
	doc := document(t)
	schema := func(name string) any { return at(doc, "components", "schemas", name) }
	for name, tt := range map[string]struct {
		typ    any
		schema any
	}{
		"a field too many": {Limits{}, schema("RunTruncated")},
		"a field too few":  {struct{}{}, schema("RunTruncated")},
		"another type": {struct {
			StdoutBytes string `json:"stdout_bytes"`
			StderrBytes int64  `json:"stderr_bytes"`
		}{}, schema("RunTruncated")},
		"a value that is never null": {struct {
			StdoutBytes *int64 `json:"stdout_bytes"`
			StderrBytes int64  `json:"stderr_bytes"`
		}{}, schema("RunTruncated")},
		"an optional field": {struct {
			StdoutBytes int64 `json:"stdout_bytes,omitempty"`
			StderrBytes int64 `json:"stderr_bytes"`
		}{}, schema("RunTruncated")},
		"another schema": {struct {
			Problem FieldError `json:"problem"`
			head
		}{}, schema("ErrorEvent")},
		"text for bytes": {struct {
			Path   string `json:"path"`
			Text   string `json:"text,omitempty"`
			Base64 string `json:"base64,omitempty"`
		}{}, schema("RunFile")},
	} {
		if len(compare(reflect.TypeOf(tt.typ), tt.schema, "x")) == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// The package has a constant for each word in the document's enums, and for each problem of the service.
func TestConstantsAreThoseOfTheDocument(t *testing.T) {
	doc := document(t)
	words := func(of string, property string) (list []string) {
		enum, _ := at(doc, "components", "schemas", of, "properties", property, "enum").([]any)
		for _, word := range enum {
			list = append(list, word.(string))
		}
		slices.Sort(list)
		return list
	}
	verdicts := []string{string(Exited), string(Signaled), string(Timeout), string(OutOfMemory), string(CPULimit), string(Rejected), string(Cancelled)}
	slices.Sort(verdicts)
	if want := words("RunAnswer", "verdict"); !slices.Equal(verdicts, want) {
		t.Errorf("verdicts are %v, in the document %v", verdicts, want)
	}
	kinds := []string{string(Started), string(Stdout), string(Stderr), string(Shown), string(Finished), string(failed)}
	slices.Sort(kinds)
	if want := words("StartedEvent", "event"); !slices.Equal(kinds, want) {
		t.Errorf("events are %v, in the document %v", kinds, want)
	}
	problems := []string{
		ProblemInvalidJSON, ProblemUnknownHost, ProblemNotOffered, ProblemUnauthorized, ProblemForeignPage, ProblemNotFound, ProblemNoSuchRun, ProblemMethodNotAllowed,
		ProblemNotAcceptable, ProblemBodyTimeout, ProblemTooLarge, ProblemUnsupportedMediaType, ProblemUpgradeRequired, ProblemInvalidRequest, ProblemRateLimited, ProblemBusy,
		ProblemShuttingDown, ProblemSandboxFailed, ProblemInternal,
	}
	var want []string
	for _, kind := range v1.Kinds {
		want = append(want, v1.ProblemPath+kind.Name)
	}
	if !slices.Equal(problems, want) {
		t.Errorf("problems are %v, of the service %v", problems, want)
	}
}
