package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Isolation is what stands between a run and the host, as it was found at start.
type Isolation struct {
	Mode   string // required or best-effort
	Engine string // how a run gets its interpreter: exec or fork
	Layers []Layer
}

// Layer is one layer of the isolation.
type Layer struct {
	Name  string
	State string // a closed set of the caller's, with LayerMissing for one that is not in force
}

// LayerMissing is the state of a layer that is not in force.
const LayerMissing = "missing"

// Listening is where requests come in.
type Listening struct {
	Address string
	Socket  string // whose it is, a closed set of the caller's, such as own and passed
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
		{"listening", []member{
			{"address", s.cfg.Listening.Address},
			{"socket", s.cfg.Listening.Socket},
		}},
		{"isolation", []member{
			{"mode", s.cfg.Isolation.Mode},
			{"engine", s.cfg.Isolation.Engine},
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
		s.answer(w, http.StatusServiceUnavailable, detail(notReady(err)))
		return
	}
	s.answer(w, http.StatusOK, []byte(`{"status":"ready"}`))
}

// notReady says why not, and nothing of the sandbox's inside: anybody may ask.
func notReady(err error) string {
	var setup *sandbox.SetupError
	switch {
	case errors.Is(err, admission.ErrDraining):
		return "Not ready: " + admission.ErrDraining.Error()
	case errors.As(err, &setup):
		return "Not ready: the " + failedAt(setup)
	default:
		return "Not ready: a trial run failed"
	}
}

const (
	probeEvery = time.Second
	probeTime  = 10 * time.Second // that a try may take
)

// probe tries something at most once in probeEvery, however often it is asked.
type probe struct {
	try func(context.Context) error
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
	err  error
	said string // of err, to strangers; "" if there is none
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
		p.report(ctx)
	}
	return p.err
}

// report logs the whole error where it is another than the last time. Which it is goes by what
// strangers are told of it: its text may name the leaf of the one run.
func (p *probe) report(ctx context.Context) {
	said := ""
	if p.err != nil {
		said = notReady(p.err)
	}
	if said == p.said {
		return
	}
	p.said = said
	if p.err != nil {
		p.log.LogAttrs(ctx, slog.LevelWarn, "not ready", slog.Any("error", p.err))
	} else {
		p.log.LogAttrs(ctx, slog.LevelInfo, "ready again")
	}
}
