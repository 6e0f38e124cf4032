package api

import (
	"fmt"
	"net/netip"
	"strings"
)

// Hosts are the values of the Host header that a listener accepts. The zero value accepts every value.
//
// This check prevents DNS rebinding. A web page of evil.example is loaded from its own server. Then the name is made to resolve to the
// address of this service. For the browser both have the same origin, so CORS and Sec-Fetch-Site do not distinguish that page from one of
// the service. Only the Host header does: it is still evil.example.
type Hosts struct {
	restricted bool
	loopback   bool // localhost, names below it, and loopback addresses
	literals   bool // every IP address; an attacker cannot make an IP address resolve to another one
	names      map[string]bool
	suffixes   []string // of *.example.com: .example.com
}

// LoopbackHosts returns the hosts of a listener on a loopback address: loopback names and addresses, and these names.
func LoopbackHosts(names []string) (Hosts, error) {
	return Hosts{restricted: true, loopback: true}.with(names)
}

// NamedHosts returns the hosts of any other listener: only these names, or every name if there are none.
func NamedHosts(names []string) (Hosts, error) {
	return Hosts{restricted: len(names) > 0}.with(names)
}

// OrAddress also accepts every IP address, for clients such as a monitor or a load balancer that use the address.
func (h Hosts) OrAddress() Hosts {
	h.literals = true
	return h
}

// with adds names. A name is that of a host, an IP address, "*.example.com" for all names below example.com, or "*" for every name.
func (h Hosts) with(names []string) (Hosts, error) {
	h.names = map[string]bool{}
	every := false
	for _, name := range names {
		if name == "*" {
			every = true
			continue
		}
		below, wildcard := strings.CutPrefix(name, "*.")
		host, isAddress, ok := parseName(below)
		if !ok || wildcard && isAddress {
			return Hosts{}, fmt.Errorf("host %q: want a name without scheme and port, such as example.com, *.example.com or 192.0.2.1; "+
				"letters beyond ASCII in their xn-- form; * for every name", name)
		}
		if wildcard {
			h.suffixes = append(h.suffixes, "."+host)
		} else {
			h.names[host] = true
		}
	}
	if every {
		return Hosts{}, nil
	}
	return h, nil
}

// Restricted reports whether any name is refused.
func (h Hosts) Restricted() bool { return h.restricted }

// Allow reports whether a Host header is accepted. An empty one is refused if names are restricted.
func (h Hosts) Allow(header string) bool {
	if !h.restricted {
		return true
	}
	host, ok := parseHost(header)
	if !ok {
		return false
	}
	if h.names[host] {
		return true
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return h.literals || h.loopback && address.IsLoopback()
	}
	if h.loopback && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
		return true
	}
	for _, suffix := range h.suffixes {
		if strings.HasSuffix(host, suffix) {
			return true
		}
	}
	return false
}

// parseHost returns the host in a Host header in a canonical form: a name in lower case without its final dot, or an IP address. ok is false if
// the header is not a host with an optional port.
func parseHost(header string) (host string, ok bool) {
	host, port := header, ""
	if inside, found := strings.CutPrefix(header, "["); found {
		if inside, port, found = strings.Cut(inside, "]"); !found {
			return "", false
		}
		address, err := netip.ParseAddr(inside)
		if err != nil || !address.Is6() || address.Zone() != "" || port != "" && port[0] != ':' {
			return "", false
		}
		host, port = address.Unmap().String(), strings.TrimPrefix(port, ":")
	} else {
		host, port, _ = strings.Cut(header, ":")
		host = strings.ToLower(strings.TrimSuffix(host, "."))
		if host == "" || host[0] == '.' || strings.Contains(host, "..") || strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" {
			return "", false
		}
	}
	return host, strings.Trim(port, "0123456789") == ""
}

// parseName does the same for a name in the configuration, which has no port. An IPv6 address may have brackets or not.
func parseName(name string) (host string, isAddress, ok bool) {
	if address, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return address.Unmap().String(), true, address.Zone() == ""
	}
	if strings.Contains(name, ":") {
		return "", false, false
	}
	host, ok = parseHost(name)
	return host, false, ok
}
