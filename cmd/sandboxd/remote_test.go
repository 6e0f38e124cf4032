package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/client"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// ranAs is how a command ended.
type ranAs struct {
	status         int
	stdout, stderr string
}

// runsAs runs a command to its end.
func runsAs(t *testing.T, cmd *exec.Cmd) ranAs {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return ranAs{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

func programFile(t *testing.T, code string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "program.py")
	if err := os.WriteFile(file, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// A program on a service has the same exit status, output and words as one that is run here.
func TestRemoteRunIsAsLocal(t *testing.T) {
	d := start(t, "--wall=2s", "--max-wall=3s", "--memory=96MiB", "--max-memory=128MiB", "--offer-policy=off")
	for _, tt := range []struct {
		name, code string
		args       []string // for both
		arguments  []string // of the program
		local      []string // what the service is configured with
		status     int
	}{
		{"output", "import math\nprint('é')\nraise SystemExit('x')", nil, nil, nil, 1},
		{"exit status", "raise SystemExit(7)", nil, nil, nil, 7},
		{"arguments", "import sys\nprint(sys.argv)", []string{"--policy=off"}, []string{"a", "--", "-x", "--wall=5s"}, nil, 0},
		{"timeout by the service's limit", "print(1)\nwhile True: pass", nil, nil, []string{"--wall=2s"}, 124},
		{"timeout by a limit of the run", "while True: pass", []string{"--wall=500ms"}, nil, nil, 124},
		{"out of memory by the service's limit", "x = bytearray(1 << 30)", nil, nil, []string{"--memory=96MiB"}, 137},
		{"out of memory by a limit of the run", "x = bytearray(1 << 30)", []string{"--memory=64MiB"}, nil, nil, 137},
		{"too many threads", "import threading, time\nfor i in range(9): threading.Thread(target=time.sleep, args=(1,)).start()", []string{"--pids=4"}, nil, nil, 1},
		{"a signal", "import os\nos.kill(os.getpid(), 11)", []string{"--policy=off"}, nil, nil, 139},
		{"a signal without a name", "import os\nos.kill(os.getpid(), 40)", []string{"--policy=off"}, nil, nil, 168},
		{"an interrupt", "raise KeyboardInterrupt", nil, nil, nil, 130},
		{"denied calls", "import os\nfor call in os.setuid, os.setuid, os.setgid:\n    try: call(0)\n    except OSError: pass", []string{"--policy=off"}, nil, nil, 0},
		{"a program that does not compile", "import os\nprint(", nil, nil, nil, 1},
		{"what the policy forbids", "\nimport os\nimport socket", nil, nil, nil, 126},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := programFile(t, tt.code)
			arguments := func(first ...string) []string {
				args := append(append(first, tt.args...), file)
				if tt.arguments != nil {
					args = append(append(args, "--"), tt.arguments...)
				}
				return args
			}
			local := runsAs(t, command(t, arguments(append([]string{"run", isolation(), "--log-level=error"}, tt.local...)...)...))
			remote := runsAs(t, command(t, arguments("run", "--remote", d.url)...))
			if remote != local || remote.status != tt.status {
				t.Errorf("on the service %+v, here %+v, want status %d", remote, local, tt.status)
			}
		})
	}
}

func TestRemoteRunTakesInput(t *testing.T) {
	d := start(t, "--policy=permissive", "--output-limit=1KiB")
	file := programFile(t, "import sys\nprint(len(sys.stdin.read()))")
	stdin := func(from io.Reader, args ...string) ranAs {
		t.Helper()
		cmd := command(t, append([]string{"run", "--remote", d.url}, args...)...)
		cmd.Stdin = from
		return runsAs(t, cmd)
	}
	if got := stdin(strings.NewReader("12345"), file); got != (ranAs{0, "5\n", ""}) {
		t.Errorf("a pipe: %+v", got)
	}
	if got := stdin(nil, file); got != (ranAs{0, "0\n", ""}) {
		t.Errorf("/dev/null: %+v", got)
	}
	if got := stdin(strings.NewReader("print(input())"), "-"); got.status != 1 || !strings.Contains(got.stderr, "EOFError") {
		t.Errorf("the program itself: %+v", got)
	}
	if got := stdin(strings.NewReader(strings.Repeat("x", 1<<20+1)), file); got != (ranAs{1, "", "sandboxd: standard input is longer than 1048576 bytes, which a program may have at most\n"}) {
		t.Errorf("too much: %+v", got)
	}
	if got := stdin(strings.NewReader("\xff"), file); got != (ranAs{1, "", "sandboxd: client: the standard input is not UTF-8\n"}) {
		t.Errorf("bytes: %+v", got)
	}
	terminal := openTerminal(t)
	if got := stdin(terminal, file); got != (ranAs{0, "0\n", ""}) {
		t.Errorf("a terminal: %+v", got)
	}
	// Of a program that writes more than the limit, the rest is missing, which is said.
	if got := stdin(nil, programFile(t, "print('x' * 1100, end='')")); got.status != 0 || got.stdout != strings.Repeat("x", 1024) ||
		!strings.HasPrefix(got.stderr, "sandboxd: 76 bytes of stdout are missing: ") {
		t.Errorf("%+v", got)
	}
}

// openTerminal returns a terminal on which nobody types.
func openTerminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprint("/dev/pts/", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	return terminal
}

// A signal cancels the run on the service. Output comes while the program runs.
func TestRemoteRunIsCancelledBySignals(t *testing.T) {
	d := start(t, "--wall=1m")
	file := programFile(t, "print('first')\nwhile True: pass")
	for i, signal := range []syscall.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP} {
		cmd := command(t, "run", "--remote", d.url, file)
		var stdout, stderr lockedBuffer
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the program", func() bool { return stdout.String() == "first\n" })
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // the status is compared
		if got := cmd.ProcessState.ExitCode(); got != 130 || !strings.HasPrefix(stderr.String(), "sandboxd: Code execution was interrupted after ") {
			t.Errorf("%v: status %d, %q", signal, got, stderr.String())
		}
		waitFor(t, "the end of the run", func() bool {
			return d.metric(t, `sandboxd_runs_total{verdict="cancelled"}`) == fmt.Sprint(i+1)
		})
	}
}

// A reader that takes its time loses nothing: neither output, nor the run after the patience of the service.
func TestRemoteRunWaitsForItsReader(t *testing.T) {
	d := start(t, "--wall=1m", "--output-limit=32MiB")
	const pieces, size = 80, 256 << 10 // slow enough for a client under the race detector beside other tests: it has to read, although its reader waits
	cmd := command(t, "run", "--remote", d.url, programFile(t, fmt.Sprintf("import time\nfor i in range(%d):\n    print('x' * %d, end='', flush=True)\n    time.sleep(0.1)", pieces, size)))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the end of the run", func() bool { return d.metric(t, `sandboxd_runs_total{verdict="exited"}`) == "1" })
	read, err := io.Copy(io.Discard, stdout)
	if err != nil || read != pieces*size {
		t.Errorf("%d of %d bytes, %v", read, pieces*size, err)
	}
	if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
		t.Errorf("%v: %s", err, &stderr)
	}
}

// What waits is bounded, in order, and given back to a loop that is left.
func TestReadingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		produced, stopped := 0, false
		stream := func(yield func(client.Event, error) bool) {
			for ; produced < 10; produced++ {
				if !yield(client.Event{Seq: int64(produced), Text: "12345"}, nil) {
					stopped = true
					return
				}
			}
			yield(client.Event{}, io.EOF)
		}
		next := int64(0)
		for e, err := range ahead(stream, 12) {
			if next == 10 && err == io.EOF {
				next++
				continue
			}
			if err != nil || e.Seq != next {
				t.Fatalf("%+v, %v, want %d", e, err, next)
			}
			if synctest.Wait(); produced > int(next)+4 {
				t.Errorf("%d are read while event %d is handled", produced, next)
			}
			next++
		}
		if next != 11 {
			t.Errorf("%d events", next)
		}
		produced = 0
		for range ahead(stream, 12) {
			break
		}
		if synctest.Wait(); !stopped {
			t.Error("the stream goes on after its loop")
		}
	})
}

func TestRemoteRunSendsTheKey(t *testing.T) {
	var seen string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"type":"/problems/unauthorized","title":"No","status":401,"detail":"who are you?"}`)
	}))
	defer service.Close()
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte(" of-a-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		env  string
		want string
	}{
		{nil, "A=1", ""},
		{nil, "SANDBOXD_KEY=of-the-environment", "Bearer of-the-environment"},
		{[]string{"--key-file", key}, "SANDBOXD_KEY=of-the-environment", "Bearer of-a-file"},
	} {
		cmd := command(t, append([]string{"run", "--remote", service.URL, programFile(t, "print(1)")}, tt.args...)...)
		cmd.Env = append(cmd.Env, tt.env)
		if got := runsAs(t, cmd); got != (ranAs{1, "", "sandboxd: No (401): who are you?\n"}) || seen != tt.want {
			t.Errorf("%+v, key %q, want %q", got, seen, tt.want)
		}
	}
}

func TestRemoteRunMeetsProblems(t *testing.T) {
	d := start(t, "--max-wall=6s")
	file := programFile(t, "print(1)")
	empty := programFile(t, "")
	for _, tt := range []struct {
		args   []string
		status int
		want   string // all of standard error, or its beginning before a …
	}{
		{[]string{"--remote", d.url, "--policy=off"}, 1, "sandboxd: The request cannot be carried out (422): /policy expected value to be one of \"strict\"\n"},
		{[]string{"--remote", d.url, "--wall=7s"}, 1, "sandboxd: The request cannot be carried out (422): /limits/wall_seconds is above the maximum of this service, which is 6\n"},
		{[]string{"--remote", d.url, "--template=data"}, 1, "sandboxd: The request cannot be carried out (422): /environment expected value to be one of \"default\"\n"},
		{[]string{"--remote", "http://127.0.0.1:1"}, 1, "sandboxd: client: Post \"http://127.0.0.1:1/v1/runs\": dial tcp …"},
		{[]string{"--remote", "127.0.0.1:8000"}, 2, "sandboxd: --remote: client: …"},
		{[]string{"--remote", d.url, "--engine=fork", "--isolation=best-effort", "--wall=1x"}, 2,
			"sandboxd: --isolation: the service decides this, and the program runs there (--remote): leave it out\n" +
				"sandboxd: --engine: the service decides this, and the program runs there (--remote): leave it out\n" +
				"sandboxd: --wall: \"1x\" is not a time: give a time from 100ms to 1h, such as 500ms or 5s\n"},
		{[]string{"--remote", d.url, "--config=/nonexistent"}, 2, "sandboxd: --config: the service decides this, and the program runs there (--remote): leave it out\n"},
		{[]string{"--remote", d.url, "--output-limit=0"}, 2, "sandboxd: --output-limit: 0 is too little with --remote: give at least 1\n"},
		{[]string{"--remote", d.url, "--key-file=/nonexistent"}, 1, "sandboxd: --key-file: open /nonexistent: no such file or directory\n"},
		{[]string{"--remote", d.url, "--key-file=" + empty}, 2, "sandboxd: --key-file: " + empty + " has no key: give a file with the key and nothing else\n"},
		{[]string{"--key-file=" + empty}, 2, "sandboxd: --key-file: there is no service to send the key to: give --remote, or leave it out\n"},
	} {
		got := runsAs(t, command(t, append([]string{"run", file}, tt.args...)...))
		want, more := strings.CutSuffix(tt.want, "…")
		if got.status != tt.status || got.stdout != "" || got.stderr != want && !(more && strings.HasPrefix(got.stderr, want)) {
			t.Errorf("%v: %+v", tt.args, got)
		}
	}
	// Settings of a daemon on this machine do not matter.
	cmd := command(t, "run", "--remote", d.url, file)
	cmd.Env = append(cmd.Env, "SANDBOXD_WALL=x", "SANDBOXD_CONFIG=/nonexistent", "SANDBOXD_POLICY=off")
	if got := runsAs(t, cmd); got != (ranAs{0, "1\n", ""}) {
		t.Errorf("%+v", got)
	}
}

// Every verdict of a service is one of this program, with a reason. Findings are the reason of a rejected program.
func TestEveryVerdictOfAServiceIsKnown(t *testing.T) {
	known := map[sandbox.Verdict]bool{sandbox.Failed: true} // a problem, and no outcome
	for theirs, ours := range verdictsOf {
		known[ours] = true
		code, signal := 3, "SIGTERM"
		r := &client.Outcome{Verdict: theirs, ExitCode: &code, Signal: &signal, Reason: "the service's sentence", Findings: []client.Finding{{Message: "not that"}}}
		o, err := outcomeOf(r)
		if err != nil || o.Verdict != ours {
			t.Fatalf("%s: %+v, %v", theirs, o, err)
		}
		request := client.Request{Limits: &client.Limits{WallSeconds: 1, MemoryBytes: 1 << 20}}
		if reason := reasonOf(t.Context(), nil, request, o, r); reason == "" && ours != sandbox.Exited && ours != sandbox.Rejected {
			t.Errorf("%s has no reason", theirs)
		}
	}
	for _, v := range sandbox.Verdicts {
		if !known[v] {
			t.Errorf("%s is not known", v)
		}
	}
}
