package main

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sandboxd/sandboxd/internal/browsertest"
	"github.com/sandboxd/sandboxd/internal/page"
)

// TestAttacksInABrowser tries the attacks of web pages in a real browser. browserAttacks lists them. Each attack is first tried
// on a target that allows everything. It must succeed there, or it proves nothing. Then it is tried on the daemon, with the
// default settings and with --cors-origin, where it must fail.

// browserAttack is an attack by one page.
type browserAttack struct {
	name   string
	page   string // where the script runs: evil, good, local, null, file or rebound
	script string // the body of an async function; the value that it returns counts as stolen
	sends  bool   // the script cannot tell whether it succeeded, so the target decides after it has the requests
	times  int    // number of requests, each of which counts as an attack; 0 means 1
	limit  bool   // only for the daemon with --cors-origin: by default the contract allows this to every page
	runs   bool   // only runs of programs count as success
}

// target is a server that is attacked.
type target struct {
	url    string
	counts func(t testing.TB) counts
}

// counts has the number of requests to a target, of answers that other pages must not get, and of programs that it ran.
type counts struct{ requests, served, runs int }

func TestAttacksInABrowser(t *testing.T) {
	stage := newStage(t)
	weak := weakTarget(t)
	daemons := []struct {
		name string
		target
		limited bool
	}{
		{"default", daemonTarget(t), false},
		{"--cors-origin", daemonTarget(t, "--cors-origin="+stage.pages["good"]), true},
	}
	var held, tried int
	for _, a := range browserAttacks() {
		a.times = max(a.times, 1)
		t.Run(a.name, func(t *testing.T) {
			if through := stage.attack(t, a, weak); len(through) != a.times {
				t.Errorf("UNCLEAR: where nothing stops it, %d of %d get through: %q", len(through), a.times, through)
			}
			for _, d := range daemons {
				if a.limit && !d.limited {
					continue
				}
				tried += a.times
				through := stage.attack(t, a, d.target)
				for _, what := range through {
					t.Errorf("ESCAPED, %s: %.200s", d.name, what)
				}
				held += max(a.times-len(through), 0)
			}
		})
	}
	if testing.Verbose() { // for make escape, in the same format as the attacks of internal/jail
		fmt.Printf("\nAttacks from web pages held, of those tried: in Chromium, with and without --cors-origin\n  %-14s %4d of %d\n", "browser", held, tried)
	}
}

// TestPagesThatMayRunProgramsInABrowser shows that requests that the contract allows succeed.
func TestPagesThatMayRunProgramsInABrowser(t *testing.T) {
	stage := newStage(t)
	every, one := daemonTarget(t), daemonTarget(t, "--cors-origin="+stage.pages["good"])
	const run = `const r = await fetch(D + "/playground/execute", {method: "POST", credentials: "include",
		headers: {"Content-Type": "application/json"}, body: JSON.stringify({code: "print(6 * 7)"})});
		return (await r.json()).stdout + r.headers.get("X-Sandboxd-Verdict")`
	for _, tt := range []struct {
		name, page string
		target
	}{
		{"any page, by default", "evil", every},
		{"a page of this machine, by default", "local", every},
		{"a file, by default", "file", every},
		{"the page that is allowed", "good", one},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := stage.attack(t, browserAttack{page: tt.page, script: run}, tt.target); !slices.Equal(got, []string{"42\nexited"}) {
				t.Errorf("it read %q", got)
			}
		})
	}
}

// stage is a browser with the web pages of the tests.
type stage struct {
	browser *browsertest.Browser
	pages   map[string]string // their addresses
	evil    string            // the attacker's server
	rebound *rebound
}

func newStage(t *testing.T) *stage {
	server := httptest.NewServer(http.HandlerFunc(attackersServer))
	t.Cleanup(server.Close)
	port := must(url.Parse(server.URL)).Port()
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, []byte(attackersPage), 0o644); err != nil {
		t.Fatal(err)
	}
	r := newRebound(t, strings.TrimPrefix(server.URL, "http://"))
	return &stage{
		// Every name of the attacker resolves to this machine, as the attacker's name server could answer.
		browser: browsertest.Start(t, chromedp.Flag("host-resolver-rules", "MAP *.example 127.0.0.1, MAP *.example. 127.0.0.1")),
		evil:    "http://evil.example:" + port,
		rebound: r,
		pages: map[string]string{
			"evil":    "http://evil.example:" + port,
			"good":    "http://good.example:" + port,
			"local":   "http://localhost:" + port,
			"null":    "http://evil.example:" + port + "/sandbox",
			"file":    "file://" + file,
			"rebound": "http://rebound.example:" + r.port,
		},
	}
}

const attackersPage = `<!doctype html><title>page</title><link rel="icon" href="data:,"><body></body>`

// attackersServer serves an empty page, and redirects.
func attackersServer(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close") // so that requests after the rebinding use a new connection
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.Header().Set("Access-Control-Allow-Headers", "*")
	if r.URL.Path == "/sandbox" { // a page without an origin
		w.Header().Set("Content-Security-Policy", "sandbox allow-scripts")
	}
	if to := r.URL.Query().Get("to"); to != "" {
		http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	io.WriteString(w, attackersPage)
}

// helpers is JavaScript for the scripts. D is the target's URL, P its port, E the URL of the attacker's server.
const helpers = `
const text = r => r.ok ? r.text() : "";
const guarded = ["/metrics", "/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/play", "/play/play.js", "/play/frame"];
const each = f => Promise.all(guarded.map(path => f(path).catch(() => "")));
const program = JSON.stringify({code: "print(1)"});
const untyped = new Blob([program]); // the browser sends no Content-Type, which the daemon treats as JSON
const add = (tag, attributes) => {
	const e = Object.assign(document.createElement(tag), attributes);
	document.body.append(e);
	return e;
};
const loads = (tag, attributes) => new Promise(done => {
	const e = add(tag, attributes);
	e.onload = () => done("loaded " + tag);
	e.onerror = () => done("");
});
const post = (action, enctype, fields) => {
	add("iframe", {name: "sink"});
	const form = add("form", {method: "POST", action, enctype, target: "sink"});
	for (const [name, value] of Object.entries(fields)) form.append(Object.assign(document.createElement("input"), {name, value}));
	form.submit();
	return "";
};
const opens = socket => new Promise(done => {
	socket.onopen = () => done("open");
	socket.onerror = () => done("");
});
`

// attack runs an attack and returns its results: the value of the script, or the requests that the target answered.
func (s *stage) attack(t *testing.T, a browserAttack, to target) (through []string) {
	t.Helper()
	s.rebound.to("")
	s.browser.Run(t, chromedp.Navigate(s.pages[a.page]))
	s.rebound.to(strings.TrimPrefix(to.url, "http://"))
	at := must(url.Parse(to.url))
	before := to.counts(t)
	script := fmt.Sprintf("(async () => { const D = %q, P = %q, E = %q, B = %q; %s try { return [await (async () => { %s })()].flat().filter(Boolean).map(String) } catch (e) { return [] } })()",
		to.url, at.Port(), s.evil, s.pages["rebound"], helpers, a.script)
	s.browser.Run(t, chromedp.Evaluate(script, &through, func(p *runtime.EvaluateParams) *runtime.EvaluateParams {
		return p.WithAwaitPromise(true).WithUserGesture(true)
	}))
	now := to.counts(t)
	if a.sends {
		waitFor(t, "the requests", func() bool { now = to.counts(t); return now.requests >= before.requests+a.times })
	}
	if len(through) > 0 {
		return through
	}
	for range now.runs - before.runs {
		through = append(through, "a program ran")
	}
	for range now.served - before.served {
		if len(through) < a.times && !a.runs {
			through = append(through, "the target answered")
		}
	}
	return through
}

// rebound is a host name that resolves first to the attacker's server and then to a target. It does what a name server does in
// DNS rebinding, except for the browser's DNS cache.
type rebound struct {
	port string
	home string

	mu     sync.Mutex
	target string
	open   []net.Conn // connections that the browser would reuse
}

func newRebound(t *testing.T, home string) *rebound {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &rebound{port: strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), home: home}
	r.to("")
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go r.carry(c)
		}
	}()
	return r
}

// to sets the address to which new connections go. The empty address is the attacker's server.
func (r *rebound) to(address string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.target = address; address == "" {
		r.target = r.home
	}
	for _, c := range r.open {
		c.Close()
	}
	r.open = nil
}

func (r *rebound) carry(c net.Conn) {
	defer c.Close()
	r.mu.Lock()
	r.open = append(r.open, c)
	address := r.target
	r.mu.Unlock()
	out, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer out.Close()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(out, c); out.(*net.TCPConn).CloseWrite() })
	both.Go(func() { io.Copy(c, out); c.(*net.TCPConn).CloseWrite() })
	both.Wait()
}

// daemonTarget returns a running daemon as a target.
func daemonTarget(t *testing.T, flags ...string) target {
	d := start(t, flags...)
	reads := 0 // requests by this function itself
	requestSample := regexp.MustCompile(`(?m)^sandboxd_http_requests_total\{code="(\d+)",route="([^"]*)"\} (\d+)$`)
	runSample := regexp.MustCompile(`(?m)^sandboxd_runs_total\{verdict="\w+"\} (\d+)$`)
	guarded := []string{"/metrics", "/healthz", "/readyz", "/openapi.json"}
	return target{d.url, func(t testing.TB) (c counts) {
		text := d.get(t, "/metrics").body
		for _, m := range requestSample.FindAllStringSubmatch(text, -1) {
			n := must(strconv.Atoi(m[3]))
			if m[2] == "/metrics" && m[1] == "200" {
				n -= reads
			}
			c.requests += n
			if m[1] == "200" && (slices.Contains(guarded, m[2]) || strings.HasPrefix(m[2], "/docs") || strings.HasPrefix(m[2], "/redoc") || slices.Contains(page.Paths(), m[2])) {
				c.served += n
			}
		}
		for _, m := range runSample.FindAllStringSubmatch(text, -1) {
			c.runs += must(strconv.Atoi(m[1]))
		}
		reads++
		return c
	}}
}

// weakTarget returns a target that answers every request: it allows every origin by CORS and every host, with a content type that
// every element loads. It opens every WebSocket, and counts a program as run whatever the type of the body.
func weakTarget(t *testing.T) target {
	var requests, served, runs atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer requests.Add(1)
		h := w.Header()
		if origin := r.Header.Get("Origin"); origin != "" {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Credentials", "true")
		}
		switch {
		case r.Method == http.MethodOptions:
			h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
			h.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
			return
		case r.Header.Get("Upgrade") == "websocket":
			sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
			h.Set("Upgrade", "websocket")
			h.Set("Connection", "Upgrade")
			h.Set("Sec-WebSocket-Accept", base64.StdEncoding.EncodeToString(sum[:]))
			w.WriteHeader(http.StatusSwitchingProtocols)
			if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
				time.AfterFunc(time.Second, func() { c.Close() })
			}
			return
		case r.Method == http.MethodPost:
			if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
				runs.Add(1)
			}
		}
		served.Add(1)
		if strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
			h.Set("Content-Type", "text/event-stream")
			io.WriteString(w, "data: secret\n\n")
			return
		}
		if slices.Contains([]string{"script", "worker", "style"}, r.Header.Get("Sec-Fetch-Dest")) {
			h.Set("Content-Type", map[bool]string{true: "text/css", false: "text/javascript"}[r.Header.Get("Sec-Fetch-Dest") == "style"])
			io.WriteString(w, "/* secret */")
			return
		}
		h.Set("Content-Type", "text/html")
		io.WriteString(w, "<!doctype html>secret")
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return target{server.URL, func(testing.TB) counts {
		return counts{int(requests.Load()), int(served.Load()), int(runs.Load())}
	}}
}
