package client

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Types of problems. A type is the path of a page of the service that explains it.
const (
	ProblemInvalidJSON          = "/problems/invalid-json"
	ProblemUnknownHost          = "/problems/unknown-host"
	ProblemNotOffered           = "/problems/not-offered"
	ProblemUnauthorized         = "/problems/unauthorized"
	ProblemForeignPage          = "/problems/foreign-page"
	ProblemNotFound             = "/problems/not-found"
	ProblemNoSuchRun            = "/problems/no-such-run"
	ProblemMethodNotAllowed     = "/problems/method-not-allowed"
	ProblemNotAcceptable        = "/problems/not-acceptable"
	ProblemBodyTimeout          = "/problems/body-timeout"
	ProblemTooLarge             = "/problems/too-large"
	ProblemUnsupportedMediaType = "/problems/unsupported-media-type"
	ProblemUpgradeRequired      = "/problems/upgrade-required"
	ProblemInvalidRequest       = "/problems/invalid-request"
	ProblemRateLimited          = "/problems/rate-limited"
	ProblemBusy                 = "/problems/busy"
	ProblemShuttingDown         = "/problems/shutting-down"
	ProblemSandboxFailed        = "/problems/sandbox-failed"
	ProblemInternal             = "/problems/internal"
)

// Problem is an error that the service, or a proxy in front of it, reports (RFC 9457).
type Problem struct {
	Type   string       `json:"type"` // one of the constants; about:blank if the answer does not come from the service
	Title  string       `json:"title"`
	Status int          `json:"status"` // HTTP status
	Detail string       `json:"detail"`
	Errors []FieldError `json:"errors,omitempty"` // for ProblemInvalidRequest: the fields that are wrong

	RetryAfter time.Duration `json:"-"` // time after which the request can be repeated, in whole seconds; 0 if the service names none
	RequestID  string        `json:"-"` // id of the request in the service's log; "" if the answer has none
}

// FieldError describes an error in a field of the request.
type FieldError struct {
	Pointer string `json:"pointer"` // JSON pointer (RFC 6901)
	Detail  string `json:"detail"`
}

// Error returns the title, the status and the detail, and the error of each further field.
func (p *Problem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s (%d)", cmp.Or(p.Title, "The request failed"), p.Status)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors[min(1, len(p.Errors)):] { // the detail has the first one
		fmt.Fprintf(&b, "; %s %s", e.Pointer, e.Detail)
	}
	return b.String()
}

// maxProblem is the length of the longest problem that is read, in bytes.
const maxProblem = 64 << 10

// problemOf makes a problem of an answer.
func problemOf(response *http.Response) *Problem {
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxProblem)) // a part of it is enough for a message
	var p Problem
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if kind != typeProblem || json.Unmarshal(text, &p) != nil || p.Type == "" {
		p = Problem{Type: "about:blank", Title: http.StatusText(response.StatusCode), Detail: excerpt(text)}
		if to := response.Header.Get("Location"); to != "" {
			p.Detail = "the address redirects to " + to
		}
	}
	p.Status = response.StatusCode
	p.RequestID = response.Header.Get("X-Request-Id")
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(min(seconds, 1<<20)) * time.Second
	}
	return &p
}

// excerpt returns the beginning of an answer that is not a problem, on one line.
func excerpt(text []byte) string {
	const most = 200
	line := strings.Join(strings.Fields(string(text)), " ")
	if len(line) > most {
		line = strings.ToValidUTF8(line[:most], "") + "…"
	}
	return line
}
