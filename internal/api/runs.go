package api

import (
	"io"
	"net/http"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api/v1"
)

// newV1 makes the typed API of a server.
func newV1(cfg Config) *v1.API {
	var isolation v1.Isolation
	for _, l := range cfg.Isolation.Layers {
		if l.State == LayerMissing {
			isolation.Missing = append(isolation.Missing, l.Name)
		}
	}
	// In the mode "required" the daemon does not start if a required layer is missing. A missing layer is then an optional one.
	isolation.Enforced = cfg.Isolation.Mode == "required" || len(isolation.Missing) == 0
	return v1.New(v1.Config{
		Service: cfg.Service, Metrics: cfg.Metrics, Version: cfg.Version, Environments: cfg.Templates, Isolation: isolation, WriteTimeout: cfg.WriteTimeout,
		Keys: cfg.Keys != nil, Limited: cfg.Limiter != nil,
	})
}

// explainTo returns a function for errors that occur after an answer has begun. It records the error and returns its problem, or nil if the
// client is gone.
func (s *Server) explainTo(r *http.Request) func(error) *v1.Error {
	return func(err error) *v1.Error {
		f, ok := explain(err)
		s.refused(r, f)
		if !ok {
			return nil
		}
		return f.problem()
	}
}

// runs handles POST /v1/runs.
func (s *Server) runs(w http.ResponseWriter, r *http.Request) {
	caller, err := s.admit(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	err = s.v1.Runs(w, r, v1.Call{
		ID: requestID(r), Caller: caller,
		Body:    func() ([]byte, *admission.Share, error) { return s.readBody(w, r, s.cfg.MaxTypedBody) },
		Decoded: askedOf(r).asksFor,
		Explain: s.explainTo(r),
	})
	if err != nil {
		s.fail(w, r, err)
	}
}

// live handles GET /v1/runs/live, a run over a WebSocket.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	if s.foreignSocket(r) {
		s.fail(w, r, errForeignPage)
		return
	}
	caller, err := s.admitCaller(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.lives.Add(1)
	defer s.lives.Done()
	err = s.v1.Live(w, r, v1.Call{
		ID: requestID(r), Caller: caller, Decoded: askedOf(r).asksFor, Explain: s.explainTo(r), Share: s.bodies.Share, Life: s.life,
	})
	if err != nil {
		s.fail(w, r, err)
	}
}

// foreignSocket reports whether a page that may not use the service opens a WebSocket. Browsers do not apply CORS to WebSockets, so the daemon
// must check the origin. If pages of every origin may use the service, they may not use it with credentials that the browser adds.
func (s *Server) foreignSocket(r *http.Request) bool {
	if s.ownPages == nil {
		return (saysForeign(r) || fromElsewhere(r)) && (r.Header.Get("Cookie") != "" || r.Header.Get("Authorization") != "")
	}
	asked := r.Clone(r.Context())
	asked.Method = http.MethodPost // CrossOriginProtection accepts every GET, because a GET usually changes nothing
	return s.foreign(asked)
}

// cancel handles DELETE /v1/runs/{id}.
func (s *Server) cancel(w http.ResponseWriter, r *http.Request) {
	if s.foreign(r) {
		s.fail(w, r, errForeignPage)
		return
	}
	if _, err := s.key(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if err := s.v1.Cancel(w, r.PathValue("id")); err != nil {
		s.fail(w, r, err)
	}
}

// problem handles GET /problems/{name}, the explanation of a kind of problem.
func (s *Server) problem(w http.ResponseWriter, r *http.Request) {
	page, found := v1.Explain(r.PathValue("name"))
	if !found {
		s.notFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, page) // an error means that the client is gone
}
