package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/coder/websocket"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/browsertest"
	"github.com/sandboxd/sandboxd/internal/page"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// These tests put the real nginx and the real Caddy in front of a daemon, with the configurations in deploy. Only addresses, paths and the
// certificate are replaced in them.

// published is the name in the configurations.
const published = "play.example.com"

// proxies start the proxies, which end with the test.
var proxies = []struct {
	name  string
	start func(t *testing.T, p *proxy)
}{
	{"nginx", startNginx},
	{"Caddy", startCaddy},
}

// proxy is a proxy in front of a daemon.
type proxy struct {
	d         *sandboxd
	upstream  string // where the daemon listens for the proxy: HOST:PORT or unix:PATH
	root      string // the root path: "" or /api
	cert, key string
	trust     *x509.CertPool

	plain, secure string // where the proxy listens
}

// behind starts a daemon with these flags, and a proxy in front of it, at a TCP address or at a Unix socket and with a root path.
func behind(t *testing.T, start func(*testing.T, *proxy), unix bool, root string, flags ...string) *proxy {
	t.Helper()
	p := newProxy(t, root)
	flags = append(flags, "--host="+published, "--listen=127.0.0.1:0")
	if root != "" {
		flags = append(flags, "--root-path="+root)
	}
	if unix {
		path := filepath.Join(sharedDir(t), "http")
		p.upstream = "unix:" + path
		flags = append(flags, "--listen="+p.upstream, "--socket-mode=0666", "--trusted-proxy=unix")
	} else {
		flags = append(flags, "--trusted-proxy=127.0.0.1")
	}
	p.d = startCommand(t, command(t, append([]string{"serve", isolation()}, flags...)...))
	if !unix {
		p.upstream = strings.TrimPrefix(p.d.url, "http://")
	}
	start(t, p)
	return p
}

func newProxy(t *testing.T, root string) *proxy {
	t.Helper()
	if testenv.InLab() {
		t.Skip("no proxies in the lab: what needs one is tried outside of it")
	}
	p := &proxy{root: root, plain: freeAddress(t), secure: freeAddress(t)}
	p.cert, p.key, p.trust = certify(t, t.TempDir(), published)
	return p
}

// sharedDir makes a directory that the user of nginx's workers can enter. Its path is short, because that of a socket has few bytes.
func sharedDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "proxy-")
	if err == nil {
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// freeAddress returns an address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// edit replaces parts of a configuration, each of which must be there once.
func edit(t *testing.T, path string, pairs ...string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(pairs); i += 2 {
		if n := strings.Count(text, pairs[i]); n != 1 {
			t.Fatalf("%s has %q %d times, want once", path, pairs[i], n)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// proxyProgram returns the path of a program that scripts/proxies has put into place.
func proxyProgram(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv("SANDBOXD_TEST_PROXIES"), name)
	if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
		testenv.Missing(t, "%s: run scripts/proxies DIR and set SANDBOXD_TEST_PROXIES to the absolute path of that directory", name)
	}
	return path
}

// startNginx starts nginx with the configuration of Debian's package, and that of ours below it.
func startNginx(t *testing.T, p *proxy) {
	t.Helper()
	program, installed := proxyProgram(t, "nginx/usr/sbin/nginx"), proxyProgram(t, "nginx/etc/nginx")
	dir := sharedDir(t)
	mainConfig, err := os.ReadFile(filepath.Join(installed, "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(mainConfig)
	for _, pair := range [][2]string{
		{"/etc/nginx/conf.d/", dir + "/conf.d/"}, {"/etc/nginx/", installed + "/"}, {"/var/log/nginx/", dir + "/"}, {"/run/nginx.pid", dir + "/pid"},
		// These directories are compiled in, below one that the package makes.
		{"http {", "http {\n" + strings.Join([]string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}, "_temp_path "+dir+"/temp;\n") + "_temp_path " + dir + "/temp;"},
	} {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("Debian's nginx.conf has no %s", pair[0])
		}
		text = strings.ReplaceAll(text, pair[0], pair[1])
	}
	location := "location / {"
	if p.root != "" {
		location = "location " + p.root + "/ {"
	}
	server := "\n\tserver 127.0.0.1:8000;\n\t# server unix:/run/sandboxd/http;\n"
	ours := edit(t, "../../deploy/nginx/sandboxd.conf",
		server, "\n\tserver "+p.upstream+";\n",
		"/etc/ssl/"+published+"/fullchain.pem", p.cert,
		"/etc/ssl/"+published+"/privkey.pem", p.key,
		"location / {", location,
	)
	// A machine of a test need not have IPv6.
	for _, listen := range [][2]string{
		{"listen [::]:80", ""}, {"listen [::]:443", ""}, {"listen 80", "listen " + p.plain}, {"listen 443", "listen " + p.secure},
	} {
		line := regexp.MustCompile(`(?m)^\t` + regexp.QuoteMeta(listen[0]) + `\b(.*)$`)
		if n := len(line.FindAllString(ours, -1)); n != 2 {
			t.Fatalf("%d lines begin with %q, want 2", n, listen[0])
		}
		to := ""
		if listen[1] != "" {
			to = "\t" + listen[1] + "$1"
		}
		ours = line.ReplaceAllString(ours, to)
	}
	if err := errors.Join(os.Mkdir(dir+"/conf.d", 0o755), os.WriteFile(dir+"/conf.d/sandboxd.conf", []byte(ours), 0o644),
		os.WriteFile(dir+"/nginx.conf", []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(program, "-p", dir, "-c", dir+"/nginx.conf", "-t").CombinedOutput()
	for line := range strings.Lines(string(said)) {
		// Versions from 1.25.1 on have another directive for HTTP/2, which earlier ones do not know. Only root can change the user.
		if err != nil || strings.Contains(line, "[warn]") && !strings.Contains(line, `"listen ... http2" directive is deprecated`) && os.Geteuid() == 0 {
			t.Fatalf("nginx -t: %v\n%s", err, said)
		}
	}
	p.run(t, exec.Command(program, "-p", dir, "-c", dir+"/nginx.conf", "-g", "daemon off;"), dir+"/error.log")
}

func startCaddy(t *testing.T, p *proxy) {
	t.Helper()
	program := proxyProgram(t, "caddy")
	dir := t.TempDir()
	config := dir + "/Caddyfile"
	_, plain, _ := net.SplitHostPort(p.plain)
	_, secure, _ := net.SplitHostPort(p.secure)
	upstream := strings.Replace(p.upstream, "unix:", "unix/", 1)
	text := edit(t, "../../deploy/caddy/Caddyfile",
		"\n{\n", "\n{\n\tadmin off\n\tpersist_config off\n\tdefault_bind 127.0.0.1\n\thttp_port "+plain+"\n\thttps_port "+secure+"\n",
		"\n"+published+" {\n", "\n"+published+" {\n\ttls "+p.cert+" "+p.key+"\n",
		"handle /* {", "handle "+p.root+"/* {",
		"\treverse_proxy 127.0.0.1:8000 {\n", "\treverse_proxy "+upstream+" {\n",
	)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	caddy := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return cmd
	}
	if said, err := caddy("fmt", "--diff", "../../deploy/caddy/Caddyfile").CombinedOutput(); err != nil {
		t.Fatalf("caddy fmt: %v\n%s", err, said)
	}
	for _, path := range []string{"../../deploy/caddy/Caddyfile", config} {
		if said, err := caddy("validate", "--config="+path, "--adapter=caddyfile").CombinedOutput(); err != nil {
			t.Fatalf("caddy validate %s: %v\n%s", path, err, said)
		}
	}
	p.run(t, caddy("run", "--config="+config, "--adapter=caddyfile"), "")
}

// run starts a proxy and waits until it listens. If the test fails, it prints what the proxy has logged.
func (p *proxy) run(t *testing.T, cmd *exec.Cmd, logFile string) {
	t.Helper()
	var said lockedBuffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("%s does not end", cmd.Path)
			cmd.Process.Kill()
		}
		if t.Failed() {
			logged, _ := os.ReadFile(logFile)
			t.Logf("%s:\n%s%s", cmd.Path, &said, logged)
		}
	})
	waitFor(t, "the proxy", func() bool {
		select {
		case <-ended:
			t.Fatalf("%s has ended:\n%s", cmd.Path, &said)
		default:
		}
		c, err := net.Dial("tcp", p.secure)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// client returns a client at an address of the loopback network, by HTTP/2 or HTTP/1.1.
func (p *proxy) client(t *testing.T, from string, http2 bool) *http.Client {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			to := p.secure
			if strings.HasSuffix(address, ":80") {
				to = p.plain
			}
			return dialer.DialContext(ctx, network, to)
		},
		TLSClientConfig: &tls.Config{RootCAs: p.trust, ServerName: published}, ForceAttemptHTTP2: http2,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// request makes a request to the published name. The headers come in pairs.
func (p *proxy) request(ctx context.Context, method, path, body string, headers ...string) *http.Request {
	request := must(http.NewRequestWithContext(ctx, method, "https://"+published+p.root+path, strings.NewReader(body)))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return request
}

// ask sends a request and reads the answer. The protocol is in the header Proto.
func (p *proxy) ask(t *testing.T, client *http.Client, method, path, body string, headers ...string) answer {
	t.Helper()
	response, err := client.Do(p.request(t.Context(), method, path, body, headers...))
	a := readAnswer(t, response, err)
	a.header.Set("Proto", response.Proto)
	return a
}

// logged waits for the record of a request, and returns it.
func (p *proxy) logged(t *testing.T, request string) (record string) {
	t.Helper()
	waitFor(t, "the record of "+request, func() bool {
		for line := range strings.Lines(p.d.log.String()) {
			if strings.Contains(line, " request_id="+request+" ") {
				record = line
			}
		}
		return record != ""
	})
	return record
}

// dial opens a WebSocket for a live run.
func (p *proxy) dial(t *testing.T, client *http.Client, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	header := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		header.Add(headers[i], headers[i+1])
	}
	conn, response, err := websocket.Dial(t.Context(), "wss://"+published+p.root+v1.LivePath, &websocket.DialOptions{HTTPClient: client, HTTPHeader: header})
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, response, err
}

func code(program string) string {
	return `{"code":` + string(must(json.Marshal(program))) + `}`
}

// sleeper prints a line and then sleeps for longer than a test waits.
var sleeper = code("import time\nprint('early', flush=True)\ntime.sleep(50)")

func TestProxies(t *testing.T) {
	for _, each := range proxies {
		for _, way := range []struct {
			name string
			unix bool
			root string
		}{
			{"TCP", false, ""},
			{"a Unix socket, below a path", true, "/api"},
		} {
			t.Run(each.name+", "+way.name, func(t *testing.T) {
				p := behind(t, each.start, way.unix, way.root, "--policy=off", "--wall=60s", "--concurrency=4")
				for _, test := range proxyTests {
					t.Run(test.name, func(t *testing.T) { test.run(t, p) })
				}
				t.Run("connections to the daemon", func(t *testing.T) { p.connections(t, each.name == "nginx") })
			})
		}
	}
}

var proxyTests = []struct {
	name string
	run  func(*testing.T, *proxy)
}{
	{"answers", proxyAnswers},
	{"events arrive while the program runs", proxyEvents},
	{"a WebSocket with input", proxySocket},
	{"the client's address", proxyAddress},
	{"TLS", proxyTLS},
	{"names", proxyNames},
	{"large bodies", proxyBodies},
	{"a client that goes away", proxyCancellation},
	{"operator's paths", proxyOperator},
	{"the root path", proxyRoot},
}

// proxyAnswers checks the answers of both APIs, by both versions of HTTP.
func proxyAnswers(t *testing.T, p *proxy) {
	for http2, proto := range map[bool]string{true: "HTTP/2.0", false: "HTTP/1.1"} {
		client := p.client(t, "127.0.0.2", http2)
		for range 10 {
			a := p.ask(t, client, "POST", "/playground/execute", code("print(6*7)"))
			if a.status != 200 || a.body != `{"stdout":"42\n","stderr":""}` || a.header.Get("X-Sandboxd-Verdict") != "exited" || a.header.Get("Proto") != proto {
				t.Errorf("%s: %d %s %v", proto, a.status, a.body, a.header)
			}
		}
		if a := p.ask(t, client, "POST", v1.Path, code("print(6*7)")); a.status != 200 || !strings.Contains(a.body, `"stdout":"42\n"`) {
			t.Errorf("%s: %d %s", proto, a.status, a.body)
		}
		// Answers that are not 200 come as the daemon has made them.
		for _, path := range []string{"/nothing", "/v1/nothing", "/v1/runs/live", "/play"} {
			direct, err := p.d.do(t.Context(), "GET", p.root+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			same(t, p.ask(t, client, "GET", path, ""), direct)
		}
	}
}

// same fails the test if an answer through a proxy is not that of the daemon.
func same(t *testing.T, got, direct answer) {
	t.Helper()
	keep := func(a answer) map[string][]string {
		h := maps.Clone(map[string][]string(a.header))
		// Those of each connection and of each answer. RateLimit counts down.
		for _, name := range []string{"Proto", "Date", "Server", "Via", "Alt-Svc", "Connection", "Content-Length", "X-Request-Id", "Ratelimit", "Upgrade", "Accept-Ranges"} {
			delete(h, name)
		}
		return h
	}
	a, b := keep(got), keep(direct)
	if got.status != direct.status || got.body != direct.body || !maps.EqualFunc(a, b, slices.Equal) || got.header.Get("X-Request-Id") == "" {
		t.Errorf("through the proxy: %d %.300s %v\ndirectly:          %d %.300s %v", got.status, got.body, a, direct.status, direct.body, b)
	}
}

// proxyEvents reads the first output of a program that sleeps, cancels the run, and reads the end.
func proxyEvents(t *testing.T, p *proxy) {
	for _, http2 := range []bool{true, false} {
		for _, accept := range []string{"application/jsonl", "text/event-stream"} {
			client := p.client(t, "127.0.0.2", http2)
			response, err := client.Do(p.request(t.Context(), "POST", v1.Path, sleeper, "Accept", accept))
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(response.Body)
			run, early, last := "", false, ""
			begin := time.Now()
			for lines.Scan() {
				line := lines.Text()
				if found := regexp.MustCompile(`"id":"(run_\w+)"`).FindStringSubmatch(line); found != nil && run == "" {
					run = found[1]
				}
				if strings.Contains(line, `"text":"early\n"`) {
					early = true
					if a := p.ask(t, client, "DELETE", v1.Path+"/"+run, ""); a.status != 202 {
						t.Errorf("cancel: %d %s", a.status, a.body)
					}
				}
				if line != "" {
					last = line
				}
			}
			response.Body.Close()
			if !early || !strings.Contains(last, `"verdict":"cancelled"`) || time.Since(begin) > 40*time.Second {
				t.Fatalf("HTTP/2 %v, %s: early %v after %v; the last line is %s, %v", http2, accept, early, time.Since(begin), last, lines.Err())
			}
		}
	}
}

// proxySocket talks with a program over a WebSocket.
func proxySocket(t *testing.T, p *proxy) {
	conn, _, err := p.dial(t, p.client(t, "127.0.0.2", false))
	if err != nil {
		t.Fatal(err)
	}
	// until reads events until one has this text.
	until := func(want string) {
		t.Helper()
		for got := ""; !strings.Contains(got, want); {
			_, message, err := conn.Read(t.Context())
			got += string(message)
			if err != nil {
				t.Fatalf("%v after %s, want %q", err, got, want)
			}
		}
	}
	send := func(message string) {
		t.Helper()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	send(code("name = input('Your name? ')\nprint('Hello ' + name)\ninput('Go on? ')"))
	until(`"text":"Your name? "`)
	send(`{"event":"stdin","text":"Ada\n"}`)
	until(`Hello Ada\n`)
	send(`{"event":"interrupt"}`)
	until(`"event":"finished"`)
}

// proxyAddress checks whose request the daemon takes a request for, whatever headers the client forges.
func proxyAddress(t *testing.T, p *proxy) {
	n := 0
	for _, http2 := range []bool{true, false} {
		for _, headers := range [][]string{
			nil,
			{"X-Forwarded-For", "198.51.100.7"},
			{"X-Forwarded-For", "198.51.100.7", "X-Forwarded-For", "127.0.0.1"},
			{"X-Forwarded-For", "unknown"},
			{"Forwarded", "for=198.51.100.7"},
			{"Forwarded", "for=198.51.100.7", "X-Forwarded-For", "198.51.100.7"},
			{"Forwarded", "for=198.51.100.7", "Connection", "X-Forwarded-For"},
			{"X-Real-Ip", "198.51.100.7", "X-Client-Ip", "198.51.100.7"},
		} {
			n++
			if http2 && slices.Contains(headers, "Connection") {
				continue // HTTP/2 has no such header
			}
			id := fmt.Sprint("address-", n)
			p.ask(t, p.client(t, "127.0.0.2", http2), "POST", "/playground/execute", code(""), append(headers, "X-Request-Id", id)...)
			if record := p.logged(t, id); !strings.Contains(record, " client=127.0.0.2 ") {
				t.Errorf("%v: %s", headers, record)
			}
		}
	}
	conn, _, err := p.dial(t, p.client(t, "127.0.0.3", false), "X-Request-Id", "address-live", "X-Forwarded-For", "198.51.100.7")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(code(""))); err != nil {
		t.Fatal(err)
	}
	if record := p.logged(t, "address-live"); !strings.Contains(record, " client=127.0.0.3 ") {
		t.Error(record)
	}
	if strings.Contains(p.d.log.String(), "neither counts") {
		t.Error("the daemon has got both headers")
	}
}

// proxyTLS checks that a program is only accepted by TLS 1.2 or later.
func proxyTLS(t *testing.T, p *proxy) {
	client := p.client(t, "127.0.0.2", false)
	request := p.request(t.Context(), "POST", "/playground/execute?x=y", code(""))
	request.URL.Scheme = "http"
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if to := response.Header.Get("Location"); response.StatusCode != 308 || to != "https://"+published+p.root+"/playground/execute?x=y" {
		t.Errorf("without TLS: %d %s", response.StatusCode, to)
	}
	config := &tls.Config{RootCAs: p.trust, ServerName: published, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", p.secure, config); err == nil {
		c.Close()
		t.Error("TLS 1.1 is accepted")
	}
}

// proxyNames calls the service by names that are not its own. The daemon gets no such request, and would refuse it.
func proxyNames(t *testing.T, p *proxy) {
	request := p.request(t.Context(), "POST", "/playground/execute", code("print(1)"))
	request.Host = "evil.example"
	response, err := p.client(t, "127.0.0.2", false).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if response.Header.Get("X-Request-Id") != "" || bytes.Contains(body, []byte("stdout")) {
		t.Errorf("another Host: %d %s %v", response.StatusCode, body, response.Header)
	}
	if c, err := tls.Dial("tcp", p.secure, &tls.Config{InsecureSkipVerify: true, ServerName: "evil.example"}); err == nil {
		c.Close()
		t.Error("another name in the handshake is accepted")
	}
	direct, err := p.d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(code("print(1)")))
	if err != nil || direct.status != 200 {
		t.Errorf("%d %s, %v", direct.status, direct.body, err)
	}
	request = must(http.NewRequestWithContext(t.Context(), "POST", p.d.url+"/playground/execute", strings.NewReader(code("print(1)"))))
	request.Host = "evil.example"
	if refused, err := send(request); err != nil || refused.status != 400 {
		t.Errorf("the daemon itself: %d %s, %v", refused.status, refused.body, err)
	}
}

// proxyBodies sends bodies up to and above the bounds of the daemon and of the proxy.
func proxyBodies(t *testing.T, p *proxy) {
	padded := func(size int) string { // a body of this size
		const head = `{"code":"print(len(open('data').read()))","files":[{"path":"data","text":"`
		return head + strings.Repeat("x", size-len(head)-len(`"}]}`)) + `"}]}`
	}
	for _, http2 := range []bool{true, false} {
		client := p.client(t, "127.0.0.2", http2)
		if a := p.ask(t, client, "POST", v1.Path, padded(8<<20)); a.status != 200 || !regexp.MustCompile(`"stdout":"83\d{5}\\n"`).MatchString(a.body) {
			t.Errorf("8 MiB: %d %.300s", a.status, a.body)
		}
		for _, path := range []string{v1.Path, "/playground/execute"} {
			for _, size := range []int{16 << 20, 16<<20 + 1, 31 << 20} {
				body := padded(size)
				direct, err := p.d.do(t.Context(), "POST", p.root+path, strings.NewReader(body), "Content-Type", "application/json")
				if err != nil || direct.status == 200 || size > 16<<20 && direct.status != 413 {
					t.Fatalf("%s, %d bytes, directly: %d %.300s, %v", path, size, direct.status, direct.body, err)
				}
				same(t, p.ask(t, client, "POST", path, body), direct)
			}
		}
		before := p.d.log.String()
		response, err := client.Do(p.request(t.Context(), "POST", v1.Path, padded(33<<20)))
		if err != nil {
			t.Errorf("33 MiB: %v", err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != 413 {
			t.Errorf("33 MiB: %d, and the log of the daemon: %s", response.StatusCode, strings.TrimPrefix(p.d.log.String(), before))
		}
	}
	// An answer of several MiB.
	a := p.ask(t, p.client(t, "127.0.0.2", true), "POST", "/playground/execute", code("print('x' * 1_000_000)\nimport sys\nsys.stderr.write('y' * 1_000_000)"))
	if want := `{"stdout":"` + strings.Repeat("x", 1_000_000) + `\n","stderr":"` + strings.Repeat("y", 1_000_000) + `"}`; a.body != want {
		t.Errorf("%d, %d bytes", a.status, len(a.body))
	}
}

// proxyCancellation checks that a run is cancelled when its client goes away.
func proxyCancellation(t *testing.T, p *proxy) {
	for _, http2 := range []bool{true, false} {
		for i, headers := range [][]string{{"Accept", "application/jsonl"}, {"Accept", "text/event-stream"}, nil} {
			id := fmt.Sprintf("gone-%v-%d", http2, i)
			ctx, leave := context.WithCancel(t.Context())
			client := p.client(t, "127.0.0.2", http2)
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				response, err := client.Do(p.request(ctx, "POST", v1.Path, sleeper, append(headers, "X-Request-Id", id)...))
				if err == nil {
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			}()
			waitFor(t, "a run", func() bool { return p.d.metric(t, "sandboxd_runs_in_flight") == "1" })
			leave()
			<-gone
			if record := p.logged(t, id); !strings.Contains(record, " verdict=cancelled ") {
				t.Errorf("HTTP/2 %v, %v: %s", http2, headers, record)
			}
		}
	}
	conn, _, err := p.dial(t, p.client(t, "127.0.0.2", false), "X-Request-Id", "gone-live")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(sleeper)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a run", func() bool { return p.d.metric(t, "sandboxd_runs_in_flight") == "1" })
	conn.CloseNow()
	if record := p.logged(t, "gone-live"); !strings.Contains(record, " verdict=cancelled ") {
		t.Error(record)
	}
}

// proxyOperator tries to reach what is for the operator only, by many spellings of the paths. The daemon itself serves them.
func proxyOperator(t *testing.T, p *proxy) {
	const secret, page = "sandboxd_build_info", "sandboxd_runs_in_flight"
	if a := p.d.get(t, "/metrics"); a.status != 200 || !strings.Contains(a.body, secret) {
		t.Fatalf("%d %s", a.status, a.body)
	}
	tried := 0
	for _, name := range []string{"metrics", "healthz", "readyz", "status", "status/status.js"} {
		direct := p.d.get(t, "/"+name)
		escaped := fmt.Sprintf("%%%x%s", name[0], name[1:])
		for _, path := range []string{
			"/" + name, "/" + name + "/", "//" + name, "/./" + name, "/x/../" + name, "/" + escaped, "/%2e/" + escaped, "/x%2f..%2f" + name,
			"/x%2F..%2F" + escaped, "/" + name + "?x", "/" + name + "#x", "/" + name + "%2f", "/" + name + ";x", "/" + name + "%00", "/" + name + "/.", "/" + name + "/x/..",
			"/play/..%2f" + name, "/;/" + name, "/%2f" + name, "/\\" + name, "/%5c" + name, "/" + strings.ToUpper(name), "/%25" + escaped[1:], "/docs/../" + name, "/ " + name,
			"/" + name + "%0a", "/" + name + "%20",
		} {
			for _, target := range []string{path, "/api" + path, "/api/api" + path, "/api/.." + path, "/x/../api" + path, "https://" + published + path} {
				c, err := tls.Dial("tcp", p.secure, &tls.Config{RootCAs: p.trust, ServerName: published})
				if err != nil {
					t.Fatal(err)
				}
				c.SetDeadline(time.Now().Add(20 * time.Second))
				fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", target, published)
				response, err := http.ReadResponse(bufio.NewReader(c), nil)
				if err != nil {
					t.Fatalf("%s: %v", target, err)
				}
				body, _ := io.ReadAll(response.Body)
				c.Close()
				tried++
				if response.StatusCode == 200 && (string(body) == direct.body || bytes.Contains(body, []byte(secret)) || bytes.Contains(body, []byte(page))) {
					t.Errorf("%s is served: %.100s", target, body)
				}
			}
		}
	}
	t.Logf("%d spellings", tried)
}

// proxyRoot checks addresses in answers: redirects, and the server of the API's description.
func proxyRoot(t *testing.T, p *proxy) {
	client := p.client(t, "127.0.0.2", true)
	if a := p.ask(t, client, "GET", "/docs/", ""); a.status != 307 || a.header.Get("Location") != p.root+"/docs" {
		t.Errorf("a redirect: %d %s", a.status, a.header.Get("Location"))
	}
	if a := p.ask(t, client, "GET", "/", "", "Accept", "text/html"); page.Built() && a.header.Get("Location") != p.root+"/play" {
		t.Errorf("a redirect to the page: %d %s", a.status, a.header.Get("Location"))
	}
	var described struct{ Servers []struct{ URL string } }
	if a := p.ask(t, client, "GET", "/openapi.json", ""); json.Unmarshal([]byte(a.body), &described) != nil {
		t.Errorf("%d %s", a.status, a.body)
	}
	if p.root != "" && (len(described.Servers) != 1 || described.Servers[0].URL != p.root) {
		t.Errorf("servers are %v", described.Servers)
	}
}

// connections checks whether the proxy keeps connections to the daemon open.
func (p *proxy) connections(t *testing.T, kept bool) {
	client := p.client(t, "127.0.0.2", false)
	for range 5 {
		p.ask(t, client, "POST", "/playground/execute", code(""))
	}
	closeIdle()
	waitFor(t, fmt.Sprintf("connections that are kept: %v", kept), func() bool {
		// The connection of the question itself is one.
		return (p.d.metric(t, `sandboxd_connections{listener="public"}`) != "1") == kept
	})
}

// Refusals by the daemon come through unchanged, and each client has its own rate.
func TestRefusalsThroughProxies(t *testing.T) {
	for _, each := range proxies {
		t.Run(each.name, func(t *testing.T) {
			p := behind(t, each.start, false, "", "--policy=off", "--wall=60s", "--concurrency=1", "--queue=0", "--rate=0.001", "--burst=3", "--queue-per-caller=0")
			holder, leave := context.WithCancel(t.Context())
			defer leave()
			go p.client(t, "127.0.0.2", true).Do(p.request(holder, "POST", v1.Path, sleeper))
			waitFor(t, "a run", func() bool { return p.d.metric(t, "sandboxd_runs_in_flight") == "1" })
			for _, path := range []string{v1.Path, "/playground/execute"} {
				for n, from := range []string{"127.0.0.3", "127.0.0.4"} {
					from += map[string]string{v1.Path: "1"}[path] // two callers for each path
					client := p.client(t, from, n == 0)
					for try := range 4 {
						want := 503
						if try == 3 {
							want = 429
						}
						a := p.ask(t, client, "POST", path, code("print(1)"))
						if a.status != want || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.header.Get("RateLimit"), `"address";r=`) ||
							a.header.Get("RateLimit-Policy") != `"address";q=3;w=3000` {
							t.Errorf("%s, the %d. of %s: %d %s %v", path, try, from, a.status, a.body, a.header)
						}
						// The daemon's answer to a caller that asks itself, as often.
						direct := p.direct(t, strings.Replace(from, "127.0.0.", "127.0.1.", 1), path, code("print(1)"))
						delete(a.header, "Retry-After")
						delete(direct.header, "Retry-After")
						same(t, a, direct)
					}
				}
			}
		})
	}
}

// direct asks the daemon without the proxy.
func (p *proxy) direct(t *testing.T, from, path, body string) answer {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	transport := &http.Transport{DialContext: dialer.DialContext}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Post(p.d.url+path, "application/json", strings.NewReader(body))
	return readAnswer(t, response, err)
}

// One client cannot take all connections to the daemon.
func TestNginxBoundsConnections(t *testing.T) {
	p := behind(t, startNginx, false, "", "--policy=off")
	client := p.client(t, "127.0.0.2", false)
	for n := range 32 {
		if _, _, err := p.dial(t, client); err != nil {
			t.Fatalf("WebSocket %d: %v", n, err)
		}
	}
	if _, response, err := p.dial(t, client); err == nil || response == nil || response.StatusCode != 429 {
		t.Errorf("one more: %v, %v", response, err)
	}
	if _, _, err := p.dial(t, p.client(t, "127.0.0.3", false)); err != nil {
		t.Errorf("another client: %v", err)
	}
}

// No request is lost while the daemon is restarted, if its socket is passed and stays open. Most of them wait for a slot.
func TestRestartBehindProxies(t *testing.T) {
	for _, each := range proxies {
		t.Run(each.name, func(t *testing.T) {
			passed := listenTCP(t)
			p := newProxy(t, "")
			p.upstream = passed.Addr().String()
			daemon := func() *sandboxd {
				return startCommand(t, passing(t, []socket{passed}, "serve", isolation(), "--policy=off", "--wall=20s", "--concurrency=4", "--host="+published, "--trusted-proxy=127.0.0.1"))
			}
			p.d = daemon()
			each.start(t, p)
			var done atomic.Int64
			var asking sync.WaitGroup
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			for n := range 24 {
				asking.Go(func() {
					client := p.client(t, "127.0.0.2", n%2 == 0)
					for ctx.Err() == nil {
						response, err := client.Do(p.request(t.Context(), "POST", "/playground/execute", code("print(6*7)")))
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(response.Body)
						response.Body.Close()
						if response.StatusCode != 200 || string(body) != `{"stdout":"42\n","stderr":""}` || err != nil {
							t.Errorf("%d %.200s, %v", response.StatusCode, body, err)
						}
						done.Add(1)
					}
				})
			}
			more := func(n int64) {
				t.Helper()
				want := done.Load() + n
				waitFor(t, "requests", func() bool { return done.Load() >= want || t.Failed() })
			}
			for range 5 {
				more(50)
				p.d.signal(t, syscall.SIGTERM)
				p.d.ends(t)
				p.d = daemon()
			}
			more(50)
			stop()
			asking.Wait()
			t.Logf("%d requests", done.Load())
		})
	}
}

// Behind Caddy, a request also waits for a daemon whose address refuses connections until it has started again.
func TestCaddyWaitsForTheDaemon(t *testing.T) {
	p := behind(t, startCaddy, false, "", "--policy=off")
	p.d.signal(t, syscall.SIGTERM)
	p.d.ends(t)
	sent, got := make(chan struct{}), make(chan string)
	go func() {
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }})
		response, err := p.client(t, "127.0.0.2", true).Do(p.request(ctx, "POST", "/playground/execute", code("print(6*7)")))
		if err != nil {
			got <- err.Error()
			return
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		got <- fmt.Sprint(response.StatusCode, string(body), err)
	}()
	<-sent
	startCommand(t, command(t, "serve", isolation(), "--policy=off", "--host="+published, "--listen="+p.upstream))
	if answer := <-got; answer != `200{"stdout":"42\n","stderr":""}<nil>` {
		t.Error(answer)
	}
}

// The playground page works behind a proxy: it runs programs over a WebSocket, and nothing else is loaded.
func TestPlaygroundBehindProxies(t *testing.T) {
	if !page.Built() {
		testenv.Missing(t, "the playground page: run scripts/page")
	}
	for _, each := range proxies {
		t.Run(each.name, func(t *testing.T) {
			front := behind(t, each.start, true, "/api", "--policy=off", "--wall=30s")
			p := &playground{browsertest.Start(t, chromedp.Flag("ignore-certificate-errors", true),
				chromedp.Flag("host-resolver-rules", "MAP "+published+":443 "+front.secure)), front.d}
			p.Run(t, chromedp.Navigate("https://"+published+"/api/"), chromedp.WaitVisible("#editor"))
			p.write(t, "name = input('Your name? ')\nprint('Hello ' + name)")
			p.click(t, "#run")
			p.until(t, `document.activeElement.id === "line"`)
			p.Run(t, chromedp.KeyEvent("Ada\r"))
			if reason, output := p.ends(t); output != "Your name? Ada\nHello Ada\n" || !strings.Contains(reason, "exit code 0") {
				t.Errorf("%q, %q", output, reason)
			}
			p.write(t, "import time\nprint('early')\ntime.sleep(1000)")
			p.click(t, "#run")
			p.until(t, `document.querySelector("#output").textContent.includes("early")`)
			p.click(t, "#stop")
			if _, output := p.ends(t); !strings.Contains(output, "KeyboardInterrupt") {
				t.Errorf("it was not interrupted: %q", output)
			}
			p.WantOnly(t, "https://"+published)
		})
	}
}

// A run may print nothing for longer than the default timeouts of the proxies, which are 60 seconds.
func TestSilenceBehindProxies(t *testing.T) {
	if !testenv.All() {
		t.Skip("it takes more than a minute: SANDBOXD_TEST_ALL=1")
	}
	for _, each := range proxies {
		t.Run(each.name, func(t *testing.T) {
			t.Parallel()
			p := behind(t, each.start, false, "", "--policy=off", "--wall=2m")
			silent := code("import time\ntime.sleep(70)\nprint('late')")
			var asking sync.WaitGroup
			for _, accept := range []string{"application/json", "application/jsonl", "text/event-stream"} {
				for _, http2 := range []bool{true, false} {
					asking.Go(func() {
						response, err := p.client(t, "127.0.0.2", http2).Do(p.request(t.Context(), "POST", v1.Path, silent, "Accept", accept))
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(response.Body)
						response.Body.Close()
						if !bytes.Contains(body, []byte(`late\n`)) || !bytes.Contains(body, []byte(`"verdict":"exited"`)) || err != nil {
							t.Errorf("HTTP/2 %v, %s: %s, %v", http2, accept, body, err)
						}
					})
				}
			}
			asking.Go(func() {
				conn, _, err := p.dial(t, p.client(t, "127.0.0.2", false))
				if err == nil {
					err = conn.Write(t.Context(), websocket.MessageText, []byte(silent))
				}
				all := ""
				for message := []byte(nil); err == nil; _, message, err = conn.Read(t.Context()) {
					all += string(message)
				}
				if !strings.Contains(all, `late\n`) || websocket.CloseStatus(err) != websocket.StatusNormalClosure {
					t.Errorf("a WebSocket: %s, %v", all, err)
				}
			})
			asking.Wait()
		})
	}
}
