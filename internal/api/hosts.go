package api

import (
	"fmt"
	"net/netip"
	"strings"
)

// Hosts are the names by which a listener may be called: what the Host header of a request may say. The zero value
// allows every name.
//
// They are against DNS rebinding. A web page of evil.example may load from its own server and then make its name
// resolve to the address of this service. For the browser both are one origin, so that neither CORS nor
// Sec-Fetch-Site tells the page from one of our own. Only the Host header still says evil.example.
type Hosts struct {
	restricted bool
	loopback   bool // localhost, names below it, and loopback addresses
	literals   bool // every IP address: no page can make one its own name
	names      map[string]bool
	suffixes   []string // of *.example.com: .example.com
}

// LoopbackHosts are for a listener that only this machine reaches: its loopback names and addresses, and these names.
func LoopbackHosts(names []string) (Hosts, error) {
	return Hosts{restricted: true, loopback: true}.with(names)
}

// NamedHosts are for any other listener: these names and no others, or every name if there are none here.
func NamedHosts(names []string) (Hosts, error) {
	return Hosts{restricted: len(names) > 0}.with(names)
}

// OrAddress allows every IP address as well: for who calls by address, such as a monitor or a load balancer.
func (h Hosts) OrAddress() Hosts {
	h.literals = true
	return h
}

// with adds names: of a host, "*.example.com" for all names below one, an IP address, or "*" for every name.
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

// Restricted reports whether there is a name that is not allowed.
func (h Hosts) Restricted() bool { return h.restricted }

// Allow reports whether a request with this Host header may be answered. One that names no host may not.
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

// parseHost is the host of a Host header in one spelling: a name in lower case without its final dot, or an IP
// address. It is not ok if the header is not a host with or without a port: what is not understood is not allowed.
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

// parseName is what parseHost is, for a name in the configuration: without a port, and an IPv6 address may do without
// brackets.
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
