package main

import (
	"errors"
	"fmt"
	"net"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/net/netutil"
	"golang.org/x/sys/unix"
)

// defaultListen is --listen where nothing else is said.
const defaultListen = "127.0.0.1:8000"

// descriptorsPerRun is what a run holds of the daemon's descriptors: its leaf, a socket, pipes and
// their other ends until the init has them, a pidfd, the filter's listener.
const descriptorsPerRun = 16

// door is where requests come in.
type door struct {
	net.Listener
	passed bool // whoever started us holds the socket too, and what we do not accept waits in it
}

// passedSocket returns the listening socket that we were started with (sd_listen_fds(3)), nil if
// there is none. It comes before anything that starts a process: until then the descriptor is
// not close-on-exec.
func passedSocket() (net.Listener, error) {
	sockets, err := activation.Listeners()
	switch {
	case err != nil:
		return nil, fmt.Errorf("passed sockets: %w", err)
	case len(sockets) == 0:
		return nil, nil
	case len(sockets) > 1:
		return nil, fmt.Errorf("%d sockets were passed, and one is served: want one ListenStream=", len(sockets))
	case sockets[0] == nil:
		return nil, errors.New("the socket that was passed is none that listens: want ListenStream= and Accept=no")
	}
	return sockets[0], nil
}

// openDoor opens the door: the passed socket, else --listen. It lets no more connections in than
// leave the runs the descriptors that they need.
func openDoor(s *settings, passed net.Listener) (*door, error) {
	if err := enoughDescriptors(s); err != nil {
		return nil, err
	}
	listener := passed
	if passed == nil {
		var err error
		if listener, err = net.Listen("tcp", s.Listen); err != nil {
			return nil, fmt.Errorf("--listen: %w", err)
		}
	} else if at := passed.Addr().String(); s.Listen != defaultListen && s.Listen != at {
		return nil, fmt.Errorf("--listen=%s, but the socket that was passed is %s: "+
			"leave --listen out, and set ListenStream= of sandboxd.socket", s.Listen, at)
	}
	return &door{netutil.LimitListener(listener, s.Connections), passed != nil}, nil
}

func enoughDescriptors(s *settings) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("RLIMIT_NOFILE: %w", err)
	}
	const own = 80 // with those to the processes that clone
	if need := uint64(s.Connections + s.jails()*descriptorsPerRun + own); limit.Cur < need {
		return fmt.Errorf("the limit on open files is %d, less than the %d that --connections, --concurrency and --warm need: "+
			"lower those, or raise it (ulimit -n, LimitNOFILE=)", limit.Cur, need)
	}
	return nil
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
