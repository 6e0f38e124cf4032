package callers

import (
	"net/netip"

	"github.com/sandboxd/sandboxd/internal/network"
)

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
	if from := networkOf(c.Address); from.IsValid() {
		return "address " + from.String()
	}
	return "local"
}

// networkOf returns the network that an address is attributed to. It returns the zero Prefix if the text is not an address.
func networkOf(address string) netip.Prefix {
	ip, _ := netip.ParseAddr(address) // with an error, the zero Addr
	return network.Of(ip)
}
