package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/connlimit"
)

const (
	// defaultListen is the default of --listen.
	defaultListen = "127.0.0.1:8000"

	// adminSocket is the name (FileDescriptorName=) of the socket for health and metrics that systemd passes.
	adminSocket = "admin"

	// adminConnections is the maximum number of connections for health and metrics. Monitors need few.
	adminConnections = 64

	// descriptorsPerRun is the number of the daemon's descriptors that one run needs: its leaf, the hand-off socket, pipes, the
	// other ends of the pipes until the init has them, a pidfd, the filter's listener, and those for a visitor (package spawn).
	descriptorsPerRun = 16
)

// endpoint is a listener with a bound on its connections.
type endpoint struct {
	*connlimit.Listener
	passed bool // systemd passed the socket and keeps it open: connections that we do not accept wait in it

	certificate *certificate // nil: without TLS

	names api.Hosts // by which it may be called; see name
}

// endpoints are the listeners of the daemon.
type endpoints struct {
	public []*endpoint // one at least
	admin  *endpoint   // nil if the public ones serve health and metrics
}

// passedSockets are the listening sockets that systemd passed (sd_listen_fds(3)).
type passedSockets struct {
	public []net.Listener
	admin  net.Listener // nil if there is none
}

// takePassedSockets finds the passed sockets by their names. It must be called before the daemon starts a process: until then
// the descriptors are not close-on-exec, and a child would inherit them.
func takePassedSockets() (passed passedSockets, err error) {
	for _, file := range activation.Files(true) {
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a duplicate
		if err != nil {
			return passed, errors.New("a passed socket is not a listening socket: the socket unit needs ListenStream= and Accept=no")
		}
		switch {
		case file.Name() != adminSocket:
			passed.public = append(passed.public, listener)
		case passed.admin == nil:
			passed.admin = listener
		default:
			return passed, fmt.Errorf("2 sockets were passed with FileDescriptorName=%s, but only one can be served: the socket unit needs one ListenStream=", adminSocket)
		}
	}
	return passed, nil
}

// openEndpoints opens all listeners: the passed sockets, or else those of --listen and --admin-listen.
func openEndpoints(s *settings, passed passedSockets, cert *certificate) (all endpoints, err error) {
	admin := s.AdminListen != "" || passed.admin != nil
	if err := enoughDescriptors(s, cmp.Or(len(passed.public), len(s.Listen)), admin); err != nil {
		return all, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, all.Close())
		}
	}()
	limits := connlimit.Limits{Total: s.Connections, PerClient: s.perClient()}
	if len(passed.public) > 0 {
		for _, listener := range passed.public {
			d := newEndpoint(listener, limits, cert)
			d.passed = true
			all.public = append(all.public, d)
		}
		if !slices.Equal(s.Listen, []string{defaultListen}) {
			if err := agree("listen", s.Listen, passed.public...); err != nil {
				return all, err
			}
		}
	} else {
		for _, address := range s.Listen {
			d, err := s.openEndpoint("listen", address, limits, cert)
			if err != nil {
				return all, err
			}
			all.public = append(all.public, d)
		}
	}
	for _, d := range all.public {
		// A passed socket may be anywhere, and a name may mean any address.
		if fault := s.checkOpen(d.listening()); fault != nil {
			from := cmp.Or(s.origins["listen"].where, "--listen")
			if d.passed {
				from = "ListenStream="
			}
			return all, &configError{[]string{from + ": " + fault.Error()}}
		}
	}
	limits = connlimit.Limits{Total: adminConnections}
	if passed.admin != nil {
		if s.AdminListen != "" {
			err = agree("admin-listen", []string{s.AdminListen}, passed.admin)
		}
		all.admin = newEndpoint(passed.admin, limits, nil)
		all.admin.passed = true
	} else if admin {
		all.admin, err = s.openEndpoint("admin-listen", s.AdminListen, limits, nil)
	}
	return all, err
}

// newEndpoint makes an endpoint of a listener. A Unix socket has no TLS.
func newEndpoint(listener net.Listener, limits connlimit.Limits, cert *certificate) *endpoint {
	if listener.Addr().Network() == "unix" {
		cert = nil
	}
	limits.Silent = cert != nil
	return &endpoint{Listener: connlimit.New(listener, limits), certificate: cert}
}

// openEndpoint listens on an address.
func (s *settings) openEndpoint(flag, address string, limits connlimit.Limits, cert *certificate) (*endpoint, error) {
	listener, err := s.listen(address)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return newEndpoint(listener, limits, cert), nil
}

// agree returns an error if the configuration names other addresses than those of the passed sockets.
func agree(flag string, addresses []string, passed ...net.Listener) error {
	var at []string
	for _, listener := range passed {
		at = append(at, listener.Addr().String())
	}
	named := map[string]bool{}
	for _, address := range addresses {
		path := strings.TrimPrefix(address, "unix:")
		named[path] = true
		if !slices.Contains(at, path) {
			return disagreement(flag, address, at)
		}
	}
	if len(named) < len(at) {
		return disagreement(flag, strings.Join(addresses, ","), at)
	}
	return nil
}

func disagreement(flag, configured string, passed []string) error {
	are := "socket is"
	if len(passed) > 1 {
		are = "sockets are"
	}
	return fmt.Errorf("--%s=%s, but the passed %s %s: remove --%s, and set ListenStream= of the socket unit",
		flag, configured, are, strings.Join(passed, ", "), flag)
}

// listen listens on a TCP address, or on unix:PATH.
func (s *settings) listen(address string) (net.Listener, error) {
	if path, local := strings.CutPrefix(address, "unix:"); local {
		return s.listenUnix(path)
	}
	return net.Listen("tcp", address)
}

// perClient returns the maximum number of connections from one client address. A reverse proxy is one client for all of its
// own clients, so the default is at least enough to fill every slot and the whole queue.
func (s *settings) perClient() int {
	if s.ConnectionsPerClient > 0 {
		return s.ConnectionsPerClient
	}
	const more = 16 // for requests that take no slot, such as those that get a 503
	return max(s.Connections/2, s.Concurrency+s.Queue+more)
}

func enoughDescriptors(s *settings, listeners int, admin bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	const own = 80 // the daemon's own, among them the sockets to the zygotes
	connections := listeners * (s.Connections + connlimit.MaxRefusals)
	if admin {
		connections += adminConnections + connlimit.MaxRefusals
	}
	if need := uint64(connections + s.jails()*descriptorsPerRun + own); limit.Cur < need {
		return fmt.Errorf("the limit on open files is %d, but --connections, --concurrency and --warm need %d: "+
			"lower these, or raise the limit (ulimit -n, LimitNOFILE=)", limit.Cur, need)
	}
	return nil
}

// name sets the names by which the public endpoints may be called. What reaches a loopback address can be a web page in a
// browser of this machine; what reaches a Unix socket cannot.
func (d endpoints) name(s *settings, log *slog.Logger) (err error) {
	for _, endpoint := range d.public {
		if endpoint.loopback() {
			endpoint.names, err = api.LoopbackHosts(s.Host)
		} else {
			endpoint.names, err = api.NamedHosts(s.Host)
		}
		if err != nil {
			return err
		}
		if len(s.Host) == 0 && !endpoint.names.Restricted() && endpoint.Addr().Network() != "unix" && !slices.Contains(s.CORSOrigin, "*") {
			log.Warn("--cors-origin does not stop web pages whose own name resolves to this address (DNS rebinding)", "remedy", "set the names of the service with --host")
		}
	}
	return nil
}

// adminHosts returns the host names of the admin listener. Monitors use its address, so any address is accepted.
func (d endpoints) adminHosts(names []string) (api.Hosts, error) {
	switch {
	case d.admin.Addr().Network() == "unix":
		return api.Hosts{}, nil
	case d.admin.loopback():
		return api.LoopbackHosts(names)
	}
	hosts, err := api.NamedHosts(names)
	return hosts.OrAddress(), err
}

func (d *endpoint) loopback() bool {
	tcp, ok := d.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// listening is where the endpoint is, as --listen would have it.
func (d *endpoint) listening() string {
	if at := d.Addr(); at.Network() == "unix" {
		return "unix:" + at.String()
	}
	return d.Addr().String()
}

// address returns the address for logs and /healthz.
func (d *endpoint) address() string {
	if d.Addr().Network() == "unix" {
		return d.listening()
	}
	if d.certificate != nil {
		return "https://" + d.listening()
	}
	return "http://" + d.listening()
}

// socket returns "passed" or "own".
func (d *endpoint) socket() string {
	if d.passed {
		return "passed"
	}
	return "own"
}

// main is the first public endpoint.
func (d endpoints) main() *endpoint { return d.public[0] }

// addresses are those of the public endpoints.
func (d endpoints) addresses() (all []string) {
	for _, endpoint := range d.public {
		all = append(all, endpoint.address())
	}
	return all
}

// Close closes the endpoints.
func (d endpoints) Close() (err error) {
	for _, endpoint := range d.public {
		err = errors.Join(err, endpoint.Close())
	}
	if d.admin != nil {
		err = errors.Join(err, d.admin.Close())
	}
	return err
}

// publicConnections are those of all public endpoints together, for the metrics.
type publicConnections []*endpoint

func (d publicConnections) sum(of func(*endpoint) int) (n int) {
	for _, endpoint := range d {
		n += of(endpoint)
	}
	return n
}

func (d publicConnections) Open() int          { return d.sum((*endpoint).Open) }
func (d publicConnections) ClosedForRoom() int { return d.sum((*endpoint).ClosedForRoom) }
func (d publicConnections) RefusedFull() int   { return d.sum((*endpoint).RefusedFull) }
func (d publicConnections) RefusedClient() int { return d.sum((*endpoint).RefusedClient) }
