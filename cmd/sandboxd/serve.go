package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
	"github.com/sandboxd/sandboxd/internal/tracing"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

type serveCommand struct{}

// Run serves until SIGTERM or SIGINT, and then drains.
func (c serveCommand) Run(s *settings, caught *signals) error {
	stderr := newLogWriter(os.Stderr, s.logger(os.Stderr))
	defer stderr.flush()
	log := s.logger(stderr)
	slog.SetDefault(log) // for records of other packages
	ctx, stop := caught.context(log)
	defer stop()

	err := c.serve(ctx, stop, caught, s, log)
	var configuration *configError
	switch {
	case errors.As(err, &configuration):
		return err
	case err != nil:
		log.Error("ended by an error", "error", err)
		return errLogged
	}
	log.Info("stopped")
	return nil
}

// errLogged is returned in place of an error that is already in the log.
var errLogged = errors.New("see the log")

// serve starts the daemon, serves until ctx ends, and cleans up. If ctx ends during the start, serve returns nil.
func (serveCommand) serve(ctx context.Context, stop func(), caught *signals, s *settings, log *slog.Logger) error {
	passed, err := takePassedSockets()
	if err != nil {
		return err
	}
	config, err := s.jail(log)
	if err != nil {
		return err
	}
	layers := doctor.Probe(ctx, config)
	if ctx.Err() != nil {
		return nil // the probe was interrupted, so a layer without a result is not missing
	}
	if err := missingLayers(layers, log); err != nil {
		return err
	}
	j, err := jail.New(ctx, config)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil
	case err != nil:
		return s.templateFault(err)
	case ctx.Err() != nil:
		return j.Close()
	}
	var files reloadables
	cert, err := s.certificate(&files)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	endpoints, err := openEndpoints(s, passed, cert)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	gate := admission.New(s.Concurrency, s.Queue)
	gate.BoundCallers(s.queuePerCaller())
	if err := endpoints.name(s, log); err != nil {
		return errors.Join(err, endpoints.Close(), j.Close())
	}
	keys, err := s.keyring(&files)
	if err != nil {
		return errors.Join(err, endpoints.Close(), j.Close())
	}
	m := metrics.New(version, jail.Stages(), scan.Rules(), seccompprofiles.Counted(config.Filter))
	tracer, err := tracing.New(ctx, tracing.Config{Getenv: os.Getenv, Version: version, Log: log, Exported: m.SpansExported})
	if err != nil {
		return errors.Join(&configError{lines: []string{err.Error()}}, endpoints.Close(), j.Close())
	}
	defer tracer.Close()
	server, err := newServer(s, parts{j, gate, endpoints, keys, layers, m, tracer}, log)
	if err != nil {
		return errors.Join(err, endpoints.Close(), j.Close())
	}
	about := []any{"address", endpoints.main().address(), "socket", endpoints.main().socket(), "version", version,
		"isolation", s.Isolation, "policy", s.Policy, "concurrency", s.Concurrency,
		"engine", s.Engine, "warm", s.Warm}
	if len(endpoints.public) > 1 {
		about = append(about, "others", strings.Join(endpoints.addresses()[1:], " "))
	}
	if keys != nil {
		about = append(about, "keys", keys.Len(), "anonymous", s.AllowAnonymous)
	}
	if endpoints.admin != nil {
		about = append(about, "admin", endpoints.admin.address(), "admin_socket", endpoints.admin.socket())
	}
	if tracer != nil {
		about = append(about, "traces", tracer.Endpoint())
	}
	log.Info("serving", about...)
	if keys != nil && keys.Len() == 0 && !s.AllowAnonymous {
		log.Warn("the file has no keys: every request for a run is refused", "file", keys.Path(), "remedy", "sandboxd keys create NAME --keys="+keys.Path())
	}
	files.follow(ctx, caught, log)
	var background sync.WaitGroup
	if s.PrepareFonts {
		background.Go(func() { prepareFonts(ctx, j, log) })
	}
	err = serve(ctx, s, server, gate, endpoints, log)
	stop()
	background.Wait()
	return errors.Join(err, j.Close())
}

// prepareFonts makes matplotlib's font list. It runs while the first requests are served, which do not depend on it.
func prepareFonts(ctx context.Context, j *jail.Runner, log *slog.Logger) {
	if err := j.PrepareFonts(ctx); err != nil && ctx.Err() == nil {
		log.Warn("matplotlib's font list could not be made, so the first plot of each run is slow", "error", err, "remedy", "set --no-prepare-fonts if that does not matter")
	}
}

// parts are what a server is made of.
type parts struct {
	jail      *jail.Runner
	gate      *admission.Gate
	endpoints endpoints
	keys      *callers.Keyring // nil: there are none
	layers    []doctor.Layer
	metrics   *metrics.Metrics
	tracer    *tracing.Tracer // nil: there are no traces
}

// newServer connects the HTTP server, the service and the jail.
func newServer(s *settings, p parts, log *slog.Logger) (*api.Server, error) {
	scanner, err := s.scanner()
	if err != nil {
		return nil, err
	}
	policies, err := s.policies(scanner)
	if err != nil {
		return nil, err
	}
	m := p.metrics
	m.WatchWaiting(p.jail.Waiting)
	m.WatchTemplates(p.jail.TemplateStarts)
	m.WatchConnections(metrics.Public, publicConnections(p.endpoints.public))
	var admin *api.Hosts
	if p.endpoints.admin != nil {
		m.WatchConnections(metrics.Admin, p.endpoints.admin)
		names, err := p.endpoints.adminHosts(s.Host)
		if err != nil {
			return nil, err
		}
		admin = &names
	}
	proxies, err := callers.ParseProxies(s.TrustedProxy)
	if err != nil {
		return nil, err
	}
	isolation := api.Isolation{Mode: s.Isolation, Engine: s.Engine}
	for _, l := range p.layers {
		isolation.Layers = append(isolation.Layers, api.Layer{Name: l.Name, State: state(l)})
		m.SetLayer(l.Name, state(l))
		if !l.Works() {
			log.Warn("an isolation layer is missing", "layer", l.Name, "reason", l.Err, "remedy", l.Remedy)
		}
		if l.Warning != "" {
			log.Warn("a layer works, but there is a doubt", "layer", l.Name, "warning", l.Warning)
		}
	}
	var names []string
	if s.forks() {
		names = s.templateNames()
	}
	return api.New(api.Config{
		Service: service.New(service.Config{
			Runner:   p.jail,
			Scanner:  scanner,
			Nulled:   scanner.Nulled(),
			Policy:   s.Policy,
			Policies: policies,
			Limits:   s.limits(),
			Max:      s.maxima(),
			Gate:     p.gate,
			Memory:   service.AnswerMemory(p.gate.Slots(), s.maxima()),
			Metrics:  m,
			Log:      log,
		}),
		Keys:      p.keys,
		Limiter:   s.limiter(),
		Proxies:   proxies,
		RootPath:  s.RootPath,
		Anonymous: s.AllowAnonymous,
		Templates: names,
		Metrics:   m,
		Log:       log,
		Tracer:    p.tracer,
		Version:   version,
		Isolation: isolation,
		Listening: api.Listening{Address: p.endpoints.main().address(), Socket: p.endpoints.main().socket()},
		Admin:     admin,
		Ready:     ready(p.jail),
		Origins:   s.CORSOrigin,
	})
}

// queuePerCaller returns how many runs of one caller may wait, or 0 for as many as can.
func (s *settings) queuePerCaller() int {
	if s.QueuePerCaller == 0 && s.KeysFile != "" {
		return max(1, s.Queue/2)
	}
	return s.QueuePerCaller
}

// limiter returns what bounds how often callers ask for runs, or nil if nothing does.
func (s *settings) limiter() *callers.Limiter {
	if s.Rate == 0 && s.KeysFile == "" {
		return nil
	}
	return callers.NewLimiter(callers.Rate{PerSecond: s.Rate, Burst: s.Burst})
}

// state returns the state of a layer for /healthz and the metric.
func state(l doctor.Layer) string {
	if l.Works() {
		return "enforced"
	}
	return api.LayerMissing
}

// ready returns the readiness check, which runs an empty program in a jail.
func ready(j *jail.Runner) func(context.Context) error {
	return func(ctx context.Context) error {
		result, err := j.Run(ctx, sandbox.Program{Source: []byte("pass")}, nil)
		if err == nil && (result.Verdict != sandbox.Exited || result.ExitCode != 0) {
			err = fmt.Errorf("an empty program ended as %s, status %d", result.Verdict, result.ExitCode)
		}
		return err
	}
}

// notify sends a state to systemd (sd_notify(3)). Without systemd it does nothing.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be notified", "state", state, "error", err)
	}
}
