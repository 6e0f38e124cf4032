package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/scan"
)

type serveCommand struct{}

// Run serves until SIGTERM or SIGINT, and then until what is running has ended.
func (serveCommand) Run(s *settings) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	signal.Ignore(unix.SIGPIPE) // of a log that nobody reads any more
	stderr := newLogWriter(os.Stderr, s.logger(os.Stderr))
	defer stderr.flush()
	log := s.logger(stderr)

	config, err := s.jail(log)
	if err != nil {
		return err
	}
	layers := jail.Probe(ctx, config)
	if err := missingLayers(layers); err != nil {
		return err
	}
	j, err := jail.New(ctx, config)
	if err != nil {
		return err
	}
	gate := admission.New(s.Concurrency, s.Queue)
	server, err := newServer(s, j, gate, layers, log)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	listener, err := listen(s)
	if err != nil {
		return errors.Join(err, j.Close())
	}
	log.Info("serving", "address", "http://"+listener.Addr().String(), "version", version,
		"isolation", s.Isolation, "policy", s.Policy, "concurrency", s.Concurrency)
	err = serve(ctx, s, server, gate, listener, log)
	return errors.Join(err, j.Close())
}

// descriptorsPerRun is what a run holds of the daemon's descriptors: its leaf, a socket, pipes and
// their other ends until the init has them, a pidfd.
const descriptorsPerRun = 16

// listen takes no more connections than leave the runs the descriptors that they need.
func listen(s *settings) (net.Listener, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return nil, fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	const own = 64
	if need := uint64(s.Connections + s.Concurrency*descriptorsPerRun + own); limit.Cur < need {
		return nil, fmt.Errorf("the limit on open files is %d, less than the %d that --connections and --concurrency need: "+
			"lower those, or raise it (ulimit -n, LimitNOFILE=)", limit.Cur, need)
	}
	listener, err := net.Listen("tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("--listen: %w", err)
	}
	return netutil.LimitListener(listener, s.Connections), nil
}

// newServer wires the HTTP half to the jail.
func newServer(s *settings, j *jail.Jail, gate *admission.Gate, layers []jail.Layer, log *slog.Logger) (*api.Server, error) {
	scanner, err := s.scanner()
	if err != nil {
		return nil, err
	}
	m := metrics.New(version, jail.Stages(), scan.Rules())
	isolation := api.Isolation{Mode: s.Isolation}
	for _, l := range layers {
		isolation.Layers = append(isolation.Layers, api.Layer{Name: l.Name, State: state(l)})
		m.SetLayer(l.Name, state(l))
		if !l.Works() {
			log.Warn("a layer of the isolation is off", "layer", l.Name, "reason", l.Err, "remedy", l.Remedy)
		}
	}
	return api.New(api.Config{
		Runner:    j,
		Scanner:   scanner,
		Nulled:    scanner.Nulled(),
		Gate:      gate,
		Metrics:   m,
		Log:       log,
		Limits:    s.limits(),
		Version:   version,
		Isolation: isolation,
		Ready:     ready(j),
		Origins:   s.CORSOrigin,
	})
}

// state is what /healthz and the metric say of a layer.
func state(l jail.Layer) string {
	if l.Works() {
		return "enforced"
	}
	return "missing"
}

// ready tries a jail with a program that does nothing.
func ready(j *jail.Jail) func(context.Context) error {
	return func(ctx context.Context) error {
		result, err := j.Run(ctx, jail.Spec{Source: []byte("pass")})
		if err == nil && (result.Verdict != jail.Exited || result.ExitCode != 0) {
			err = fmt.Errorf("an empty program ended as %s, status %d", result.Verdict, result.ExitCode)
		}
		return err
	}
}

// serve answers requests until ctx ends, and then drains: who asks for a new run gets a 503, and
// those that run end by themselves or at --drain-timeout.
func serve(ctx context.Context, s *settings, server *api.Server, gate *admission.Gate, listener net.Listener, log *slog.Logger) error {
	httpServer := server.HTTPServer()
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	notify(daemon.SdNotifyReady, log)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}

	notify(daemon.SdNotifyStopping, log)
	log.Info("draining", "timeout", s.DrainTimeout)
	server.Drain()
	patience, cancel := context.WithTimeout(context.Background(), s.DrainTimeout)
	defer cancel()
	// The door stays open until the last run is done: a 503 is an answer, a refused connection
	// is not.
	for poll := time.NewTicker(20 * time.Millisecond); gate.InFlight() > 0 && patience.Err() == nil; {
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

// notify tells systemd, if it listens.
func notify(state string, log *slog.Logger) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.Warn("systemd was not told", "state", state, "error", err)
	}
}
