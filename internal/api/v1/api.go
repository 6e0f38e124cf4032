package v1

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// Config configures an API.
type Config struct {
	Service      *service.Service
	Metrics      *metrics.Metrics
	Version      string
	Environments []string // the names that a request may choose, including the default
	Isolation    Isolation
	Keys         bool          // whether a run needs a key
	Limited      bool          // whether callers have a rate limit
	WriteTimeout time.Duration // for a client to read an answer, or one piece of a stream
}

// API serves the typed API. It is safe for concurrent use.
type API struct {
	cfg      Config
	registry huma.Registry
	request  *huma.Schema
	paths    map[string]*huma.PathItem
	meta     []byte // the answer to GET /v1/meta
	newID    func() string
}

// New returns an API.
func New(cfg Config) *API {
	if cfg.Isolation.Missing == nil {
		cfg.Isolation.Missing = []string{}
	}
	a := &API{cfg: cfg, newID: newID}
	policies, standard := cfg.Service.Policies()
	a.registry, a.request = newSchemas(cfg.Environments, policies, standard, cfg.Service.Limits(), cfg.Service.Max())
	a.paths, a.meta = a.describe(), a.newMeta()
	return a
}

// newID returns an id for a run. Knowing the id is the permission to cancel the run, so the id has at least 128 random bits and cannot be
// guessed.
func newID() string { return "run_" + rand.Text() }

// Call has the data of a request, and functions of the server for it.
type Call struct {
	ID     string // the request id, for the log
	Caller callers.Caller

	// Body reads the body. Its length is bounded, and it takes memory from the budget for bodies. The caller releases the share
	// when it no longer needs the body.
	Body func() ([]byte, *admission.Share, error)

	// Decoded is called with the program of the request when it has been read. Optional.
	Decoded func(source []byte)

	// Explain records an error that occurs after the answer has begun, and returns its problem. It returns nil if the client has
	// closed the connection.
	Explain func(error) *Error

	// Share returns a new share of the memory for bodies. Only Live uses it.
	Share func() *admission.Share

	// Life ends when the service ends. Only Live uses it.
	Life context.Context

	release func() // releases the memory of the body
}

// MaxBody is the default maximum length of a body, in bytes. A request with all fields at their maximum is longer if JSON escapes each of
// their bytes.
const MaxBody = 16 << 20

// Memory returns the maximum memory of a request with a body of this length, in bytes: for the body, the strings in it, and the program.
func Memory(body int64) int64 { return 3 * body }

// Runs handles POST /v1/runs. If it returns an error, it has written no answer. The error is an *Error,
// service.ErrGone, or an error of Call.Body or service.Run.
func (a *API) Runs(w http.ResponseWriter, r *http.Request, call Call) error {
	format := accepted(r)
	switch {
	case format == "":
		return &Error{Kind: NotAcceptable, Detail: "Accept names none of " + typeJSON + ", " + typeEvents + " and " + typeLines}
	case len(r.Header.Values("Idempotency-Key")) > 0:
		return &Error{Kind: NotOffered, Detail: "Idempotency-Key is not offered: a request that is sent again is run again"}
	case !isJSON(r):
		return &Error{Kind: UnsupportedMediaType, Detail: "Content-Type is not " + typeJSON + " in UTF-8"}
	}
	body, space, err := call.Body()
	if err != nil {
		return err
	}
	defer space.Release()
	if len(body) > SmallBody && !space.Grow(Memory(int64(len(body)))) {
		return errBusyBodies
	}
	run, err := a.prepare(body, space, call)
	if err != nil {
		return err
	}
	body = nil // free the memory while the program runs
	id, limits := run.Run, a.cfg.Service.LimitsOf(run)
	if format != typeJSON {
		call.release = space.Release
		return a.stream(r.Context(), w, format, run, limits, call)
	}
	reply, err := a.cfg.Service.Run(r.Context(), run, nil)
	if err != nil {
		return invalid(err)
	}
	space.Release() // a client that reads its answer slowly holds no memory for its request
	defer reply.Close()
	if reply.Verdict == sandbox.Cancelled && r.Context().Err() != nil {
		return service.ErrGone
	}
	a.answer(w, id, limits, reply)
	return nil
}

// prepare decodes a body into a run, and shrinks the share to the memory of the program.
func (a *API) prepare(body []byte, space *admission.Share, call Call) (service.Request, error) {
	request, err := a.decode(body)
	if err != nil {
		return service.Request{}, err
	}
	program, err := request.program()
	if err != nil {
		return service.Request{}, err
	}
	space.Shrink(size(&program))
	if call.Decoded != nil {
		call.Decoded(program.Source)
	}
	return service.Request{
		ID: call.ID, Run: a.newID(), Caller: call.Caller, Program: program, Policy: request.Policy, Warn: true,
	}, nil
}

// Cancel handles DELETE /v1/runs/{id}. If it returns an error, it has written no answer. The error is an *Error.
func (a *API) Cancel(w http.ResponseWriter, id string) error {
	if !a.cfg.Service.Cancel(id) {
		return &Error{Kind: NoSuchRun, Detail: "No run with this id is waiting or under way"}
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// SmallBody is the length of a body, in bytes, up to which its memory is not counted.
const SmallBody = 64 << 10

var errBusyBodies = &Error{Kind: Busy, Detail: "Too many large requests are being handled"}

// invalid turns a sandbox.InvalidError into a problem.
func invalid(err error) error {
	if fault := (*sandbox.InvalidError)(nil); errors.As(err, &fault) {
		return fieldError(fault.Reason, fault.Path...)
	}
	return err
}

func (a *API) answer(w http.ResponseWriter, id string, limits sandbox.Limits, reply *service.Reply) {
	stdout, stderr := reply.Stdout.Whole(), reply.Stderr.Whole()
	out := a.outcome(id, reply.Outcome, limits, int64(len(stdout)), int64(len(stderr)))
	var length jsonout.Counter
	_ = writeAnswer(&length, out, reply.Outcome) // a Counter returns no errors
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.FormatInt(int64(length), 10))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.cfg.WriteTimeout))
	_ = writeAnswer(w, out, reply.Outcome) // an error means that the client has closed the connection
}
