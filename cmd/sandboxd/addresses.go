package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// checkAddress checks the syntax of an address to listen on. It does not resolve host names.
func checkAddress(address string) error {
	path, local := strings.CutPrefix(address, "unix:")
	switch {
	case local && path == "":
		return errors.New("unix: has no path: give one, such as unix:/run/sandboxd/socket")
	case local && len(path) > maxSocketPath:
		return fmt.Errorf("the path is %d bytes long, but the path of a socket has at most %d: give a shorter one", len(path), maxSocketPath)
	case local:
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address: give HOST:PORT, such as %s, or unix:PATH", address, defaultListen)
	}
	return nil
}

// maxSocketPath is the maximum length of a Unix socket's path in bytes: sun_path without its final zero (unix(7)).
const maxSocketPath = 107

// checkOpen returns an error for an address at which other machines could run programs, if neither keys nor --allow-anonymous are
// given. An address by a name other than localhost counts as one that others reach.
func (s *settings) checkOpen(address string) error {
	if s.KeysFile != "" || s.AllowAnonymous || local(address) {
		return nil
	}
	return fmt.Errorf("other machines may reach %s, and there are no keys: everybody could run programs here. "+
		"Make keys with `sandboxd keys create` and give their file with --keys, or serve everybody with --allow-anonymous", address)
}

// local reports whether only this machine reaches an address: a Unix socket, or a loopback address.
func local(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, _ := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
