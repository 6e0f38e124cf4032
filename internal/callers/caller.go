package callers

import "net/netip"

// Caller is the origin of a request for a run. The zero value is a caller on this machine without a key.
type Caller struct {
	Key     *Key   // nil: no key
	Address string // IP address of the client; "" if there is none
}

// KeyName returns the name of the caller's key, or "".
func (c Caller) KeyName() string {
	if c.Key == nil {
		return ""
	}
	return c.Key.Name
}

// ID identifies the caller among those that share the service: by its key, else by its network. Callers without either, such as
// those on a Unix socket, have the same ID.
func (c Caller) ID() string {
	if c.Key != nil {
		return "key " + c.Key.Name
	}
	if network := Network(c.Address); network.IsValid() {
		return "address " + network.String()
	}
	return "local"
}

// Network returns the network that an address is attributed to: the IPv4 address itself, or the /64 of an IPv6 address. It returns
// the zero Prefix if the text is not an address.
func Network(address string) netip.Prefix {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}
	}
	ip = ip.Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	network, _ := ip.Prefix(bits) // no address has too few bits
	return network
}
