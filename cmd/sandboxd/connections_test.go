package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// peer is the client's end of one connection, from an address of the loopback network.
type peer struct {
	net.Conn
	in *bufio.Reader
}

func (d *sandboxd) dial(t testing.TB, from string) *peer {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := dialer.Dial("tcp", strings.TrimPrefix(d.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute)) // so that the test does not hang
	return &peer{c, bufio.NewReader(c)}
}

// ask sends a request and reads its answer.
func (p *peer) ask(t testing.TB, request string) (status int, body string) {
	t.Helper()
	if _, err := io.WriteString(p, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(p.in, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

const askRoot = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"

// slow sends the header of a request and a part of its body, so that the request stays in progress. It returns when the daemon waits
// for the rest: until a request has begun, its connection may be closed to make room for another one.
func (p *peer) slow(t testing.TB) {
	t.Helper()
	const head = "POST /playground/execute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
	if _, err := io.WriteString(p, head); err != nil {
		t.Fatal(err)
	}
	if line, err := p.in.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := io.WriteString(p, "{"); err != nil {
		t.Fatal(err)
	}
}

// Clients send one request each and then stay idle, on twice as many connections as there may be. Nobody is kept out.
func TestIdleConnectionsDoNotBlockClients(t *testing.T) {
	const limit = 16
	for name, hold := range map[string]string{
		"after an answer": askRoot, "from the start": "", "in the middle of a head": "GET / HTTP/1.1\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, fmt.Sprintf("--connections=%d", limit))
			for i := range 2 * limit {
				p := d.dial(t, fmt.Sprintf("127.0.0.%d", 2+i%2))
				if hold == askRoot {
					if status, body := p.ask(t, hold); status != 200 {
						t.Fatalf("connection %d: %d %s", i, status, body)
					}
				} else if _, err := io.WriteString(p, hold); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			a, err := d.do(ctx, "GET", "/healthz", nil)
			if err != nil || a.status != 200 {
				t.Fatalf("%d, %v: %s", a.status, err, a.body)
			}
			if s, _ := d.execute(t, "print(1)"); s.Stdout != "1\n" {
				t.Errorf("%+v", s)
			}
			if got, _ := strconv.Atoi(d.metric(t, `sandboxd_connections{listener="public"}`)); got > limit {
				t.Errorf("%d connections are open", got)
			}
			if got, _ := strconv.Atoi(d.metric(t, `sandboxd_connections_closed_for_room_total{listener="public"}`)); got < limit+1 {
				t.Errorf("%d connections were closed for room", got)
			}
		})
	}
}

// A client that uses all connections of its address gets a 503. Other clients are still answered.
func TestConnectionsOfOneClientAreBounded(t *testing.T) {
	d := start(t, "--connections=16", "--connections-per-client=4")
	for range 4 {
		d.dial(t, "127.0.0.2").slow(t)
	}
	if status, body := d.dial(t, "127.0.0.2").ask(t, askRoot); status != 503 || body != `{"detail":"Too many connections are open from this address: try again later"}` {
		t.Errorf("%d %s", status, body)
	}
	if status, body := d.dial(t, "127.0.0.3").ask(t, askRoot); status != 200 {
		t.Errorf("another client: %d %s", status, body)
	}
	if got := d.metric(t, `sandboxd_connections_refused_total{listener="public",reason="client_full"}`); got == "0" {
		t.Error("not counted")
	}
}

// By default a proxy, which is one client, can fill every slot and the queue, or use half of the connections.
func TestOneProxyMayFillTheQueue(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want int
	}{
		{[]string{"--concurrency=8"}, 512},
		{[]string{"--concurrency=100", "--queue=2000", "--connections=4000"}, 2116},
		{[]string{"--connections=10", "--concurrency=2", "--queue=1"}, 19},
		{[]string{"--connections-per-client=7"}, 7},
	} {
		c, err := parse(tt.args)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.perClient(); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.args, got, tt.want)
		}
	}
}

var adminAt = regexp.MustCompile(`admin=(\S+)`)

// admin returns a function that sends requests to the daemon's admin listener.
func (d *sandboxd) admin(t testing.TB) func(path string) answer {
	t.Helper()
	at := adminAt.FindStringSubmatch(d.log.String())
	if at == nil {
		t.Fatalf("no listener for health and metrics:\n%s", d.log)
	}
	transport := &http.Transport{}
	if path, ok := strings.CutPrefix(at[1], "unix:"); ok {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		at[1] = "http://localhost"
	}
	t.Cleanup(transport.CloseIdleConnections)
	client := http.Client{Transport: transport, Timeout: time.Minute}
	return func(path string) answer {
		response, err := client.Get(at[1] + path)
		return readAnswer(t, response, err)
	}
}

// The admin listener answers whatever happens on the public one, until the last run has ended. The public listener does not serve
// its paths.
func TestAdminListenerIsNeverStarved(t *testing.T) {
	for name, address := range map[string]string{"TCP": "127.0.0.1:0", "Unix": "unix:" + filepath.Join(t.TempDir(), "admin")} {
		t.Run(name, func(t *testing.T) {
			d := start(t, "--connections=4", "--admin-listen="+address, "--policy=off", "--wall=30s")
			admin := d.admin(t)
			for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
				if a := d.get(t, path); a.status != 404 || a.body != `{"detail":"Not Found"}` {
					t.Errorf("%s at the public listener: %d %s", path, a.status, a.body)
				}
			}
			if a := admin("/playground/execute"); a.status != 404 {
				t.Errorf("a run at the other: %d %s", a.status, a.body)
			}

			closeIdle()
			var running streams
			var wg sync.WaitGroup
			wg.Go(func() { running, _ = d.execute(t, "import time\ntime.sleep(3)\nprint('finished')") })
			waitFor(t, "a run", func() bool { return strings.Contains(admin("/metrics").body, "\nsandboxd_runs_in_flight 1\n") })
			for range 3 {
				d.dial(t, "127.0.0.1").slow(t)
			}
			if status, body := d.dial(t, "127.0.0.1").ask(t, askRoot); status != 503 {
				t.Errorf("one connection too many: %d %s", status, body)
			}
			for range 2 * adminConnections { // idle connections to this listener block nobody either
				d.admin(t)("/healthz")
			}
			for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
				if a := admin(path); a.status != 200 {
					t.Errorf("%s while the public listener is full: %d %s", path, a.status, a.body)
				}
			}
			if got := admin("/metrics").body; !strings.Contains(got, `sandboxd_connections_refused_total{listener="public",reason="full"}`) ||
				!strings.Contains(got, `sandboxd_connections{listener="admin"}`) {
				t.Error("the connections are not counted")
			}

			if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "a 503 while a run is under way", func() bool { return admin("/readyz").status == 503 })
			wg.Wait()
			if running.Stdout != "finished\n" {
				t.Errorf("%+v", running)
			}
		})
	}
}

// The limit on open files must cover the connections, also those of the admin listener and those that are refused.
func TestConnectionsAreCountedAsDescriptors(t *testing.T) {
	need := func(args ...string) int {
		out, err := command(t, append([]string{"serve", isolation(), "--listen=127.0.0.1:0", "--connections=1000000", "--concurrency=8"}, args...)...).CombinedOutput()
		m := regexp.MustCompile(`--warm need (\d+):`).FindSubmatch(out)
		if err == nil || m == nil {
			t.Fatalf("%v: %s", err, out)
		}
		return must(strconv.Atoi(string(m[1])))
	}
	plain := need()
	if plain < 1_000_000+8*descriptorsPerRun {
		t.Errorf("%d are enough for a million connections and 8 runs", plain)
	}
	if more := need("--admin-listen=127.0.0.1:0") - plain; more < adminConnections {
		t.Errorf("a second listener takes %d more", more)
	}
}
