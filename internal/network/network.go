// Package network attributes addresses to clients: limits per client count all addresses of a network together.
package network

import "net/netip"

// Of returns the network that an address is attributed to: an IPv4 address itself, or the /64 of an IPv6 address, because a network usually
// assigns a /64 to one customer (RFC 6177). An IPv4 address in IPv6 form counts as IPv4. The zero Addr returns the zero Prefix.
func Of(address netip.Addr) netip.Prefix {
	address = address.Unmap().WithZone("")
	bits := 64
	if address.Is4() {
		bits = 32
	}
	network, _ := address.Prefix(bits) // cannot fail: every address has this many bits, and the zero Addr returns the zero Prefix
	return network
}
