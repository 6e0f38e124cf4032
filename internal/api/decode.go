package api

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
)

const (
	// bodiesInMemory bounds the memory of all request bodies together, those up to
	// smallBody aside. A body lives only until the program in it is decoded.
	bodiesInMemory = 64 << 20
	smallBody      = 64 << 10

	// maxEcho bounds what is sent back as "input" of a validation error; longer ones are null.
	maxEcho = 64 << 10

	// maxDrained bounds what is read and thrown away of a body that is too large, so that a
	// client which sends all of it before it listens gets to read why it was refused.
	maxDrained = 256 << 20
)

// decode reads a request's body, and gives the program in it.
func (s *Server) decode(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, done, err := s.readBody(w, r)
	if err != nil {
		return nil, err
	}
	defer done()
	if !isJSON(r.Header.Get("Content-Type")) && len(body) > 0 {
		return nil, notAnObject(str{text: string(body)}, len(body))
	}
	return program(body)
}

// readBody reads a whole body, not longer than the limit, within the server's ReadTimeout.
// The caller calls done when it does not need the body any more.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request) (body []byte, done func(), err error) {
	limit := s.cfg.MaxBody
	tooLarge := &tooLargeError{"The request body", limit}
	if r.ContentLength > limit {
		s.refuseBody(w, r)
		return nil, nil, tooLarge
	}
	weight := r.ContentLength
	if weight < 0 {
		weight = limit // not announced
	}
	done = func() {}
	if weight > smallBody {
		if !s.bodies.TryAcquire(weight) {
			return nil, nil, errBusyBodies
		}
		done = func() { s.bodies.Release(weight) }
	}
	// One more than allowed tells a body that is too large. io.ReadAll takes memory as the
	// bytes come, not as they were announced.
	body, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	switch {
	case err != nil:
		done()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, nil, errSlowBody
		}
		return nil, nil, errBrokenBody
	case int64(len(body)) > limit:
		done()
		s.refuseBody(w, r)
		return nil, nil, tooLarge
	}
	// From here on the deadline for reading has nothing to guard, and net/http would take it
	// for the end of the connection and cancel the run.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, done, nil
}

// refuseBody throws away what is left of a body that is too large. It goes on until
// ReadTimeout at most. A client that asked for leave first (Expect: 100-continue) has not
// sent anything and is not asked to.
func (s *Server) refuseBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" && r.ContentLength <= maxDrained {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
	}
}

// isJSON decides as FastAPI 0.121 does: no content type means JSON too.
func isJSON(contentType string) bool {
	contentType, _, _ = strings.Cut(contentType, ";")
	contentType = strings.ToLower(strings.TrimSpace(contentType))
	if contentType == "" {
		return true
	}
	kind, subtype, _ := strings.Cut(contentType, "/")
	return kind == "application" && (subtype == "json" || strings.HasSuffix(subtype, "+json")) &&
		!strings.Contains(subtype, "/")
}

// program finds the program in a request body. Its errors are *invalidError, *tooLargeError
// and errParse.
func program(body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, &invalidError{kind: "missing", loc: []any{"body"}, msg: "Field required"}
	}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // json.loads of bytes skips it too
	top, code, err := document(body, false, "code")
	if e := (*jsonError)(nil); errors.As(err, &e) {
		return nil, &invalidError{
			kind: "json_invalid", loc: []any{"body", e.Pos}, msg: "JSON decode error",
			input: []member{}, ctx: e.Msg,
		}
	}
	if err != nil {
		return nil, err
	}
	if code == nil {
		return nil, noCode(top, body)
	}

	doc := body[code.from:code.to]
	if doc[0] != '"' {
		return nil, &invalidError{
			kind: "string_type", loc: []any{"body", "code"}, msg: "Input should be a valid string",
			input: echo(doc),
		}
	}
	value, _, err := document(doc, true, "")
	if err != nil {
		return nil, err
	}
	switch text := value.(str); {
	case len(text.text) > jail.MaxSource:
		return nil, &tooLargeError{"The program", jail.MaxSource}
	case text.lone:
		// The old service fails with a 500 on half of a surrogate pair: it cannot be
		// written to a file as UTF-8. This is what pydantic says where it looks.
		return nil, &invalidError{
			kind: "string_unicode", loc: []any{"body", "code"},
			msg:   "Input should be a valid string, unable to parse raw data as a unicode string",
			input: echo(doc),
		}
	default:
		return []byte(text.text), nil
	}
}

// noCode explains a document that has no key "code".
func noCode(top any, body []byte) error {
	if _, object := top.([]member); object {
		return &invalidError{kind: "missing", loc: []any{"body", "code"}, msg: "Field required", input: echo(body)}
	}
	if value := echo(body); value != nil || len(body) > maxEcho {
		return notAnObject(value, len(body))
	}
	// null is taken for no body at all.
	return &invalidError{kind: "missing", loc: []any{"body"}, msg: "Field required"}
}

func notAnObject(input any, size int) error {
	if size > maxEcho {
		input = nil
	}
	return &invalidError{
		kind: "model_attributes_type", loc: []any{"body"},
		msg:   "Input should be a valid dictionary or object to extract fields from",
		input: input,
	}
}

// echo reads valid JSON to be sent back.
func echo(doc []byte) any {
	if len(doc) > maxEcho {
		return nil
	}
	value, _, _ := document(doc, true, "")
	return value
}
