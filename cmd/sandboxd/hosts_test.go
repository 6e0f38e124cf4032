package main

import (
	"context"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// The host names that each kind of listener accepts. The requests are those of a page that uses DNS rebinding: its browser treats
// the daemon as the page's own origin.
func TestHostNamesOfTheDaemon(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	for _, tt := range []struct {
		name      string
		args      []string
		good, bad string // Host headers, separated by spaces
		warns     bool
	}{
		{"loopback", nil, "localhost LOCALHOST:8000 a.localhost 127.0.0.1 127.9.9.9 [::1]:8000", "evil.example evil.example:8000 10.0.0.1 0.0.0.0", false},
		{"loopback, --cors-origin", []string{"--cors-origin=https://good.example"}, "localhost 127.0.0.1", "evil.example good.example", false},
		{"loopback, --host", []string{"--host=play.example,*.dev.example"}, "localhost play.example PLAY.example.:443 a.dev.example", "evil.example dev.example", false},
		{"loopback, every host", []string{"--host=*"}, "localhost evil.example 10.0.0.1", "", false},
		{"everywhere", []string{"--listen=0.0.0.0:0", "--allow-anonymous"}, "localhost evil.example 10.0.0.1", "", false},
		{"everywhere, --cors-origin", []string{"--listen=0.0.0.0:0", "--allow-anonymous", "--cors-origin=https://good.example"}, "evil.example", "", true},
		{"everywhere, --host", []string{"--listen=0.0.0.0:0", "--allow-anonymous", "--host=play.example", "--cors-origin=https://good.example"}, "play.example play.example:80", "localhost 127.0.0.1 evil.example", false},
		{"everywhere, every host by intent", []string{"--listen=0.0.0.0:0", "--allow-anonymous", "--host=*", "--cors-origin=https://good.example"}, "evil.example", "", false},
		{"a Unix socket", []string{"--listen=unix:" + socket, "--cors-origin=https://good.example"}, "localhost evil.example x", "", false},
		{"a Unix socket, --host", []string{"--listen=unix:" + socket, "--host=play.example"}, "play.example", "localhost evil.example", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := start(t, tt.args...)
			if path, ok := strings.CutPrefix(d.url, "unix:"); ok {
				previous := http.DefaultClient.Transport
				http.DefaultClient.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, "unix", path)
				}}
				t.Cleanup(func() { http.DefaultClient.Transport = previous })
				d.url = "http://localhost"
			}
			d.url = strings.Replace(d.url, "[::]", "127.0.0.1", 1)
			ask := func(host string) answer {
				request, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/playground/execute", strings.NewReader(`{"code":"print(1)"}`))
				if err != nil {
					t.Fatal(err)
				}
				request.Host = host
				request.Header.Set("Origin", "http://"+host)
				request.Header.Set("Sec-Fetch-Site", "same-origin")
				a, err := send(request)
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			for _, host := range strings.Fields(tt.good) {
				if a := ask(host); a.status != 200 || a.body != `{"stdout":"1\n","stderr":""}` {
					t.Errorf("%s: %d %s", host, a.status, a.body)
				}
			}
			for _, host := range strings.Fields(tt.bad) {
				if a := ask(host); a.status != 400 || a.body != `{"detail":"Invalid host header: the service does not go by this name (see --host)"}` ||
					a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("X-Sandboxd-Verdict") != "" {
					t.Errorf("%s: %d %v %s", host, a.status, a.header, a.body)
				}
			}
			if got := strings.Contains(d.log.String(), "DNS rebinding"); got != tt.warns {
				t.Errorf("it warns: %v\n%s", got, d.log)
			}
		})
	}
}
