package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
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

	err := c.serve(ctx, stop, s, log)
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
func (serveCommand) serve(ctx context.Context, stop func(), s *settings, log *slog.Logger) error {
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
	endpoints, err := openEndpoints(s, passed)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	gate := admission.New(s.Concurrency, s.Queue)
	server, err := newServer(s, j, gate, endpoints, layers, seccompprofiles.Counted(config.Filter), log)
	if err != nil {
		return errors.Join(err, endpoints.Close(), j.Close())
	}
	about := []any{"address", endpoints.public.address(), "socket", endpoints.public.socket(), "version", version,
		"isolation", s.Isolation, "policy", s.Policy, "concurrency", s.Concurrency,
		"engine", s.Engine, "warm", s.Warm}
	if endpoints.admin != nil {
		about = append(about, "admin", endpoints.admin.address(), "admin_socket", endpoints.admin.socket())
	}
	log.Info("serving", about...)
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

// newServer connects the HTTP server, the service and the jail.
func newServer(s *settings, j *jail.Runner, gate *admission.Gate, endpoints endpoints, layers []doctor.Layer, calls []string, log *slog.Logger) (*api.Server, error) {
	scanner, err := s.scanner()
	if err != nil {
		return nil, err
	}
	policies, err := s.policies(scanner)
	if err != nil {
		return nil, err
	}
	m := metrics.New(version, jail.Stages(), scan.Rules(), calls)
	m.WatchWaiting(j.Waiting)
	m.WatchConnections(metrics.Public, endpoints.public)
	hosts, err := endpoints.hosts(s.Host)
	if err != nil {
		return nil, err
	}
	var admin *api.Hosts
	if endpoints.admin != nil {
		m.WatchConnections(metrics.Admin, endpoints.admin)
		names, err := endpoints.adminHosts(s.Host)
		if err != nil {
			return nil, err
		}
		admin = &names
	}
	if len(s.Host) == 0 && !hosts.Restricted() && endpoints.public.Addr().Network() != "unix" && !slices.Contains(s.CORSOrigin, "*") {
		log.Warn("--cors-origin does not stop web pages whose own name resolves to this address (DNS rebinding)", "remedy", "set the names of the service with --host")
	}
	isolation := api.Isolation{Mode: s.Isolation, Engine: s.Engine}
	for _, l := range layers {
		isolation.Layers = append(isolation.Layers, api.Layer{Name: l.Name, State: state(l)})
		m.SetLayer(l.Name, state(l))
		if !l.Works() {
			log.Warn("an isolation layer is missing", "layer", l.Name, "reason", l.Err, "remedy", l.Remedy)
		}
	}
	var names []string
	if s.forks() {
		names = s.templateNames()
	}
	return api.New(api.Config{
		Service: service.New(service.Config{
			Runner:   j,
			Scanner:  scanner,
			Nulled:   scanner.Nulled(),
			Policy:   s.Policy,
			Policies: policies,
			Limits:   s.limits(),
			Max:      s.maxima(),
			Gate:     gate,
			Memory:   service.AnswerMemory(gate.Slots(), s.maxima()),
			Metrics:  m,
			Log:      log,
		}),
		Templates: names,
		Metrics:   m,
		Log:       log,
		Version:   version,
		Isolation: isolation,
		Listening: api.Listening{Address: endpoints.public.address(), Socket: endpoints.public.socket()},
		Hosts:     hosts,
		Admin:     admin,
		Ready:     ready(j),
		Origins:   s.CORSOrigin,
	})
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

// serve answers requests until ctx ends, and then drains: new runs get a 503, and runs in progress end by themselves or at
// --drain-timeout. A separate admin listener is served until the last run has ended.
func serve(ctx context.Context, s *settings, server *api.Server, gate *admission.Gate, endpoints endpoints, log *slog.Logger) error {
	endpoint, httpServer := endpoints.public, server.HTTPServer()
	httpServer.ConnState = endpoint.ConnState
	if endpoint.passed {
		httpServer.RegisterOnShutdown(func() { log.Info("the listener is closed: new connections wait in the passed socket") })
	}
	adminFailed, stopAdmin := serveAdmin(server, endpoints)
	defer stopAdmin()
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(endpoint) }()
	notify(daemon.SdNotifyReady+"\nSTATUS=Serving "+endpoint.address()+", isolation "+s.Isolation, log)
	select {
	case err := <-failed:
		return err
	case err := <-adminFailed:
		return errors.Join(fmt.Errorf("--admin-listen: %w", err), httpServer.Close())
	case <-ctx.Done():
	}

	notify(daemon.SdNotifyStopping+fmt.Sprintf("\nSTATUS=Draining, %d runs in progress", gate.InFlight()), log)
	log.Info("draining", "timeout", s.DrainTimeout)
	server.Drain()
	patience, cancel := context.WithTimeout(context.Background(), s.DrainTimeout)
	defer cancel()
	// The daemon's own listener stays open until the last run has ended, so that clients get a 503 and not a refused
	// connection. A passed socket is closed at once: systemd keeps it open, and new connections wait for the next daemon.
	for poll := time.NewTicker(20 * time.Millisecond); !endpoint.passed && gate.InFlight() > 0 && patience.Err() == nil; {
		<-poll.C
	}
	err := httpServer.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("runs in progress at the end of the drain timeout are cancelled", "timeout", s.DrainTimeout)
		err = httpServer.Close()
	}
	server.WaitForSockets(patience)
	if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// serveAdmin serves health and metrics on the admin listener, if there is one. failed gets an error if serving fails.
func serveAdmin(server *api.Server, endpoints endpoints) (failed <-chan error, stop func()) {
	if endpoints.admin == nil {
		return nil, func() {}
	}
	adminServer := server.AdminServer()
	adminServer.ConnState = endpoints.admin.ConnState
	ended := make(chan error, 1)
	go func() { ended <- adminServer.Serve(endpoints.admin) }()
	return ended, func() {
		// A second is enough to finish answers that have begun.
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if adminServer.Shutdown(patience) != nil {
			_ = adminServer.Close()
		}
	}
}

// notify sends a state to systemd (sd_notify(3)). Without systemd it does nothing.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd could not be notified", "state", state, "error", err)
	}
}
