package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/schematest"
)

// The typed API against the running daemon, with real jails. Each answer is held against the document of the same daemon.

// runs are what a test sends to POST /v1/runs of one daemon.
type runs struct {
	*sandboxd
	schemas *jsonschema.Compiler
}

func startRuns(t *testing.T, flags ...string) runs {
	t.Helper()
	d := start(t, flags...)
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(d.get(t, "/openapi.json").body))
	if err != nil {
		t.Fatal(err)
	}
	r := runs{d, jsonschema.NewCompiler()}
	r.schemas.DefaultDraft(jsonschema.Draft2020)
	if err := r.schemas.AddResource("file:///openapi.json", document); err != nil {
		t.Fatal(err)
	}
	return r
}

// holds fails the test if JSON is not of a schema of the document.
func (r runs) holds(t testing.TB, schema, text string) {
	t.Helper()
	compiled, err := r.schemas.Compile("file:///openapi.json#/components/schemas/" + schema)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err == nil {
		err = compiled.Validate(value)
	}
	if err != nil {
		t.Errorf("%s is no %s: %v", text, schema, err)
	}
}

func encode(t testing.TB, request any) string {
	t.Helper()
	body, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// run expects an answer.
func (r runs) run(t testing.TB, request v1.Request) (a v1.Answer) {
	t.Helper()
	got, err := r.do(t.Context(), "POST", v1.Path, strings.NewReader(encode(t, request)), "Content-Type", "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	r.holds(t, "RunAnswer", got.body)
	if err := json.Unmarshal([]byte(got.body), &a); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.ID, "run_") || got.header.Get("X-Request-Id") == "" {
		t.Errorf("%q, %v", a.ID, got.header)
	}
	return a
}

// refused expects a problem, and returns the pointer and the words of its first error.
func (r runs) refused(t testing.TB, body string, status int, headers ...string) string {
	t.Helper()
	got, err := r.do(t.Context(), "POST", v1.Path, strings.NewReader(body), append([]string{"Content-Type", "application/json"}, headers...)...)
	if err != nil {
		t.Fatal(err)
	}
	var p v1.Problem
	r.holds(t, "Problem", got.body)
	if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.status != status || p.Status != status || got.header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if page := r.get(t, p.Type); page.status != 200 || !strings.HasPrefix(page.body, p.Title) {
		t.Errorf("%s: %d %s", p.Type, page.status, page.body)
	}
	if len(p.Errors) == 0 {
		return p.Type
	}
	return p.Errors[0].Pointer + " " + p.Errors[0].Detail
}

// events are those of a stream of lines, each held against the document.
func (r runs) events(t testing.TB, ctx context.Context, request v1.Request, each func(map[string]any)) {
	t.Helper()
	post, err := http.NewRequestWithContext(ctx, "POST", r.url+v1.Path, strings.NewReader(encode(t, request)))
	if err != nil {
		t.Fatal(err)
	}
	post.Header.Set("Content-Type", "application/json")
	post.Header.Set("Accept", "application/jsonl")
	response, err := http.DefaultClient.Do(post)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 16<<20)
	for seq := 0; lines.Scan(); seq++ {
		r.holds(t, "Event", lines.Text())
		var event map[string]any
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil || event["seq"] != float64(seq) {
			t.Fatalf("%v: %s", err, lines.Text())
		}
		each(event)
	}
}

//lab:as user
func TestRuns(t *testing.T) { underEachEngine(t, testRuns) }

func testRuns(t *testing.T, flags ...string) {
	warm := slices.Contains(flags, "--warm=2")
	r := startRuns(t, append(flags, "--policy=permissive", "--offer-policy=strict", "--offer-policy=off", "--wall=10s", "--max-memory=512MiB", "--max-output=4MiB")...)
	seconds := func(s float64) *v1.Limits { return &v1.Limits{WallSeconds: s} }
	for _, tt := range []struct {
		name    string
		request v1.Request
		verdict string
		stdout  string
		stderr  string // part of it
		check   func(*testing.T, v1.Answer)
	}{
		{"a program", v1.Request{Code: "print('é')"}, "exited", "é\n", "", func(t *testing.T, a v1.Answer) {
			if *a.ExitCode != 0 || a.Signal != nil || a.Reason != "The program ended by itself with exit code 0." || len(a.Findings)+len(a.Denials) > 0 ||
				a.Truncated != (v1.Truncated{}) || a.Usage.CPUSeconds <= 0 || a.Usage.PeakMemoryBytes < 1<<20 || a.Phases.RunSeconds <= 0 {
				t.Errorf("%+v", a)
			}
			if enforced := isolation() == "--isolation=required"; a.Isolation.Enforced != enforced || !enforced && len(a.Isolation.Missing) == 0 {
				t.Errorf("%+v", a.Isolation)
			}
		}},
		{"no program", v1.Request{}, "exited", "", "", nil},
		{"everything that it can bring along", v1.Request{
			Code: "import os, sys\nprint(sys.argv, input(), sys.stdin.read(), os.environ['NAME'])\n" +
				"print(open('a/b.txt').read(), open('c', 'rb').read())\nimport helper\nsys.exit(helper.status)",
			Stdin: "one\ntwo", Args: []string{"-x", "ř"}, Env: map[string]string{"NAME": "värde"}, Policy: "off",
			Files: []v1.File{{Path: "a/b.txt", Text: "text"}, {Path: "c", Base64: "AP8="}, {Path: "helper.py", Text: "status = 3"}},
		}, "exited", "['main.py', '-x', 'ř'] one two värde\ntext b'\\x00\\xff'\n", "", func(t *testing.T, a v1.Answer) {
			if *a.ExitCode != 3 || a.Reason != "The program ended by itself with exit code 3." {
				t.Errorf("%+v", a)
			}
		}},
		{"no input", v1.Request{Code: "input()"}, "exited", "", "EOFError", nil},
		{"a traceback", v1.Request{Code: "\n1/0"}, "exited", "", "  File \"main.py\", line 2, in <module>", nil},
		{"a timeout", v1.Request{Code: "print('a', end='')\nwhile True: pass", Limits: seconds(0.5)}, "timeout", "a", "", func(t *testing.T, a v1.Answer) {
			if a.ExitCode != nil || a.Reason != "The program was stopped after 0.5 s of wall-clock time, which is the limit, in line 2." || a.Stderr != "" {
				t.Errorf("%+v", a)
			}
		}},
		{"too much memory", v1.Request{Code: "x = bytearray(300 << 20)"}, "out_of_memory", "", "", func(t *testing.T, a v1.Answer) {
			if a.Reason != "The program was stopped because it needed more than 256 MiB of memory, which is the limit." {
				t.Errorf("%+v", a)
			}
		}},
		{"more memory", v1.Request{Code: "x = bytearray(300 << 20)\nprint(1)", Limits: &v1.Limits{MemoryBytes: 512 << 20}}, "exited", "1\n", "", nil},
		{"less memory", v1.Request{Code: "x = bytearray(100 << 20)\nprint(1)", Limits: &v1.Limits{MemoryBytes: 64 << 20}}, "out_of_memory", "", "", func(t *testing.T, a v1.Answer) {
			if !strings.Contains(a.Reason, "64 MiB") {
				t.Errorf("%+v", a)
			}
		}},
		{"few processes", v1.Request{Code: "import threading, time\nfor i in range(9): threading.Thread(target=time.sleep, args=(1,)).start()", Limits: &v1.Limits{Processes: 4}},
			"exited", "", "can't start new thread", nil},
		{"a signal", v1.Request{Code: "import os\nos.kill(os.getpid(), 11)"}, "signaled", "", "", func(t *testing.T, a v1.Answer) {
			if *a.Signal != "SIGSEGV" || a.ExitCode != nil || !strings.HasPrefix(a.Reason, "The program was ended by signal SIGSEGV: ") {
				t.Errorf("%+v", a)
			}
		}},
		{"too much output", v1.Request{Code: "import sys\nprint('é' * 1000, end='')\nprint('x', file=sys.stderr)", Limits: &v1.Limits{OutputBytes: 5}},
			"exited", "éé", "x\n", func(t *testing.T, a v1.Answer) {
				if a.Truncated != (v1.Truncated{StdoutBytes: 1996}) {
					t.Errorf("%+v", a.Truncated)
				}
			}},
		{"more output", v1.Request{Code: "print('x' * (3 << 20), end='')", Limits: &v1.Limits{OutputBytes: 4 << 20}}, "exited", strings.Repeat("x", 3<<20), "", nil},
		{"what the policy of the request forbids", v1.Request{Code: "print(1)\nimport os", Policy: "strict"}, "rejected", "", "", func(t *testing.T, a v1.Answer) {
			if len(a.Findings) != 1 || a.Findings[0].Line != 2 || a.Findings[0].Column != 8 || a.Findings[0].EndLine != 2 || a.Findings[0].EndColumn != 10 || a.Findings[0].Rule != "module" ||
				a.Reason != "The program was not run, because the policy forbids what it does in line 2." {
				t.Errorf("%+v", a)
			}
		}},
		{"what a stricter policy would forbid", v1.Request{Code: "print(1)\nimport os"}, "exited", "1\n", "", func(t *testing.T, a v1.Answer) {
			if len(a.Findings) != 1 || a.Findings[0].Line != 2 || *a.ExitCode != 0 {
				t.Errorf("%+v", a)
			}
		}},
		{"what nobody looks at", v1.Request{Code: "import os", Policy: "off"}, "exited", "", "", func(t *testing.T, a v1.Answer) {
			if len(a.Findings) != 0 {
				t.Errorf("%+v", a.Findings)
			}
		}},
		{"denied calls", v1.Request{Code: "import os\nfor i in range(3):\n    try:\n        os.setuid(0)\n    except PermissionError:\n        pass", Policy: "off"}, "exited", "", "", func(t *testing.T, a v1.Answer) {
			if slices.Contains(flags, "--engine=fork") { // what the filter of the template denies is not counted
				return
			}
			if !slices.Equal(a.Denials, []v1.Denial{{Syscall: "setuid", Count: 3, Explanation: "There is only one user in here, so a program cannot change to another."}}) {
				t.Errorf("%+v", a.Denials)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if warm { // one waits
				for r.metric(t, "sandboxd_waiting_jails") == "0" {
					time.Sleep(5 * time.Millisecond)
				}
			}
			a := r.run(t, tt.request)
			if a.Verdict != tt.verdict || a.Stdout != tt.stdout || !strings.Contains(a.Stderr, tt.stderr) || tt.stderr == "" && a.Stderr != "" {
				t.Errorf("%s %q %q", a.Verdict, a.Stdout[:min(len(a.Stdout), 500)], a.Stderr)
			}
			if a.Phases.Warm != warm && a.Verdict != "rejected" { // nothing that a request has makes its run cold
				t.Errorf("warm: %v", a.Phases.Warm)
			}
			if tt.check != nil {
				tt.check(t, a)
			}
		})
	}
	waitFor(t, "the record of the run", func() bool { return strings.Contains(r.log.String(), "msg=run ") })
	if log := r.log.String(); !strings.Contains(log, " policy=off ") || !strings.Contains(log, " environment=default ") || !strings.Contains(log, " run_id=run_") {
		t.Error("the log does not name policies, environments and runs")
	}
}

// A request that cannot be carried out is refused at once, with a problem.
func TestRunsThatAreRefused(t *testing.T) { underEachEngine(t, testRunsThatAreRefused) }

func testRunsThatAreRefused(t *testing.T, flags ...string) {
	r := startRuns(t, append(flags, "--scratch=4MiB", "--inodes=64", "--max-wall=7s", "--cors-origin=https://a.example")...)
	large := encode(t, v1.Request{Code: "x", Files: []v1.File{{Path: "a", Text: strings.Repeat("x", 5<<20)}}})
	many := v1.Request{Code: "x"}
	for i := range 100 {
		many.Files = append(many.Files, v1.File{Path: fmt.Sprint("d", i, "/f"), Base64: "AA=="})
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       string
		headers    []string
	}{
		{"no JSON", `{"code"`, 400, "/problems/invalid-json", nil},
		{"a field that there is not", `{"code":"x","display":true}`, 422, "/display is not a known field", nil},
		{"a policy that is not offered", `{"code":"x","policy":"off"}`, 422, `/policy expected value to be one of "strict"`, nil},
		{"input, where the policy refuses to read it", `{"code":"x","stdin":"x"}`, 422, "/stdin cannot be read: the policy strict refuses input()", nil},
		{"an environment that there is not", `{"code":"x","environment":"data"}`, 422, `/environment expected value to be one of "default"`, nil},
		{"too much time", `{"code":"x","limits":{"wall_seconds":8}}`, 422, "/limits/wall_seconds is above the maximum of this service, which is 7", nil},
		{"files that are too large", large, 422, "/files do not fit into the scratch space", nil},
		{"too many files", encode(t, many), 422, "/files do not fit into the scratch space", nil},
		{"files that are too large, as a stream", large, 422, "/files do not fit into the scratch space", []string{"Accept", "text/event-stream"}},
		{"a path that leads out", `{"code":"x","files":[{"path":"../x","text":""}]}`, 422, "/files/0/path is not a relative path: it must be UTF-8 without NUL, . and .., and must not begin or end with /", nil},
		{"a body that is too large", `"` + strings.Repeat("x", v1.MaxBody) + `"`, 413, "/problems/too-large", nil},
		{"a form", "code=x", 415, "/problems/unsupported-media-type", []string{"Content-Type", "text/plain"}},
		{"an answer that there is not", `{"code":"x"}`, 406, "/problems/not-acceptable", []string{"Accept", "text/html"}},
		{"a foreign page", `{"code":"x"}`, 403, "/problems/foreign-page", []string{"Origin", "https://b.example"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.refused(t, tt.body, tt.status, tt.headers...); got != tt.want {
				t.Errorf("%s", got)
			}
		})
	}
	if a := r.run(t, v1.Request{Code: "print(1)"}); a.Stdout != "1\n" {
		t.Errorf("the next run: %+v", a)
	}
	if got := r.metric(t, `sandboxd_runs_total{verdict="error"}`); got != "0" {
		t.Errorf("%s requests that cannot be carried out count as failures of the sandbox", got)
	}
}

func TestRunsAsStreams(t *testing.T) { underEachEngine(t, testRunsAsStreams) }

func testRunsAsStreams(t *testing.T, flags ...string) {
	r := startRuns(t, append(flags, "--policy=off", "--wall=30s")...)
	t.Run("what it prints, while it runs", func(t *testing.T) {
		const code = "import sys, time\nprint('a', end='')\nsys.stdout.flush()\ntime.sleep(2)\nprint('é', file=sys.stderr)\ntime.sleep(2)\nsys.exit(4)"
		var said []string
		at := map[string]time.Duration{}
		begin := time.Now()
		r.events(t, t.Context(), v1.Request{Code: code}, func(e map[string]any) {
			name := e["event"].(string)
			at[name] = time.Since(begin)
			if text, found := e["text"]; found {
				name += " " + text.(string)
			}
			said = append(said, name)
			if name == "finished" && (e["exit_code"] != 4.0 || e["at_seconds"].(float64) < 4 || e["stdout"] != nil) {
				t.Errorf("%v", e)
			}
		})
		if !slices.Equal(said, []string{"started", "stdout a", "stderr é\n", "finished"}) {
			t.Errorf("%q", said)
		}
		// The program pauses for 2 s. On a slow machine the client sees a shorter pause. If output were held back, it would see none.
		if at["stderr"]-at["stdout"] < time.Second || at["finished"]-at["stderr"] < time.Second {
			t.Errorf("it came at %v", at)
		}
	})
	t.Run("a client that goes away", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		r.events(t, ctx, v1.Request{Code: "print(1)\nwhile True: pass"}, func(e map[string]any) {
			if e["event"] == "stdout" {
				leave()
			}
		})
		for deadline := time.Now().Add(10 * time.Second); r.metric(t, `sandboxd_runs_total{verdict="cancelled"}`) != "1" || r.metric(t, "sandboxd_runs_in_flight") != "0"; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the run goes on")
			}
		}
	})
	t.Run("all of a long output", func(t *testing.T) {
		var b strings.Builder
		r.events(t, t.Context(), v1.Request{Code: "for i in range(40000): print('€', i)"}, func(e map[string]any) {
			if text, found := e["text"].(string); found {
				b.WriteString(text)
			}
			if e["lost_bytes"] != nil {
				t.Errorf("%v", e["lost_bytes"])
			}
		})
		var want strings.Builder
		for i := range 40000 {
			fmt.Fprintln(&want, "€", i)
		}
		if b.String() != want.String() {
			t.Errorf("%d of %d bytes", b.Len(), want.Len())
		}
	})
	t.Run("one that is rejected, or does not compile", func(t *testing.T) {
		strict := startRuns(t, flags...)
		for code, want := range map[string]string{"import os": "finished", "import os, (": "started stderr finished"} {
			var said []string
			strict.events(t, t.Context(), v1.Request{Code: code}, func(e map[string]any) { said = append(said, e["event"].(string)) })
			if got := strings.Join(slices.Compact(said), " "); got != want {
				t.Errorf("%q: %s", code, got)
			}
		}
	})
	t.Run("server-sent events", func(t *testing.T) {
		a, err := r.do(t.Context(), "POST", v1.Path, strings.NewReader(`{"code":"print(1)"}`), "Content-Type", "application/json", "Accept", "text/event-stream")
		if err != nil {
			t.Fatal(err)
		}
		if a.header.Get("Content-Type") != "text/event-stream" || !strings.HasPrefix(a.body, "event: started\nid: 0\ndata: {\"event\":\"started\",\"seq\":0,") ||
			!strings.Contains(a.body, "\n\nevent: stdout\nid: 1\ndata: {") || !strings.HasSuffix(a.body, "}\n\n") {
			t.Errorf("%s", a.body)
		}
	})
}

// Requests that are made of the document's schema, right and wrong ones, find no failure of the daemon, and no answer that the
// document does not have.
func TestRequestsMadeOfTheSchema(t *testing.T) { underEachEngine(t, testRequestsMadeOfTheSchema) }

func testRequestsMadeOfTheSchema(t *testing.T, flags ...string) {
	r := startRuns(t, append(flags, "--policy=off", "--offer-policy=strict", "--wall=1s", "--max-wall=2s")...)
	seed := uint64(time.Now().UnixNano())
	m, err := schematest.New(r.get(t, "/openapi.json").body, seed)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for i := range 150 {
		m.Wrong = []float64{0, 0, 0.05}[i%3]
		request, err := m.Named("RunRequest")
		if err != nil {
			t.Fatal(err)
		}
		stream := m.IntN(2) == 0
		a, err := r.do(t.Context(), "POST", v1.Path, bytes.NewReader(request), "Content-Type", "application/json",
			"Accept", map[bool]string{true: "application/jsonl", false: "application/json"}[stream])
		if err != nil {
			t.Fatal(err)
		}
		counts[a.status]++
		switch {
		case a.status == http.StatusUnprocessableEntity:
			r.holds(t, "Problem", a.body)
		case a.status != http.StatusOK:
			t.Errorf("%d %s", a.status, a.body)
		case stream:
			for line := range strings.Lines(a.body) {
				r.holds(t, "Event", line)
			}
			if !strings.Contains(a.body, `{"event":"finished"`) {
				t.Errorf("%s", a.body)
			}
		default:
			r.holds(t, "RunAnswer", a.body)
		}
		if t.Failed() {
			t.Fatalf("seed %d, request %d: %.2000s", seed, i, request)
		}
	}
	if counts[200] < 10 || counts[422] < 10 {
		t.Errorf("too few of a kind to show anything: %v", counts)
	}
}

// An environment is a template, by its name.
func TestRunsOfAnEnvironment(t *testing.T) {
	r := startRuns(t, "--engine=fork", "--templates=data=json,decimal", "--policy=off")
	code := "import sys\nprint('decimal' in sys.modules, sys.argv[1:], input())"
	for environment, want := range map[string]string{"": "False", "default": "False", "data": "True"} {
		a := r.run(t, v1.Request{Code: code, Environment: environment, Args: []string{"a"}, Stdin: "s"})
		if a.Stdout != want+" ['a'] s\n" {
			t.Errorf("%q: %+v", environment, a)
		}
	}
	waitFor(t, "the record of the run with its environment", func() bool { return strings.Contains(r.log.String(), " environment=data ") })
}

// A program can have all the input that the limits allow, at once.
func TestTheLargestRun(t *testing.T) { underEachEngine(t, testTheLargestRun) }

func testTheLargestRun(t *testing.T, flags ...string) {
	r := startRuns(t, append(flags, "--policy=off", "--wall=30s")...)
	request := v1.Request{
		Code:  "import os, sys\nprint(len(sys.stdin.read()), len(sys.argv), len(os.environ['A']), sum(os.path.getsize(f) for f in os.listdir('.') if f != 'main.py'))\n#",
		Stdin: strings.Repeat("x", sandbox.MaxStdin), Args: slices.Repeat([]string{strings.Repeat("a", sandbox.MaxArgBytes/sandbox.MaxArgs)}, sandbox.MaxArgs),
		Env: map[string]string{"A": strings.Repeat("v", sandbox.MaxEnvBytes-1)},
	}
	request.Code += strings.Repeat("x", sandbox.MaxSource-len(request.Code))
	for i := range sandbox.MaxFiles {
		request.Files = append(request.Files, v1.File{Path: fmt.Sprint("f", i), Text: strings.Repeat("y", sandbox.MaxFileBytes/sandbox.MaxFiles)})
	}
	want := fmt.Sprintln(sandbox.MaxStdin, sandbox.MaxArgs+1, sandbox.MaxEnvBytes-1, sandbox.MaxFileBytes)
	if a := r.run(t, request); a.Stdout != want {
		t.Errorf("%.1000s %.1000s, want %s", a.Stdout, a.Stderr, want)
	}
}
