package callers

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// UnixProxy is the entry in a list of proxies that trusts all clients of a Unix socket.
const UnixProxy = "unix"

// Proxies are the reverse proxies that are trusted to report the address of their client. The zero value trusts none.
type Proxies struct {
	networks []netip.Prefix
	unix     bool
}

// ParseProxies reads a list of networks, addresses and UnixProxy.
func ParseProxies(list []string) (Proxies, error) {
	var p Proxies
	for _, text := range list {
		network, err := netip.ParsePrefix(text)
		if address, failed := netip.ParseAddr(text); failed == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case text == UnixProxy:
			p.unix = true
		case err != nil:
			return p, fmt.Errorf("%q is no network: give one such as 10.0.0.0/8, 192.0.2.1 or 2001:db8::/32, or unix for those that connect by a Unix socket", text)
		case network.Addr().Is4In6():
			return p, fmt.Errorf("%q is an IPv4 network in IPv6 notation: give it in IPv4 notation", text)
		default:
			p.networks = append(p.networks, network.Masked())
		}
	}
	return p, nil
}

// trusts reports whether an address belongs to a trusted proxy.
func (p Proxies) trusts(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(p.networks, func(network netip.Prefix) bool { return network.Contains(address) })
}

// Client returns the client address of a request that comes from remote: the rightmost address in the chain of proxies that is not a
// trusted proxy. The addresses to the left of it may be forged.
//
// A proxy usually sets one of the two headers, X-Forwarded-For or Forwarded (RFC 7239), and passes the other one on unchanged.
// If both are present and lead to different clients, both are ignored: Client returns remote, and doubt is true.
func (p Proxies) Client(remote string, h http.Header) (client string, doubt bool) {
	address, err := netip.ParseAddr(remote)
	local := err != nil // the address of a Unix socket
	if local && !p.unix || !local && !p.trusts(address) {
		return remote, false
	}
	old, standard := h.Values("X-Forwarded-For"), h.Values("Forwarded")
	switch {
	case len(standard) == 0:
		return p.walk(remote, hops(old)), false
	case len(old) == 0:
		return p.walk(remote, forwardedHops(standard)), false
	}
	client = p.walk(remote, hops(old))
	if other := p.walk(remote, forwardedHops(standard)); other != client {
		return remote, true
	}
	return client, false
}

// walk goes from the nearest hop to the farthest, as long as the hops are trusted proxies. If a hop is not an address,
// walk stops at the proxy that reported it.
func (p Proxies) walk(remote string, hops []string) string {
	for _, hop := range slices.Backward(hops) {
		address, ok := parseHop(hop)
		if !ok {
			return remote
		}
		remote = address.String()
		if !p.trusts(address) {
			return remote
		}
	}
	return remote
}

// hops returns the entries of X-Forwarded-For.
func hops(values []string) []string {
	if len(values) == 0 {
		return nil
	}
	return strings.Split(strings.Join(values, ","), ",")
}

// parseHop reads an address with or without a port: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] or [2001:db8::1]:80.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if inner, bracket := strings.CutPrefix(text, "["); bracket && strings.HasSuffix(inner, "]") {
		text = strings.TrimSuffix(inner, "]")
	} else if withPort, err := netip.ParseAddrPort(text); err == nil {
		text = withPort.Addr().String()
	}
	address, err := netip.ParseAddr(text)
	return address.Unmap().WithZone(""), err == nil
}

// forwardedHops returns the "for" of each element of Forwarded, or "" for an element without "for" or with invalid syntax.
func forwardedHops(values []string) (hops []string) {
	for _, element := range splitQuoted(strings.Join(values, ","), ',') {
		hop, count := "", 0
		for _, pair := range splitQuoted(element, ';') {
			name, value, _ := strings.Cut(pair, "=")
			if strings.EqualFold(strings.TrimSpace(name), "for") {
				hop, count = unquote(strings.TrimSpace(value)), count+1
			}
		}
		if count != 1 {
			hop = ""
		}
		hops = append(hops, hop)
	}
	return hops
}

// splitQuoted splits a text at a separator that is not in a quoted string.
func splitQuoted(text string, separator byte) (parts []string) {
	begin, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == separator && !quoted:
			parts = append(parts, text[begin:i])
			begin = i + 1
		}
	}
	return append(parts, text[begin:])
}

// unquote returns the content of a quoted string, or the text itself if it is a token. The result for other texts is not an address.
func unquote(text string) string {
	inner, quoted := strings.CutPrefix(text, `"`)
	if !quoted {
		return text
	}
	inner, closed := strings.CutSuffix(inner, `"`)
	if !closed || strings.ContainsAny(inner, `"\`) { // an address needs no escapes
		return ""
	}
	return inner
}
