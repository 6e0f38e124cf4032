package callers

import (
	"net/http"
	"strings"
	"testing"
)

func proxies(t testing.TB, list ...string) Proxies {
	t.Helper()
	p, err := ParseProxies(list)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestClientBehindProxies(t *testing.T) {
	trusted := proxies(t, "10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.200", UnixProxy)
	for _, tt := range []struct {
		name, remote string
		old, std     []string // X-Forwarded-For, Forwarded
		want         string
		doubt        bool
	}{
		{"no proxy", "192.0.2.1", nil, nil, "192.0.2.1", false},
		{"not trusted", "192.0.2.1", []string{"198.51.100.1"}, []string{"for=198.51.100.1"}, "192.0.2.1", false},
		{"one proxy", "10.0.0.1", []string{"198.51.100.1"}, nil, "198.51.100.1", false},
		{"one address that is trusted", "192.0.2.200", []string{"198.51.100.1"}, nil, "198.51.100.1", false},
		{"a proxy by IPv6", "2001:db8:ffff::1", []string{"198.51.100.1"}, nil, "198.51.100.1", false},
		{"a proxy whose IPv4 address is written as IPv6", "::ffff:10.0.0.1", []string{"198.51.100.1"}, nil, "198.51.100.1", false},
		{"a proxy on a Unix socket", "@", []string{"198.51.100.1"}, nil, "198.51.100.1", false},
		{"the client has invented the beginning", "10.0.0.1", []string{"127.0.0.1, 10.9.9.9, 198.51.100.1"}, nil, "198.51.100.1", false},
		{"a chain of proxies", "10.0.0.1", []string{"198.51.100.1, 10.0.0.2", "10.0.0.3"}, nil, "198.51.100.1", false},
		{"a client in the network of the proxies", "10.0.0.1", []string{"10.0.0.7"}, nil, "10.0.0.7", false},
		{"nobody is named", "10.0.0.1", nil, nil, "10.0.0.1", false},
		{"an empty header", "10.0.0.1", []string{""}, nil, "10.0.0.1", false},
		{"with ports", "10.0.0.1", []string{"198.51.100.1:1234"}, nil, "198.51.100.1", false},
		{"IPv6", "10.0.0.1", []string{"2001:db8::1"}, nil, "2001:db8::1", false},
		{"IPv6 in brackets", "10.0.0.1", []string{"[2001:db8::1]"}, nil, "2001:db8::1", false},
		{"IPv6 with a port", "10.0.0.1", []string{"[2001:db8::1]:443"}, nil, "2001:db8::1", false},
		{"IPv4 written as IPv6", "10.0.0.1", []string{"::ffff:198.51.100.1"}, nil, "198.51.100.1", false},
		{"not an address", "10.0.0.1", []string{"198.51.100.1, unknown"}, nil, "10.0.0.1", false},
		{"not an address, behind a second proxy", "10.0.0.1", []string{"x, 10.0.0.2"}, nil, "10.0.0.2", false},
		{"Forwarded", "10.0.0.1", nil, []string{"for=198.51.100.1;proto=https;by=10.0.0.1"}, "198.51.100.1", false},
		{"Forwarded, a chain", "10.0.0.1", nil, []string{`for=127.0.0.1, For=198.51.100.1;host=x`, ` proto=http ; FOR="10.0.0.2:80"`}, "198.51.100.1", false},
		{"Forwarded, IPv6", "10.0.0.1", nil, []string{`for="[2001:db8::1]:4711"`}, "2001:db8::1", false},
		{"Forwarded, commas and quotes in quotes", "10.0.0.1", nil, []string{`for=198.51.100.1;ext="a,for=1.2.3.4;\",for=5.6.7.8"`}, "198.51.100.1", false},
		{"Forwarded, a hidden client", "10.0.0.1", nil, []string{"for=198.51.100.1, for=_hidden"}, "10.0.0.1", false},
		{"Forwarded, an element without a client", "10.0.0.1", nil, []string{"for=198.51.100.1, proto=https"}, "10.0.0.1", false},
		{"Forwarded, an element with two", "10.0.0.1", nil, []string{"for=198.51.100.1;for=198.51.100.2"}, "10.0.0.1", false},
		{"Forwarded, an open quote", "10.0.0.1", nil, []string{`for="198.51.100.1`}, "10.0.0.1", false},
		{"both, and they agree", "10.0.0.1", []string{"198.51.100.1"}, []string{"for=198.51.100.1"}, "198.51.100.1", false},
		{"both, and one may be the client's", "10.0.0.1", []string{"198.51.100.1"}, []string{"for=198.51.100.2"}, "10.0.0.1", true},
		{"both, and the proxy adds to one", "10.0.0.1", []string{"127.0.0.1, 198.51.100.1"}, []string{"for=127.0.0.1"}, "10.0.0.1", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			for _, value := range tt.old {
				h.Add("X-Forwarded-For", value)
			}
			for _, value := range tt.std {
				h.Add("Forwarded", value)
			}
			if got, doubt := trusted.Client(tt.remote, h); got != tt.want || doubt != tt.doubt {
				t.Errorf("the client is %s (doubt %v), want %s (%v)", got, doubt, tt.want, tt.doubt)
			}
			if got, _ := (Proxies{}).Client(tt.remote, h); got != tt.remote {
				t.Errorf("with nobody trusted it is %s", got)
			}
		})
	}
}

func TestWrongProxies(t *testing.T) {
	for _, text := range []string{"", "x", "10.0.0.0/33", "10.0.0.1:80", "fe80::1%eth0", "::ffff:10.0.0.0/104", "proxy.example", "*"} {
		if _, err := ParseProxies([]string{"10.0.0.0/8", text}); err == nil {
			t.Errorf("%q is a network", text)
		}
	}
}

// A client cannot forge its address: entries before the one that the nearest proxy added are ignored.
func FuzzClientCannotChooseItsAddress(f *testing.F) {
	f.Add("127.0.0.1, 10.0.0.1", `for="x`)
	f.Add(`10.0.0.1,"`, `for=10.0.0.1;a="`)
	f.Add(",,", `\",;=`)
	trusted := proxies(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, old, std string) {
		if strings.ContainsAny(old+std, "\r\n") {
			return
		}
		got, doubt := trusted.Client("10.0.0.1", http.Header{"X-Forwarded-For": {old, "198.51.100.1"}})
		if got != "198.51.100.1" || doubt {
			t.Errorf("X-Forwarded-For %q makes it %s", old, got)
		}
		got, _ = trusted.Client("10.0.0.1", http.Header{"X-Forwarded-For": {old, "198.51.100.1"}, "Forwarded": {std}})
		if got != "198.51.100.1" && got != "10.0.0.1" {
			t.Errorf("Forwarded %q makes it %s", std, got)
		}
	})
}
