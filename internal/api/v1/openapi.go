package v1

import (
	"encoding/json"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// Path is the path for new runs.
const Path = "/v1/runs"

// RunPath is the path of one run.
const RunPath = Path + "/{id}"

// Answers are the kinds of problems that POST /v1/runs can have. The other kinds belong to other routes.
var Answers = slices.DeleteFunc(slices.Clone(Kinds), func(k *Kind) bool {
	return k == NotFound || k == NoSuchRun || k == MethodNotAllowed || k == UpgradeRequired
})

// MetaAnswers are the kinds of problems that GET /v1/meta can have.
var MetaAnswers = []*Kind{UnknownHost}

// CancelAnswers are the kinds of problems that DELETE /v1/runs/{id} can have.
var CancelAnswers = []*Kind{UnknownHost, Unauthorized, ForeignPage, NoSuchRun}

// The names of the security schemes in the OpenAPI document. A request may use any one of them.
const (
	SecurityBearer = "bearer"
	SecurityHeader = "header"
)

// Security is the field "security" of an operation that needs a key.
var Security = []map[string][]string{{SecurityBearer: {}}, {SecurityHeader: {}}}

// LiveAnswers are the kinds of problems that GET /v1/runs/live can have before the connection is a WebSocket.
var LiveAnswers = []*Kind{UnknownHost, Unauthorized, ForeignPage, UpgradeRequired, RateLimited, Internal}

// describe returns the paths of the typed API for the OpenAPI document.
func (a *API) describe() map[string]*huma.PathItem {
	schema := func(t reflect.Type) *huma.Schema { return a.registry.Schema(t, true, "") }
	events := &huma.Schema{OneOf: []*huma.Schema{
		schema(reflect.TypeFor[StartedEvent]()), schema(reflect.TypeFor[OutputEvent]()), schema(reflect.TypeFor[DisplayEvent]()),
		schema(reflect.TypeFor[FinishedEvent]()), schema(reflect.TypeFor[ErrorEvent]()),
	}}
	a.registry.Map()["Event"] = events
	text := &huma.Schema{Type: huma.TypeString}
	common := map[string]*huma.Param{"X-Request-Id": {Description: "By which the log knows the request.", Schema: text}}
	responses := map[string]*huma.Response{
		"200": {
			Description: "The run has ended, in any way. As events: started, stdout and stderr as they happen, and finished, each of them one Event.",
			Headers:     common,
			Content: map[string]*huma.MediaType{
				typeJSON:   {Schema: schema(reflect.TypeFor[Answer]())},
				typeEvents: {Schema: &huma.Schema{Type: huma.TypeString, Description: "Server-sent events, whose data is an Event. A comment every 10 seconds keeps proxies waiting."}},
				typeLines:  {Schema: &huma.Schema{Type: huma.TypeString, Description: "An Event in each line."}},
			},
		},
	}
	problems := func(responses map[string]*huma.Response, kinds []*Kind) map[string]*huma.Response {
		for _, k := range kinds {
			if k == Unauthorized && !a.cfg.Keys || k == RateLimited && !a.cfg.Limited {
				continue
			}
			status := strconv.Itoa(k.Status)
			if known := responses[status]; known != nil {
				known.Description += " Or: " + k.Title + "."
				continue
			}
			headers := maps.Clone(common)
			if k == RateLimited { // the other answers have these headers if the caller has a rate
				headers["RateLimit-Policy"] = &huma.Param{Description: "The rate of the caller (draft-ietf-httpapi-ratelimit-headers).", Schema: text}
				headers["RateLimit"] = &huma.Param{Description: "What the caller has left of it.", Schema: text}
			}
			if k == Unauthorized {
				headers["WWW-Authenticate"] = &huma.Param{Schema: text}
			}
			if k.Status == http.StatusServiceUnavailable || k == RateLimited {
				headers["Retry-After"] = &huma.Param{Description: "Seconds.", Schema: &huma.Schema{Type: huma.TypeInteger}}
			}
			responses[status] = &huma.Response{
				Description: k.Title + ".", Headers: headers,
				Content: map[string]*huma.MediaType{typeProblem: {Schema: schema(reflect.TypeFor[Problem]())}},
			}
		}
		return responses
	}
	var security []map[string][]string
	if a.cfg.Keys {
		security = Security
	}
	create := &huma.Operation{
		Security: security,
		Tags:     []string{"v1"}, OperationID: "create-run", Summary: "Run a program",
		Description: "Runs a program to its end, or to the first limit that it meets. The answer has status 200 whatever the program did. " +
			"With Accept: text/event-stream or application/jsonl, events come while it runs, and the run is cancelled when the client goes away.",
		RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{typeJSON: {Schema: schema(reflect.TypeFor[Request]())}}},
		Responses:   problems(responses, Answers),
	}
	meta := &huma.Operation{
		Tags: []string{"v1"}, OperationID: "get-meta", Summary: "What the service offers",
		Description: "What a request may name, and the limits that it may set. It does not change while the daemon runs.",
		Responses: problems(map[string]*huma.Response{"200": {
			Description: "What the service offers.", Headers: common,
			Content: map[string]*huma.MediaType{typeJSON: {Schema: schema(reflect.TypeFor[Meta]())}},
		}}, MetaAnswers),
	}
	cancel := &huma.Operation{
		Security: security,
		Tags:     []string{"v1"}, OperationID: "cancel-run", Summary: "Cancel a run",
		Description: "Stops a program, also one that waits for a slot. The answer does not wait for the end. Whoever started the run gets the verdict cancelled. " +
			"An id cannot be guessed: the event started has it.",
		Parameters: []*huma.Param{{Name: "id", In: "path", Required: true, Description: "The id of the run.", Schema: text}},
		Responses:  problems(map[string]*huma.Response{"202": {Description: "The run is being stopped.", Headers: common}}, CancelAnswers),
	}
	schema(reflect.TypeFor[Message]())
	live := &huma.Operation{
		Security: security,
		Tags:     []string{"v1"}, OperationID: "run-live", Summary: "Run a program over a WebSocket",
		Description: "The first message is a RunRequest. The messages after it are each a RunMessage: standard input, its end, an interrupt, or the " +
			"end of the run. The service sends each Event as a message, and then closes the connection. The run is cancelled when the client goes away.",
		Responses: problems(map[string]*huma.Response{"101": {Description: "The connection is a WebSocket from here on.", Headers: common}}, LiveAnswers),
	}
	return map[string]*huma.PathItem{Path: {Post: create}, LivePath: {Get: live}, RunPath: {Delete: cancel}, MetaPath: {Get: meta}}
}

// Description returns the parts of the OpenAPI document for the typed API: members of "paths" and of "components/schemas", as JSON without
// the enclosing braces.
func (a *API) Description() (paths, schemas []byte) {
	members := func(v any) []byte {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err) // the document is derived from Go types: please report this bug
		}
		return text[1 : len(text)-1]
	}
	return members(a.paths), members(a.registry.Map())
}
