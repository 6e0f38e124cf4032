package v1

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Kind is a kind of problem. Its name must never change, since programs depend on it.
type Kind struct {
	Name   string
	Status int
	Title  string
	Means  string // the meaning of the problem and what to do
}

// The kinds of problems. docs/api.md lists them.
var (
	InvalidJSON = &Kind{"invalid-json", http.StatusBadRequest, "The body is not JSON",
		"The body is not one JSON value in UTF-8, has a name twice, or half of a surrogate pair. Send what a JSON encoder writes."}
	UnknownHost = &Kind{"unknown-host", http.StatusBadRequest, "The Host header does not name this service",
		"The Host header is not a name of the service. The operator sets the names with --host."}
	NotOffered = &Kind{"not-offered", http.StatusBadRequest, "The request asks for a feature that is not offered",
		"A header, such as Idempotency-Key, asks for a feature that this version does not have. Leave the header out."}
	Unauthorized = &Kind{"unauthorized", http.StatusUnauthorized, "The request has no valid key",
		"The service requires an API key, as Authorization: Bearer or as X-API-Key. The operator of the service makes keys."}
	ForeignPage = &Kind{"foreign-page", http.StatusForbidden, "Pages of this origin may not use the service",
		"A web page of another origin sent the request. The operator allows origins with --cors-origin."}
	NotFound = &Kind{"not-found", http.StatusNotFound, "There is no such path",
		"The API does not have this path. /openapi.json lists all paths."}
	NoSuchRun = &Kind{"no-such-run", http.StatusNotFound, "There is no such run",
		"The id is not that of a run, or the run has ended already."}
	MethodNotAllowed = &Kind{"method-not-allowed", http.StatusMethodNotAllowed, "The path has no such method",
		"The Allow header lists the methods of the path."}
	NotAcceptable = &Kind{"not-acceptable", http.StatusNotAcceptable, "None of the accepted media types is offered",
		"Accept application/json, text/event-stream or application/jsonl."}
	BodyTimeout = &Kind{"body-timeout", http.StatusRequestTimeout, "The body did not arrive in time",
		"The body came too slowly. Send it without pauses."}
	TooLarge = &Kind{"too-large", http.StatusRequestEntityTooLarge, "The body is too large",
		"The body is longer than the limit, which the detail names. Send less, or smaller files."}
	UnsupportedMediaType = &Kind{"unsupported-media-type", http.StatusUnsupportedMediaType, "The Content-Type is not JSON",
		"Send Content-Type: application/json."}
	UpgradeRequired = &Kind{"upgrade-required", http.StatusUpgradeRequired, "The path accepts WebSocket connections only",
		"The path is for WebSockets (RFC 6455). Send Upgrade: websocket, as a WebSocket client does."}
	InvalidRequest = &Kind{"invalid-request", http.StatusUnprocessableEntity, "The request cannot be carried out",
		"Fields are missing, unknown, of the wrong type or out of range. Each of the errors has the JSON pointer of a field."}
	RateLimited = &Kind{"rate-limited", http.StatusTooManyRequests, "The caller asks for runs too often",
		"The key or the address has used up its rate, which the RateLimit-Policy header tells. Try again after Retry-After seconds."}
	Busy = &Kind{"busy", http.StatusServiceUnavailable, "There are too many requests at once",
		"Every slot and the queue are taken, or the caller's part of the queue, or the memory for requests or answers. Try again after Retry-After seconds."}
	ShuttingDown = &Kind{"shutting-down", http.StatusServiceUnavailable, "The service is shutting down",
		"No new run is started. Try again after Retry-After seconds, with another connection."}
	SandboxFailed = &Kind{"sandbox-failed", http.StatusInternalServerError, "The sandbox failed, not the program",
		"No jail could be set up for the program. The operator finds the reason in the log by the request id."}
	Internal = &Kind{"internal", http.StatusInternalServerError, "The service failed",
		"This is a bug in the service. The operator finds it in the log by the request id."}
)

// Kinds lists all kinds.
var Kinds = []*Kind{InvalidJSON, UnknownHost, NotOffered, Unauthorized, ForeignPage, NotFound, NoSuchRun, MethodNotAllowed, NotAcceptable, BodyTimeout, TooLarge,
	UnsupportedMediaType, UpgradeRequired, InvalidRequest, RateLimited, Busy, ShuttingDown, SandboxFailed, Internal}

// ProblemPath is the prefix of the paths that explain the kinds. The name of the kind follows.
const ProblemPath = "/problems/"

// Explain returns the text that explains a kind of problem. found is false if there is no kind with this name.
func Explain(name string) (page string, found bool) {
	for _, k := range Kinds {
		if k.Name == name {
			return fmt.Sprintf("%s (%d %s)\n\n%s\n", k.Title, k.Status, http.StatusText(k.Status), k.Means), true
		}
	}
	return "", false
}

// Problem is the answer to a failed request (RFC 9457).
type Problem struct {
	Type   string       `json:"type" doc:"The kind of problem. It is a path of this service, which explains it." example:"/problems/invalid-request"`
	Title  string       `json:"title" doc:"The kind, for people."`
	Status int          `json:"status" minimum:"400" maximum:"599"`
	Detail string       `json:"detail" doc:"The fault of this request."`
	Errors []FieldError `json:"errors,omitempty" nullable:"false" maxItems:"16" doc:"Which fields are wrong, for /problems/invalid-request."`
}

// FieldError says what is wrong with a field.
type FieldError struct {
	Pointer string `json:"pointer" format:"json-pointer" doc:"Where in the body the field is (RFC 6901)." example:"/files/0/path"`
	Detail  string `json:"detail"`
}

// Error is the error of a failed request.
type Error struct {
	Kind   *Kind
	Detail string
	Fields []FieldError
}

func (e *Error) Error() string { return e.Kind.Name + ": " + e.Detail }

// Problem returns the answer.
func (e *Error) Problem() Problem {
	return Problem{ProblemPath + e.Kind.Name, e.Kind.Title, e.Kind.Status, e.Detail, e.Fields}
}

// Body returns the answer as JSON.
func (e *Error) Body() []byte {
	body, err := json.Marshal(e.Problem())
	if err != nil {
		panic(err) // all values are strings and numbers: please report this bug
	}
	return body
}

// fieldsError returns an InvalidRequest with these faults. There must be at least one.
func fieldsError(fields []FieldError) *Error {
	return &Error{Kind: InvalidRequest, Detail: cmp.Or(fields[0].Pointer, "The body") + " " + fields[0].Detail, Fields: fields}
}

// fieldError returns an InvalidRequest with one fault.
func fieldError(detail string, path ...string) *Error {
	return fieldsError([]FieldError{{pointer(path), detail}})
}

// pointer returns the JSON pointer of a path (RFC 6901).
func pointer(path []string) string {
	var b strings.Builder
	for _, part := range path {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return b.String()
}
