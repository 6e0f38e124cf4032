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
)

// asked is what the server knows of a request.
type asked struct {
	id     string // under which the logs know the request
	caller callers.Caller
	source [sha256.Size]byte // the SHA-256 of the program, once it has been read
}

type askedKey struct{}

// askedOf returns what is known of a request. It is the same value for the whole request.
func askedOf(r *http.Request) *asked {
	if about, ok := r.Context().Value(askedKey{}).(*asked); ok {
		return about
	}
	return &asked{caller: callers.Caller{Address: remote(r)}}
}

// requestID is the id under which the logs know a request.
func requestID(r *http.Request) string { return askedOf(r).id }

// remote returns the address that a connection comes from.
func remote(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// newRequestID takes over an id that a proxy gave, if it is fit for a log.
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

// observe is around everything: it names the request, bounds the writing, sets the headers that
// all answers have, counts, and answers for what panics.
func (s *Server) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := newRequestID(r)
		about := &asked{id: id, caller: callers.Caller{Address: s.client(r)}}
		r = r.WithContext(context.WithValue(r.Context(), askedKey{}, about))
		r.URL = s.belowRoot(r.URL)
		h := w.Header()
		h.Set(headerRequestID, id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		rec := newRecorder(w, r)
		// Until answer knows better. It covers the pages and assets, and replaces what is
		// left from the last request of this connection.
		_ = rec.SetWriteDeadline(start.Add(s.cfg.ReadTimeout + s.cfg.WriteTimeout))
		defer func() {
			thrown := recover()
			if thrown == nil && rec.status == 0 {
				rec.status = http.StatusOK // net/http's own rule
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
			rec.arm() // net/http writes the rest
			s.cfg.Metrics.Request(routeOf(r), rec.status, time.Since(start))
			if thrown != nil {
				panic(http.ErrAbortHandler) // an answer begun cannot be taken back: end the connection
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// statusClientGone counts requests whose client did not wait for the answer. It is nginx's
// number for that, and never sent.
const statusClientGone = 499

// routeOf is the route of a request as a label: a path of the table, or one of two words.
func routeOf(r *http.Request) string {
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	switch path {
	case "":
		return "preflight" // answered before there was a route
	case "/":
		return "other"
	}
	if path = strings.TrimSuffix(path, "{$}"); len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}
