package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jailtest"
)

func TestOverloadIsAnsweredWith503(t *testing.T) {
	d := start(t, "--concurrency=1", "--queue=1", "--policy=off", "--wall=20s")
	const sleeper = `{"code":"import time\ntime.sleep(2)\nprint(1)"}`
	var wg sync.WaitGroup
	wg.Go(func() { d.post(t, sleeper) })
	waitFor(t, "the slot to be taken", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	wg.Go(func() {
		if a := d.post(t, sleeper); a.status != 200 {
			t.Errorf("the one in the queue: %d %s", a.status, a.body)
		}
	})
	waitFor(t, "the queue to be full", func() bool { return d.metric(t, "sandboxd_queue_depth") == "1" })
	a := d.post(t, sleeper)
	if a.status != 503 || a.header.Get("Retry-After") == "" || !strings.HasPrefix(a.body, `{"detail":"`) {
		t.Errorf("status %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.body)
	}
	wg.Wait()
}

func TestDrain(t *testing.T) {
	d := start(t, "--policy=off", "--wall=20s")
	var running streams
	var wg sync.WaitGroup
	wg.Go(func() { running, _ = d.execute(t, "import time\ntime.sleep(2)\nprint('finished')") })
	waitFor(t, "a run", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a 503", func() bool { return d.get(t, "/readyz").status == 503 })
	if a := d.post(t, `{"code":"print(1)"}`); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("a new run while draining: %d %s", a.status, a.body)
	}
	wg.Wait()
	if running.Stdout != "finished\n" {
		t.Errorf("the run that was under way: %+v", running)
	}
	if err := <-d.done; err != nil {
		t.Errorf("exit: %v", err)
	}
}

// kill -9 on the daemon during a run leaves no process of the run alive. The next start of the daemon removes the rest.
//
//lab:as user
func TestKilledDaemon(t *testing.T) {
	underEachEngine(t, killedDaemon)
}

func killedDaemon(t *testing.T, flags ...string) {
	before := jailtest.Count(t, 1)
	d := start(t, append(flags, "--policy=off", "--wall=60s")...)
	go d.do(t.Context(), "POST", "/playground/execute",
		strings.NewReader(`{"code":"import os\nfor i in range(3): os.fork()\nos.execv('/usr/bin/sleep', ['sleep', '3611'])"}`), "Content-Type", "application/json")
	// The program's processes, and all others that the daemon has started: zygotes, templates, waiting jails.
	var all []int
	waitFor(t, "the eight processes of its program", func() bool {
		sleepers := sleeping()
		all = append(descendants(d.cmd.Process.Pid), sleepers...)
		return len(sleepers) == 8
	})
	d.cmd.Process.Kill()
	<-d.done
	waitFor(t, "its processes to be gone", func() bool {
		return !slices.ContainsFunc(all, func(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH })
	})
	next := start(t)
	waitFor(t, "its leaves to be gone", func() bool { return jailtest.Count(t, 1).Leaves == before.Leaves })
	if s, _ := next.execute(t, "print(1)"); s.Stdout != "1\n" {
		t.Errorf("%+v", s)
	}
}

// descendants returns the processes below a process.
func descendants(pid int) (all []int) {
	for _, child := range jailtest.Children(pid) {
		all = append(append(all, child), descendants(child)...)
	}
	return all
}

// sleeping returns the processes that are `sleep 3611`. It searches the whole machine: the unit hides the inits of the jails from this
// test (ProtectProc=invisible), so their children cannot be found through them.
func sleeping() (pids []int) {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if line, _ := os.ReadFile(path); string(line) == "sleep\x003611\x00" {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			pids = append(pids, pid)
		}
	}
	return pids
}

func TestReadiness(t *testing.T) {
	d := start(t)
	if a := d.get(t, "/readyz"); a.status != 200 {
		t.Errorf("status %d: %s", a.status, a.body)
	}
	a := d.get(t, "/healthz")
	var health struct {
		Status    string
		Isolation struct {
			Mode   string
			Layers map[string]string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &health); err != nil || health.Status != "ok" {
		t.Fatalf("%v: %s", err, a.body)
	}
	if health.Isolation.Layers["seccomp"] != "enforced" || "--isolation="+health.Isolation.Mode != isolation() {
		t.Errorf("%+v", health.Isolation)
	}
	memory := "missing"
	if isolation() == "--isolation=required" {
		memory = "enforced"
	}
	if got := health.Isolation.Layers["memory"]; got != memory {
		t.Errorf("the memory layer is %q, want %q", got, memory)
	}
	if got := d.metric(t, `sandboxd_isolation_layer_info{layer="memory",state="`+memory+`"}`); got != "1" {
		t.Errorf("the metric is %q", got)
	}
}

func TestFailsClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want []string
	}{
		{"no python", []string{"--python=/nonexistent/python3"}, []string{"layer=python", `remedy="install python3`}},
		{"an invalid profile", []string{"--seccomp-profile=main.go"}, []string{"seccomp profile"}},
		{"an invalid address", []string{"--listen=nowhere"}, []string{"--listen"}},
		{"an unknown policy", []string{"--policy=lax"}, []string{"--policy", "strict"}},
		{"a value out of range", []string{"--concurrency=0"}, []string{"--concurrency", "from 1"}},
		{"an invalid size", []string{"--memory=lots"}, []string{"--memory"}},
		{"more connections than descriptors", []string{"--connections=1000000"}, []string{"open files", "--connections"}},
		{"fewer uids than runs", []string{"--concurrency=100", "--uid-count=100"}, []string{"--uid-count", "from 108"}},
		{"an invalid host", []string{"--host=http://a.example"}, []string{"--host", "http://a.example", "without scheme"}},
		{"an invalid admin address", []string{"--admin-listen=nowhere"}, []string{"--admin-listen"}},
		{"a negative number of connections", []string{"--connections-per-client=-1"}, []string{"--connections-per-client", "from 0"}},
		{"an invalid origin", []string{"--cors-origin=example.com"}, []string{"example.com"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := command(t, append([]string{"serve", isolation(), "--listen=127.0.0.1:0"}, tt.args...)...).CombinedOutput()
			if err == nil {
				t.Fatal("it started")
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("%q is not in:\n%s", want, out)
				}
			}
		})
	}
	if isolation() == "--isolation=best-effort" {
		out, err := command(t, "serve", "--isolation=required", "--listen=127.0.0.1:0").CombinedOutput()
		if err == nil || !strings.Contains(string(out), `layer=memory error="the cgroup v2 controller memory is missing`) || !strings.Contains(string(out), "remedy=") {
			t.Errorf("%v:\n%s", err, out)
		}
	}
}

// A flag overrides the environment, which overrides the file, which overrides the default.
func TestSettingsPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte("wall: 1s\npolicy: \"off\"\npids: 33\ncors-origin: [https://a.example, https://b.example]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"the default", nil, nil, "5s strict 256 *"},
		{"the file", nil, []string{"--config=" + file}, "1s off 33 https://a.example,https://b.example"},
		{"the environment over the file", []string{"SANDBOXD_WALL=2s", "SANDBOXD_PIDS=44"}, []string{"--config=" + file}, "2s off 44 https://a.example,https://b.example"},
		{"a flag over both", []string{"SANDBOXD_WALL=2s"}, []string{"--config=" + file, "--wall=3s"}, "3s off 33 https://a.example,https://b.example"},
		{"the file named by the environment", []string{"SANDBOXD_CONFIG=" + file}, nil, "1s off 33 https://a.example,https://b.example"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, e := range tt.env {
				name, value, _ := strings.Cut(e, "=")
				t.Setenv(name, value)
			}
			c, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join([]string{c.Wall.String(), c.Policy, strconv.Itoa(c.Pids), strings.Join(c.CORSOrigin, ",")}, " ")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, tt := range []struct{ name, content, want string }{
		{"an unknown key", "walls: 1s", `unknown key "walls"`},
		{"a value of the wrong kind", "pids: many", `bad.yaml:1: pids: "many" is not a whole number`},
		{"a value out of range", "wall: 0s", "bad.yaml:1: wall: 0s is too small"},
		{"a map instead of a value", "wall: {a: 1}", "bad.yaml:1: wall: is a map"},
		{"a list instead of a map", "- 1", "bad.yaml:1: not a YAML map"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bad := filepath.Join(t.TempDir(), "bad.yaml")
			if err := os.WriteFile(bad, []byte(tt.content), 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := parse([]string{"--config=" + bad}); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestRunCommand(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		name           string
		code           string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"prints the output", "import math\nprint('out')", nil, 0, "out\n", ""},
		{"exits with the program's status", "raise SystemExit(7)", nil, 7, "", ""},
		{"timeout", "print('up')\nwhile True: pass", []string{"--wall=1s"}, 124, "up\n", "sandboxd: Code execution timed out (1 second limit).\n"},
		{"out of memory", "x = bytearray(1 << 30)", []string{"--memory=64MiB"}, 137, "", "sandboxd: Memory limit exceeded (64 MiB limit).\n"},
		{"crash", "import ctypes\nctypes.string_at(0)", []string{"--policy=off"}, 139, "", "SIGSEGV"},
		{"denied", "import os\nfor call in os.setuid, os.setuid, os.setgid:\n    try: call(0)\n    except OSError: pass", []string{"--policy=off"}, 0, "",
			"sandboxd: denied by the seccomp filter: setgid, setuid (2 times)\n"},
		{"does not compile", "import os\nprint(", nil, 1, "", "  File \"main.py\", line 2\n    print(\n         ^\nSyntaxError: '(' was never closed\n"},
		{"refused by the scan", "\nimport os", nil, 126, "", ":2:8: Security Error: Module 'os'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dir, "program.py")
			if err := os.WriteFile(file, []byte(tt.code), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{file, "-"} {
				cmd := command(t, append([]string{"run", isolation(), "--log-level=error", from}, tt.args...)...)
				var stdout, stderr bytes.Buffer
				cmd.Stdout, cmd.Stderr = &stdout, &stderr
				if from == "-" {
					cmd.Stdin = strings.NewReader(tt.code)
				}
				err := cmd.Run()
				var exit *exec.ExitError
				if err != nil && !errors.As(err, &exit) {
					t.Fatal(err)
				}
				if got := cmd.ProcessState.ExitCode(); got != tt.status || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) {
					t.Errorf("status %d, stdout %q, stderr %q", got, stdout.String(), stderr.String())
				}
			}
		})
	}
}

// Output is printed while the program runs, and not only at its end.
func TestRunCommandStreamsLive(t *testing.T) {
	cmd := command(t, "run", isolation(), "--wall=30s", "--log-level=error", "-")
	cmd.Stdin = strings.NewReader("print('first')\nimport time\ntime.sleep(20)")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := stdout.Read(line); err != nil || string(line) != "first\n" || time.Since(begin) > 15*time.Second {
		t.Errorf("%q, %v, after %v", line, err, time.Since(begin))
	}
	cmd.Process.Signal(syscall.SIGINT)
	cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("interrupted, it ends with %d", got)
	}
}

func TestDoctor(t *testing.T) {
	out, err := command(t, "doctor", "--json", isolation()).Output()
	var findings []finding
	if jsonErr := json.Unmarshal(out, &findings); err != nil || jsonErr != nil || len(findings) < 15 {
		t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	out, err = command(t, "doctor", "--python=/nonexistent").Output()
	if err == nil || !strings.Contains(string(out), "MISSING  python") || !strings.Contains(string(out), "remedy: install python3") {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestMisspelledEnvironmentIsNamed(t *testing.T) {
	cmd := command(t, "check")
	cmd.Env = append(cmd.Env, "SANDBOXD_WAL=4s", "SANDBOXD_WALL=4s")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "environment variable SANDBOXD_WAL is not a setting") || strings.Contains(string(out), "SANDBOXD_WALL is not") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestVersion(t *testing.T) {
	out, err := command(t, "version").Output()
	if err != nil || !strings.HasPrefix(string(out), "sandboxd ") {
		t.Errorf("%v: %s", err, out)
	}
}

// parse reads a command line and completes the settings from the environment and the file.
func parse(args []string) (*settings, error) {
	in, err := parseArguments(args)
	if err != nil {
		return nil, err
	}
	return in.readSettings()
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
