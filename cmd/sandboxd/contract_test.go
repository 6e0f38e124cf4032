package main

import (
	"fmt"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Every case of the HTTP contract, on the running daemon with its default settings.
//
//lab:as user
func TestContract(t *testing.T) { underEachEngine(t, contract) }

func contract(t *testing.T, flags ...string) {
	d := start(t, flags...)
	for _, tt := range []struct {
		name         string
		method, path string
		body         string
		status       int
		want         string // the whole body
	}{
		{"welcome", "GET", "/", "", 200, `{"Message":"Welcome to the Python Playground Backend!"}`},
		{"execute", "POST", "/playground/execute", `{"code":"print('Hello, World!')"}`, 200, `{"stdout":"Hello, World!\n","stderr":""}`},
		{"exit code does not matter", "POST", "/playground/execute", `{"code":"print(1)\nraise SystemExit(3)"}`, 200, `{"stdout":"1\n","stderr":""}`},
		{"traceback", "POST", "/playground/execute", `{"code":"print(1)\n\nx = undefined"}`, 200,
			`{"stdout":"1\n","stderr":"Traceback (most recent call last):\n  File \"main.py\", line 3, in <module>\n    x = undefined\n        ^^^^^^^^^\nNameError: name 'undefined' is not defined\n"}`},
		{"restricted import", "POST", "/playground/execute", `{"code":"import os"}`, 200,
			`{"stdout":"","stderr":"Security Error: Module 'os' is not allowed for security reasons."}`},
		{"restricted operation", "POST", "/playground/execute", `{"code":"open('x')"}`, 200,
			`{"stdout":"","stderr":"Security Error: Operation 'open(' is not allowed for security reasons."}`},
		{"empty code", "POST", "/playground/execute", `{"code":""}`, 200, `{"stdout":"","stderr":""}`},
		{"missing field", "POST", "/playground/execute", `{}`, 422,
			`{"detail":[{"type":"missing","loc":["body","code"],"msg":"Field required","input":{}}]}`},
		{"wrong type", "POST", "/playground/execute", `{"code":5}`, 422,
			`{"detail":[{"type":"string_type","loc":["body","code"],"msg":"Input should be a valid string","input":5}]}`},
		{"broken JSON", "POST", "/playground/execute", `{`, 422,
			`{"detail":[{"type":"json_invalid","loc":["body",1],"msg":"JSON decode error","input":{},"ctx":{"error":"Expecting property name enclosed in double quotes"}}]}`},
		{"wrong method", "GET", "/playground/execute", "", 405, `{"detail":"Method Not Allowed"}`},
		{"unknown path", "GET", "/nowhere", "", 404, `{"detail":"Not Found"}`},
		{"unknown fields are ignored", "POST", "/playground/execute", `{"language":"python","code":"print(2)","x":[1]}`, 200, `{"stdout":"2\n","stderr":""}`},
		{"unicode stays as it is", "POST", "/playground/execute", `{"code":"print('žluťoučký 🐍 <&>')"}`, 200, `{"stdout":"žluťoučký 🐍 <&>\n","stderr":""}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := d.do(t.Context(), tt.method, tt.path, strings.NewReader(tt.body), "Content-Type", "application/json")
			if err != nil {
				t.Fatal(err)
			}
			if a.status != tt.status || a.body != tt.want {
				t.Errorf("status %d: %s\nwant   %d: %s", a.status, a.body, tt.status, tt.want)
			}
			if got := a.header.Get("Content-Type"); got != "application/json" {
				t.Errorf("content type %q", got)
			}
			if tt.status == http.StatusMethodNotAllowed && a.header.Get("Allow") != "POST" {
				t.Errorf("Allow: %q", a.header.Get("Allow"))
			}
		})
	}
	for _, path := range []string{"/openapi.json", "/docs", "/redoc"} {
		t.Run(path, func(t *testing.T) {
			if a := d.get(t, path); a.status != 200 || len(a.body) < 100 {
				t.Errorf("status %d, %d bytes", a.status, len(a.body))
			}
		})
	}
	t.Run("preflight", func(t *testing.T) {
		a, err := d.do(t.Context(), "OPTIONS", "/playground/execute", nil,
			"Origin", "https://playground.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-anything")
		if err != nil {
			t.Fatal(err)
		}
		for header, want := range map[string]string{
			"Access-Control-Allow-Origin":      "https://playground.example",
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods":     "POST",
			"Access-Control-Allow-Headers":     "content-type,x-anything",
		} {
			if got := a.header.Get(header); a.status != 200 || !strings.EqualFold(got, want) {
				t.Errorf("status %d, %s: %q, want %q", a.status, header, got, want)
			}
		}
	})
}

// The names that are restricted by default.
func TestContractRestrictions(t *testing.T) { underEachEngine(t, contractRestrictions) }

func contractRestrictions(t *testing.T, flags ...string) {
	d := start(t, flags...)
	for _, module := range []string{"os", "sys", "pathlib", "shutil", "socket", "urllib", "requests", "http", "subprocess"} {
		for _, code := range []string{"import " + module, "import math, " + module + " as x", "from " + module + " import *", "def f():\n    import " + module} {
			s, _ := d.execute(t, code)
			if want := fmt.Sprintf("Security Error: Module '%s' is not allowed for security reasons.", module); s.Stdout != "" || s.Stderr != want {
				t.Errorf("%q: %+v", code, s)
			}
		}
	}
	for _, builtin := range []string{"eval", "exec", "compile", "__import__", "open", "file", "input", "raw_input"} {
		s, _ := d.execute(t, "print(1)\n"+builtin+"('x')")
		if want := fmt.Sprintf("Security Error: Operation '%s(' is not allowed for security reasons.", builtin); s.Stdout != "" || s.Stderr != want {
			t.Errorf("%s: %+v", builtin, s)
		}
	}
	// python3 reports a program that does not compile, even if it also breaks the policy.
	for code, want := range map[string]string{
		"import os\nprint(":                          "SyntaxError: '(' was never closed",
		"import subprocess\nif True:\nprint(1)":      "IndentationError: expected an indented block after 'if' statement on line 2",
		"open('x'\nimport sys\n":                     "SyntaxError: '(' was never closed",
		"import os\nreturn 5":                        "SyntaxError: 'return' outside function",
		"import os\nx = 1 = 2\n":                     "SyntaxError: cannot assign to literal",
		"eval('1')\nprint 'x'\n":                     "SyntaxError: Missing parentheses in call to 'print'",
		"import os, socket as\n":                     "SyntaxError: invalid syntax",
		"# coding: klingon\nimport os":               "SyntaxError: encoding problem: klingon",
		"import os\n" + strings.Repeat("(", 250):     "SyntaxError: too many nested parentheses",
		"().__subclasses__()\nfor x in y: pass else": "SyntaxError: invalid syntax",
	} {
		if s, _ := d.execute(t, code); s.Stdout != "" || !strings.Contains(s.Stderr, want) {
			t.Errorf("%q: %+v, want %s", code, s, want)
		}
	}
	// If the scan does not find a restricted name, the name is None at run time, but only in the program's main module.
	s, _ := d.execute(t, "for name in ('eval', 'exec', 'compile', 'open', 'input'):\n    print(globals()[name])")
	if s.Stdout != strings.Repeat("None\n", 5) {
		t.Errorf("%+v", s)
	}
}

// Faults of the old service that the contract lists. Each is one case.
func TestFaultsOfTheOldService(t *testing.T) { underEachEngine(t, faultsOfTheOldService) }

func faultsOfTheOldService(t *testing.T, flags ...string) {
	d := start(t, append(flags, "--wall=2s")...)
	for _, tt := range []struct{ name, code, stdout, stderr string }{
		{"a string that contains os.", `print("photos.jpg")`, "photos.jpg\n", ""},
		{"a module that begins with os", "try:\n    import osquery\nexcept ImportError as e: print(e)", "No module named 'osquery'\n", ""},
		{"a comment that mentions an import", "# import os\nprint(1)  # open('x')", "1\n", ""},
		{"a string that mentions an import", "print('''\nimport os\nopen(''')", "\nimport os\nopen(\n", ""},
		{"the ladder of dunders", "().__class__.__base__.__subclasses__()", "", "Security Error: Operation '__subclasses__' is not allowed for security reasons."},
		{"imports work", "import math\nimport json\nprint(math.floor(2.5), json.dumps([1]))", "2 [1]\n", ""},
		{"line numbers and names in tracebacks", "\n\n1/0", "", "Traceback (most recent call last):\n  File \"main.py\", line 3, in <module>\n    1/0\n    ~^~\nZeroDivisionError: division by zero\n"},
		{"a timeout keeps what was printed", "print('before', end='')\nwhile True: pass", "before", "Error: Code execution timed out (2 second limit)."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := d.execute(t, tt.code)
			if s.Stdout != tt.stdout || s.Stderr != tt.stderr {
				t.Errorf("got  %+v\nwant {Stdout:%s Stderr:%s}", s, tt.stdout, tt.stderr)
			}
		})
	}
	t.Run("one run does not block the others", func(t *testing.T) {
		begin := time.Now()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { d.execute(t, "import time\ntime.sleep(1)") })
		}
		wg.Wait()
		if took := time.Since(begin); took > 4*time.Second {
			t.Errorf("8 sleeps of a second took %v", took)
		}
	})
}

func TestInvalidUTF8IsReplaced(t *testing.T) { underEachEngine(t, invalidUTF8IsReplaced) }

func invalidUTF8IsReplaced(t *testing.T, flags ...string) {
	d := start(t, append(flags, "--policy=off")...)
	s, _ := d.execute(t, `import sys; sys.stdout.buffer.write(b"a\xff\xc3b\0c")`)
	if s.Stdout != "a\uFFFD\uFFFDb\x00c" {
		t.Errorf("%+q", s)
	}
}

func TestSourceLimit(t *testing.T) { underEachEngine(t, sourceLimit) }

func sourceLimit(t *testing.T, flags ...string) {
	d := start(t, flags...)
	s, _ := d.execute(t, "print(1)\n#"+strings.Repeat("x", sandbox.MaxSource-20))
	if s.Stdout != "1\n" {
		t.Errorf("%+v", s)
	}
	a := d.post(t, `{"code":"#`+strings.Repeat("x", sandbox.MaxSource)+`"}`)
	if a.status != http.StatusRequestEntityTooLarge || !strings.HasPrefix(a.body, `{"detail":"`) {
		t.Errorf("status %d: %.200s", a.status, a.body)
	}
}
