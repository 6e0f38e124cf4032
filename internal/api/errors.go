package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// parseError is FastAPI's error for a body that cannot be read for another reason than its syntax: it is not UTF-8, it is nested too deeply,
// or it has a number of thousands of digits.
type parseError struct{}

func (parseError) Error() string { return "There was an error parsing the body" }

var errParse = parseError{}

// tooLargeError reports that a body, or the program in it, is longer than its limit.
type tooLargeError struct {
	what  string // the subject of the message
	limit int64  // bytes
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("%s is too large: the limit is %d bytes", e.what, e.limit)
}

// invalidError is a validation error as FastAPI reports it.
type invalidError struct {
	kind  string // pydantic's error type
	loc   []any  // strings and ints
	msg   string
	input any // the wrong value, as document returns it
	ctx   []member
}

func (e *invalidError) Error() string { return e.kind + ": " + e.msg }

// body returns FastAPI's HTTPValidationError with one error.
func (e *invalidError) body() []byte {
	detail := []member{
		{"type", e.kind},
		{"loc", e.loc},
		{"msg", e.msg},
		{"input", e.input},
	}
	if e.ctx != nil {
		detail = append(detail, member{"ctx", e.ctx})
	}
	return appendValue(nil, []member{{"detail", []any{detail}}})
}

var (
	errBusyBodies  = errors.New("too many large requests at once")
	errSlowBody    = errors.New("the request body did not arrive in time")
	errBrokenBody  = errors.New("the client went away while it sent its request")
	errForeignPage = errors.New("pages of this origin may not run programs here")
	errPanic       = errors.New("panic")

	errForeignReader = errors.New("this is not for web pages of other origins")
	errUnknownHost   = errors.New("the service does not go by this name")
)

// failure is the answer to an error, and how it is counted.
type failure struct {
	status int
	detail string // must not reveal internals of the sandbox

	problemDetail string // replaces detail below /v1
	body          []byte // replaces detail on the old route
	reason        string // for metrics.RequestRejected; "" if it is not counted there
	retry         bool   // Retry-After gets the estimate of the gate
	close         bool   // the connection is closed after the answer
	key           bool   // WWW-Authenticate asks for a key
	recorded      bool   // the service has already logged and counted it
	after         int64  // Retry-After, in seconds; 0: none, or see retry

	kind   *v1.Kind // the type of the problem, below /v1
	fields []v1.FieldError
}

// explain maps every error to its answer. ok is false if the client is gone.
func explain(err error) (f failure, ok bool) {
	var (
		invalid  *invalidError
		tooLarge *tooLargeError
		setup    *sandbox.SetupError
		begun    *service.Error
		problem  *v1.Error
		unfit    *sandbox.InvalidError
		rate     *rateError
	)
	switch {
	case errors.As(err, &begun) && begun.Gone, errors.Is(err, service.ErrGone):
		return failure{recorded: true}, false
	case errors.As(err, &problem):
		reason := metrics.InvalidBody
		switch problem.Kind {
		case v1.NotAcceptable, v1.NotOffered:
			reason = metrics.NotOffered
		case v1.Busy:
			reason = metrics.BodyMemory
		case v1.NotFound, v1.NoSuchRun, v1.MethodNotAllowed:
			reason = "" // not counted as a request for a run
		}
		return failure{kind: problem.Kind, status: problem.Kind.Status, detail: problem.Detail, fields: problem.Fields, reason: reason, retry: problem.Kind == v1.Busy}, true
	case errors.Is(err, errNoKey), errors.Is(err, errBadKey):
		// The old route answers like FastAPI's HTTPBearer: it does not say what is wrong with the key.
		return failure{kind: v1.Unauthorized, status: http.StatusUnauthorized, detail: "Not authenticated", problemDetail: sentence(err), reason: metrics.Unauthorized, key: true}, true
	case errors.As(err, &rate):
		return failure{kind: v1.RateLimited, status: http.StatusTooManyRequests, detail: rate.Error(), reason: metrics.RateLimited, after: max(1, wholeSeconds(rate.next))}, true
	case errors.As(err, &invalid):
		return failure{kind: v1.InvalidRequest, status: http.StatusUnprocessableEntity, body: invalid.body(), reason: metrics.InvalidBody}, true
	case errors.Is(err, errParse):
		return failure{kind: v1.InvalidJSON, status: http.StatusBadRequest, detail: errParse.Error(), reason: metrics.InvalidBody}, true
	case errors.As(err, &tooLarge):
		return failure{kind: v1.TooLarge, status: http.StatusRequestEntityTooLarge, detail: tooLarge.Error(), reason: metrics.BodyTooLarge}, true
	case errors.Is(err, errForeignPage):
		return failure{kind: v1.ForeignPage, status: http.StatusForbidden, detail: errForeignPage.Error(), reason: metrics.OriginRefused}, true
	case errors.Is(err, errForeignReader):
		return failure{kind: v1.ForeignPage, status: http.StatusForbidden, detail: errForeignReader.Error(), reason: metrics.OriginRefused}, true
	case errors.Is(err, errUnknownHost): // with the status and the first words of Starlette's TrustedHostMiddleware
		return failure{kind: v1.UnknownHost, status: http.StatusBadRequest, detail: "Invalid host header: " + errUnknownHost.Error() + " (see --host)", reason: metrics.HostRefused}, true
	case errors.Is(err, errSlowBody):
		return failure{kind: v1.BodyTimeout, status: http.StatusRequestTimeout, detail: errSlowBody.Error(), reason: metrics.BodyTimeout, close: true}, true
	case errors.Is(err, errBusyBodies):
		return failure{kind: v1.Busy, status: http.StatusServiceUnavailable, detail: errBusyBodies.Error(), reason: metrics.BodyMemory, retry: true}, true
	case errors.Is(err, service.ErrBusyReplies):
		return failure{kind: v1.Busy, status: http.StatusServiceUnavailable, detail: service.ErrBusyReplies.Error(), reason: metrics.AnswerMemory, retry: true}, true
	case errors.Is(err, admission.ErrFull):
		return failure{kind: v1.Busy, status: http.StatusServiceUnavailable, detail: "Too many programs are running: try again later", reason: metrics.QueueFull, retry: true}, true
	case errors.Is(err, admission.ErrCallerFull):
		return failure{kind: v1.Busy, status: http.StatusServiceUnavailable, detail: "Too many of your own programs are running or waiting: try again later", reason: metrics.CallerFull, retry: true}, true
	case errors.Is(err, admission.ErrDraining):
		return failure{kind: v1.ShuttingDown, status: http.StatusServiceUnavailable, detail: "The service is shutting down: try again later", reason: metrics.Draining, retry: true, close: true}, true
	case errors.As(err, &setup):
		return failure{kind: v1.SandboxFailed, status: http.StatusInternalServerError, detail: "The " + failedAt(setup), recorded: true}, true
	case errors.As(err, &unfit):
		return failure{kind: v1.InvalidRequest, status: http.StatusUnprocessableEntity, body: valueError(unfit).body(), reason: metrics.InvalidBody}, true
	case errors.Is(err, errBrokenBody), errors.Is(err, context.Canceled):
		return failure{reason: metrics.ClientGone}, false
	default:
		return failure{kind: v1.Internal, status: http.StatusInternalServerError, detail: "Internal Server Error"}, true
	}
}

// valueError returns pydantic's error for a value that a validator refuses. The old contract calls an environment a template.
func valueError(e *sandbox.InvalidError) *invalidError {
	loc := []any{"body"}
	for _, part := range e.Path {
		if part == "environment" {
			part = "template"
		}
		loc = append(loc, part)
	}
	return &invalidError{kind: "value_error", loc: loc, msg: "Value error, " + e.Error()}
}

// sentence begins an error with a capital letter.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

// failedAt returns the description of a failed sandbox for clients. It must not reveal more than the stage.
func failedAt(e *sandbox.SetupError) string { return "sandbox could not be set up (" + e.Stage + ")" }

// fail answers an error.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	f, ok := explain(err)
	s.refused(r, f)
	if !ok {
		panic(http.ErrAbortHandler) // the client is gone, or no longer follows: end the connection
	}
	if f.after > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(f.after, 10))
	}
	if f.retry {
		w.Header().Set("Retry-After", strconv.Itoa(int(s.cfg.Service.Gate().RetryAfter()/time.Second)))
	}
	if f.key {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	if f.close {
		w.Header().Set("Connection", "close")
	}
	switch {
	case isV1(r):
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		s.answerAs(w, f.status, "application/problem+json", f.problem().Body())
		return
	case f.body == nil:
		f.body = detail(f.detail)
	}
	s.answer(w, f.status, f.body)
}

// problem returns the failure as a problem of the typed API.
func (f failure) problem() *v1.Error {
	return &v1.Error{Kind: f.kind, Detail: cmp.Or(f.problemDetail, f.detail), Fields: f.fields}
}

// isV1 reports whether a request is for the typed API, also if no such path exists there.
func isV1(r *http.Request) bool { return r.URL.Path == "/v1" || strings.HasPrefix(r.URL.Path, "/v1/") }

// detail returns the body of an error as FastAPI sends it.
func detail(text string) []byte {
	return appendValue(nil, []member{{"detail", text}})
}
