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
	Environments []string // names that a request may give, the default included
	Isolation    Isolation
	Keys         bool          // whether a run wants a key
	Limited      bool          // whether callers may ask too often
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

// newID returns an id for a run, which is also the permission to cancel it: it has 128 random bits at least, so that nobody guesses
// one.
func newID() string { return "run_" + rand.Text() }

// Call has what the server knows and does about a request.
type Call struct {
	ID     string // for the log
	Caller callers.Caller

	// Body reads the body. Its length is bounded, and it takes memory from the budget for bodies. The caller releases the share
	// when it no longer needs the body.
	Body func() ([]byte, *admission.Share, error)

	// Decoded is told the program of the request when it is known. Optional.
	Decoded func(source []byte)

	// Explain returns the problem for an error that occurs after the answer has begun, or nil if the client has gone.
	Explain func(error) *Error

	// Share takes a share of the memory for bodies. For Live only.
	Share func() *admission.Share

	// Life ends when the service does. For Live only.
	Life context.Context

	release func() // releases the memory of the body
}

// MaxBody is the maximum length of a body in bytes. It is less than the maximum of all fields together if each of their bytes
// is escaped.
const MaxBody = 16 << 20

// Memory returns the most memory that a request with a body of this many bytes takes, for the body, the texts in it and the
// program.
func Memory(body int64) int64 { return 3 * body }

// Runs answers POST /v1/runs. If it returns an error, it has written no answer. The error is an *Error,
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

// prepare makes a run of a body, and shrinks the share to what its program takes.
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

// Cancel answers DELETE /v1/runs/{id}. If it returns an error, it has written no answer. The error is an *Error.
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
	_ = writeAnswer(&length, out, reply.Outcome) // a counter has no error
	h := w.Header()
	h.Set("Content-Type", typeJSON)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.FormatInt(int64(length), 10))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(a.cfg.WriteTimeout))
	_ = writeAnswer(w, out, reply.Outcome) // an error means that the client went away
}
