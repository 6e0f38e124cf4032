package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/tracing"
)

// asked holds what is known about a request.
type asked struct {
	id     string // in the log
	caller callers.Caller
	source [sha256.Size]byte // the SHA-256 of the program, once it has been read
	reason string            // why it was refused; see failure
	trace  *tracing.Span     // nil if there is none
}

type askedKey struct{}

// askedOf returns what is known about a request. All handlers of the request get the same value.
func askedOf(r *http.Request) *asked {
	if about, ok := r.Context().Value(askedKey{}).(*asked); ok {
		return about
	}
	return &asked{caller: callers.Caller{Address: remote(r)}}
}

// requestID returns the id of a request in the log.
func requestID(r *http.Request) string { return askedOf(r).id }

// remote returns the address that a connection comes from.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// newRequestID returns the id that a proxy or the client gave, if it has only letters that are safe in a log, or else a random one.
func newRequestID(r *http.Request) string {
	id := r.Header.Get(headerRequestID)
	fit := func(c rune) bool {
		return c == '-' || c == '_' || c == '.' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	if id == "" || len(id) > 64 || strings.TrimFunc(id, fit) != "" {
		return rand.Text()
	}
	return id
}

// observe is the outermost handler. It gives each request an id, sets the write deadline and the headers of all answers, counts the request,
// and answers if a handler panics.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := newRequestID(r)
		about := &asked{id: id, caller: callers.Caller{Address: s.client(r)}}
		r = r.WithContext(context.WithValue(r.Context(), askedKey{}, about))
		r.URL = s.belowRoot(r.URL)
		if s.cfg.Tracer != nil && asksForRun(r) {
			var ctx context.Context
			ctx, about.trace = s.cfg.Tracer.Begin(r.Context(), r, id, about.caller.Address)
			r = r.WithContext(ctx)
		}
		h := w.Header()
		h.Set(headerRequestID, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		rec := newRecorder(w, r)
		// A handler replaces this deadline when its answer is ready. It covers pages and assets, and replaces the deadline of the last
		// request on this connection.
		_ = rec.SetWriteDeadline(start.Add(s.cfg.ReadTimeout + s.cfg.WriteTimeout))
		defer func() {
			thrown := recover()
			if thrown == nil && rec.status == 0 {
				rec.status = http.StatusOK // net/http sends it if the handler writes nothing
			}
			if thrown != nil && rec.status == 0 && thrown != http.ErrAbortHandler {
				s.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "panic",
					slog.String("request_id", id), slog.Any("panic", thrown), slog.String("stack", string(debug.Stack())))
				s.fail(rec, r, errPanic)
				thrown = nil
			}
			if rec.status == 0 {
				rec.status = statusClientGone
			}
			rec.arm() // net/http writes the rest after this function returns
			route := routeOf(r)
			s.cfg.Metrics.Request(route, rec.status, time.Since(start))
			about.trace.End(tracing.Answer{Route: route, Status: rec.status, Key: about.caller.KeyName(), Reason: about.reason})
			if thrown != nil {
				panic(http.ErrAbortHandler) // the answer has begun, so only closing the connection shows the failure
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// statusClientGone is the status in the metrics of a request whose client disconnected before the answer. nginx uses the same number. It is
// never sent.
const statusClientGone = 499

// routeOf returns the route of a request for the metrics: a path of the table, "preflight", or "other".
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	switch path {
	case "":
		return "preflight" // CORS answered before the routes
	case "/":
		return "other"
	}
	if path = strings.TrimSuffix(path, "{$}"); len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}
