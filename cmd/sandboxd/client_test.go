package main

import (
	"context"
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/client"
	"github.com/sandboxd/sandboxd/internal/api/v1"
)

// The Go client against the running daemon, with real jails.

func newClient(t testing.TB, url string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.New(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestGoClient(t *testing.T) {
	d := start(t, "--policy=permissive", "--offer-policy=strict", "--offer-policy=off", "--wall=20s", "--max-output=4MiB")
	c := newClient(t, d.url)
	for _, tt := range []struct {
		name    string
		request client.Request
		verdict client.Verdict
		stdout  string
		check   func(*client.Result) bool
	}{
		{"a program", client.Request{Code: "print('é')"}, client.Exited, "é\n", func(r *client.Result) bool {
			return *r.ExitCode == 0 && r.Signal == nil && strings.HasPrefix(r.ID, "run_") && r.Usage.CPUSeconds > 0 && r.Phases.RunSeconds > 0 &&
				r.Reason == "The program ended by itself with exit code 0." && r.Isolation.Enforced == (isolation() == "--isolation=required")
		}},
		{"all that a program can bring along", client.Request{
			Code:  "import os, sys\nprint(sys.argv[1:], input(), os.environ['NAME'], open('a/b').read(), open('c', 'rb').read(), os.path.getsize('empty'))\nsys.exit(3)",
			Stdin: "one\n", Args: []string{"-x", "ř"}, Env: map[string]string{"NAME": "värde"}, Policy: "off", Environment: "default",
			Files: []client.File{{Path: "a/b", Text: "text"}, {Path: "c", Base64: []byte{0, 255}}, {Path: "empty"}},
		}, client.Exited, "['-x', 'ř'] one värde text b'\\x00\\xff' 0\n", func(r *client.Result) bool { return *r.ExitCode == 3 }},
		{"a limit of time", client.Request{Code: "while True: pass", Limits: &client.Limits{WallSeconds: 0.25}}, client.Timeout, "",
			func(r *client.Result) bool { return r.ExitCode == nil && strings.Contains(r.Reason, "0.25 s") }},
		{"a limit of output", client.Request{Code: "print('x' * 100, end='')", Limits: &client.Limits{OutputBytes: 7}}, client.Exited, "xxxxxxx",
			func(r *client.Result) bool { return r.Truncated == client.Truncated{StdoutBytes: 93} }},
		{"a limit of memory", client.Request{Code: "x = bytearray(200 << 20)", Limits: &client.Limits{MemoryBytes: 64 << 20}}, client.OutOfMemory, "", nil},
		{"a limit of processes", client.Request{Code: "import threading, time\ntry:\n    for i in range(9): threading.Thread(target=time.sleep, args=(1,)).start()\nexcept RuntimeError as e: print(e)",
			Limits: &client.Limits{Processes: 4}}, client.Exited, "can't start new thread\n", nil},
		{"a signal", client.Request{Code: "import os\nos.kill(os.getpid(), 11)"}, client.Signaled, "", func(r *client.Result) bool { return *r.Signal == "SIGSEGV" }},
		{"what the policy forbids", client.Request{Code: "print(1)\nimport os", Policy: "strict"}, client.Rejected, "", func(r *client.Result) bool {
			return len(r.Findings) == 1 && r.Findings[0].Rule == "module" && r.Findings[0].Line == 2 && r.Findings[0].Column == 8 && r.Findings[0].EndLine == 2 && r.Findings[0].EndColumn == 10 && r.Findings[0].Message != ""
		}},
		{"denied calls", client.Request{Code: "import os\ntry: os.setuid(0)\nexcept PermissionError: print(1)", Policy: "off"}, client.Exited, "1\n", func(r *client.Result) bool {
			return len(r.Denials) == 1 && r.Denials[0].Syscall == "setuid" && r.Denials[0].Count == 1 && r.Denials[0].Explanation != ""
		}},
		{"bytes that are not UTF-8", client.Request{Code: "import sys\nsys.stdout.buffer.write(b'a\\xff\\xc3\\xa9\\xe2\\x82')"}, client.Exited, "a\ufffdé\ufffd\ufffd", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := c.Run(t.Context(), tt.request)
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != tt.verdict || r.Stdout != tt.stdout || r.Stderr != "" || tt.check != nil && !tt.check(r) {
				t.Errorf("%+v", r)
			}
			// As a stream, the same run has the same outcome and output.
			outcome, stdout, stderr := streamed(t, c, tt.request)
			if outcome.Verdict != r.Verdict || stdout != r.Stdout || stderr != r.Stderr || outcome.Truncated != r.Truncated || outcome.Reason != r.Reason ||
				!reflect.DeepEqual(outcome.Findings, r.Findings) || !reflect.DeepEqual(outcome.ExitCode, r.ExitCode) {
				t.Errorf("as a stream: %+v %q %q", outcome, stdout, stderr)
			}
		})
	}
}

func TestGoClientAsksWhatThereIs(t *testing.T) {
	d := start(t, "--policy=permissive", "--offer-policy=off", "--wall=1500ms", "--max-wall=1m", "--max-pids=300", "--engine=fork", "--templates=data=json")
	got, err := newClient(t, d.url).Meta(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := client.Meta{
		Version: version, Environments: []string{"data", "default"}, DefaultEnvironment: "default",
		Policies: []string{"off", "permissive"}, DefaultPolicy: "permissive",
		Limits: client.MetaLimits{
			WallSeconds: client.MetaNumber{Minimum: 0.01, Default: 1.5, Maximum: 60},
			CPUSeconds:  client.MetaNumber{Minimum: 0.01, Default: 1.5, Maximum: 60},
			MemoryBytes: client.MetaInteger{Minimum: 16 << 20, Default: 256 << 20, Maximum: 256 << 20},
			Processes:   client.MetaInteger{Minimum: 1, Default: 256, Maximum: 300},
			OutputBytes: client.MetaInteger{Minimum: 1, Default: 1 << 20, Maximum: 1 << 20},
		},
		Features: v1.Features,
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("%+v\nwant %+v", *got, want)
	}
}

// streamed runs a program as a stream and checks the order of its events.
func streamed(t *testing.T, c *client.Client, request client.Request) (outcome *client.Outcome, stdout, stderr string) {
	t.Helper()
	id, last := "", 0.0
	for e, err := range c.Stream(t.Context(), request) {
		if err != nil {
			t.Fatal(err)
		}
		if (e.Kind == client.Started) != (e.Seq == 0 && e.Kind != client.Finished) || e.AtSeconds < last || outcome != nil {
			t.Errorf("%+v", e)
		}
		last = e.AtSeconds
		switch e.Kind {
		case client.Started:
			id = e.ID
		case client.Stdout:
			stdout += e.Text
		case client.Stderr:
			stderr += e.Text
		case client.Finished:
			outcome = e.Outcome
		}
	}
	if outcome == nil || outcome.ID == "" || id != "" && outcome.ID != id {
		t.Fatalf("%q, %+v", id, outcome)
	}
	return outcome, stdout, stderr
}

func TestGoClientMeetsProblems(t *testing.T) {
	d := start(t, "--concurrency=1", "--queue=0", "--wall=30s", "--offer-policy=off", "--scratch=4MiB")
	c := newClient(t, d.url)
	for _, tt := range []struct {
		name    string
		request client.Request
		problem string
		errors  []client.FieldError
	}{
		{"several wrong fields", client.Request{Policy: "none", Environment: "none"}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/environment", Detail: `expected value to be one of "default"`}, {Pointer: "/policy", Detail: `expected value to be one of "off, strict"`}}},
		{"too much time", client.Request{Limits: &client.Limits{WallSeconds: 31}}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/limits/wall_seconds", Detail: "is above the maximum of this service, which is 30"}}},
		{"input that the policy refuses", client.Request{Stdin: "x"}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/stdin", Detail: "cannot be read: the policy strict refuses input()"}}},
		{"a path that leads out", client.Request{Files: []client.File{{Path: "../a"}}}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/files/0/path", Detail: "is not a relative path: it must be UTF-8 without NUL, . and .., and must not begin or end with /"}}},
		{"files that do not fit", client.Request{Code: "pass", Files: []client.File{{Path: "a", Text: strings.Repeat("x", 5<<20)}}}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/files", Detail: "do not fit into the scratch space"}}},
		{"a variable of the interpreter", client.Request{Env: map[string]string{"PYTHONPATH": "/"}}, client.ProblemInvalidRequest, []client.FieldError{
			{Pointer: "/env/PYTHONPATH", Detail: "cannot be set: names that begin with PYTHON, LD_, MALLOC_ are reserved for the sandbox"}}},
		{"a body that is too large", client.Request{Files: []client.File{{Path: "a", Text: strings.Repeat("x", 17<<20)}}}, client.ProblemTooLarge, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := c.Run(t.Context(), tt.request)
			var p *client.Problem
			if !errors.As(err, &p) || p.Type != tt.problem || !reflect.DeepEqual(p.Errors, tt.errors) || p.RequestID == "" || p.Status < 400 {
				t.Errorf("%#v", err)
			}
			for _, err := range c.Stream(t.Context(), tt.request) {
				var streamed *client.Problem
				if !errors.As(err, &streamed) || streamed.Type != tt.problem || !reflect.DeepEqual(streamed.Errors, tt.errors) {
					t.Errorf("as a stream: %#v", err)
				}
			}
		})
	}
	t.Run("no slot", func(t *testing.T) {
		for e, err := range c.Stream(t.Context(), client.Request{Code: "while True: pass"}) {
			if err != nil || e.Kind != client.Started {
				t.Fatalf("%+v, %v", e, err)
			}
			var p *client.Problem
			if _, err := c.Run(t.Context(), client.Request{Code: "print(1)"}); !errors.As(err, &p) || p.Type != client.ProblemBusy || p.Status != 503 || p.RetryAfter <= 0 {
				t.Errorf("%#v", err)
			}
			break
		}
		// The loop was left early, so its run is cancelled and its slot becomes free.
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if r, err := c.Run(t.Context(), client.Request{Code: "print(1)"}); err == nil && r.Stdout == "1\n" {
				break
			} else if time.Now().After(deadline) {
				t.Fatalf("%+v, %v", r, err)
			}
		}
	})
	t.Run("no service", func(t *testing.T) {
		if _, err := newClient(t, "http://127.0.0.1:1").Run(t.Context(), client.Request{}); err == nil || errors.As(err, new(*client.Problem)) {
			t.Errorf("%v", err)
		}
	})
}

// The end of a context ends the call and cancels the run.
func TestGoClientCancelsByContext(t *testing.T) {
	d := start(t, "--wall=1m")
	c := newClient(t, d.url)
	cancelled := func(n string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); d.metric(t, `sandboxd_runs_total{verdict="cancelled"}`) != n; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the run goes on")
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := c.Run(ctx, client.Request{Code: "while True: pass"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	cancelled("1")
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	var last error
	for e, err := range c.Stream(ctx, client.Request{Code: "print(1)\nwhile True: pass"}) {
		if e.Kind == client.Stdout {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("%v", last)
	}
	cancelled("2")
}

// Whoever knows the id of a run can cancel it. Its own caller gets the verdict and the output so far.
func TestGoClientCancelsByID(t *testing.T) { underEachEngine(t, testGoClientCancelsByID) }

func testGoClientCancelsByID(t *testing.T, flags ...string) {
	d := start(t, append(flags, "--wall=1m", "--concurrency=2")...)
	c := newClient(t, d.url)
	var outcome *client.Outcome
	output := ""
	for e, err := range c.Stream(t.Context(), client.Request{Code: "print(1)\nwhile True: pass"}) {
		if err != nil {
			t.Fatal(err)
		}
		switch e.Kind {
		case client.Started:
			output = e.ID
		case client.Stdout:
			if err := newClient(t, d.url).Cancel(t.Context(), output); err != nil {
				t.Error(err)
			}
			output = e.Text
		case client.Finished:
			outcome = e.Outcome
		}
	}
	if outcome.Verdict != client.Cancelled || output != "1\n" || outcome.ExitCode != nil || !strings.HasSuffix(outcome.Reason, ", because its client cancelled it.") {
		t.Errorf("%q, %+v", output, outcome)
	}
	for _, id := range []string{outcome.ID, "run_X", "a/b", "?"} {
		var p *client.Problem
		if err := c.Cancel(t.Context(), id); !errors.As(err, &p) || p.Status/100 != 4 || strings.HasPrefix(id, "run_") && p.Type != client.ProblemNoSuchRun {
			t.Errorf("%q: %v", id, err)
		}
	}
	waitFor(t, "the record of the run", func() bool { return strings.Contains(d.log.String(), "run_id="+outcome.ID) })
	if log := d.log.String(); !strings.Contains(log, "run_id="+outcome.ID) || !strings.Contains(log, "verdict=cancelled") || strings.Contains(log, "level=ERROR") {
		t.Errorf("the log does not tell of it")
	}
	if r, err := c.Run(t.Context(), client.Request{Code: "print(2)"}); err != nil || r.Stdout != "2\n" {
		t.Errorf("%+v, %v", r, err)
	}
}

// A program does not wait for a client that reads slowly. The client is told how much it has lost.
func TestGoClientReadsSlowly(t *testing.T) {
	d := start(t, "--wall=1m", "--output-limit=64MiB")
	const lines = 400_000
	var outcome *client.Outcome
	received, lost := int64(0), int64(0)
	for e, err := range newClient(t, d.url).Stream(t.Context(), client.Request{Code: "for i in range(400_000): print('%099d' % i)"}) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == client.Started { // while this loop waits, all of the output is written
			for deadline := time.Now().Add(time.Minute); d.metric(t, "sandboxd_runs_in_flight") != "0"; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the program waits for its reader")
				}
			}
		}
		received += int64(len(e.Text))
		lost += e.LostBytes
		if e.Kind == client.Finished {
			outcome = e.Outcome
		}
	}
	// Bytes that are lost at the very end have no event of the stream behind them.
	if missing := outcome.Truncated.StdoutBytes; missing == 0 || received+missing != lines*100 || lost > missing {
		t.Errorf("%d received, %d lost, %d missing", received, lost, missing)
	}
}

func TestGoClientUsesUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	d := start(t, "--listen=unix:"+path)
	if d.url != "unix:"+path {
		t.Fatal(d.url)
	}
	if r, err := newClient(t, d.url).Run(t.Context(), client.Request{Code: "print(1)"}); err != nil || r.Stdout != "1\n" {
		t.Errorf("%+v, %v", r, err)
	}
}
