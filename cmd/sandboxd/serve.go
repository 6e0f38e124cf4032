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
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

type serveCommand struct{}

// Run serves until SIGTERM or SIGINT, and then until what is running has ended.
func (c serveCommand) Run(s *settings, caught *signals) error {
	stderr := newLogWriter(os.Stderr, s.logger(os.Stderr))
	defer stderr.flush()
	log := s.logger(stderr)
	slog.SetDefault(log) // also for what other packages print
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

// errLogged is an error that the log has already.
var errLogged = errors.New("see the log")

// serve starts all that serving takes, serves until ctx ends, and takes it apart. If ctx ends meanwhile, that is no error.
func (serveCommand) serve(ctx context.Context, stop func(), s *settings, log *slog.Logger) error {
	passed, err := takePassedSockets()
	if err != nil {
		return err
	}
	config, err := s.jail(log)
	if err != nil {
		return err
	}
	layers := jail.Probe(ctx, config)
	if ctx.Err() != nil {
		return nil // stopped: what was not tried is not missing
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
	doors, err := openDoors(s, passed)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	gate := admission.New(s.Concurrency, s.Queue)
	server, err := newServer(s, j, gate, doors, layers, seccompprofiles.Counted(config.Filter), log)
	if err != nil {
		return errors.Join(err, doors.Close(), j.Close())
	}
	about := []any{"address", doors.public.address(), "socket", doors.public.socket(), "version", version,
		"isolation", s.Isolation, "policy", s.Policy, "concurrency", s.Concurrency,
		"engine", s.Engine, "warm", s.Warm}
	if doors.admin != nil {
		about = append(about, "admin", doors.admin.address(), "admin_socket", doors.admin.socket())
	}
	log.Info("serving", about...)
	var background sync.WaitGroup
	if s.PrepareFonts {
		background.Go(func() { prepareFonts(ctx, j, log) })
	}
	err = serve(ctx, s, server, gate, doors, log)
	stop()
	background.Wait()
	return errors.Join(err, j.Close())
}

// prepareFonts makes plots fast. It runs beside the first requests, which need not wait for it.
func prepareFonts(ctx context.Context, j *jail.Jail, log *slog.Logger) {
	if err := j.PrepareFonts(ctx); err != nil && ctx.Err() == nil {
		log.Warn("the first plot of each run is slow", "error", err, "remedy", "--no-prepare-fonts, if that does not matter")
	}
}

// newServer wires the HTTP half to the jail.
func newServer(s *settings, j *jail.Jail, gate *admission.Gate, doors doors, layers []jail.Layer, calls []string, log *slog.Logger) (*api.Server, error) {
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
	m.WatchConnections(metrics.Public, doors.public)
	hosts, err := doors.hosts(s.Host)
	if err != nil {
		return nil, err
	}
	var admin *api.Hosts
	if doors.admin != nil {
		m.WatchConnections(metrics.Admin, doors.admin)
		names, err := doors.adminHosts(s.Host)
		if err != nil {
			return nil, err
		}
		admin = &names
	}
	if len(s.Host) == 0 && !hosts.Restricted() && doors.public.Addr().Network() != "unix" && !slices.Contains(s.CORSOrigin, "*") {
		log.Warn("--cors-origin has an exception: a web page whose own name resolves to this address (DNS rebinding)", "remedy", "give the names of the service with --host")
	}
	isolation := api.Isolation{Mode: s.Isolation, Engine: s.Engine}
	for _, l := range layers {
		isolation.Layers = append(isolation.Layers, api.Layer{Name: l.Name, State: state(l)})
		m.SetLayer(l.Name, state(l))
		if !l.Works() {
			log.Warn("a layer of the isolation is off", "layer", l.Name, "reason", l.Err, "remedy", l.Remedy)
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
		Listening: api.Listening{Address: doors.public.address(), Socket: doors.public.socket()},
		Hosts:     hosts,
		Admin:     admin,
		Ready:     ready(j),
		Origins:   s.CORSOrigin,
	})
}

// state is what /healthz and the metric say of a layer.
func state(l jail.Layer) string {
	if l.Works() {
		return "enforced"
	}
	return api.LayerMissing
}

// ready tries a jail with a program that does nothing.
func ready(j *jail.Jail) func(context.Context) error {
	return func(ctx context.Context) error {
		result, err := j.Run(ctx, sandbox.Program{Source: []byte("pass")}, nil)
		if err == nil && (result.Verdict != sandbox.Exited || result.ExitCode != 0) {
			err = fmt.Errorf("an empty program ended as %s, status %d", result.Verdict, result.ExitCode)
		}
		return err
	}
}

// serve answers requests until ctx ends, and then drains: who asks for a new run gets a 503, and
// those that run end by themselves or at --drain-timeout. Health and metrics, where they have a door of their own, are
// there until the last run has ended.
func serve(ctx context.Context, s *settings, server *api.Server, gate *admission.Gate, doors doors, log *slog.Logger) error {
	door, httpServer := doors.public, server.HTTPServer()
	httpServer.ConnState = door.ConnState
	if door.passed {
		httpServer.RegisterOnShutdown(func() { log.Info("the door is closed: who comes now waits in the socket") })
	}
	adminFailed, stopAdmin := serveAdmin(server, doors)
	defer stopAdmin()
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(door) }()
	notify(daemon.SdNotifyReady+"\nSTATUS=Serving "+door.address()+", isolation "+s.Isolation, log)
	select {
	case err := <-failed:
		return err
	case err := <-adminFailed:
		return errors.Join(fmt.Errorf("--admin-listen: %w", err), httpServer.Close())
	case <-ctx.Done():
	}

	notify(daemon.SdNotifyStopping+fmt.Sprintf("\nSTATUS=Draining, %d runs under way", gate.InFlight()), log)
	log.Info("draining", "timeout", s.DrainTimeout)
	server.Drain()
	patience, cancel := context.WithTimeout(context.Background(), s.DrainTimeout)
	defer cancel()
	// Our own door stays open until the last run is done: a 503 is an answer, a refused connection
	// is not. Through a passed one nobody is let in any more: who comes waits for the next daemon.
	for poll := time.NewTicker(20 * time.Millisecond); !door.passed && gate.InFlight() > 0 && patience.Err() == nil; {
		<-poll.C
	}
	err := httpServer.Shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("runs were still under way at the end of the drain timeout and are cancelled")
		err = httpServer.Close()
	}
	if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) {
		err = errors.Join(err, serveErr)
	}
	return err
}

// serveAdmin serves health and metrics at the door of their own, if there is one. Nothing comes from failed as long as
// they are served.
func serveAdmin(server *api.Server, doors doors) (failed <-chan error, stop func()) {
	if doors.admin == nil {
		return nil, func() {}
	}
	adminServer := server.AdminServer()
	adminServer.ConnState = doors.admin.ConnState
	ended := make(chan error, 1)
	go func() { ended <- adminServer.Serve(doors.admin) }()
	return ended, func() {
		// The last answers are worth a second.
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if adminServer.Shutdown(patience) != nil {
			_ = adminServer.Close()
		}
	}
}

// notify tells systemd, if it listens, what sd_notify(3) has words for.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "error", err)
	}
}
