package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

const (
	// The daemon waits bodyPatience for a body. Each second of waiting is made up for by bodyRate bytes. ReadTimeout bounds the
	// whole.
	bodyPatience = 10 * time.Second
	bodyRate     = 16 << 10

	// maxEcho is the maximum length, in bytes, of a value that is returned as "input" of a validation error. Longer ones become null.
	maxEcho = 64 << 10

	// maxDrained is the number of bytes that are read and discarded of a body that is too large. A client that reads the answer only
	// after it has sent everything then learns why it was refused.
	maxDrained = 256 << 20
)

// decode reads the body of a request and returns the program.
func (s *Server) decode(w http.ResponseWriter, r *http.Request) (sandbox.Program, error) {
	body, space, err := s.readBody(w, r, s.cfg.MaxBody)
	if err != nil {
		return sandbox.Program{}, err
	}
	defer space.Release()
	if !isJSON(r.Header.Get("Content-Type")) && len(body) > 0 {
		return sandbox.Program{}, notAnObject(str{text: string(body)}, len(body))
	}
	if e := detectEncoding(body); e.width > 1 && len(body) > smallBody && !space.Grow(space.Held()+e.most(len(body))) {
		return sandbox.Program{}, errBusyBodies
	}
	return parse(body, s.cfg.Templates)
}

// readBody reads a body of at most limit bytes, not slower than pace allows. The caller releases space when it no longer needs the body.
func (s *Server) readBody(w http.ResponseWriter, r *http.Request, limit int64) (body []byte, space *admission.Share, err error) {
	if r.ContentLength > limit {
		s.refuseBody(w, r)
		return nil, nil, &tooLargeError{"The request body", limit}
	}
	space = s.bodies.Share()
	pace := newPace(time.Now(), s.cfg.ReadTimeout)
	deadline := http.NewResponseController(w)
	body, err = s.arrive(w, r, limit, pace, space)
	if err == nil {
		// Remove the deadline. net/http reads from the connection during the run to notice a client that disconnects, and would treat
		// the deadline as such a disconnection and cancel the run.
		_ = deadline.SetReadDeadline(time.Time{})
		return body, space, nil
	}
	space.Release()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlowBody
	case errors.As(err, new(*tooLargeError)), errors.Is(err, errBusyBodies):
		_ = deadline.SetReadDeadline(pace.end)
		s.refuseBody(w, r)
	default:
		err = errBrokenBody
	}
	return nil, nil, err
}

// arrive reads a body piece by piece. It allocates memory only when the bytes so far fill half of it, and not as Content-Length announces, so
// a client that sends nothing takes no memory from others. Memory above smallBody is counted.
func (s *Server) arrive(w http.ResponseWriter, r *http.Request, limit int64, pace pace, space *admission.Share) ([]byte, error) {
	// One byte more than allowed shows that a body is too large; one more than announced, that it has ended.
	most := limit + 1
	if r.ContentLength >= 0 {
		most = r.ContentLength + 1
	}
	body := make([]byte, 0, min(most, 4<<10))
	deadline := http.NewResponseController(w)
	for {
		_ = deadline.SetReadDeadline(pace.deadline)
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		pace.came(time.Now(), n)
		switch {
		case int64(len(body)) > limit:
			return nil, &tooLargeError{"The request body", limit}
		case err == io.EOF:
			return body, nil
		case err != nil:
			return nil, err
		case len(body) < cap(body):
			continue
		}
		room := min(2*int64(cap(body)), most)
		if room > smallBody && !space.Grow(room) {
			return nil, errBusyBodies
		}
		body = append(make([]byte, 0, room), body...)
	}
}

// pace is the deadline for the next bytes of a body. Each byte extends it by the time that a byte takes at bodyRate, but at most to
// bodyPatience from now, and never beyond the end. So a client can neither be slow for long, nor be fast first and silent afterwards.
type pace struct{ deadline, end time.Time }

func newPace(now time.Time, timeout time.Duration) pace {
	return pace{now.Add(min(bodyPatience, timeout)), now.Add(timeout)}
}

// came extends the deadline after n bytes have arrived.
func (p *pace) came(now time.Time, n int) {
	p.deadline = p.deadline.Add(time.Duration(n) * time.Second / bodyRate)
	for _, latest := range []time.Time{now.Add(bodyPatience), p.end} {
		if p.deadline.After(latest) {
			p.deadline = latest
		}
	}
}

// refuseBody discards the rest of a body that is too large, or for which there is no memory, until ReadTimeout at most. A client that waits
// for permission (Expect: 100-continue) has not sent the body, and gets none.
func (s *Server) refuseBody(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Header.Get("Expect") == "" && r.ContentLength <= maxDrained {
		_, _ = io.CopyN(io.Discard, r.Body, maxDrained)
	}
}

// isJSON decides like FastAPI 0.121, which also accepts a missing content type.
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

// parse returns the program in a request body, and the template that it names. Its errors are *invalidError, *tooLargeError and errParse. It
// reports the first error, in the order of the checks below.
func parse(body []byte, templates []string) (p sandbox.Program, err error) {
	if len(body) == 0 {
		return p, &invalidError{kind: "missing", loc: []any{"body"}, msg: "Field required"}
	}
	if body, err = detectEncoding(body).utf8(body); err != nil {
		return p, err
	}
	top, found, err := document(body, false, "code", "template")
	if e := (*jsonError)(nil); errors.As(err, &e) {
		return p, &invalidError{
			kind: "json_invalid", loc: []any{"body", e.Pos}, msg: "JSON decode error",
			input: []member{}, ctx: []member{{"error", e.Msg}},
		}
	}
	if err != nil {
		return p, err
	}
	where, ok := found["code"]
	if !ok {
		return p, noCode(top, body)
	}
	doc := body[where.from:where.to]
	code, err := text(doc, "code")
	switch {
	case err != nil:
		return p, err
	case len(code.text) > sandbox.MaxSource:
		return p, &tooLargeError{"The program", sandbox.MaxSource}
	case code.lone:
		// The old service fails with a 500 for a lone surrogate, because it cannot be written to a file as UTF-8. This is pydantic's
		// error for such a string.
		return p, &invalidError{
			kind: "string_unicode", loc: []any{"body", "code"},
			msg:   "Input should be a valid string, unable to parse raw data as a unicode string",
			input: echo(doc),
		}
	}
	if where, ok := found["template"]; ok {
		if p.Template, err = oneOf(templates, body[where.from:where.to], "template"); err != nil {
			return p, err
		}
	}
	p.Source = []byte(code.text)
	return p, nil
}

// text reads a field that must be a string.
func text(doc []byte, field string) (str, error) {
	if doc[0] != '"' {
		return str{}, &invalidError{
			kind: "string_type", loc: []any{"body", field}, msg: "Input should be a valid string",
			input: echo(doc),
		}
	}
	value, _, err := document(doc, true)
	if err != nil {
		return str{}, err
	}
	return value.(str), nil
}

// oneOf reads a field that must be one of these names. Its error is pydantic's for a Literal.
func oneOf(names []string, doc []byte, field string) (string, error) {
	name, err := text(doc, field)
	if err != nil {
		return "", err
	}
	if i := slices.Index(names, name.text); i >= 0 {
		return names[i], nil
	}
	expected := "'" + strings.Join(names, "', '") + "'"
	if i := strings.LastIndex(expected, ", "); i >= 0 {
		expected = expected[:i] + " or " + expected[i+2:]
	}
	return "", &invalidError{
		kind: "literal_error", loc: []any{"body", field}, msg: "Input should be " + expected,
		input: echo(doc), ctx: []member{{"expected", expected}},
	}
}

// noCode returns the error for a document without a key "code".
func noCode(top any, body []byte) error {
	if _, object := top.([]member); object {
		return &invalidError{kind: "missing", loc: []any{"body", "code"}, msg: "Field required", input: echo(body)}
	}
	if value := echo(body); value != nil || len(body) > maxEcho {
		return notAnObject(value, len(body))
	}
	// FastAPI treats null like a missing body.
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

// echo returns a value of valid JSON, to be returned to the client. It is nil if it is longer than maxEcho.
func echo(doc []byte) any {
	if len(doc) > maxEcho {
		return nil
	}
	value, _, _ := document(doc, true)
	return value
}
