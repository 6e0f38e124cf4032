package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/api"
)

// serve answers requests until ctx ends, and then drains: new runs get a 503, and runs in progress end by themselves or at
// --drain-timeout. A separate admin listener is served until the last run has ended.
func serve(ctx context.Context, s *settings, server *api.Server, gate *admission.Gate, endpoints endpoints, log *slog.Logger) error {
	adminFailed, stopAdmin := serveAdmin(server, endpoints)
	defer stopAdmin()
	servers, failed := servePublic(server, endpoints, log)
	notify(daemon.SdNotifyReady+"\nSTATUS=Serving "+strings.Join(endpoints.addresses(), " ")+", isolation "+s.Isolation, log)
	select {
	case err := <-failed:
		return errors.Join(err, servers.close())
	case err := <-adminFailed:
		return errors.Join(fmt.Errorf("--admin-listen: %w", err), servers.close())
	case <-ctx.Done():
	}

	notify(daemon.SdNotifyStopping+fmt.Sprintf("\nSTATUS=Draining, %d runs in progress", gate.InFlight()), log)
	log.Info("draining", "timeout", s.DrainTimeout)
	defer drain(s, server, endpoints)()
	patience, cancel := context.WithTimeout(context.Background(), s.DrainTimeout)
	defer cancel()
	// The daemon's own listeners stay open until the last run has ended, so that clients get a 503 and not a refused
	// connection. A passed socket is closed at once: systemd keeps it open, and new connections wait for the next daemon.
	for poll := time.NewTicker(20 * time.Millisecond); !endpoints.main().passed && gate.InFlight() > 0 && patience.Err() == nil; {
		<-poll.C
	}
	if endpoints.main().passed {
		servers.settle(patience, endpoints)
	}
	err := servers.shutdown(patience)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("runs in progress at the end of the drain timeout are cancelled", "timeout", s.DrainTimeout)
		err = servers.close()
	}
	server.WaitForSockets(patience)
	for range servers {
		if serveErr := <-failed; !errors.Is(serveErr, http.ErrServerClosed) && !errors.Is(serveErr, net.ErrClosed) {
			err = errors.Join(err, serveErr)
		}
	}
	return err
}

// drain lets the server refuse new runs. With listeners of its own, it does so at once, and waiting runs are refused, too. A passed socket
// is closed instead, so there are no new connections. Requests on the others, and runs that wait for a slot, were sent before anybody could
// know of the end: they are served as long as there is time for a run. stop must be called when the server has ended.
func drain(s *settings, server *api.Server, endpoints endpoints) (stop func()) {
	grace := s.DrainTimeout - s.Wall
	if !endpoints.main().passed || grace <= 0 {
		server.Drain()
		return func() {}
	}
	server.Retire()
	timer := time.AfterFunc(grace, server.Drain)
	return func() { timer.Stop() }
}

// servers are one for each public endpoint.
type servers []*http.Server

// servePublic serves at the public endpoints. Nothing comes from failed as long as they are served.
func servePublic(server *api.Server, endpoints endpoints, log *slog.Logger) (all servers, failed <-chan error) {
	ended := make(chan error, len(endpoints.public))
	for _, endpoint := range endpoints.public {
		httpServer := server.HTTPServerFor(endpoint.names)
		if endpoint.passed {
			httpServer.RegisterOnShutdown(func() { log.Info("the listener is closed: new connections wait in the passed socket") })
		}
		all = append(all, httpServer)
	}
	for i, httpServer := range all {
		go func() { ended <- endpoints.public[i].serve(httpServer) }()
	}
	return all, ended
}

// settle accepts no more connections, and waits until requests on the connections that were accepted have begun. If the first request of a
// connection is read after Shutdown was called, net/http closes the connection without an answer (conn.serve in net/http/server.go). A
// second is enough for a proxy, which sends a request as soon as it is connected. Idle connections are closed at once.
func (all servers) settle(patience context.Context, endpoints endpoints) {
	patience, cancel := context.WithTimeout(patience, time.Second)
	defer cancel()
	for i, server := range all {
		_ = endpoints.public[i].Listener.Close()
		server.SetKeepAlivesEnabled(false)
	}
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for publicConnections(endpoints.public).Open() > 0 && patience.Err() == nil {
		<-poll.C
	}
}

// shutdown ends all servers at the same time, when their requests are done.
func (all servers) shutdown(patience context.Context) error {
	errs := make([]error, len(all))
	var ending sync.WaitGroup
	for i, server := range all {
		ending.Go(func() { errs[i] = unlessClosed(server.Shutdown(patience)) })
	}
	ending.Wait()
	return errors.Join(errs...)
}

// unlessClosed returns nil for the error of a listener that was closed before: settle has closed it, and the server may not have noticed yet.
func unlessClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// close ends all servers at once.
func (all servers) close() (err error) {
	for _, server := range all {
		err = errors.Join(err, unlessClosed(server.Close()))
	}
	return err
}

// serveAdmin serves health and metrics at the endpoint of their own, if there is one. Nothing comes from failed as long as
// they are served.
func serveAdmin(server *api.Server, endpoints endpoints) (failed <-chan error, stop func()) {
	if endpoints.admin == nil {
		return nil, func() {}
	}
	adminServer := server.AdminServer()
	adminServer.ConnState = endpoints.admin.ConnState
	ended := make(chan error, 1)
	go func() { ended <- adminServer.Serve(endpoints.admin) }()
	return ended, func() {
		// The last answers are worth a second.
		patience, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if adminServer.Shutdown(patience) != nil {
			_ = adminServer.Close()
		}
	}
}
