package api

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/sandboxd/sandboxd/internal/api/v1"
)

// Every request for a run has one record in the log. The service writes the record of a run, and this file writes the record of a refusal.
// Neither contains the program or its output.

// The rate of records of refusals is bounded, because a refusal costs the client nothing. The metrics count all refusals, and the next record
// has the number of those that were left out.
const (
	auditBurst     = 200 // records
	auditPerSecond = 20
)

// audit writes the records of refused requests.
type audit struct {
	mu      sync.Mutex
	pace    *rate.Limiter
	leftOut int
}

func newAudit() *audit { return &audit{pace: rate.NewLimiter(auditPerSecond, auditBurst)} }

// record logs a refusal and reports whether it did.
func (a *audit) record(ctx context.Context, log *slog.Logger, now time.Time, attrs []slog.Attr) bool {
	a.mu.Lock()
	if !a.pace.AllowN(now, 1) {
		a.leftOut++
		a.mu.Unlock()
		return false
	}
	leftOut := a.leftOut
	a.leftOut = 0
	a.mu.Unlock()
	if leftOut > 0 {
		attrs = append(attrs, slog.Int("left_out", leftOut))
	}
	log.LogAttrs(ctx, slog.LevelInfo, "run refused", attrs...)
	return true
}

// refused counts and logs a refused request. The service records runs that have begun.
func (s *Server) refused(r *http.Request, f failure) {
	if f.reason != "" {
		s.cfg.Metrics.RequestRejected(f.reason)
	}
	if f.recorded {
		return
	}
	about := askedOf(r)
	about.reason = f.reason
	attrs := []slog.Attr{slog.String("request_id", about.id)}
	if id := about.trace.ID(); id != "" {
		attrs = append(attrs, slog.String("trace_id", id))
	}
	if name := about.caller.KeyName(); name != "" {
		attrs = append(attrs, slog.String("key", name))
	}
	attrs = append(attrs, slog.String("client", about.caller.Address))
	if about.source != ([sha256.Size]byte{}) {
		attrs = append(attrs, slog.String("source_sha256", hex.EncodeToString(about.source[:])))
	}
	attrs = append(attrs, slog.Int("status", cmp.Or(f.status, statusClientGone)), slog.String("reason", cmp.Or(f.reason, "internal")))
	if asksForRun(r) {
		attrs = append(attrs, slog.String("verdict", "refused"))
		logged := s.audit.record(r.Context(), s.cfg.Log, s.now(), attrs)
		s.cfg.Metrics.RunRefused(logged)
		if !logged { // a flood of refusals must not become one of traces
			about.trace.Forget()
		}
	} else if f.reason != "" {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelDebug, "request rejected", attrs...)
	}
}

// asksForRun reports whether a request is one for a run.
func asksForRun(r *http.Request) bool {
	return r.Method == http.MethodPost && (r.URL.Path == executePath || r.URL.Path == v1.Path) ||
		r.Method == http.MethodGet && r.URL.Path == v1.LivePath
}

// asksFor keeps the hash of the program of a request, for the record of a refusal.
func (a *asked) asksFor(source []byte) { a.source = sha256.Sum256(source) }
