package main

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// makeKey makes a key with the program itself, and returns its token.
func makeKey(t testing.TB, file, name string, flags ...string) (token string) {
	t.Helper()
	status, stdout, stderr := said(t, command(t, append([]string{"keys", "create", name, "--keys=" + file}, flags...)...))
	if token = strings.TrimSuffix(stdout, "\n"); status != 0 || !strings.HasPrefix(token, "sbx_") || !strings.Contains(stderr, "stored nowhere") {
		t.Fatalf("keys create: status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	return token
}

func TestKeysCommand(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	config := configFile(t, "keys: "+file+"\nwall: 3s\npolicy: permissive\n")
	makeKey(t, file, "plain")
	// What the configuration of the daemon says is no limit of the key.
	makeKey(t, file, "all", "--config="+config, "--rate=0.5", "--burst=3", "--concurrency=4", "--wall=2s", "--memory=64M", "--policy=strict", "--environment=data", "--environment=default", "--expires=2099-01-31")
	makeKey(t, file, "none", "--config="+config, "--expires=90d")

	status, stdout, stderr := said(t, command(t, "keys", "list", "--config="+config))
	lines := strings.Split(stdout, "\n")
	if status != 0 || stderr != "" || len(lines) != 5 || !strings.HasPrefix(lines[0], "NAME ") ||
		!strings.HasSuffix(lines[1], "  2099-01-31 00:00:00  --rate=0.5 --burst=3 --concurrency=4 --wall=2s --memory=64MiB --policy=strict --environment=data --environment=default") ||
		!strings.HasSuffix(lines[2], "  "+time.Now().UTC().AddDate(0, 0, 90).Format(time.DateOnly)+lines[2][len(lines[2])-11:]) || !strings.HasSuffix(lines[3], "  never                ") {
		t.Errorf("keys list: status %d, stderr %q\n%s", status, stderr, stdout)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"create", "plain", "--keys=" + file}, 1, "there is a key of this name already"},
		{[]string{"create", "a b", "--keys=" + file}, 1, "is no name of a key"},
		{[]string{"create", "x", "--keys=" + file, "--expires=soon"}, 1, `--expires: "soon" is no time`},
		{[]string{"create", "x", "--keys=" + file, "--expires=2001-01-01"}, 1, "--expires: 2001-01-01 is not in the future"},
		{[]string{"create", "x", "--keys=" + file, "--wall=1"}, 2, `--wall: "1" is not a time`},
		{[]string{"create", "x"}, 1, "no file of keys is given"},
		{[]string{"create", "x", "--keys=/nonexistent/keys"}, 1, "no such file or directory"},
		{[]string{"list", "--keys=/nonexistent/keys"}, 1, "no such file or directory"},
		{[]string{"revoke", "x", "--keys=" + file}, 1, "there is no key of this name"},
		{[]string{"revoke", "none", "--keys=" + file}, 0, ""},
		{[]string{"revoke", "none", "--keys=" + file}, 1, "there is no key of this name"},
	} {
		if status, stdout, stderr := said(t, command(t, append([]string{"keys"}, tt.args...)...)); status != tt.status || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: status %d, stdout %q, stderr %q", tt.args, status, stdout, stderr)
		}
	}
}

// Keys that are made and revoked while the daemon serves apply without a restart.
func TestKeysApplyWithoutARestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	alice := makeKey(t, file, "alice", "--wall=2s")
	d := start(t, "--keys="+file)
	ask := func(token string) answer {
		t.Helper()
		a, err := d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(`{"code":"print(6*7)"}`), "Authorization", "Bearer "+token)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	served := func(token string) func() bool {
		return func() bool { return ask(token).status == http.StatusOK }
	}
	if a := ask(alice); a.status != 200 || a.body != `{"stdout":"42\n","stderr":""}` {
		t.Errorf("with the key: %d %s", a.status, a.body)
	}
	if a := d.post(t, `{"code":"print(1)"}`); a.status != 401 || a.body != `{"detail":"Not authenticated"}` || a.header.Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("without a key: %d %s", a.status, a.body)
	}
	if d.get(t, "/metrics").status != 200 {
		t.Error("the metrics want a key")
	}
	bob := makeKey(t, file, "bob")
	waitFor(t, "a new key to be valid", served(bob))
	if status, _, stderr := said(t, command(t, "keys", "revoke", "alice", "--keys="+file)); status != 0 {
		t.Error(stderr)
	}
	waitFor(t, "a revoked key to be refused", func() bool { return ask(alice).status == http.StatusUnauthorized })
	waitFor(t, "the record of the run", func() bool { return strings.Contains(d.log.String(), "msg=run ") })
	if !strings.Contains(d.log.String(), " key=alice client=127.0.0.1 ") || strings.Contains(d.log.String(), alice) {
		t.Errorf("the log:\n%s", d.log)
	}

	// A file that cannot be read takes no key away, and the log says so.
	if err := os.WriteFile(file, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the log of a broken file", func() bool { return strings.Contains(d.log.String(), "not a file of keys") })
	if !served(bob)() {
		t.Error("a broken file has taken a key away")
	}
	before := strings.Count(d.log.String(), "not a file of keys")
	d.signal(t, unix.SIGHUP)
	waitFor(t, "SIGHUP to read the file again", func() bool { return strings.Count(d.log.String(), "not a file of keys") > before })
	if strings.Contains(d.log.String(), "a signal was ignored") {
		t.Errorf("SIGHUP was ignored:\n%s", d.log)
	}
}

// A listener that other machines reach wants keys, or the word that everybody is welcome.
func TestOpenListenersWantKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	makeKey(t, file, "alice")
	for _, tt := range []struct {
		args  []string
		wrong bool
	}{
		{nil, false},
		{[]string{"--listen=127.1.2.3:8000"}, false},
		{[]string{"--listen=[::1]:8000"}, false},
		{[]string{"--listen=localhost:8000"}, false},
		{[]string{"--listen=unix:/run/x"}, false},
		{[]string{"--listen=0.0.0.0:8000", "--keys=" + file}, false},
		{[]string{"--listen=0.0.0.0:8000", "--allow-anonymous"}, false},
		{[]string{"--listen=:8000"}, true},
		{[]string{"--listen=0.0.0.0:8000"}, true},
		{[]string{"--listen=[::]:8000"}, true},
		{[]string{"--listen=192.0.2.1:8000"}, true},
		{[]string{"--listen=play.example:8000"}, true},
	} {
		for _, name := range []string{"check", "serve"} {
			if name == "serve" && !tt.wrong {
				continue
			}
			status, _, stderr := said(t, command(t, append([]string{name}, tt.args...)...))
			if got := status == 2 && strings.Contains(stderr, "sandboxd: --listen: other machines may reach ") && strings.Count(stderr, "\n") == 1; got != tt.wrong || !tt.wrong && status != 0 {
				t.Errorf("%s %v: status %d: %s", name, tt.args, status, stderr)
			}
		}
	}

	everywhere, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer everywhere.Close()
	socket := []socket{everywhere.(*net.TCPListener)}
	status, _, stderr := said(t, passing(t, socket, "serve", isolation()))
	if want := "sandboxd: ListenStream=: other machines may reach " + everywhere.Addr().String(); status != 2 || !strings.Contains(stderr, want) {
		t.Errorf("a passed socket: status %d: %s", status, stderr)
	}
	d := startCommand(t, passing(t, socket, "serve", isolation(), "--keys="+file))
	d.url = "http://127.0.0.1:" + d.url[strings.LastIndex(d.url, ":")+1:]
	if a := d.post(t, `{"code":"print(1)"}`); a.status != 401 {
		t.Errorf("a passed socket, with keys: %d %s", a.status, a.body)
	}

	for _, args := range [][]string{{"check", "--keys=/nonexistent"}, {"serve", "--keys=/nonexistent"}} {
		if status, _, stderr := said(t, command(t, args...)); status != 2 || stderr != "sandboxd: --keys: open /nonexistent: no such file or directory\n" {
			t.Errorf("%v: status %d: %s", args, status, stderr)
		}
	}
}

// A caller that asks too often is told when to come again, by the daemon's rate or by that of its key.
func TestRates(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	alice := makeKey(t, file, "alice", "--rate=0.001", "--burst=2")
	d := start(t, "--keys="+file, "--allow-anonymous", "--rate=0.001")
	statuses := func(header ...string) (all []int) {
		for range 4 {
			a, err := d.do(t.Context(), "POST", "/v1/runs", strings.NewReader(`{"code":"print(1)"}`), append(header, "Content-Type", "application/json")...)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, a.status)
			if a.status == http.StatusTooManyRequests && (a.header.Get("Retry-After") == "" || a.header.Get("RateLimit") == "" || a.header.Get("RateLimit-Policy") == "") {
				t.Errorf("the headers of a refusal are %v", a.header)
			}
		}
		return all
	}
	if got := statuses("X-API-Key", alice); !slices.Equal(got, []int{200, 200, 429, 429}) {
		t.Errorf("a key with a rate: %v", got)
	}
	if got := statuses(); !slices.Equal(got, []int{200, 429, 429, 429}) {
		t.Errorf("an address: %v", got)
	}
	if got := d.metric(t, `sandboxd_requests_rejected_total{reason="rate_limited"}`); got != "5" {
		t.Errorf("%s are counted", got)
	}
}

// What a trusted proxy says of its clients is believed, and what others say is not.
func TestTrustedProxies(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--trusted-proxy=10.0.0.0/8", "--trusted-proxy=127.0.0.1"}, "198.51.100.7"},
		{[]string{"--trusted-proxy=10.0.0.0/8"}, "127.0.0.1"},
		{nil, "127.0.0.1"},
	} {
		d := start(t, append(tt.flags, "--root-path=/api")...)
		a, err := d.do(t.Context(), "POST", "/api/playground/execute", strings.NewReader(`{"code":"print(1)"}`), "X-Forwarded-For", "203.0.113.1, 198.51.100.7")
		if err != nil || a.status != 200 {
			t.Errorf("%v: %d %s, %v", tt.flags, a.status, a.body, err)
		}
		waitFor(t, "the record of the run", func() bool { return strings.Contains(d.log.String(), "msg=run ") })
		if !strings.Contains(d.log.String(), " client="+tt.want+" ") {
			t.Errorf("%v: client=%s is not in the log", tt.flags, tt.want)
		}
	}
}
