package api

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/callers"
)

// A caller is identified by the key of its request, or otherwise by the address of the client.

var (
	errNoKey  = errors.New("the request has no key")
	errBadKey = errors.New("the key is unknown, revoked or expired")
)

const headerKey = "X-API-Key"

// client returns the address of a request's client, which trusted proxies may report.
func (s *Server) client(r *http.Request) string {
	client, doubt := s.cfg.Proxies.Client(remote(r), r.Header)
	if doubt && s.doubts.due() {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelWarn, "a proxy passes on both X-Forwarded-For and Forwarded, which name different clients: neither counts",
			slog.String("client", client), slog.String("remedy", "let the proxy set one of them and remove the other"))
	}
	return client
}

// admit returns the caller of a request, or an error if it may not request a run. It is called before the body is read. A request with a wrong
// key counts against the rate of its address.
func (s *Server) admit(w http.ResponseWriter, r *http.Request) (callers.Caller, error) {
	if s.foreign(r) {
		return askedOf(r).caller, errForeignPage
	}
	return s.admitCaller(w, r)
}

// admitCaller does the same without the check of the web page.
func (s *Server) admitCaller(w http.ResponseWriter, r *http.Request) (callers.Caller, error) {
	about := askedOf(r)
	key, wrong := s.key(r)
	about.caller.Key = key
	if err := s.limit(w, about.caller); err != nil {
		return about.caller, err
	}
	return about.caller, wrong
}

// limit counts a request against the rate of its caller, and sets the headers that report the rest.
func (s *Server) limit(w http.ResponseWriter, caller callers.Caller) error {
	if s.cfg.Limiter == nil {
		return nil
	}
	grant := s.cfg.Limiter.Take(caller, s.now())
	if grant.Rate == (callers.Rate{}) {
		return nil
	}
	name := "address"
	if caller.Key != nil {
		name = "key"
	}
	h := w.Header()
	h.Set(headerRatePolicy, fmt.Sprintf("%q;q=%d;w=%d", name, grant.Rate.Size(), max(1, wholeSeconds(grant.Rate.Window()))))
	h.Set(headerRate, fmt.Sprintf("%q;r=%d;t=%d", name, grant.Remaining, wholeSeconds(grant.Next)))
	if grant.Refused {
		return &rateError{grant.Next}
	}
	return nil
}

// These headers are defined in draft-ietf-httpapi-ratelimit-headers-11.
const (
	headerRatePolicy = "RateLimit-Policy"
	headerRate       = "RateLimit"
)

// rateError reports that a caller exceeds its rate.
type rateError struct{ next time.Duration }

func (e *rateError) Error() string {
	return fmt.Sprintf("Too many requests: try again in %d s", wholeSeconds(e.next))
}

// wholeSeconds rounds up, so that a client that waits this long is not too early.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// key returns the key of a request, or nil if it has no key and needs none.
func (s *Server) key(r *http.Request) (*callers.Key, error) {
	if s.cfg.Keys == nil {
		return nil, nil
	}
	token, given := tokenOf(r)
	switch {
	case given:
		if key := s.cfg.Keys.Find(token, s.now()); key != nil {
			return key, nil
		}
		return nil, errBadKey
	case s.cfg.Anonymous:
		return nil, nil
	}
	return nil, errNoKey
}

// tokenOf returns the token in "Authorization: Bearer" or X-API-Key, for a WebSocket also in a subprotocol. An Authorization header with
// another scheme is ignored: it may be meant for a proxy. If a request has several tokens, none of them is valid.
func tokenOf(r *http.Request) (token string, given bool) {
	tokens := r.Header.Values(headerKey)
	for _, value := range r.Header.Values("Authorization") {
		if scheme, rest, _ := strings.Cut(value, " "); strings.EqualFold(scheme, "Bearer") {
			tokens = append(tokens[:len(tokens):len(tokens)], strings.TrimSpace(rest))
		}
	}
	if r.URL.Path == v1.LivePath {
		tokens = append(tokens[:len(tokens):len(tokens)], v1.TokensOf(r)...)
	}
	if len(tokens) != 1 {
		return "", len(tokens) > 0
	}
	return tokens[0], true
}
