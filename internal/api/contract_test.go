package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"golang.org/x/sys/unix"
)

func TestRootWelcomes(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	a := s.call(t, "GET", "/", "")
	a.want(t, 200, `{"Message":"Welcome to the Python Playground Backend!"}`)
	if got := a.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %q", got)
	}
}

func TestBadRequestsGetFastAPIsShapes(t *testing.T) {
	const json = "application/json"
	object := func(input string) string {
		return `{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":` + input + `}]}`
	}
	text := func(input string) string {
		return `{"detail":[{"type":"string_type","loc":["body","code"],"msg":"Input should be a valid string","input":` + input + `}]}`
	}
	noCode := func(input string) string {
		return `{"detail":[{"type":"missing","loc":["body","code"],"msg":"Field required","input":` + input + `}]}`
	}
	syntax := func(pos, msg string) string {
		return `{"detail":[{"type":"json_invalid","loc":["body",` + pos + `],"msg":"JSON decode error","input":{},"ctx":{"error":"` + msg + `"}}]}`
	}
	const noBody = `{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}`
	const unreadable = `{"detail":"There was an error parsing the body"}`

	s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		return result(sandbox.Exited, string(spec.Source), ""), nil
	}, nil)
	for _, tt := range []struct {
		name, contentType, body string
		status                  int
		answer                  string
	}{
		{"no body", json, "", 422, noBody},
		{"null", json, "null", 422, noBody},
		{"empty object", json, "{}", 422, noCode(`{}`)},
		{"other field", json, `{"Code": "x", "n": [1.0, "é"]}`, 422, noCode(`{"Code":"x","n":[1.0,"é"]}`)},
		{"number for code", json, `{"code":5}`, 422, text(`5`)},
		{"null for code", json, `{"code":null}`, 422, text(`null`)},
		{"list for code", json, `{"code":[]}`, 422, text(`[]`)},
		{"list", json, "[]", 422, object(`[]`)},
		{"number", json, "5", 422, object(`5`)},
		{"string", json, `"x"`, 422, object(`"x"`)},
		{"false", json, `false`, 422, object(`false`)},
		{"brace", json, "{", 422, syntax("1", "Expecting property name enclosed in double quotes")},
		{"trailing comma", json, `{"code":"x",}`, 422, syntax("12", "Expecting property name enclosed in double quotes")},
		{"not JSON", json, "print(1)", 422, syntax("0", "Expecting value")},
		{"bad escape", json, `{"code":"\x"}`, 422, syntax("9", `Invalid \\escape`)},
		{"two documents", json, `{"code":"x"} {}`, 422, syntax("13", "Extra data")},
		{"not UTF-8", json, "{\"code\":\"\xff\"}", 400, unreadable},
		{"too deep", json, strings.Repeat("[", 100_000), 400, unreadable},
		{"number without end", json, `{"code":` + strings.Repeat("9", 5000) + `}`, 400, unreadable},
		{"half a surrogate pair", json, `{"code":"\ud800"}`, 422, `{"detail":[{"type":"string_unicode","loc":["body","code"],"msg":"Input should be a valid string, unable to parse raw data as a unicode string","input":"` + "\ufffd" + `"}]}`},
		{"long input is not echoed", json, `{"code":[` + strings.Repeat("0,", 100_000) + `0]}`, 422, text(`null`)},
		{"form", "application/x-www-form-urlencoded", "code=print", 422, object(`"code=print"`)},
		{"text", "text/plain", `{"code":"x"}`, 422, object(`"{\"code\":\"x\"}"`)},
		{"JSON of a kind", "application/vnd.api+json", `{"code":"x"}`, 200, `{"stdout":"x","stderr":""}`},
		{"JSON with parameter", "Application/JSON; charset=utf-8", `{"code":"x"}`, 200, `{"stdout":"x","stderr":""}`},
		{"no content type", "", `{"code":"x"}`, 200, `{"stdout":"x","stderr":""}`},
		{"byte order mark", json, "\ufeff" + `{"code":"x"}`, 200, `{"stdout":"x","stderr":""}`},
		{"unknown fields", json, `{"a":{"code":1},"code":"x","z":NaN}`, 200, `{"stdout":"x","stderr":""}`},
		{"last of two", json, `{"code":5,"c\u006fde":"é\ud83d\ude00"}`, 200, `{"stdout":"é😀","stderr":""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.call(t, "POST", "/playground/execute", tt.body, "Content-Type", tt.contentType).want(t, tt.status, tt.answer)
		})
	}
	if got := s.metric(t, `sandboxd_requests_rejected_total{reason="invalid_body"}`); got != "23" {
		t.Errorf("invalid_body is %s", got)
	}
}

func TestPathsAndMethods(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, tt := range []struct {
		method, path string
		status       int
		header, is   string
		body         string
	}{
		{"GET", "/playground/execute", 405, "Allow", "POST", `{"detail":"Method Not Allowed"}`},
		{"PUT", "/playground/execute", 405, "Allow", "POST", `{"detail":"Method Not Allowed"}`},
		{"OPTIONS", "/playground/execute", 405, "Allow", "POST", `{"detail":"Method Not Allowed"}`},
		{"HEAD", "/playground/execute", 405, "Allow", "POST", ""},
		{"POST", "/", 405, "Allow", "GET, HEAD", `{"detail":"Method Not Allowed"}`},
		{"DELETE", "/docs", 405, "Allow", "GET, HEAD", `{"detail":"Method Not Allowed"}`},
		{"GET", "/nothing", 404, "Content-Type", "application/json", `{"detail":"Not Found"}`},
		{"POST", "/playground", 404, "Content-Type", "application/json", `{"detail":"Not Found"}`},
		{"POST", "/playground/execute/", 307, "Location", "/playground/execute", ""},
		{"GET", "/docs/?x=1", 307, "Location", "/docs?x=1", ""},
		{"HEAD", "/", 200, "Content-Length", "55", ""},
		{"HEAD", "/docs", 200, "Content-Type", "text/html; charset=utf-8", ""},
		{"GET", "/docs/../healthz/x", 307, "Location", "/healthz/x", "<a href=\"/healthz/x\">Temporary Redirect</a>.\n\n"},
	} {
		t.Run(tt.method+" "+tt.path, func(t *testing.T) {
			a := s.call(t, tt.method, tt.path, "")
			a.want(t, tt.status, tt.body)
			if got := a.Header.Get(tt.header); got != tt.is {
				t.Errorf("%s is %q, want %q", tt.header, got, tt.is)
			}
		})
	}
	for series, want := range map[string]string{
		`sandboxd_http_requests_total{code="405",route="/playground/execute"}`: "4",
		`sandboxd_http_requests_total{code="404",route="other"}`:               "2",
		`sandboxd_http_requests_total{code="307",route="/playground/execute"}`: "1",
		`sandboxd_http_requests_total{code="200",route="/"}`:                   "1",
	} {
		if got := s.metric(t, series); got != want {
			t.Errorf("%s = %s, want %s", series, got, want)
		}
	}
}

func TestVerdictsAreTold(t *testing.T) {
	limits := sandbox.DefaultLimits()
	output := func(kept string, total int64) sandbox.Output { return sandbox.Output{Kept: []byte(kept), Total: total} }
	for _, tt := range []struct {
		name    string
		res     *sandbox.Outcome
		change  func(*sandbox.Limits)
		body    string
		headers map[string]string
	}{
		{
			name: "an ordinary run, whatever its exit code",
			res:  &sandbox.Outcome{Verdict: sandbox.Exited, ExitCode: 3, Stdout: output("Hello, World!\n", 14), Stderr: output("Traceback…", 12)},
			body: `{"stdout":"Hello, World!\n","stderr":"Traceback…"}`,
			headers: map[string]string{
				"X-Sandboxd-Verdict": "exited", "X-Sandboxd-Exit-Code": "3", "X-Sandboxd-Truncated": "", "X-Sandboxd-Signal": "",
			},
		},
		{
			name:    "timeout keeps what was printed",
			res:     &sandbox.Outcome{Verdict: sandbox.Timeout, Stdout: output("1\n2", 3), Stderr: output("half a line", 11)},
			body:    `{"stdout":"1\n2","stderr":"half a line\nError: Code execution timed out (5 second limit)."}`,
			headers: map[string]string{"X-Sandboxd-Verdict": "timeout", "X-Sandboxd-Exit-Code": ""},
		},
		{
			name:   "timeout follows the limit",
			res:    &sandbox.Outcome{Verdict: sandbox.Timeout},
			change: func(l *sandbox.Limits) { l.Wall = 1500 * time.Millisecond },
			body:   `{"stdout":"","stderr":"Error: Code execution timed out (1.5 second limit)."}`,
		},
		{
			name:    "out of memory",
			res:     &sandbox.Outcome{Verdict: sandbox.OOM, Stderr: output("line\n", 5)},
			body:    `{"stdout":"","stderr":"line\nError: Memory limit exceeded (256 MiB limit)."}`,
			headers: map[string]string{"X-Sandboxd-Verdict": "oom"},
		},
		{
			name:    "a signal has a name",
			res:     &sandbox.Outcome{Verdict: sandbox.Signaled, Signal: unix.SIGSEGV},
			body:    `{"stdout":"","stderr":"Error: Program was killed by signal SIGSEGV."}`,
			headers: map[string]string{"X-Sandboxd-Verdict": "signaled", "X-Sandboxd-Signal": "SIGSEGV"},
		},
		{
			name: "a signal of the filter is explained",
			res:  &sandbox.Outcome{Verdict: sandbox.Signaled, Signal: unix.SIGSYS},
			body: `{"stdout":"","stderr":"Error: Program was killed by signal SIGSYS (it made a system call that the sandbox does not allow)."}`,
		},
		{
			name:    "dropped output is told, and a cut character is left out",
			res:     &sandbox.Outcome{Verdict: sandbox.Timeout, Stdout: output("aé\xe2\x82", 5_000_000), Stderr: output("b\n", 7)},
			body:    `{"stdout":"aé","stderr":"b\nWarning: stdout was truncated (3 of 5000000 bytes kept).\nWarning: stderr was truncated (2 of 7 bytes kept).\nError: Code execution timed out (5 second limit)."}`,
			headers: map[string]string{"X-Sandboxd-Truncated": "stdout, stderr"},
		},
		{
			name: "whatever bytes",
			res:  &sandbox.Outcome{Verdict: sandbox.Exited, Stdout: output("\xff\x00é<&>\u2028\x1b[0m", 13)},
			body: `{"stdout":"` + "\ufffd" + `\u0000é<&>` + "\u2028" + `\u001b[0m","stderr":""}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := limits
			if tt.change != nil {
				tt.change(&l)
			}
			s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { return tt.res, nil },
				func(c *setup) { c.Limits = l })
			a := s.execute(t, `{"code":"x"}`)
			a.want(t, 200, tt.body)
			for name, want := range tt.headers {
				if got := a.Header.Get(name); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			if got := s.metric(t, `sandboxd_runs_total{verdict="`+string(tt.res.Verdict)+`"}`); got != "1" {
				t.Errorf("%s was counted %s times", tt.res.Verdict, got)
			}
		})
	}
}

func TestEmptyProgramNeedsNoJail(t *testing.T) {
	s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		t.Error("it was run")
		return nil, errors.New("run")
	}, nil)
	s.execute(t, `{"code":""}`).want(t, 200, `{"stdout":"","stderr":""}`)
}

func TestFindingsOfTheScanAreAnswered(t *testing.T) {
	found := []sandbox.Finding{{Rule: "module", Name: "os", Message: "Security Error: Module 'os' is not allowed for security reasons.", Line: 1, Column: 8}, {Rule: "module", Name: "sys", Line: 2, Column: 8}}
	s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		if !spec.Check {
			t.Error("it was run")
		}
		if strings.Contains(string(spec.Source), "(") {
			r := result(sandbox.Exited, "", "SyntaxError: '(' was never closed")
			r.ExitCode = 1
			return r, nil
		}
		return result(sandbox.Exited, "", "a warning of the compiler"), nil
	}, func(c *setup) {
		c.Scanner = scanFunc(func(context.Context, []byte) ([]sandbox.Finding, error) { return found, nil })
	})
	s.execute(t, `{"code":"import os\nimport sys\n("}`).want(t, 200, `{"stdout":"","stderr":"SyntaxError: '(' was never closed"}`)
	a := s.execute(t, `{"code":"import os\nimport sys"}`)
	a.want(t, 200, `{"stdout":"","stderr":"Security Error: Module 'os' is not allowed for security reasons."}`)
	if got := a.Header.Get("X-Sandboxd-Verdict"); got != "rejected" {
		t.Errorf("verdict is %q", got)
	}
	for series, want := range map[string]string{
		`sandboxd_runs_total{verdict="rejected"}`:       "1",
		`sandboxd_scan_rejections_total{rule="module"}`: "1",
	} {
		if got := s.metric(t, series); got != want {
			t.Errorf("%s = %s, want %s", series, got, want)
		}
	}
}

// A refused request for a run has a log record.
func TestRefusedRequestsAreLogged(t *testing.T) {
	s := serve(t, exits("", ""), func(c *setup) { c.Origins = []string{"https://good.example"} })
	s.execute(t, `{"code":1}`)
	s.call(t, "POST", "/playground/execute", `{"code":"x"}`, "Origin", "https://evil.example")
	s.execute(t, `{"code":"`+strings.Repeat("x", sandbox.MaxSource+1)+`"}`)
	s.Drain()
	s.execute(t, `{"code":"x"}`)
	for _, want := range []string{"status=422 reason=invalid_body", "status=403 reason=origin_refused", "status=413 reason=body_too_large", "status=503 reason=draining"} {
		if !strings.Contains(s.logs.String(), want) {
			t.Errorf("no %q in %s", want, s.logs.String())
		}
	}
	if n := strings.Count(s.logs.String(), "level=INFO msg=\"run refused\" request_id="); n != 4 {
		t.Errorf("%d records: %s", n, s.logs.String())
	}
}

func TestScanThatGivesUpDoesNotStopTheRun(t *testing.T) {
	s := serve(t, exits("ran", ""), func(c *setup) {
		c.Scanner = scanFunc(func(context.Context, []byte) ([]sandbox.Finding, error) { return nil, errors.New("too much work") })
	})
	s.execute(t, `{"code":"x"}`).want(t, 200, `{"stdout":"ran","stderr":""}`)
	if got := s.metric(t, "sandboxd_scans_abandoned_total"); got != "1" {
		t.Errorf("counted %s times", got)
	}
}

func TestRunnerGetsSourceAndNulled(t *testing.T) {
	var got sandbox.Program
	s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		got = spec
		return result(sandbox.Exited, "", ""), nil
	}, func(c *setup) { c.Nulled = []string{"eval", "open"} })
	s.execute(t, `{"code":" \n"}`).want(t, 200, `{"stdout":"","stderr":""}`)
	if string(got.Source) != " \n" || strings.Join(got.Nulled, " ") != "eval open" {
		t.Errorf("spec is %+v", got)
	}
}

func TestSandboxThatFailsIsA500WithoutItsInside(t *testing.T) {
	for _, tt := range []struct {
		name   string
		err    error
		body   string
		series string
	}{
		{
			"a stage", &sandbox.SetupError{Stage: "cgroup", Err: errors.New("mkdir /sys/fs/cgroup/secret: ENOSPC")},
			`{"detail":"The sandbox could not be set up (cgroup)"}`, `sandboxd_setup_errors_total{stage="cgroup"}`,
		},
		{
			"anything else", errors.New("secret"),
			`{"detail":"Internal Server Error"}`, `sandboxd_setup_errors_total{stage="other"}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { return nil, tt.err }, nil)
			s.execute(t, `{"code":"print('hidden source')"}`).want(t, 500, tt.body)
			logs := s.logs.String()
			if strings.Count(logs, "level=ERROR") != 1 || !strings.Contains(logs, "secret") {
				t.Errorf("logs:\n%s", logs)
			}
			if got := s.metric(t, tt.series); got != "1" {
				t.Errorf("%s = %s", tt.series, got)
			}
			if got := s.metric(t, `sandboxd_runs_total{verdict="error"}`); got != "1" {
				t.Errorf("errors = %s", got)
			}
			if s.cfg.Service.Gate().InFlight() != 0 {
				t.Error("the slot is lost")
			}
		})
	}
}

func TestOneLogRecordPerRunAndNeverTheSource(t *testing.T) {
	s := serve(t, exits("hidden output", ""), nil)
	a := s.call(t, "POST", "/playground/execute", `{"code":"print('hidden source')"}`, "X-Request-Id", "from-proxy.1")
	if got := a.Header.Get("X-Request-Id"); got != "from-proxy.1" {
		t.Errorf("X-Request-Id is %q", got)
	}
	logs := s.logs.String()
	if strings.Count(logs, "\n") != 1 || strings.Contains(logs, "hidden") {
		t.Errorf("logs:\n%s", logs)
	}
	for _, want := range []string{
		"msg=run", "request_id=from-proxy.1", "verdict=exited", "client=127.0.0.1", "wall_seconds=0.015", "cpu_seconds=0.02", "peak_memory_bytes=9437184",
		"start=cold", "queued_seconds=0", "setup_seconds=0.003", "stdout_bytes=13", "stderr_bytes=0", "truncated=false", "source_bytes=22", "source_sha256=",
	} {
		if !strings.Contains(logs, want) {
			t.Errorf("no %s in %s", want, logs)
		}
	}
	for _, bad := range []string{"two words", strings.Repeat("x", 65), ""} {
		if got := s.call(t, "GET", "/", "", "X-Request-Id", bad).Header.Get("X-Request-Id"); got == bad || len(got) != 26 {
			t.Errorf("X-Request-Id %q became %q", bad, got)
		}
	}
}

func TestWarmAndColdStartsAreLoggedAndCounted(t *testing.T) {
	warm := false
	s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		return &sandbox.Outcome{Verdict: sandbox.Exited, Warm: warm}, nil
	}, nil)
	for _, warm = range []bool{true, false, true} {
		s.execute(t, `{"code":"1"}`)
	}
	for start, want := range map[string]int{"warm": 2, "cold": 1} {
		if got := s.metric(t, `sandboxd_starts_total{start="`+start+`"}`); got != strconv.Itoa(want) {
			t.Errorf("%s was counted %s times", start, got)
		}
		if logs := s.logs.String(); strings.Count(logs, " start="+start+" ") != want {
			t.Errorf("logs:\n%s", logs)
		}
	}
}

// denying returns a runFunc whose outcome has these denied system calls.
func denying(calls map[string]int) runFunc {
	return func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) {
		return &sandbox.Outcome{Verdict: sandbox.Exited, Denials: calls}, nil
	}
}

func TestDenialsAreLoggedAndCounted(t *testing.T) {
	s := serve(t, denying(map[string]int{"setuid": 2, "ptrace": 1}), nil)
	s.call(t, "POST", "/playground/execute", `{"code":"1"}`)
	if logs := s.logs.String(); !strings.Contains(logs, " denials.ptrace=1 denials.setuid=2 ") {
		t.Errorf("logs:\n%s", logs)
	}
	for call, want := range map[string]string{"ptrace": "1", "setuid": "2", "killed": "0"} {
		if got := s.metric(t, `sandboxd_seccomp_denials_total{syscall="`+call+`"}`); got != want {
			t.Errorf("%s = %s, want %s", call, got, want)
		}
	}
	s = serve(t, denying(map[string]int{}), nil)
	s.call(t, "POST", "/playground/execute", `{"code":"1"}`)
	if logs := s.logs.String(); strings.Contains(logs, "denials") {
		t.Errorf("none to tell of:\n%s", logs)
	}
}

func TestPanicIsA500AndLogged(t *testing.T) {
	s := serve(t, func(context.Context, sandbox.Program, *sandbox.Stream) (*sandbox.Outcome, error) { panic("oops") }, nil)
	s.execute(t, `{"code":"x"}`).want(t, 500, `{"detail":"Internal Server Error"}`)
	if logs := s.logs.String(); strings.Count(logs, "msg=panic") != 1 || !strings.Contains(logs, "oops") {
		t.Errorf("logs:\n%s", logs)
	}
	if s.cfg.Service.Gate().InFlight() != 0 {
		t.Error("the slot is lost")
	}
	if got := s.metric(t, `sandboxd_http_requests_total{code="500",route="/playground/execute"}`); got != "1" {
		t.Errorf("counted %s times", got)
	}
}

func TestCORSLetsEveryOriginInByDefault(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, path := range []string{"/playground/execute", "/", "/nothing"} {
		a := s.call(t, "OPTIONS", path, "", "Origin", "https://front.example",
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-anything")
		a.want(t, 200, "")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin":      "https://front.example",
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods":     "POST",
			"Access-Control-Allow-Headers":     "content-type,x-anything",
			"Access-Control-Max-Age":           "600",
			"Vary":                             "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
	for _, method := range []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"} {
		a := s.call(t, "OPTIONS", "/", "", "Origin", "null", "Access-Control-Request-Method", method)
		if a.StatusCode != 200 || a.Header.Get("Access-Control-Allow-Methods") != method || a.Header.Get("Access-Control-Allow-Origin") != "null" {
			t.Errorf("%s is answered with %d %v", method, a.StatusCode, a.Header)
		}
	}
	for _, a := range []answerOf{
		s.call(t, "POST", "/playground/execute", `{"code":"x"}`, "Origin", "https://front.example"),
		s.call(t, "POST", "/playground/execute", `{`, "Origin", "https://front.example"),
		s.call(t, "GET", "/nothing", "", "Origin", "https://front.example"),
		s.call(t, "GET", "/docs/docs.js", "", "Origin", "https://front.example"),
	} {
		if a.Header.Get("Access-Control-Allow-Origin") != "https://front.example" ||
			a.Header.Get("Access-Control-Allow-Credentials") != "true" ||
			a.Header.Values("Vary")[0] != "Origin" ||
			!strings.Contains(a.Header.Get("Access-Control-Expose-Headers"), "X-Sandboxd-Verdict") {
			t.Errorf("%d with %v", a.StatusCode, a.Header)
		}
	}
}

func TestCORSByConfiguration(t *testing.T) {
	s := serve(t, exits("ran", ""), func(c *setup) { c.Origins = []string{"https://front.example", "https://*.dev.example"} })
	const ran = `{"stdout":"ran","stderr":""}`
	const refused = `{"detail":"pages of this origin may not run programs here"}`
	for _, tt := range []struct {
		name, origin, site string
		allowed            bool
		status             int
		body               string
	}{
		{"listed", "https://front.example", "cross-site", true, 200, ran},
		{"by pattern", "https://a.dev.example", "cross-site", true, 200, ran},
		{"not listed", "https://evil.example", "cross-site", false, 403, refused},
		{"not listed, old browser", "https://evil.example", "", false, 403, refused},
		{"looks alike", "https://front.example.evil.example", "", false, 403, refused},
		{"file", "null", "cross-site", false, 403, refused},
		{"our own pages", s.url, "same-origin", false, 200, ran},
		{"our own pages, old browser", s.url, "", false, 200, ran},
		{"no browser", "", "", false, 200, ran},
	} {
		t.Run(tt.name, func(t *testing.T) {
			headers := []string{}
			if tt.origin != "" {
				headers = append(headers, "Origin", tt.origin)
			}
			if tt.site != "" {
				headers = append(headers, "Sec-Fetch-Site", tt.site)
			}
			a := s.call(t, "POST", "/playground/execute", `{"code":"x"}`, headers...)
			a.want(t, tt.status, tt.body)
			if got := a.Header.Get("Access-Control-Allow-Origin"); (got == tt.origin && got != "") != tt.allowed {
				t.Errorf("Access-Control-Allow-Origin is %q", got)
			}
			if tt.origin == "" {
				return
			}
			a = s.call(t, "OPTIONS", "/playground/execute", "", append(headers, "Access-Control-Request-Method", "POST")...)
			if got := a.Header.Get("Access-Control-Allow-Origin"); a.StatusCode != 200 || (got == tt.origin) != tt.allowed {
				t.Errorf("preflight: %d, Access-Control-Allow-Origin is %q", a.StatusCode, got)
			}
		})
	}
}

func TestImpossibleOriginsAreErrors(t *testing.T) {
	for _, origin := range []string{"example.com", "https://example.com/", "https://", "https://a.example/x", ""} {
		s := serve(t, exits("", ""), nil)
		cfg := s.cfg
		cfg.Origins = []string{origin}
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "origin") {
			t.Errorf("%q: %v", origin, err)
		}
	}
}

func TestEveryAnswerIsHardened(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, path := range []string{"/", "/nothing", "/docs", "/redoc", "/docs/docs.js", "/metrics", "/healthz"} {
		a := s.call(t, "GET", path, "")
		if a.Header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none';") {
			t.Errorf("%s: %v", path, a.Header)
		}
	}
}

func TestHealth(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	s.call(t, "GET", "/healthz", "").want(t, http.StatusOK,
		`{"status":"ok","version":"v0.0.0-test","listening":{"address":"http://127.0.0.1:8000","socket":"own"},"isolation":{"mode":"required","engine":"exec","layers":{"seccomp":"works","memory":"works"}}}`)
}
