// Package api is the HTTP half of the daemon: it turns requests into runs and runs into the
// answers that the frontends of an existing FastAPI service expect. See hosts.go and guard.go for
// who may ask, execute.go for how a request becomes a run, errors.go for what errors mean, decode.go, encoding.go
// and pyjson.go for what FastAPI says of bad requests.
package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/cors"
	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/page"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// Config is what a Server is made of. What is marked optional has a default.
type Config struct {
	Service *service.Service

	// Templates are the names that a request may give for the one its run is forked from, the
	// default among them. Optional: without, there is the default and nothing to choose, and the
	// description of the API does not mention it.
	Templates []string

	Metrics *metrics.Metrics
	Log     *slog.Logger

	Version   string
	Isolation Isolation
	Listening Listening

	// Ready tries whether a jail can be started. Its answer is used for a second. Optional.
	Ready func(context.Context) error

	// Origins are the web pages that may use the service, such as "https://example.com" or
	// "https://*.example.com". None, or "*", means all.
	Origins []string

	// Hosts are the names by which the service may be called. Optional: by every name.
	Hosts Hosts

	// Admin is set where health and metrics have a listener of their own, which AdminServer serves: the names
	// by which that one may be called. The service itself then does not have them. Optional.
	Admin *Hosts

	// Keys are those that may ask for runs. Optional: everybody may.
	Keys *callers.Keyring

	// Anonymous lets requests without a key ask for runs although there are keys.
	Anonymous bool

	// Limiter bounds how often each caller asks for runs. Optional.
	Limiter *callers.Limiter

	// Proxies are trusted to say for whom they send a request. Optional: none.
	Proxies callers.Proxies

	// RootPath is the path below which clients see the service, such as "/api", where a proxy maps it there. Requests may come
	// with or without it. Optional.
	RootPath string

	// MaxBody bounds a request body, in bytes. Optional: the longest program, every byte of
	// it escaped in JSON, and a little more.
	MaxBody int64

	// MaxTypedBody is the same for a body of the typed API. Optional: v1.MaxBody.
	MaxTypedBody int64

	ReadHeaderTimeout time.Duration // optional: 5 s for the head of a request
	ReadTimeout       time.Duration // optional: 30 s for a body; a slow one has less, see pace
	WriteTimeout      time.Duration // optional: 30 s for the client to take an answer
	IdleTimeout       time.Duration // optional: 75 s between two requests
}

// DefaultMaxBody is what a body needs at most for a program of jail.MaxSource bytes: six bytes,
// as in \u0041, for each.
const DefaultMaxBody = 6*sandbox.MaxSource + 1<<10

// Server answers HTTP. It is safe for concurrent use.
type Server struct {
	cfg      Config
	routed   http.Handler // the routes, for whatever listener
	handler  http.Handler
	admin    http.Handler // nil where the handler has what it would have
	cors     *cors.Cors
	ownPages *http.CrossOriginProtection // nil where every origin is welcome
	bodies   *admission.Memory           // for large bodies
	v1       *v1.API
	probe    probe
	now      func() time.Time
	audit    *audit
	draining atomic.Bool

	lives   sync.WaitGroup  // WebSockets, which the http.Server does not know any more
	life    context.Context // theirs
	endLife context.CancelFunc

	strangers, doubts seldom

	description []byte // of the API
}

// New returns a Server. Its error names the setting that is wrong.
func New(cfg Config) (*Server, error) {
	if cfg.Service == nil || cfg.Metrics == nil || cfg.Log == nil {
		return nil, errors.New("api: Service, Metrics and Log must be set")
	}
	described := cfg.Templates
	if cfg.Templates == nil {
		cfg.Templates = []string{sandbox.DefaultTemplate}
	}
	orDefault(&cfg.MaxBody, DefaultMaxBody)
	orDefault(&cfg.MaxTypedBody, v1.MaxBody)
	orDefault(&cfg.ReadHeaderTimeout, 5*time.Second)
	orDefault(&cfg.ReadTimeout, 30*time.Second)
	orDefault(&cfg.WriteTimeout, 30*time.Second)
	orDefault(&cfg.IdleTimeout, 75*time.Second)
	typed := newV1(cfg)
	s := &Server{
		cfg:    cfg,
		bodies: admission.NewMemory(max(bodiesInMemory, cfg.MaxBody+1, v1.Memory(cfg.MaxTypedBody))),
		v1:     typed,
		probe:  probe{try: cfg.Ready, log: cfg.Log},
		now:    time.Now,
		audit:  newAudit(),

		description: describe(cfg, described, typed),
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	if err := s.allowOrigins(cfg.Origins); err != nil {
		return nil, err
	}
	cfg.Metrics.Watch(cfg.Service.Gate())
	table := s.table()
	s.routed = s.byPage(table, s.routes(table))
	s.handler = s.observe(s.byName(cfg.Hosts, s.routed))
	if cfg.Admin != nil {
		table := s.operation()
		s.admin = s.observe(s.byName(*cfg.Admin, s.byPage(table, s.routes(table))))
	}
	return s, nil
}

func orDefault[T int64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// route is one line of the tables below.
type route struct {
	method string
	path   string // also the metrics' label
	handle http.HandlerFunc
	pages  int // which web pages may call it: asConfigured, unless it says another
}

// table is all that the service has.
func (s *Server) table() []route {
	table := append(s.pages(), s.playground()...)
	table = append(table,
		route{"GET", "/", s.welcome, asConfigured},
		route{"POST", executePath, s.execute, asConfigured},
		route{"POST", v1.Path, s.runs, asConfigured},
		route{"GET", v1.LivePath, s.live, asConfigured},
		route{"DELETE", v1.RunPath, s.cancel, asConfigured},
		route{"GET", v1.MetaPath, s.v1.Meta, asConfigured},
		route{"GET", v1.ProblemPath + "{name}", s.problem, asConfigured},
		route{"GET", "/openapi.json", s.openapi, noPages},
	)
	if s.cfg.Admin == nil {
		table = append(table, s.operation()...)
	}
	return table
}

// operation is for those who run the service: it is on a listener of its own where there is one.
func (s *Server) operation() []route {
	return append(statusRoutes(),
		route{"GET", "/healthz", s.healthz, noPages},
		route{"GET", "/readyz", s.readyz, noPages},
		route{"GET", "/metrics", s.cfg.Metrics.Handler().ServeHTTP, noPages},
	)
}

// routes makes a handler of a table. A path is answered with and without its final slash as
// Starlette does it: by a redirect to the one that is there.
func (s *Server) routes(table []route) http.Handler {
	mux := http.NewServeMux()
	for _, rt := range table {
		exact, allow := rt.path, rt.method
		if exact == "/" {
			exact = "/{$}"
		} else {
			mux.HandleFunc(rt.path+"/{$}", s.redirectWithoutSlash)
		}
		if rt.method == "GET" {
			allow = "GET, HEAD" // net/http's GET patterns answer both
		}
		mux.HandleFunc(rt.method+" "+exact, rt.handle)
		if rt.path != v1.LivePath {
			mux.HandleFunc(exact, s.methodNotAllowed(allow))
			continue
		}
		// Without a method, the pattern would conflict with that of v1.RunPath, which matches the path, too.
		for _, method := range []string{"CONNECT", "DELETE", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"} {
			mux.HandleFunc(method+" "+exact, s.methodNotAllowed(allow))
		}
	}
	mux.HandleFunc("/", s.notFound)
	return mux
}

// welcome answers GET /. A browser that visits it gets the playground page.
func (s *Server) welcome(w http.ResponseWriter, r *http.Request) {
	if visits(r) {
		h := w.Header()
		h.Add("Vary", "Accept, Sec-Fetch-Mode")
		h.Set("Cache-Control", "no-store")
		h.Set("Location", s.cfg.RootPath+page.Path)
		w.WriteHeader(http.StatusFound)
		return
	}
	s.answer(w, http.StatusOK, []byte(`{"Message":"Welcome to the Python Playground Backend!"}`))
}

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	if isV1(r) {
		s.fail(w, r, &v1.Error{Kind: v1.NotFound, Detail: "Not Found"})
		return
	}
	s.answer(w, http.StatusNotFound, detail("Not Found"))
}

func (s *Server) methodNotAllowed(allow string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", allow)
		if isV1(r) {
			s.fail(w, r, &v1.Error{Kind: v1.MethodNotAllowed, Detail: "Method Not Allowed"})
			return
		}
		s.answer(w, http.StatusMethodNotAllowed, detail("Method Not Allowed"))
	}
}

func (s *Server) redirectWithoutSlash(w http.ResponseWriter, r *http.Request) {
	to := url.URL{Path: s.cfg.RootPath + strings.TrimSuffix(r.URL.Path, "/"), RawQuery: r.URL.RawQuery}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusTemporaryRedirect) // the same method again, with its body
}

// Drain starts no new run from here on: requests for one get a 503, and /readyz says so.
// Shutting down the http.Server is the caller's, who does so next.
func (s *Server) Drain() {
	s.draining.Store(true)
	s.cfg.Service.Gate().Drain()
}

// WaitForSockets waits for the end of the runs that clients follow over WebSockets, which http.Server.Shutdown does not. When ctx ends
// first, it cancels them.
func (s *Server) WaitForSockets(ctx context.Context) {
	defer context.AfterFunc(ctx, s.endLife)()
	s.lives.Wait()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// HTTPServer returns a server for this handler that no slow client can hold up: head and body
// have their times, which readBody makes shorter for a slow body; taking the answer has one
// too, which each answer sets when it is ready, as nobody can say before how long a run waits
// and takes.
func (s *Server) HTTPServer() *http.Server { return s.serverFor(s) }

// HTTPServerFor is HTTPServer for a listener that may be called by these names, instead of those of the configuration.
func (s *Server) HTTPServerFor(hosts Hosts) *http.Server {
	return s.serverFor(s.observe(s.byName(hosts, s.routed)))
}

// AdminServer returns a server, with the same bounds, for the listener of health and metrics. It is nil unless
// Config.Admin is set.
func (s *Server) AdminServer() *http.Server {
	if s.admin == nil {
		return nil
	}
	return s.serverFor(s.admin)
}

func (s *Server) serverFor(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: s.cfg.ReadHeaderTimeout,
		ReadTimeout:       s.cfg.ReadTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
}
