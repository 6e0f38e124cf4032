package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// passing returns the program with arguments and with sockets that are passed as systemd does it (sd_listen_fds(3)): descriptors
// from 3 on, and their names in the environment.
func passing(t testing.TB, sockets []socket, args ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t)
	cmd.Path = "/bin/sh"
	cmd.Args = append([]string{"sh", "-c", `export LISTEN_PID=$$; exec "$0" "$@"`, must(os.Executable())}, args...)
	var names []string
	for _, s := range sockets {
		name := "sandboxd.socket" // systemd's default if FileDescriptorName= is not set
		if named, ok := s.(namedSocket); ok {
			name = named.name
		}
		names = append(names, name)
	}
	cmd.Env = append(cmd.Env, "LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	for _, s := range sockets {
		file, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		cmd.ExtraFiles = append(cmd.ExtraFiles, file)
	}
	return cmd
}

// socket is a socket that can be passed.
type socket interface{ File() (*os.File, error) }

// namedSocket is a socket with FileDescriptorName=.
type namedSocket struct {
	socket
	name string
}

func listenTCP(t testing.TB) *net.TCPListener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.(*net.TCPListener)
}

func listening(t testing.TB, d *sandboxd) (l struct{ Address, Socket string }) {
	t.Helper()
	var health struct {
		Listening *struct{ Address, Socket string }
	}
	health.Listening = &l
	if a := d.get(t, "/healthz"); json.Unmarshal([]byte(a.body), &health) != nil {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	return l
}

// Connections that arrive while a daemon drains are not refused. They wait in the passed socket for the next daemon. A run that waited for a
// slot before is served by the daemon that drains.
func TestPassedSocketOutlivesTheDaemon(t *testing.T) {
	passed := listenTCP(t)
	serve := []string{"serve", isolation(), "--policy=off", "--wall=20s", "--concurrency=1"}
	d := startCommand(t, passing(t, []socket{passed}, serve...))
	if want := "http://" + passed.Addr().String(); d.url != want {
		t.Fatalf("serves on %s, want %s", d.url, want)
	}
	if l := listening(t, d); l.Address != d.url || l.Socket != "passed" {
		t.Errorf("/healthz: %+v", l)
	}

	var running, queued streams
	var wg sync.WaitGroup
	wg.Go(func() { running, _ = d.execute(t, "import time\ntime.sleep(2)\nprint('finished')") })
	waitFor(t, "a run", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	wg.Go(func() { queued, _ = d.execute(t, "print('queued')") })
	waitFor(t, "a run that waits", func() bool { return d.metric(t, "sandboxd_queue_depth") == "1" })
	closeIdle() // otherwise the following requests use a connection to the first daemon
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the listener to close", func() bool { return strings.Contains(d.log.String(), "the listener is closed") })
	var waited streams
	wg.Go(func() { waited, _ = d.execute(t, "print('waited')") })
	if err := <-d.done; err != nil {
		t.Errorf("exit: %v", err)
	}
	startCommand(t, passing(t, []socket{passed}, serve...))
	wg.Wait()
	if running.Stdout != "finished\n" || queued.Stdout != "queued\n" || waited.Stdout != "waited\n" {
		t.Errorf("under way: %+v; queued: %+v; came meanwhile: %+v", running, queued, waited)
	}
}

// When there is no time for another run before --drain-timeout, runs that wait for a slot are refused, so that their clients get an answer.
func TestQueueIsRefusedWhenTimeIsShort(t *testing.T) {
	passed := listenTCP(t)
	d := startCommand(t, passing(t, []socket{passed}, "serve", isolation(), "--policy=off", "--wall=20s", "--drain-timeout=20s", "--concurrency=1"))
	var running streams
	var queued answer
	var wg sync.WaitGroup
	wg.Go(func() { running, _ = d.execute(t, "import time\ntime.sleep(2)\nprint('finished')") })
	waitFor(t, "a run", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	wg.Go(func() { queued = d.post(t, `{"code":"print(1)"}`) })
	waitFor(t, "a run that waits", func() bool { return d.metric(t, "sandboxd_queue_depth") == "1" })
	d.signal(t, syscall.SIGTERM)
	d.ends(t)
	wg.Wait()
	if running.Stdout != "finished\n" || queued.status != 503 || queued.header.Get("Retry-After") == "" {
		t.Errorf("under way: %+v; queued: %d %s", running, queued.status, queued.body)
	}
}

// leave leaves the file of a socket to which nobody listens.
func leave(t testing.TB, path string) {
	t.Helper()
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	listener.(*net.UnixListener).SetUnlinkOnClose(false)
	listener.Close()
}

func TestListening(t *testing.T) {
	free := listenTCP(t)
	path := filepath.Join(t.TempDir(), "socket")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	stale := filepath.Join(t.TempDir(), "stale")
	leave(t, stale)
	fresh := filepath.Join(t.TempDir(), "fresh")
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer packets.Close()
	for _, tt := range []struct {
		name    string
		sockets []socket
		args    []string
		want    string // a part of the log
	}{
		{"a passed socket instead of the default", []socket{free}, nil, "msg=serving address=http://" + free.Addr().String() + " socket=passed"},
		{"--listen may name the passed socket", []socket{free}, []string{"--listen=" + free.Addr().String()}, "socket=passed"},
		{"a passed Unix socket", []socket{local.(*net.UnixListener)}, nil, "msg=serving address=unix:" + path + " socket=passed"},
		{"no passed socket", nil, []string{"--listen=127.0.0.1:0"}, "socket=own"},
		{"--listen must not name another address", []socket{free}, []string{"--listen=127.0.0.1:1"}, "--listen=127.0.0.1:1, but the passed socket is " + free.Addr().String()},
		{"--listen may name several passed sockets", []socket{free, local.(*net.UnixListener)}, []string{"--listen=" + free.Addr().String() + ",unix:" + path}, "socket=passed"},
		{"--listen must name all passed sockets", []socket{free, local.(*net.UnixListener)}, []string{"--listen=" + free.Addr().String()},
			"--listen=" + free.Addr().String() + ", but the passed sockets are " + free.Addr().String() + ", " + path},
		{"a path", nil, []string{"--listen=unix:" + fresh}, "msg=serving address=unix:" + fresh + " socket=own"},
		{"a path that a killed daemon has left", nil, []string{"--listen=unix:" + stale}, "msg=serving address=unix:" + stale + " socket=own"},
		{"a path where another process serves", nil, []string{"--listen=unix:" + path}, "another process serves there"},
		{"--listen may name the path of the passed socket", []socket{local.(*net.UnixListener)}, []string{"--listen=unix:" + path}, "socket=passed"},
		{"a passed admin socket", []socket{free, namedSocket{local.(*net.UnixListener), "admin"}}, nil, "admin=unix:" + path + " admin_socket=passed"},
		{"a passed admin socket comes first", []socket{namedSocket{local.(*net.UnixListener), "admin"}, free}, nil, "address=http://" + free.Addr().String() + " socket=passed"},
		{"--admin-listen may name the passed socket", []socket{free, namedSocket{local.(*net.UnixListener), "admin"}}, []string{"--admin-listen=unix:" + path}, "admin_socket=passed"},
		{"only the public socket is passed", []socket{free}, []string{"--admin-listen=127.0.0.1:0"}, "admin_socket=own"},
		{"only the admin socket is passed", []socket{namedSocket{free, "admin"}}, []string{"--listen=127.0.0.1:0"}, "socket=own"},
		{"two passed admin sockets", []socket{namedSocket{free, "admin"}, namedSocket{free, "admin"}}, nil, "2 sockets were passed with FileDescriptorName=admin"},
		{"--admin-listen must not name another address", []socket{namedSocket{free, "admin"}}, []string{"--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:1"},
			"--admin-listen=127.0.0.1:1, but the passed socket is " + free.Addr().String()},
		{"an admin address in use", nil, []string{"--listen=127.0.0.1:0", "--admin-listen=" + free.Addr().String()}, "--admin-listen"},
		{"a passed socket that does not listen", []socket{packets.(*net.UDPConn)}, nil, "is not a listening socket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := passing(t, tt.sockets, append([]string{"serve", isolation()}, tt.args...)...)
			stderr, err := cmd.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			var said strings.Builder
			for lines := bufio.NewScanner(stderr); !strings.Contains(said.String(), "msg=serving") && lines.Scan(); {
				said.WriteString(lines.Text() + "\n")
			}
			cmd.Process.Kill()
			cmd.Wait()
			if !strings.Contains(said.String(), tt.want) {
				t.Errorf("%q is not in:\n%s", tt.want, &said)
			}
		})
	}
}

// A server may not have noticed that its listener is closed when it is shut down. That is no error.
func TestShutdownAfterTheListenerIsClosed(t *testing.T) {
	listener := &slowListener{listenTCP(t), make(chan bool), make(chan bool)}
	server := &http.Server{ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	<-listener.accepting
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	// Shutdown closes the listener again, and then waits until the server has noticed.
	time.AfterFunc(100*time.Millisecond, func() { close(listener.notices) })
	if err := (servers{server}).shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
}

// slowListener is a listener whose Accept notices late that it is closed.
type slowListener struct {
	net.Listener
	accepting, notices chan bool
}

func (l *slowListener) Accept() (net.Conn, error) {
	close(l.accepting)
	<-l.notices
	return nil, net.ErrClosed
}

// systemd may pass several sockets. The daemon serves on all of them.
func TestSeveralPassedSockets(t *testing.T) {
	one, two := listenTCP(t), listenTCP(t)
	path := filepath.Join(t.TempDir(), "socket")
	local, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	admin := listenTCP(t)
	startCommand(t, passing(t, []socket{one, namedSocket{admin, "admin"}, local.(*net.UnixListener), two}, "serve", isolation()))
	for _, to := range [][]string{
		{"http://" + one.Addr().String() + "/playground/execute"},
		{"http://" + two.Addr().String() + "/playground/execute"},
		{"--unix-socket", path, "http://localhost/playground/execute"},
	} {
		out, err := exec.Command("curl", append(to, "-sS", "-H", "Content-Type: application/json", "-d", `{"code":"print(6*7)"}`)...).CombinedOutput()
		if string(out) != `{"stdout":"42\n","stderr":""}` || err != nil {
			t.Errorf("%v: %v: %s", to, err, out)
		}
	}
	if out, err := exec.Command("curl", "-sSf", "http://"+admin.Addr().String()+"/healthz").CombinedOutput(); err != nil || !strings.Contains(string(out), `"socket":"passed"`) {
		t.Errorf("%v: %s", err, out)
	}
}

// A daemon creates the file of its Unix socket, answers on it, does not let another daemon take it, and removes it when it ends.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	leave(t, path)
	d := start(t, "--listen=unix:"+path)
	if d.url != "unix:"+path {
		t.Errorf("it serves at %s", d.url)
	}
	ask := func() {
		t.Helper()
		out, err := exec.Command("curl", "-sS", "--unix-socket", path, "http://localhost/playground/execute", "-H", "Content-Type: application/json", "-d", `{"code":"print(6*7)"}`).CombinedOutput()
		if string(out) != `{"stdout":"42\n","stderr":""}` || err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	ask()
	status, _, stderr := said(t, command(t, "serve", isolation(), "--listen=unix:"+path))
	if status != 1 || !strings.Contains(stderr, path) || !strings.Contains(stderr, "another process serves there") {
		t.Errorf("a second daemon: status %d: %s", status, stderr)
	}
	ask()
	d.signal(t, syscall.SIGTERM)
	d.ends(t)
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket: %v", err)
	}

	// A file that is not a socket is not replaced.
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr = said(t, command(t, "serve", isolation(), "--listen=unix:"+path))
	if kept, _ := os.ReadFile(path); status != 1 || string(kept) != "precious" || !strings.Contains(stderr, "is not a socket") {
		t.Errorf("status %d, the file has %q: %s", status, kept, stderr)
	}
}

// A daemon serves at each of its addresses, each with the names that suit it, until it has drained.
func TestSeveralListeners(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	d := start(t, "--listen=127.0.0.1:0", "--listen=0.0.0.0:0", "--listen=unix:"+path, "--allow-anonymous", "--policy=off")
	found := regexp.MustCompile(`others="http://\[::\]:(\d+) unix:` + path + `"`).FindStringSubmatch(d.log.String())
	if found == nil {
		t.Fatalf("the log does not name the other addresses:\n%s", d.log)
	}
	ask := func(host string, at ...string) string {
		t.Helper()
		out, err := exec.Command("curl", append(at, "-sS", "-H", "Host: "+host, "-H", "Content-Type: application/json", "-d", `{"code":"print(6*7)"}`)...).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %v", at, err)
		}
		return string(out)
	}
	const run, wrong = `{"stdout":"42\n","stderr":""}`, `{"detail":"Invalid host header: the service does not go by this name (see --host)"}`
	for _, tt := range []struct {
		host string
		at   []string
		want string
	}{
		{"localhost", []string{d.url + "/playground/execute"}, run},
		{"evil.example", []string{d.url + "/playground/execute"}, wrong},
		{"any.example", []string{"http://127.0.0.1:" + found[1] + "/playground/execute"}, run},
		{"any.example", []string{"--unix-socket", path, "http://localhost/playground/execute"}, run},
	} {
		if got := ask(tt.host, tt.at...); got != tt.want {
			t.Errorf("%s at %v: %s", tt.host, tt.at, got)
		}
	}
	open, err := strconv.Atoi(d.metric(t, `sandboxd_connections{listener="public"}`))
	if err != nil || open < 1 {
		t.Errorf("%d connections are counted, %v", open, err)
	}

	var running string
	var under sync.WaitGroup
	under.Go(func() {
		out, _ := exec.Command("curl", "-sS", "--unix-socket", path, "http://localhost/playground/execute", "-H", "Content-Type: application/json", "-d", `{"code":"import time; time.sleep(2); print(1)"}`).CombinedOutput()
		running = string(out)
	})
	waitFor(t, "a run", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	d.signal(t, syscall.SIGTERM)
	d.ends(t)
	under.Wait()
	if running != `{"stdout":"1\n","stderr":""}` {
		t.Errorf("a run at a listener that is not the first, while the daemon drains: %s", running)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket: %v", err)
	}
}

// If one of the addresses is taken, the daemon serves at none.
func TestOneOfSeveralListenersFails(t *testing.T) {
	taken := listenTCP(t)
	path := filepath.Join(t.TempDir(), "socket")
	status, _, stderr := said(t, command(t, "serve", isolation(), "--listen=unix:"+path, "--listen="+taken.Addr().String()))
	if status != 1 || !strings.Contains(stderr, "--listen: listen tcp "+taken.Addr().String()) {
		t.Errorf("status %d: %s", status, stderr)
	}
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the other one is left behind: %v", err)
	}
}

func TestModeAndGroupOfASocket(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		want  string
	}{
		{nil, "0755 0"}, // by the umask
		{[]string{"--socket-mode=0660"}, "0660 0"},
		{[]string{"--socket-mode=666"}, "0666 0"},
		{[]string{"--socket-group=12345"}, "0660 12345"},
		{[]string{"--socket-group=daemon", "--socket-mode=0600"}, "0600 1"},
	} {
		if os.Geteuid() != 0 && len(tt.flags) > 0 && strings.Contains(tt.flags[0], "group") {
			continue // only root can give files to any group
		}
		dir := t.TempDir()
		cmd := command(t, append([]string{"serve", isolation(), "--listen=unix:" + dir + "/public", "--admin-listen=unix:" + dir + "/admin"}, tt.flags...)...)
		cmd.Path, cmd.Args = "/bin/sh", append([]string{"sh", "-c", `umask 022; exec "$0" "$@"`, must(os.Executable())}, cmd.Args[1:]...)
		startCommand(t, cmd)
		for _, name := range []string{"public", "admin"} {
			info, err := os.Stat(dir + "/" + name)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%#o %d", info.Mode().Perm(), info.Sys().(*syscall.Stat_t).Gid)
			if want := strings.Replace(tt.want, " 0", fmt.Sprint(" ", os.Getegid()), 1); got != want {
				t.Errorf("%v: the socket %s has %s, want %s", tt.flags, name, got, want)
			}
		}
	}
}
