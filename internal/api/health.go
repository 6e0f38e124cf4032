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

// Isolation describes the isolation of runs, as the daemon found it when it started.
type Isolation struct {
	Mode   string // required or best-effort
	Engine string // exec or fork
	Layers []Layer
}

// Layer is one layer of the isolation.
type Layer struct {
	Name  string
	State string // LayerMissing, or another of the few values that the caller uses
}

// LayerMissing is the state of a layer that is not enforced.
const LayerMissing = "missing"

// Listening describes the first public listener.
type Listening struct {
	Address string
	Socket  string // own or passed
}

// healthz answers GET /healthz: the daemon is alive, with this version and isolation.
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

// readyz answers GET /readyz: 200 if a trial run works, 503 otherwise and while the daemon drains.
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

// notReady describes why the daemon is not ready. The text must not reveal internals of the sandbox, because anybody may read it.
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
	probeEvery = time.Second      // interval in which one result is used
	probeTime  = 10 * time.Second // timeout of a trial run
)

// probe makes a trial run at most once in probeEvery.
type probe struct {
	try func(context.Context) error
	log *slog.Logger

	mu   sync.Mutex
	last time.Time
	err  error
	said string // the public description of err; "" if there is none
}

func (p *probe) result(ctx context.Context) error {
	if p.try == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last.IsZero() || time.Since(p.last) >= probeEvery {
		// Other requests wait for the same result, so the trial run does not end with the request that started it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTime)
		defer cancel()
		p.err = p.try(ctx)
		p.last = time.Now()
		p.report(ctx)
	}
	return p.err
}

// report logs the complete error if it differs from the last one. It compares the public descriptions, because the complete text may contain
// the leaf of the trial run.
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
