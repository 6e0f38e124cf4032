package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// way is one way to run a program: a command for each program, or a server for all.
type way struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Absent string `json:"absent,omitempty"` // the reason if it cannot be measured

	command []string // the source is appended
	server  []string
	env     []string
	ours    bool // sandboxd
	forks   bool // engine fork: a request selects a template
	hides   bool // it does not wait for the program, so the CPU time of the program is unknown
	waiting bool // it keeps waiting jails, and makes another one after each run

	held func(cmd *exec.Cmd, told io.WriteCloser) // releases a held server
	up   *exec.Cmd
	url  string
	cpu  atomic.Int64 // CPU time of the commands so far, in nanoseconds
}

//go:embed oldway.py
var oldWay string

func everyWay(python, daemon, isolation, config string) []*way {
	program := []string{python, "-I", "-c"}
	ours := func(name, label string, flags ...string) *way {
		return &way{Name: name, Label: label, ours: true, server: append([]string{
			daemon, "serve", "--listen=127.0.0.1:0", "--isolation=" + isolation, "--python=" + python, "--log-level=info"}, flags...)}
	}
	// Settings are in the environment, so that a daemon without engines ignores them and is always cold.
	cold := ours("cold", "sandboxd, cold")
	cold.env = []string{"SANDBOXD_ENGINE=exec", "SANDBOXD_WARM=0"}
	warm := ours("warm", "sandboxd, warm", "--engine=exec", "--warm=16")
	forked := ours("forked", "sandboxd, forked", "--engine=fork", "--warm=0", "--config="+config)
	forkedWarm := ours("forked-warm", "sandboxd, forked and warm", "--engine=fork", "--warm=16", "--config="+config)
	forked.forks, forkedWarm.forks = true, true
	warm.waiting, forkedWarm.waiting = true, true
	return []*way{
		{Name: "bare", Label: "bare `python3 -I`", command: program},
		{Name: "bubblewrap", Label: "bubblewrap", command: append(bubblewrap, program...), hides: true, Absent: missing("bwrap")},
		{Name: "nsjail", Label: "nsjail", command: append(nsjail, program...), Absent: missing("nsjail")},
		{Name: "old", Label: "a subprocess behind a thread", server: append(program, oldWay, python)},
		cold, warm, forked, forkedWarm,
	}
}

// Commands of other sandboxes. They have the same namespaces and the same read-only system tree as a jail. Neither has a cgroup, and
// only nsjail has limits.
var (
	bubblewrap = []string{"bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
		"--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
		"--ro-bind-try", "/etc/alternatives", "/etc/alternatives", "--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache",
		"--ro-bind-try", "/etc/fonts", "/etc/fonts", "--ro-bind-try", "/etc/matplotlibrc", "/etc/matplotlibrc",
		"--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--chdir", "/tmp", "--setenv", "HOME", "/tmp"}
	nsjail = []string{"nsjail", "--mode", "o", "--really_quiet", "--user", "65534", "--group", "65534", "--time_limit", "5",
		"--rlimit_as", "hard", "--rlimit_nofile", "256", "--rlimit_fsize", "64",
		"--bindmount_ro", "/usr", "--symlink", "usr/bin:/bin", "--symlink", "usr/lib:/lib", "--symlink", "usr/lib64:/lib64",
		"--bindmount_ro", "/etc/alternatives", "--bindmount_ro", "/dev/urandom", "--bindmount", "/dev/null",
		"--tmpfsmount", "/tmp", "--cwd", "/tmp", "--env", "HOME=/tmp", "--"}
)

func missing(program string) string {
	if _, err := exec.LookPath(program); err != nil {
		return "no " + program + " on this machine"
	}
	return ""
}

// answer is the result of a run.
type answer struct {
	stdout  string
	refused bool                     // a 503 or 429 with Retry-After
	parts   map[string]time.Duration // phases that the daemon reports
	picture []byte                   // of the typed API: the first display
}

// run runs a program until it ends. It returns an error if the output is wrong.
func (w *way) run(ctx context.Context, p program) (a answer, err error) {
	if w.server == nil {
		a, err = w.execute(ctx, p)
	} else {
		a, err = w.post(ctx, &client, p)
	}
	if err == nil && !a.refused && !p.right(a.stdout) {
		err = fmt.Errorf("%s printed %.200q", p.name, a.stdout)
	}
	return a, err
}

func (w *way) execute(ctx context.Context, p program) (answer, error) {
	cmd := exec.CommandContext(ctx, w.command[0], append(w.command[1:len(w.command):len(w.command)], p.source)...)
	out, err := cmd.Output()
	if cmd.ProcessState != nil {
		w.cpu.Add(int64(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()))
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %s", p.name, err, lastLine(string(exit.Stderr)))
	}
	return answer{stdout: string(out)}, err
}

// client keeps as many connections as there are clients, so that none waits for another.
var client = http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1 << 14}}

// send sends a program to a route. template is the name of the field that selects the template.
func (w *way) send(ctx context.Context, by *http.Client, route, accept, template string, p program) (*http.Response, error) {
	fields := map[string]string{"code": p.source}
	if w.forks && p.template != "" {
		fields[template] = p.template
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, "POST", w.url+route, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Accept", accept)
	return by.Do(request)
}

// post runs a program by the old route.
func (w *way) post(ctx context.Context, by *http.Client, p program) (a answer, err error) {
	response, err := w.send(ctx, by, "/playground/execute", "application/json", "template", p)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return a, err
	}
	if response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests {
		if _, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
			return answer{refused: true}, nil
		}
	}
	var said struct{ Stdout, Stderr string }
	if response.StatusCode != http.StatusOK || json.Unmarshal(text, &said) != nil {
		return a, fmt.Errorf("%s: status %d: %.200s", p.name, response.StatusCode, text)
	}
	a = answer{stdout: said.Stdout, parts: parseTiming(response.Header.Get("Server-Timing"))}
	if !p.right(a.stdout) {
		err = fmt.Errorf("%s: %s %s, stdout %.200q, stderr %.200q", p.name, response.Header.Get("X-Sandboxd-Verdict"),
			response.Header.Get("X-Sandboxd-Signal"), said.Stdout, said.Stderr)
	}
	return a, err
}

var serving = regexp.MustCompile(`serving address=(http://\S+)`)

// start starts the way's server. If the server does not serve, the way becomes absent.
func (w *way) start(ctx context.Context, flags ...string) {
	cmd := exec.CommandContext(ctx, w.server[0], append(w.server[1:len(w.server):len(w.server)], flags...)...)
	cmd.Env = append(os.Environ(), w.env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	stderr, err := cmd.StderrPipe()
	var told io.WriteCloser
	if err == nil && w.held != nil {
		told, err = cmd.StdinPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		w.Absent = err.Error()
		return
	}
	if w.held != nil {
		w.held(cmd, told)
	}
	// The imports of a template take seconds. After a minute the server counts as hanging.
	late := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	lines := bufio.NewScanner(stderr)
	var said strings.Builder
	for lines.Scan() {
		if found := serving.FindStringSubmatch(lines.Text()); found != nil {
			go io.Copy(io.Discard, stderr)
			w.up, w.url = cmd, found[1]
			return
		}
		fmt.Fprintln(&said, lines.Text())
	}
	err = cmd.Wait()
	w.Absent = reason(said.String(), err)
}

func (w *way) stop() error {
	if w.up == nil {
		return nil
	}
	cmd := w.up
	w.up = nil
	client.CloseIdleConnections()
	err := cmd.Process.Signal(syscall.SIGTERM)
	// sandboxd exits with status 0 after SIGTERM. The other servers do not handle the signal.
	if waited := cmd.Wait(); w.ours && waited != nil {
		err = errors.Join(err, fmt.Errorf("%s: %w", w.Name, waited))
	}
	return err
}

// reason returns why a server with this output did not start.
func reason(said string, err error) string {
	if _, remedy, ok := strings.Cut(said, `remedy="`); ok {
		remedy, _, _ = strings.Cut(remedy, `"`)
		return remedy
	}
	if line := lastLine(said); line != "" {
		return strings.TrimPrefix(line, "sandboxd: ")
	}
	return fmt.Sprint(err)
}

func lastLine(said string) string {
	said = strings.TrimSpace(said)
	return said[strings.LastIndex(said, "\n")+1:]
}
