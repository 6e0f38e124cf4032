package api

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
)

// Isolation is what stands between a run and the host, as it was found at start.
type Isolation struct {
	Mode   string // required or best-effort
	Layers []Layer
}

// Layer is one layer of the isolation.
type Layer struct {
	Name  string
	State string // a closed set of the caller's, such as works and missing
}

// healthz says that the daemon is alive, and what it is.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	layers := make([]member, len(s.cfg.Isolation.Layers))
	for i, l := range s.cfg.Isolation.Layers {
		layers[i] = member{l.Name, l.State}
	}
	w.Header().Set("Cache-Control", "no-store")
	s.answer(w, http.StatusOK, appendValue(nil, []member{
		{"status", "ok"},
		{"version", s.cfg.Version},
		{"isolation", []member{
			{"mode", s.cfg.Isolation.Mode},
			{"layers", layers},
		}},
	}))
}

// readyz says whether a run would be taken on, and a jail found for it.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	err := error(admission.ErrDraining)
	if !s.draining.Load() {
		err = s.probe.result(r.Context())
	}
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.Header().Set("Retry-After", strconv.Itoa(int(probeEvery/time.Second)))
		s.answer(w, http.StatusServiceUnavailable, detail("Not ready: "+err.Error()))
		return
	}
	s.answer(w, http.StatusOK, []byte(`{"status":"ready"}`))
}

const (
	probeEvery = time.Second
	probeTime  = 10 * time.Second // that a try may take
)

// probe tries something at most once in probeEvery, however often it is asked.
type probe struct {
	try func(context.Context) error

	mu   sync.Mutex
	last time.Time
	err  error
}

func (p *probe) result(ctx context.Context) error {
	if p.try == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() || time.Since(p.last) >= probeEvery {
		// Others wait for the same answer: it does not end with the one who asked first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
		defer cancel()
		p.err = p.try(ctx)
		p.last = time.Now()
	}
	return p.err
}
