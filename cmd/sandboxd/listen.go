package main

import (
	"errors"
	"fmt"
	"net"
	"os"
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
	// other ends of the pipes until the init has them, a pidfd, and the filter's listener.
	descriptorsPerRun = 16
)

// endpoint is a listener with a bound on its connections.
type endpoint struct {
	*connlimit.Listener
	passed bool // systemd passed the socket and keeps it open: connections that we do not accept wait in it
}

// endpoints are the listeners of the daemon.
type endpoints struct {
	public *endpoint
	admin  *endpoint // nil if the public one serves health and metrics
}

// passedSockets are the listening sockets that systemd passed (sd_listen_fds(3)). A field is nil if there is none.
type passedSockets struct{ public, admin net.Listener }

// takePassedSockets finds the passed sockets by their names. It must be called before the daemon starts a process: until then
// the descriptors are not close-on-exec, and a child would inherit them.
func takePassedSockets() (passed passedSockets, err error) {
	for _, file := range activation.Files(true) {
		to, kind := &passed.public, "to serve on"
		if file.Name() == adminSocket {
			to, kind = &passed.admin, "with FileDescriptorName="+adminSocket
		}
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a duplicate
		if err != nil {
			return passed, errors.New("a passed socket is not a listening socket: the socket unit needs ListenStream= and Accept=no")
		}
		if *to != nil {
			return passed, fmt.Errorf("2 sockets were passed %s, but only one can be served: the socket unit needs one ListenStream=", kind)
		}
		*to = listener
	}
	return passed, nil
}

// openEndpoints opens the listeners: the passed sockets, or else the addresses of --listen and --admin-listen. It fails if the
// limit on open files does not allow the configured connections in addition to the runs.
func openEndpoints(s *settings, passed passedSockets) (endpoints, error) {
	admin := s.AdminListen != "" || passed.admin != nil
	if err := enoughDescriptors(s, admin); err != nil {
		return endpoints{}, err
	}
	public, err := openEndpoint("listen", s.Listen, s.Listen == defaultListen, passed.public,
		connlimit.Limits{Total: s.Connections, PerClient: s.perClient()})
	if err != nil || !admin {
		return endpoints{public: public}, err
	}
	own, err := openEndpoint("admin-listen", s.AdminListen, s.AdminListen == "", passed.admin, connlimit.Limits{Total: adminConnections})
	if err != nil {
		return endpoints{}, errors.Join(err, public.Close())
	}
	return endpoints{public, own}, nil
}

// openEndpoint opens one listener. A passed socket replaces the address. It is an error if the configuration names another address.
func openEndpoint(flag, address string, byDefault bool, passed net.Listener, limits connlimit.Limits) (*endpoint, error) {
	if passed == nil {
		listener, err := listen(address)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		return &endpoint{connlimit.New(listener, limits), false}, nil
	}
	d := &endpoint{connlimit.New(passed, limits), true}
	if at := passed.Addr().String(); !byDefault && address != at && address != "unix:"+at {
		return nil, fmt.Errorf("--%s=%s, but the passed socket is %s: remove --%s, and set ListenStream= of the socket unit",
			flag, address, at, flag)
	}
	return d, nil
}

// listen listens on a TCP address, or on unix:PATH. It replaces the socket file that a killed daemon left, but no other file.
func listen(address string) (net.Listener, error) {
	path, local := strings.CutPrefix(address, "unix:")
	if !local {
		return net.Listen("tcp", address)
	}
	// net.Listen fails if the file exists. Only a file to which nobody listens is removed.
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is not a socket and is not replaced: give another path, or remove it", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another process serves there: stop it, or give another path", path)
		} else if errors.Is(err, unix.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	return net.Listen("unix", path)
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

func enoughDescriptors(s *settings, admin bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	const own = 80 // the daemon's own, among them the sockets to the zygotes
	connections := s.Connections + connlimit.MaxRefusals
	if admin {
		connections += adminConnections + connlimit.MaxRefusals
	}
	if need := uint64(connections + s.jails()*descriptorsPerRun + own); limit.Cur < need {
		return fmt.Errorf("the limit on open files is %d, but --connections, --concurrency and --warm need %d: "+
			"lower these, or raise the limit (ulimit -n, LimitNOFILE=)", limit.Cur, need)
	}
	return nil
}

// hosts returns the host names of the public listener. On a loopback address it is restricted by default, because a web page in
// a browser of this machine can reach it. A web page cannot reach a Unix socket.
func (d endpoints) hosts(names []string) (api.Hosts, error) {
	if d.public.loopback() {
		return api.LoopbackHosts(names)
	}
	return api.NamedHosts(names)
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

// address returns the address for logs and /healthz.
func (d *endpoint) address() string {
	if at := d.Addr(); at.Network() == "unix" {
		return "unix:" + at.String()
	}
	return "http://" + d.Addr().String()
}

// socket returns "passed" or "own".
func (d *endpoint) socket() string {
	if d.passed {
		return "passed"
	}
	return "own"
}

// Close closes all listeners.
func (d endpoints) Close() error {
	err := d.public.Close()
	if d.admin != nil {
		err = errors.Join(err, d.admin.Close())
	}
	return err
}
