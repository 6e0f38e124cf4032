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
	// defaultListen is --listen where nothing else is said.
	defaultListen = "127.0.0.1:8000"

	// adminSocket is the name (FileDescriptorName=) under which systemd passes the socket for health and metrics.
	adminSocket = "admin"

	// adminConnections bounds the connections of the listener for health and metrics: probes and scrapes are few.
	adminConnections = 64

	// descriptorsPerRun is what a run holds of the daemon's descriptors: its leaf, a socket, pipes and
	// their other ends until the init has them, a pidfd, the filter's listener.
	descriptorsPerRun = 16
)

// door is where requests come in. It bounds the connections.
type door struct {
	*connlimit.Listener
	passed bool // whoever started us holds the socket too, and what we do not accept waits in it
}

// doors are all there are.
type doors struct {
	public *door
	admin  *door // nil where health and metrics are at the public one
}

// passedSockets are the listening sockets that we were started with (sd_listen_fds(3)).
type passedSockets struct{ public, admin net.Listener }

// takePassedSockets finds them, by their names. It comes before anything that starts a process: until then the
// descriptors are not close-on-exec.
func takePassedSockets() (passed passedSockets, err error) {
	for _, file := range activation.Files(true) {
		to, kind := &passed.public, "to serve on"
		if file.Name() == adminSocket {
			to, kind = &passed.admin, "with FileDescriptorName="+adminSocket
		}
		listener, err := net.FileListener(file)
		_ = file.Close() // the listener has a duplicate
		if err != nil {
			return passed, errors.New("a socket that was passed is none that listens: want ListenStream= and Accept=no")
		}
		if *to != nil {
			return passed, fmt.Errorf("2 sockets were passed %s, and one is served: want one ListenStream=", kind)
		}
		*to = listener
	}
	return passed, nil
}

// openDoors opens the doors: for each the passed socket, else what --listen and --admin-listen say. They let no more
// connections in than leave the runs the descriptors that they need.
func openDoors(s *settings, passed passedSockets) (doors, error) {
	admin := s.AdminListen != "" || passed.admin != nil
	if err := enoughDescriptors(s, admin); err != nil {
		return doors{}, err
	}
	public, err := openDoor("listen", s.Listen, s.Listen == defaultListen, passed.public,
		connlimit.Limits{Total: s.Connections, PerClient: s.perClient()})
	if err != nil || !admin {
		return doors{public: public}, err
	}
	own, err := openDoor("admin-listen", s.AdminListen, s.AdminListen == "", passed.admin, connlimit.Limits{Total: adminConnections})
	if err != nil {
		return doors{}, errors.Join(err, public.Close())
	}
	return doors{public, own}, nil
}

// openDoor opens one door. A passed socket takes the place of the address, unless the configuration names another.
func openDoor(flag, address string, byDefault bool, passed net.Listener, limits connlimit.Limits) (*door, error) {
	if passed == nil {
		listener, err := listen(address)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", flag, err)
		}
		return &door{connlimit.New(listener, limits), false}, nil
	}
	d := &door{connlimit.New(passed, limits), true}
	if at := passed.Addr().String(); !byDefault && address != at && address != "unix:"+at {
		return nil, fmt.Errorf("--%s=%s, but the socket that was passed is %s: leave --%s out, and set ListenStream= of its unit",
			flag, address, at, flag)
	}
	return d, nil
}

// listen listens on a TCP address, or on unix:PATH.
func listen(address string) (net.Listener, error) {
	path, local := strings.CutPrefix(address, "unix:")
	if !local {
		return net.Listen("tcp", address)
	}
	// What a daemon that was killed has left would be in the way.
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is no socket, and is not replaced: give another path, or remove it", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: somebody serves there: stop that one, or give another path", path)
		} else if errors.Is(err, unix.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	return net.Listen("unix", path)
}

// perClient is how many connections one client address may have open. A reverse proxy is one client for all who
// come through it: it is enough for every slot and the whole queue.
func (s *settings) perClient() int {
	if s.ConnectionsPerClient > 0 {
		return s.ConnectionsPerClient
	}
	const more = 16 // for what is answered at once, such as a 503
	return max(s.Connections/2, s.Concurrency+s.Queue+more)
}

func enoughDescriptors(s *settings, admin bool) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	const own = 80 // with those to the processes that clone
	connections := s.Connections + connlimit.Farewells
	if admin {
		connections += adminConnections + connlimit.Farewells
	}
	if need := uint64(connections + s.jails()*descriptorsPerRun + own); limit.Cur < need {
		return fmt.Errorf("the limit on open files is %d, less than the %d that --connections, --concurrency and --warm need: "+
			"lower those, or raise it (ulimit -n, LimitNOFILE=)", limit.Cur, need)
	}
	return nil
}

// hosts are the names by which the public door may be called. What reaches a loopback address can be a web page in a
// browser of this machine; what reaches a Unix socket cannot.
func (d doors) hosts(names []string) (api.Hosts, error) {
	if d.public.loopback() {
		return api.LoopbackHosts(names)
	}
	return api.NamedHosts(names)
}

// adminHosts are the names by which the other door may be called. Monitors call by address.
func (d doors) adminHosts(names []string) (api.Hosts, error) {
	switch {
	case d.admin.Addr().Network() == "unix":
		return api.Hosts{}, nil
	case d.admin.loopback():
		return api.LoopbackHosts(names)
	}
	hosts, err := api.NamedHosts(names)
	return hosts.OrAddress(), err
}

func (d *door) loopback() bool {
	tcp, ok := d.Addr().(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// address is where the door is, for people.
func (d *door) address() string {
	if at := d.Addr(); at.Network() == "unix" {
		return "unix:" + at.String()
	}
	return "http://" + d.Addr().String()
}

// socket says whose the socket is: a word of a closed set.
func (d *door) socket() string {
	if d.passed {
		return "passed"
	}
	return "own"
}

// Close closes the doors.
func (d doors) Close() error {
	err := d.public.Close()
	if d.admin != nil {
		err = errors.Join(err, d.admin.Close())
	}
	return err
}
