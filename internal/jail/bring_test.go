package jail_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// A program sees arguments, variables, standard input and files as under `NAME=value python3 main.py args < stdin`.
func TestArgsEnvStdinAndFiles(t *testing.T) {
	underEngines(t, testBrings, "exec", "exec, warm", "fork", "fork, warm")
}

func testBrings(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 }) // the lab computes slowly
	file := func(path, data string) sandbox.File { return sandbox.File{Path: path, Data: []byte(data)} }
	for _, tt := range []struct {
		name    string
		source  string
		program sandbox.Program
	}{
		{"arguments", `
import sys
print(sys.argv, sys.orig_argv[1:])
`, sandbox.Program{Args: []string{"-x", "", "é 🐍", "two words", "\n"}}},
		{"arguments, parsed", `
import argparse
p = argparse.ArgumentParser()
p.add_argument("--n", type=int)
print(p.parse_args().n + 1)
`, sandbox.Program{Args: []string{"--n", "41"}}},
		{"a wrong argument", `
import argparse
argparse.ArgumentParser().parse_args()
`, sandbox.Program{Args: []string{"--wrong"}}},
		{"variables, of os.environ, of C and of a child process", `
import ctypes, os, subprocess, sys
getenv = ctypes.CDLL(None).getenv
getenv.restype = ctypes.c_char_p
child = "import os; print(ascii([os.environ[n] for n in ('A', 'EMPTY', 'É')]))"
for name in ("A", "EMPTY", "É"):
    print(name, ascii(os.environ[name]), os.getenv(name) == os.environ[name], getenv(name.encode()), flush=True)
subprocess.run([sys.executable, "-c", child], check=True)
`, sandbox.Program{Env: map[string]string{"A": "x=y\nz", "EMPTY": "", "É": "🐍"}}},
		{"a variable that every run has", `
import os
print(os.environ["HOME"], os.path.expanduser("~"))
`, sandbox.Program{Env: map[string]string{"HOME": "/tmp"}}},
		{"the time zone", `
import time, datetime
print(time.tzname, time.timezone, time.localtime(0).tm_hour, datetime.datetime.fromtimestamp(0))
`, sandbox.Program{Env: map[string]string{"TZ": "XYZ-5"}}},
		{"standard input, by input()", `
print(int(input("n? ")) * 2)
print(repr(input()))
try:
    input()
except EOFError as error:
    print("the end:", error)
`, sandbox.Program{Stdin: []byte("21\nžluťoučký\n")}},
		{"standard input, by lines and from the start again", `
import os, stat, sys
print([line for line in sys.stdin], sys.stdin.seek(0), sys.stdin.read(3), sys.stdin.buffer.read())
print(sys.stdin.isatty(), sys.stdin.fileno(), stat.S_ISREG(os.fstat(0).st_mode), os.read(0, 10))
`, sandbox.Program{Stdin: []byte("one\r\ntwo\nthree")}},
		{"standard input of bytes", `
import hashlib, sys
data = sys.stdin.buffer.read()
print(len(data), hashlib.sha256(data).hexdigest())
`, sandbox.Program{Stdin: bytes.Repeat([]byte("\x00\xff\r\n"), sandbox.MaxStdin/4)}},
		{"standard input, for reading only", `
import os
try:
    os.write(0, b"x")
except OSError as error:
    print(error)
`, sandbox.Program{Stdin: []byte("x")}},
		{"standard input of a child process", `
import os, subprocess, sys
print(os.read(0, 4), flush=True)
subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read())"], check=True)
subprocess.run(["cat", "/dev/stdin"], check=True)
print(os.lseek(0, 0, 1))
`, sandbox.Program{Stdin: []byte("one two three")}},
		{"no standard input", `
import sys
print(repr(sys.stdin.read()), sys.stdin.isatty())
input()
`, sandbox.Program{Args: []string{"x"}}},
		{"files", `
import os
for path, dirs, names in sorted(os.walk(".")):
    print(path, sorted(dirs), sorted(names))
print(open("data/a b.csv").read(), open("ř/🐍").read(), os.path.getsize("empty"), os.path.getsize("large"))
print(oct(os.stat("empty").st_mode), os.stat("empty").st_uid == os.getuid())
open("empty", "w").write("changed")
print(open("empty").read())
`, sandbox.Program{Files: []sandbox.File{
			file("data/a b.csv", "1,2\n"), file("empty", ""), file("ř/🐍", "x"), file("large", strings.Repeat("x", 300_000)),
			file("1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", "deep"), file(strings.Repeat("n", sandbox.MaxName), "long"),
			file(".stdin", "a name that is free"),
		}}},
		{"a file that is imported", `
import helper, package.part
from package import part
print(helper.x, part.y, os.path.relpath(helper.__file__) if (os := __import__("os")) else None)
helper.fail()
`, sandbox.Program{Files: []sandbox.File{file("helper.py", `
x = 5
def fail():
    1/0
`), file("package/part.py", "y = 6"), file("package/__init__.py", "")}}},
		{"files by the names of modules", `
import random, os
print(random.x, os.sep, len(os.listdir(".")))
x = 5
if x is 5: pass
`, sandbox.Program{Files: []sandbox.File{
			file("random.py", "x = 1"), file("os.py", "raise SystemError"), file("warnings.py", "raise SystemError"),
			file("sitecustomize.py", "print('site')"), file("marshal.py", "raise SystemError"), file("encodings/__init__.py", "raise SystemError"),
		}}},
		{"strange names", `
import os, sys
print(ascii(sorted(os.listdir("."))), ascii(sys.argv[1:]), ascii(sorted(n for n in os.environ if " " in n or "%" in n)))
`, sandbox.Program{
			Args:  []string{"--", "\u202e", "\x7f\x01", "-c", strings.Repeat("x", 60_000)},
			Env:   map[string]string{"a b": "1", "BASH_FUNC_x%%": "() { :; }", " ": ""},
			Files: []sandbox.File{file("-rf", ""), file("\n", ""), file("...", ""), file(strings.Repeat("é", 127), ""), file("a\\b", ""), file("\u202e", ""), file("main.pyc", "x")},
		}},
		{"all at once", `
import os, sys
print(sys.argv[1:], os.environ["A"], input(), open("f").read())
sys.exit(7)
`, sandbox.Program{Args: []string{"a"}, Env: map[string]string{"A": "e"}, Stdin: []byte("s"), Files: []sandbox.File{file("f", "f")}}},
		{"all of it with a program that does not compile", "print(", sandbox.Program{Args: []string{"a"}, Stdin: []byte("s")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.program.Source = []byte(tt.source)
			r, err := j.Run(t.Context(), tt.program, nil)
			if err != nil {
				t.Fatal(err)
			}
			compareWithBareProgram(t, r, jailtest.Python, tt.program)
		})
	}
}

// compareWithBareProgram compares a result with that of the same program outside of a jail.
func compareWithBareProgram(t *testing.T, r *jail.Result, python string, program sandbox.Program) {
	t.Helper()
	cmd, dir := bareWith(t, python, program)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the error is the exit status, which is compared below
	status := ended(unix.WaitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus)))
	there := strings.NewReplacer(dir+"/main.py", "main.py", dir, "/home/sandbox")
	if end(r) != status || string(r.Stdout.Kept) != there.Replace(stdout.String()) || string(r.Stderr.Kept) != there.Replace(stderr.String()) {
		t.Errorf("inside: %s\n%s\n%s\noutside: %s\n%s\n%s", end(r), r.Stdout.Kept, r.Stderr.Kept, status, &stdout, &stderr)
	}
}

// When the compiler warns of a program, Python 3.13 imports the module warnings from the program's directory. Python 3.11 does not. The
// program behaves as under `python3 main.py` of the same version. A virtual environment without the packages of the system is used,
// because one of those may import that module before the program starts.
func TestModulesThatTheCompilerImports(t *testing.T) {
	underEngines(t, testModulesThatTheCompilerImports, "exec", "exec, warm", "fork", "fork, warm")
}

func testModulesThatTheCompilerImports(t *testing.T, edit func(*jail.Config)) {
	python := virtualEnvironmentBelow(t, "/var/tmp", nil)
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Python = python; c.Limits.Wall *= 12 }) // the lab computes slowly
	const warned = `
import os, sys
from _frozen_importlib_external import PathFinder
if 5 is 5: print(sys.path[:1], sorted({"warnings", "linecache", "tokenize", "token", "re"} & set(sys.modules)))
print(os.path.exists("main.py"), PathFinder.find_spec("main") is not None)
`
	for _, tt := range []struct{ name, source, path, module string }{
		{"none", warned, "other.py", ""},
		{"one that prints", warned, "warnings.py", "print('mine', __name__)"},
		{"one that changes the path", warned, "warnings.py", `
import sys
print(sys.path[0])
sys.path[:0] = ["a", "b"]
`},
		{"one that clears the path", warned, "warnings.py", "import sys; sys.path.clear()"},
		{"one that fails", warned, "warnings.py", `
def fail():
    1/0
fail()
`},
		{"one that fails for another reason", warned, "warnings.py", `
try:
    1/0
except ArithmeticError:
    raise KeyError(1)
`},
		{"one that exits", warned, "warnings.py", "raise SystemExit(3)"},
		{"one that is interrupted", warned, "warnings.py", "raise KeyboardInterrupt"},
		{"one that does not compile", warned, "warnings.py", "x = ("},
		{"one that cannot be imported", warned, "warnings.py", "import nothing"},
		{"one that reports errors itself", warned, "warnings.py", `
import sys
sys.excepthook = lambda kind, error, tb: print("mine:", kind, error, tb.tb_lineno, tb.tb_next, error.__traceback__ is tb)
1/0
`},
		{"one that registers a function for the end", warned, "warnings.py", `
import atexit
atexit.register(print, "the end")
1/0
`},
		{"one that prints, and a program that does not compile", "if 5 is 5: pass\nx = (", "warnings.py", "print('mine')"},
		{"one that fails, and a program that does not compile", "if 5 is 5: pass\nx = (", "warnings.py", "1/0"},
		{"one that is imported by warnings", warned, "linecache.py", "print('mine')"},
		{"one that fails and is imported by warnings", warned, "token.py", "1/0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			program := sandbox.Program{Source: []byte(tt.source), Files: []sandbox.File{{Path: tt.path, Data: []byte(tt.module)}}}
			r, err := j.Run(t.Context(), program, nil)
			if err != nil {
				t.Fatal(err)
			}
			compareWithBareProgram(t, r, python, program)

			// A check runs no module of the program.
			program.Check = true
			r, err = j.Run(t.Context(), program, nil)
			if err != nil {
				t.Fatal(err)
			}
			status := "exit=0"
			if tt.source != warned {
				status = "exit=1"
			}
			if said := string(r.Stdout.Kept) + string(r.Stderr.Kept); end(r) != status || strings.Contains(said, "mine") || strings.Contains(said, "Traceback") {
				t.Errorf("compiled only, it ended with %s and said %s", end(r), said)
			}
		})
	}
}

// bareWith runs the same program with a python3 outside of a jail, in its own directory.
func bareWith(t *testing.T, python string, program sandbox.Program) (cmd *exec.Cmd, dir string) {
	t.Helper()
	dir = t.TempDir()
	put := func(path string, data []byte) string {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	put("main.py", program.Source)
	for _, f := range program.Files {
		put(f.Path, f.Data)
	}
	cmd = exec.Command(python, slices.Concat([]string{"main.py"}, program.Args)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "HOME=/home/sandbox"}
	for name, value := range program.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if len(program.Stdin) > 0 {
		stdin, err := os.Open(filepath.Join(put("../"+filepath.Base(dir)+".stdin", program.Stdin)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stdin.Close() })
		cmd.Stdin = stdin
	}
	return cmd, dir
}

// Standard input and files count towards the scratch space and cannot exceed it.
func TestFilesThatDoNotFit(t *testing.T) {
	underEngines(t, testFilesThatDoNotFit, "exec", "exec, warm", "fork", "fork, warm")
}

func testFilesThatDoNotFit(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) {
		edit(c)
		c.Limits.Scratch, c.Limits.Inodes = sandbox.MinScratch, 32
	})
	many := func(n int) (files []sandbox.File) {
		for i := range n {
			files = append(files, sandbox.File{Path: fmt.Sprint("f", i)})
		}
		return files
	}
	for _, tt := range []struct {
		name    string
		program sandbox.Program
		fits    bool
	}{
		{"the largest files that there can be", sandbox.Program{Files: []sandbox.File{{Path: "a", Data: make([]byte, sandbox.MaxFileBytes)}}}, false},
		{"what comes after them", sandbox.Program{Files: []sandbox.File{
			{Path: "a", Data: make([]byte, sandbox.MinScratch)}, {Path: "b", Data: make([]byte, sandbox.MaxFileBytes-sandbox.MinScratch)}}}, false},
		{"standard input beside a file", sandbox.Program{Stdin: make([]byte, sandbox.MaxStdin), Files: []sandbox.File{{Path: "a", Data: make([]byte, 1<<20)}}}, false},
		{"more files than inodes", sandbox.Program{Files: many(33)}, false},
		{"a deep directory", sandbox.Program{Files: append(many(16), sandbox.File{Path: strings.Repeat("d/", sandbox.MaxDepth-1) + "f"})}, false},
		{"a few files", sandbox.Program{Stdin: []byte("x"), Files: many(10)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.program.Source = []byte(`
import os
print(len(os.listdir('.')))
`)
			r, err := j.Run(t.Context(), tt.program, nil)
			if tt.fits {
				if err != nil || string(r.Stdout.Kept) != "11\n" {
					t.Fatalf("%v, %+v", err, r)
				}
				return
			}
			var invalid *sandbox.InvalidError
			if !errors.As(err, &invalid) || invalid.Path[0] != "files" {
				t.Errorf("%v", err)
			}
		})
	}
	// With an empty source, the file reaches RLIMIT_FSIZE (EFBIG) before the scratch space is full.
	var invalid *sandbox.InvalidError
	_, err := j.Run(t.Context(), sandbox.Program{Files: []sandbox.File{{Path: "a", Data: make([]byte, sandbox.MaxFileBytes)}}}, nil)
	if !errors.As(err, &invalid) || invalid.Path[0] != "files" {
		t.Errorf("with an empty program: %v", err)
	}
}

// Standard input and files give a program no access outside of the jail, and no open file of the daemon.
func TestStdinAndFilesAreTheJailsOwn(t *testing.T) {
	underEngines(t, testStdinAndFilesAreTheJailsOwn, "exec", "exec, warm", "fork", "fork, warm")
}

func testStdinAndFilesAreTheJailsOwn(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	r, err := j.Run(t.Context(), sandbox.Program{
		Stdin: []byte("secret"), Files: []sandbox.File{{Path: "f", Data: []byte("x")}},
		Source: []byte(`
import os
home, stdin = os.stat("."), os.fstat(0)
print(stdin.st_dev == home.st_dev, stdin.st_uid == os.getuid(), stdin.st_nlink)
print(sorted(os.listdir(".")), sorted(os.listdir("/proc/self/fd"))[:3], os.path.exists("/proc/self/fd/3"))
`),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(r.Stdout.Kept); got != "True True 0\n['f', 'main.py'] ['0', '1', '2'] False\n" {
		t.Errorf("%s\n%s", got, r.Stderr.Kept)
	}
	// The next run does not find these files.
	if got := jailtest.Output(t, j, `import os, sys
print(os.listdir('.'), sys.stdin.read(), sys.argv[1:])`); got != "['main.py']  []\n" {
		t.Errorf("the next run: %s", got)
	}
}

// If a waiting jail dies while it receives a large program, the program runs in another jail, and the request succeeds.
func TestJailThatDiesAtTheHandOver(t *testing.T) {
	underEngines(t, testJailThatDiesAtTheHandOver, "exec, warm", "fork, warm")
}

func testJailThatDiesAtTheHandOver(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	program := sandbox.Program{Source: []byte(`
import os
print(os.path.getsize('a'))
`), Files: []sandbox.File{{Path: "a", Data: make([]byte, sandbox.MaxFileBytes)}}}
	for range 20 {
		var kill sync.WaitGroup
		kill.Go(func() { j.KillWaiting() })
		r, err := j.Run(t.Context(), program, nil)
		kill.Wait()
		if err != nil || string(r.Stdout.Kept) != fmt.Sprintln(sandbox.MaxFileBytes) {
			t.Fatalf("%v, %+v", err, r)
		}
	}
}

// If the files of a program need more memory than its limit, the verdict is OOM, even if the program has not started.
//
//lab:as user
func TestFilesBeyondTheMemory(t *testing.T) {
	underEngines(t, testFilesBeyondTheMemory, "exec", "fork, warm")
}

func testFilesBeyondTheMemory(t *testing.T, edit func(*jail.Config)) {
	jailtest.RequireControllers(t)
	j := jailtest.New(t, edit)
	for range 3 {
		r, err := j.Run(t.Context(), sandbox.Program{
			Source: []byte("pass"), Limits: sandbox.Bounds{Memory: sandbox.MinMemory},
			Stdin: make([]byte, sandbox.MaxStdin), Files: []sandbox.File{{Path: "a", Data: make([]byte, sandbox.MaxFileBytes)}},
		}, nil)
		if err != nil || r.Verdict != sandbox.OOM {
			t.Errorf("%v, %+v", err, r)
		}
	}
}
