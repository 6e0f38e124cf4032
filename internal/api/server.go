// Package api is the HTTP adapter of the daemon. It turns requests into runs. POST /playground/execute answers as the FastAPI service did
// that the daemon replaces; the typed API is in package v1.
//
// hosts.go, guard.go and callers.go decide who may ask. execute.go and runs.go turn a request into a run. errors.go maps errors to answers.
// decode.go, encoding.go and pyjson.go read bodies as FastAPI reads them, and report the same errors.
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
	"github.com/sandboxd/sandboxd/internal/tracing"
)

// Config is the configuration of a Server. Optional fields have a default.
type Config struct {
	Service *service.Service

	// Templates are the names of the templates that a request may choose, including the default. Optional: without it, there is only
	// the default, and the description of the API does not mention templates.
	Templates []string

	Metrics *metrics.Metrics
	Log     *slog.Logger

	// Tracer makes traces of requests for runs. Optional.
	Tracer *tracing.Tracer

	Version   string
	Isolation Isolation
	Listening Listening

	// Ready checks whether a jail can be started. Its result is used for a second. Optional.
	Ready func(context.Context) error

	// Origins are the origins of web pages that may use the service, such as "https://example.com" or
	// "https://*.example.com". Without origins, or with "*", all pages may.
	Origins []string

	// Hosts are the accepted values of the Host header. Optional: all are accepted.
	Hosts Hosts

	// Admin is set if health and metrics have their own listener, which AdminServer serves. It has the accepted values of the Host header
	// there. The other listeners then do not serve health and metrics. Optional.
	Admin *Hosts

	// Keys are the API keys that may request runs. Optional: without it, no key is needed.
	Keys *callers.Keyring

	// Anonymous accepts requests without a key although there are keys.
	Anonymous bool

	// Limiter bounds the rate at which each caller requests runs. Optional.
	Limiter *callers.Limiter

	// Proxies are the addresses whose Forwarded and X-Forwarded-For headers are trusted. Optional: none.
	Proxies callers.Proxies

	// RootPath is the path below which clients see the service, such as "/api", if a proxy maps it there. Requests may have this prefix
	// or not. Optional.
	RootPath string

	// MaxBody is the maximum size of a request body, in bytes. Optional: DefaultMaxBody.
	MaxBody int64

	// MaxTypedBody is the same for a body of the typed API. Optional: v1.MaxBody.
	MaxTypedBody int64

	ReadHeaderTimeout time.Duration // for the head of a request; optional: 5 s
	ReadTimeout       time.Duration // for a body, less if it arrives slowly, see pace; optional: 30 s
	WriteTimeout      time.Duration // for the client to read an answer; optional: 30 s
	IdleTimeout       time.Duration // between two requests; optional: 75 s
}

// DefaultMaxBody is the size of the largest body, in bytes, that a program of sandbox.MaxSource bytes can need: JSON may escape each
// byte in six, as in \u0041.
const DefaultMaxBody = 6*sandbox.MaxSource + 1<<10

// Server answers HTTP. It is safe for concurrent use.
type Server struct {
	cfg      Config
	routed   http.Handler // the routes, for every listener
	handler  http.Handler // routed, with the check of the Host header
	admin    http.Handler // nil if there is no admin listener
	cors     *cors.Cors
	ownPages *http.CrossOriginProtection // nil if every origin is allowed
	bodies   *admission.Memory           // for large bodies
	v1       *v1.API
	probe    probe
	now      func() time.Time
	audit    *audit
	draining atomic.Bool

	lives   sync.WaitGroup  // WebSockets: http.Server does not track hijacked connections
	life    context.Context // of the WebSockets
	endLife context.CancelFunc

	strangers, doubts seldom

	description []byte // of the API
}

// New returns a Server. An error names the wrong setting.
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

// route is one row of the tables below.
type route struct {
	method string
	path   string // also the metrics' label
	handle http.HandlerFunc
	pages  int // the web pages that may call it, such as asConfigured
}

// table returns all routes of the public listeners.
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

// operation returns the routes for operators. They are on the admin listener if there is one.
func (s *Server) operation() []route {
	return append(statusRoutes(),
		route{"GET", "/healthz", s.healthz, noPages},
		route{"GET", "/readyz", s.readyz, noPages},
		route{"GET", "/metrics", s.cfg.Metrics.Handler().ServeHTTP, noPages},
	)
}

// routes makes a handler of a table. Like Starlette, it redirects a path with a final slash to the path without it.
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
			allow = "GET, HEAD" // a GET pattern of net/http matches HEAD too
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
	w.WriteHeader(http.StatusTemporaryRedirect) // 307: the client repeats the method and the body
}

// Drain refuses new runs: requests for one get a 503, and so does /readyz. The caller then shuts the http.Server down.
func (s *Server) Drain() {
	s.Retire()
	s.cfg.Service.Gate().Drain()
}

// Retire makes /readyz report that the service ends. Requests are served as before, until Drain.
func (s *Server) Retire() { s.draining.Store(true) }

// WaitForSockets waits until the runs that clients follow over WebSockets have ended, because http.Server.Shutdown does not wait for them.
// If ctx ends first, it cancels these runs.
func (s *Server) WaitForSockets(ctx context.Context) {
	defer context.AfterFunc(ctx, s.endLife)()
	s.lives.Wait()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// HTTPServer returns a server for this handler that limits slow clients. The head and the body of a request have timeouts; readBody shortens
// that of a slow body. Each answer sets the timeout for its client to read it when it is ready, because the time that a run waits and
// takes is not known before.
func (s *Server) HTTPServer() *http.Server { return s.serverFor(s) }

// HTTPServerFor returns the same for a listener with its own accepted values of the Host header.
func (s *Server) HTTPServerFor(hosts Hosts) *http.Server {
	return s.serverFor(s.observe(s.byName(hosts, s.routed)))
}

// AdminServer returns a server with the same timeouts for the admin listener. It is nil if Config.Admin is nil.
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
