package api

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

func hosts(t *testing.T, build func([]string) (Hosts, error), names ...string) Hosts {
	t.Helper()
	h, err := build(names)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestHosts(t *testing.T) {
	for _, tt := range []struct {
		name      string
		hosts     Hosts
		good, bad string // Host headers, separated by spaces
	}{
		{
			"a loopback listener", hosts(t, LoopbackHosts),
			"localhost localhost:8000 LOCALHOST LocalHost:1 localhost. localhost.:8000 localhost: a.localhost x.y.localhost:80 " +
				"127.0.0.1 127.0.0.1:8000 127.0.0.1. 127.255.255.254 [::1] [::1]:8000 [0:0:0:0:0:0:0:1]:1 [::ffff:127.0.0.1]:80",
			"evil.example evil.example:8000 localhost.evil.example localhost.evil.example. notlocalhost evil-localhost localhost.. " +
				".localhost a..localhost 127.0.0.1.evil.example 127.0.0.1.nip.io 128.0.0.1 126.255.255.255 0.0.0.0 0.0.0.0:8000 10.0.0.1 [::] [::2] " +
				"::1 ::1:8000 [::1 [::1]evil.example [::1]:x [::1]@evil.example [::1%25lo] [127.0.0.1] [localhost] [] [ ] " +
				"localhost@evil.example evil.example@localhost localhost:80@evil.example user:pass@localhost localhost:evil.example " +
				"localhost:80:80 localhost/ localhost/evil http://localhost localhost,evil.example localhost;evil.example localhost%2eevil.example " +
				"127.1 2130706433 0x7f.0.0.1 0x7f000001 127.0.0.01 0177.0.0.1 127.0.0.1.1 * . .. : :8000 lоcalhost localhost\u3002",
		},
		{
			"a loopback listener behind a proxy", hosts(t, LoopbackHosts, "Play.Example.", "*.dev.example", "192.0.2.7", "2001:db8::1"),
			"play.example PLAY.example:443 play.example. a.dev.example a.b.dev.example:1 localhost:8000 127.0.0.1 192.0.2.7:80 [2001:db8::1] [2001:DB8:0::1]:8000",
			"example xplay.example play.example.evil.example dev.example .dev.example xdev.example evil.example 192.0.2.8 [2001:db8::2]",
		},
		{
			"another listener", hosts(t, NamedHosts, "play.example", "[2001:db8::1]"),
			"play.example play.example:8000 [2001:db8::1]:8000",
			"localhost 127.0.0.1 [::1] 192.0.2.7 evil.example",
		},
		{
			"another listener, also by address", hosts(t, NamedHosts, "play.example").OrAddress(),
			"play.example 192.0.2.7:9090 127.0.0.1 [2001:db8::1]:9090",
			"localhost evil.example 192.0.2.7.evil.example [fe80::1%25lo]",
		},
		{"another listener without names", hosts(t, NamedHosts), "evil.example 192.0.2.7 x@y", ""},
		{"every name", hosts(t, LoopbackHosts, "a.example", "*"), "evil.example localhost", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, header := range strings.Fields(tt.good) {
				if !tt.hosts.Allow(header) {
					t.Errorf("%s is not allowed", header)
				}
			}
			bad := strings.Fields(tt.bad)
			if tt.hosts.Restricted() {
				bad = append(bad, "", " ", "local host", "localhost\x00", "localhost\t", " localhost")
			}
			for _, header := range bad {
				if tt.hosts.Allow(header) {
					t.Errorf("%q is allowed", header)
				}
			}
		})
	}
}

func TestImpossibleHostsAreErrors(t *testing.T) {
	for _, name := range []string{"", "http://a.example", "a.example:80", "127.0.0.1:80", "[::1]:80", "a.example/", "*a.example", "a.*.example", "**", "*.", "*.192.0.2.1", "bücher.example", "a b", "fe80::1%lo", "u@a.example"} {
		for _, make := range []func([]string) (Hosts, error){LoopbackHosts, NamedHosts} {
			if _, err := make([]string{name}); err == nil || !strings.Contains(err.Error(), "host") {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
}

// raw sends bytes on a new connection and reads the answer.
func (s *testServer) raw(t *testing.T, request string) answerOf {
	t.Helper()
	c := dial(t, s)
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf{resp, string(body)}
}

const unknownHost = `{"detail":"Invalid host header: the service does not go by this name (see --host)"}`

// A request with a wrong host gets the same answer for every route, method and origin.
func TestWrongHostIsRefusedEverywhere(t *testing.T) {
	s := serve(t, exits("ran", ""), func(c *setup) { c.Hosts = hosts(t, LoopbackHosts) })
	const head = "Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n"
	for _, line := range []string{
		"GET /", "HEAD /", "GET /docs", "GET /docs/docs.js", "GET /docs/", "GET /openapi.json", "GET /healthz", "GET /readyz", "GET /metrics",
		"GET /nothing", "GET //metrics", "POST /playground/execute", "GET /playground/execute", "OPTIONS /playground/execute",
	} {
		t.Run(line, func(t *testing.T) {
			request := line + " HTTP/1.1\r\nHost: evil.example\r\n" + head + "Access-Control-Request-Method: POST\r\nContent-Length: 12\r\n\r\n" + `{"code":"x"}`
			a := s.raw(t, request)
			if a.StatusCode != 400 || a.body != unknownHost && !strings.HasPrefix(line, "HEAD") || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v %s", a.StatusCode, a.Header, a.body)
			}
		})
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="host_refused"}`); got != "14" {
		t.Errorf("counted %s times", got)
	}
	if got := s.metric(t, `sandboxd_http_requests_total{code="400",route="other"}`); got != "14" {
		t.Errorf("the route other counted %s", got)
	}
	if got := s.metric(t, `sandboxd_runs_total{verdict="exited"}`); got != "0" {
		t.Errorf("%s were run", got)
	}
	if logs := s.logs.String(); strings.Count(logs, "level=WARN") != 1 || !strings.Contains(logs, "host=evil.example") || !strings.Contains(logs, "--host") {
		t.Errorf("the log is %s", logs)
	}
}

// The cases are all ways in which a request can name its host.
func TestHostOfARequest(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) { c.Hosts = hosts(t, LoopbackHosts, "play.example") })
	for _, tt := range []struct {
		name, request string
		status        int
	}{
		{"a header", "GET / HTTP/1.1\r\nHost: play.example:8000\r\n\r\n", 200},
		{"space around it", "GET / HTTP/1.1\r\nHost: \t play.example \t\r\n\r\n", 200},
		{"in another case", "GET / HTTP/1.1\r\nhOsT: PLAY.EXAMPLE\r\n\r\n", 200},
		{"a target that names it", "GET http://play.example/ HTTP/1.1\r\nHost: play.example\r\n\r\n", 200},
		{"a target that is wrong", "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		// RFC 9112, 3.2.2: the host of an absolute target replaces the Host header. Browsers send such targets to proxies only.
		{"a target, and a header that is wrong", "GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n\r\n", 200},
		{"a target with a user", "GET http://localhost@evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400},
		{"a target with a user who looks evil", "GET http://evil.example@localhost/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 200},
		{"a target without a host", "GET http:/// HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400},
		{"two", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400},
		{"two, the wrong one first", "GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n", 400},
		{"a list", "GET / HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n", 400},
		{"none", "GET / HTTP/1.1\r\n\r\n", 400},
		{"an empty one", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400},
		{"HTTP/1.0 with one", "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", 200},
		{"HTTP/1.0 with a wrong one", "GET / HTTP/1.0\r\nHost: evil.example\r\n\r\n", 400},
		{"HTTP/1.0 without", "GET / HTTP/1.0\r\n\r\n", 400},
		{"a forwarded one is a proxy's word, not the client's", "GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost\r\nForwarded: host=localhost\r\n\r\n", 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if a := s.raw(t, tt.request); a.StatusCode != tt.status {
				t.Errorf("answered with %d %s, want %d", a.StatusCode, a.body, tt.status)
			}
		})
	}
}

// The origin of a page does not matter if the Host header is accepted.
func TestRightHostChangesNothing(t *testing.T) {
	s := serve(t, exits("ran", ""), func(c *setup) { c.Hosts = hosts(t, LoopbackHosts) })
	for _, origin := range []string{"https://front.example", "http://localhost:3000", "null"} {
		a := s.call(t, "POST", "/playground/execute", `{"code":"x"}`, "Origin", origin, "Sec-Fetch-Site", "cross-site")
		a.want(t, 200, `{"stdout":"ran","stderr":""}`)
		if got := a.Header.Get("Access-Control-Allow-Origin"); got != origin {
			t.Errorf("%s gets Access-Control-Allow-Origin %q", origin, got)
		}
	}
	if rejected := s.metric(t, `sandboxd_requests_rejected_total{reason="host_refused"}`); rejected != "0" {
		t.Error(fmt.Sprint("refused: ", rejected))
	}
}
