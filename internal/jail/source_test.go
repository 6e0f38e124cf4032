package jail_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// The compiler prints the same messages as under `python3 main.py`, and a program sees the same code, file, names and arguments.
func TestSource(t *testing.T) { underEngines(t, testSource, "exec", "fork") }

func testSource(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 }) // the lab computes slowly
	for name, source := range map[string]string{
		"a line that goes on":             "print(1) \\",
		"a line that goes on and ends":    "print(1) \\\n",
		"an encoding that there is not":   "# coding: klingon\nprint(1)",
		"an encoding that does not fit":   "# coding: ascii\nprint('é')",
		"two encodings":                   "\ufeff# coding: latin-1\nprint(1)",
		"a byte order mark":               "\ufeffprint('é')",
		"bytes that are no UTF-8":         "print('\xff')",
		"a class without a body":          "class A:",
		"a class without a body, a line":  "class A:\n",
		"a function without a body":       "print(1)\ndef f():\n    # nothing\n",
		"a string without an end":         "x = 'abc\nprint(1)",
		"a long string without an end":    "x = '''abc\nprint(1)\n",
		"an indentation":                  "  print(1)",
		"tabs and spaces":                 "if 1:\n\tprint(1)\n        print(2)",
		"NUL":                             "x = '\x00'\nprint(x)",
		"a carriage return":               "print(1)\r\nprint(2)\rprint(3)",
		"a form feed":                     "print(1)\n\x0cprint(2)",
		"a warning of the compiler":       "x = 5\nif x is 5: print('\\d')",
		"a warning, and an error":         "if 5 is 5: print(1)\nx = (",
		"a return":                        "return 5",
		"an await":                        "await f()",
		"a star":                          "import os\ndef f():\n  from os import *",
		"too many brackets":               strings.Repeat("(", 250),
		"its own code":                    "import sys\nc = sys._getframe().f_code\nprint(c.co_names, c.co_consts, c.co_firstlineno, c.co_name, c.co_flags, list(c.co_lines()))",
		"its own frame":                   "import sys, inspect\nprint(sys._getframe().f_back, len(inspect.stack()))",
		"its own names":                   "print(sorted(globals()))\nprint(__name__, __doc__, __package__, __spec__, __cached__, __builtins__)",
		"its own file":                    "import os\nprint(os.path.basename(__file__), os.path.isabs(__file__), open(__file__).read(), os.listdir('.'))",
		"its own loader":                  "import os; os.chdir('/')\nprint(type(__loader__), __loader__.name, __loader__.get_source('__main__'), __loader__.get_code('__main__').co_names)",
		"its own source":                  "import inspect, os\ndef f(x):\n    return x\nclass A:\n    y = 1\nos.chdir('/')\nprint(inspect.getsource(f), inspect.getsource(A), os.path.basename(inspect.getsourcefile(f)))",
		"its own lines, elsewhere":        "import os\nos.chdir('/')\ndef f(): 1/0\nf()",
		"its own lines, in a warning":     "import os, warnings\nos.chdir('/')\nwarnings.warn('here')",
		"its arguments":                   "import sys\nprint(sys.argv, sys.orig_argv[1:], sys.flags.safe_path)",
		"its path":                        "import os, sys\nprint(sys.path[0] == os.getcwd(), [p for p in sys.path[1:] if 'python' not in p])",
		"its environment":                 "import os\nprint([name for name in os.environ if name.startswith('PYTHON')])",
		"its modules":                     "import sys\nprint([name for name in ('atexit', 'gc', 'sandboxd_template') if name in sys.modules])",
		"importlib":                       "import importlib.machinery as m, _frozen_importlib_external as e\nprint(m.SourcelessFileLoader, e.SourcelessFileLoader, e.SourcelessFileLoader('x', 'y').name)",
		"compiled code that it imports":   "import py_compile\nopen('m.py', 'w').write('x = 5')\npy_compile.compile('m.py', 'n.pyc')\nimport n; print(n.x, type(n.__loader__))",
		"a child process of its own kind": "import multiprocessing as m\ndef f(): print('child', __name__)\nif __name__ == '__main__':\n  m.set_start_method('spawn'); p = m.Process(target=f); p.start(); p.join()",
		"the main module, imported":       "import main\nprint(main is __import__('__main__'), main.__name__)",
		"a tracer of lines":               "import sys\ndef t(frame, event, arg):\n  if frame.f_code.co_filename.endswith('main.py'): print(event, frame.f_lineno)\n  return t\nsys.settrace(t); sys._getframe().f_trace = t\nx = 1\ny = 2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareWithBare(t, j, source)
			checkLikeBare(t, j, source)
		})
	}
}

// checkLikeBare only compiles a program. If python3 cannot compile it, the check must fail with the same message. The program must not run.
func checkLikeBare(t *testing.T, j *jail.Runner, source string) {
	t.Helper()
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source), Check: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, status := "", "exit=0"
	if said, _ := bareOnce(t, source); compilerError.MatchString(said[1]) && !strings.Contains(said[1], "Traceback") {
		want, status = said[1], "exit=1"
	} else if status == end(r) { // the program compiles with warnings
		r.Stderr.Kept = nil
	}
	if end(r) != status || len(r.Stdout.Kept) > 0 || string(r.Stderr.Kept) != want {
		t.Errorf("compiled only, it ended with %s and said %q and %q, want %q", end(r), r.Stdout.Kept, r.Stderr.Kept, want)
	}
}

// compilerError returns the last line that python3 prints for a program that it cannot compile. There is no traceback.
var compilerError = regexp.MustCompile(`(?m)^\w*Error: .*\n\z`)
