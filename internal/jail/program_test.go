package jail_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// strictNulled lists the builtins that are None in the program's module under the strict policy.
var strictNulled = []string{"eval", "exec", "compile", "__import__", "open", "file", "input", "raw_input"}

// A program runs as under `python3 main.py`.
func TestProgram(t *testing.T) { underEngines(t, testProgram) }

func testProgram(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 }) // the lab computes slowly
	minor, err := strconv.Atoi(strings.TrimSpace(jailtest.Output(t, j, `
import sys
print(sys.version_info.minor)
`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		source string
		nulled []string
		status int
		signal unix.Signal
		stdout string
		stderr string
		newer  string // stderr of Python 3.13 and later, if that differs from Python 3.11
	}{
		{name: "prints", source: `print("Hello, World!")`, stdout: "Hello, World!\n"},
		{name: "empty", source: ""},
		{name: "is main", source: `print(__name__, __file__)`, stdout: "__main__ /home/sandbox/main.py\n"},
		{name: "its command line is main.py", source: `import sys
print(sys.argv)`, stdout: "['main.py']\n"},
		{name: "is a file in its working directory", source: `import os
print(os.getcwd(), os.listdir(), open('main.py').readline())`,
			stdout: "/home/sandbox ['main.py'] import os\n\n"},
		{name: "imports what it writes", source: `
open('mine.py', 'w').write('x = 7')
import mine
print(mine.x)
`, stdout: "7\n"},
		{name: "ends with its own status", source: `
import sys
sys.exit(42)
`, status: 42},
		{name: "ends with a message", source: "raise SystemExit('so long')", status: 1, stderr: "so long\n"},
		{name: "is interrupted by itself", source: "raise KeyboardInterrupt", signal: unix.SIGINT,
			stderr: "Traceback (most recent call last):\n  File \"main.py\", line 1, in <module>\n    raise KeyboardInterrupt\nKeyboardInterrupt\n"},
		{name: "traceback", source: `def f():
    return 1 + None

f()
`, status: 1,
			stderr: "Traceback (most recent call last):\n  File \"main.py\", line 4, in <module>\n    f()\n  File \"main.py\", line 2, in f\n    return 1 + None\n           ~~^~~~~~\n" +
				"TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'\n",
			newer: "Traceback (most recent call last):\n  File \"main.py\", line 4, in <module>\n    f()\n    ~^^\n  File \"main.py\", line 2, in f\n    return 1 + None\n           ~~^~~~~~\n" +
				"TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'\n"},
		{name: "traceback under the strict policy", source: "\n\n1/0", nulled: strictNulled, status: 1,
			stderr: "Traceback (most recent call last):\n  File \"main.py\", line 3, in <module>\n    1/0\n    ~^~\nZeroDivisionError: division by zero\n"},
		{name: "traceback after chdir", source: `import os
os.chdir('/')
1/0`, status: 1,
			stderr: "Traceback (most recent call last):\n  File \"main.py\", line 3, in <module>\n    1/0\n    ~^~\nZeroDivisionError: division by zero\n"},
		{name: "syntax error", source: "x = 1\nif x\n    pass\n", status: 1,
			stderr: "  File \"main.py\", line 2\n    if x\n        ^\nSyntaxError: expected ':'\n"},
		{name: "indentation error", source: "if 1:\npass", status: 1,
			stderr: "  File \"main.py\", line 2\n    pass\n    ^\nIndentationError: expected an indented block after 'if' statement on line 1\n",
			newer:  "  File \"main.py\", line 2\n    pass\n    ^^^^\nIndentationError: expected an indented block after 'if' statement on line 1\n"},
		{name: "NUL in the source", source: "x = '\x00'", status: 1,
			stderr: "  File \"main.py\", line 1\n    x = '\n        ^\nSyntaxError: unterminated string literal (detected at line 1)\n",
			newer:  "  File \"main.py\", line 1\n    x = '\nSyntaxError: source code cannot contain null bytes\n"},
		{name: "no frame of the launcher below it", source: `import sys, inspect
print(len(inspect.stack()), sys._getframe().f_back)`, stdout: "1 None\n"},
		{name: "no variable of the launcher in its environment", source: `
import os
print([k for k in os.environ if 'PYTHON' in k or 'SANDBOXD' in k])
`, stdout: "[]\n"},
		{name: "the launcher's directory is not on its path", source: `
import sys
print(sys.path[0], '/sandbox' in sys.path)
`, stdout: "/home/sandbox False\n"},
		{name: "future statements of the launcher do not apply", source: "print(eval('lambda: 1').__code__.co_flags & 0x1000000)", stdout: "0\n"},
		{name: "atexit", source: `
import atexit
atexit.register(print, 'bye')
print('hi')
`, stdout: "hi\nbye\n"},
		{name: "threads", source: `
import threading
r = []
ts = [threading.Thread(target=r.append, args=(i,)) for i in range(8)]
[t.start() for t in ts]
[t.join() for t in ts]
print(sorted(r))
`,
			stdout: "[0, 1, 2, 3, 4, 5, 6, 7]\n"},
		{name: "a hundred threads that sleep", source: `
import threading
go = threading.Event()
ts = [threading.Thread(target=go.wait) for _ in range(100)]
for t in ts: t.start()
print(threading.active_count())
go.set()
for t in ts: t.join()
`, stdout: "101\n"},
		{name: "asyncio", source: `
import asyncio
async def f(): await asyncio.sleep(0); return 5
print(asyncio.run(f()))
`, stdout: "5\n"},
		{name: "multiprocessing, every way to start", source: `
import multiprocessing as m
def square(x): return x * x
if __name__ == "__main__":
    for way in ("fork", "spawn", "forkserver"):
        with m.get_context(way).Pool(2) as p:
            print(way, p.map(square, range(4)))
`, stdout: "fork [0, 1, 4, 9]\nspawn [0, 1, 4, 9]\nforkserver [0, 1, 4, 9]\n"},
		{name: "subprocess", source: `
import subprocess, sys
print(subprocess.run([sys.executable, '-c', 'print(6*7)'], capture_output=True, text=True).stdout)
`, stdout: "42\n\n"},
		{name: "sqlite3 on a file", source: `
import sqlite3
c = sqlite3.connect('x.db')
c.execute('create table t(x)')
c.execute('insert into t values (3)')
c.commit()
print(c.execute('select x from t').fetchall())
`, stdout: "[(3,)]\n"},
		{name: "tempfile", source: `
import tempfile
with tempfile.NamedTemporaryFile() as f: print(f.name.startswith('/tmp/'))
`, stdout: "True\n"},
		{name: "loopback", source: `
import socket, threading
s = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=lambda: socket.create_connection(s.getsockname()).sendall(b"ok")).start()
print(s.accept()[0].recv(2))
`, stdout: "b'ok'\n"},
		{name: "names of users, ports and protocols", source: `
import os, pwd, grp, socket, getpass
print([p.pw_name for p in pwd.getpwall()], [g.gr_name for g in grp.getgrall()], getpass.getuser(), os.path.expanduser("~root"))
print(socket.getservbyname("https"), socket.getservbyport(22), socket.getprotobyname("udp"))
`, stdout: "['root', 'nobody', 'sandbox'] ['root', 'nogroup', 'sandbox'] sandbox /root\n443 ssh 17\n"},
		{name: "a host name that cannot be resolved", source: `
import socket
try: socket.getaddrinfo("example.com", 80)
except socket.gaierror as e: print(e)
print(socket.gethostbyname("localhost"), socket.gethostbyname(socket.gethostname()), socket.getfqdn())
`, stdout: "[Errno -3] Temporary failure in name resolution\n127.0.0.1 127.0.0.1 localhost\n"},
		{name: "the time is UTC's", source: `
import time
print(time.tzname, open('/etc/timezone').read())
`, stdout: "('UTC', 'UTC') Etc/UTC\n\n"},
		{name: "the distribution", source: `
import platform
print(platform.freedesktop_os_release() != {}, open('/etc/os-release').read() == open('/usr/lib/os-release').read())
`,
			stdout: "True True\n"},
		{name: "unicode", source: `naïve = 'žluťoučký 🐍'
print(naïve)`, stdout: "žluťoučký 🐍\n"},
		{name: "latin-1 by its cookie", source: "# -*- coding: latin-1 -*-\nprint(ascii('\xe9'))", stdout: "'\\xe9'\n"},
		{name: "standard input is empty", source: `
import sys
print(repr(sys.stdin.read()))
`, stdout: "''\n"},
		{name: "imports under the strict policy", nulled: strictNulled, source: `
import math, json, re
from collections import namedtuple
from dataclasses import dataclass
@dataclass
class D:
    x: int = 1
P = namedtuple("P", "a b")
print(math.pi > 3, json.dumps({"a": 1}), re.findall("b+", "abbc"), P(1, 2), D())
`, stdout: "True {\"a\": 1} ['bb'] P(a=1, b=2) D(x=1)\n"},
		{name: "the strict policy's builtins are None", nulled: strictNulled, source: `
def f(): return open
print(eval, exec, compile, __import__, open, file, input, raw_input, f())
`,
			stdout: strings.Repeat("None ", 8) + "None\n"},
		{name: "the builtins module is unchanged under the strict policy", nulled: strictNulled, stdout: "True False True True\n", source: `
import builtins
print('len' in dir(__builtins__), 'keys' in dir(__builtins__), hasattr(__builtins__, 'print'), __builtins__ is builtins)
`},
		{name: "a patched builtin is called under the strict policy", nulled: strictNulled, stdout: "[call('x')]\n", source: `
from unittest.mock import patch
def f(): print('x')
with patch('builtins.print') as p: f()
print(p.mock_calls)
`},
		{name: "doctest under the strict policy", nulled: strictNulled, stdout: "TestResults(failed=0, attempted=2)\n", source: `
def f():
    """
    >>> 1 + 1
    2
    >>> _ * 2 if False else 4
    4
    """
import doctest
print(doctest.testmod())
`},
		{name: "a builtin that the program sets under the strict policy", nulled: strictNulled, stdout: "5\n", source: `import builtins
builtins.five = 5
print(five)`},
		{name: "imported modules have the real builtins under the strict policy", nulled: strictNulled, source: `import tokenize
with tokenize.open('main.py') as f: print(f.readline())`,
			stdout: "import tokenize\n\n"},
		{name: "the streams are separate", source: `
import sys
print('o1'); print('e1', file=sys.stderr); print('o2'); print('e2', file=sys.stderr)
`, stdout: "o1\no2\n", stderr: "e1\ne2\n"},
		{name: "closes its own stdout", source: `
import os
os.close(1)
import sys
print('to stderr', file=sys.stderr)
os._exit(0)
`, stderr: "to stderr\n"},
		{name: "invalid UTF-8 is passed on unchanged", source: `import sys; sys.stdout.buffer.write(b"a\xff\xfeb\x00c")`, stdout: "a\xff\xfeb\x00c"},
		{name: "a megabyte of source", source: "#" + strings.Repeat("x", sandbox.MaxSource-10) + "\nprint(1)", stdout: "1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source), Nulled: tt.nulled}, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprint("exit=", tt.status)
			if tt.signal != 0 {
				want = "signal=" + unix.SignalName(tt.signal)
			}
			if got := end(r); got != want {
				t.Errorf("ended with %s, want %s", got, want)
			}
			if string(r.Stdout.Kept) != tt.stdout {
				t.Errorf("stdout:\n%q\nwant:\n%q", r.Stdout.Kept, tt.stdout)
			}
			stderr := tt.stderr
			if minor >= 13 && tt.newer != "" {
				stderr = tt.newer
			}
			if string(r.Stderr.Kept) != stderr {
				t.Errorf("stderr:\n%q\nwant:\n%q", r.Stderr.Kept, stderr)
			}
		})
	}
}

func TestSourceTooLong(t *testing.T) {
	j := jailtest.New(t, nil)
	if _, err := j.Run(t.Context(), sandbox.Program{Source: make([]byte, sandbox.MaxSource+1)}, nil); err == nil {
		t.Error("a source over the limit was run")
	}
}

func TestScientificPackages(t *testing.T) { underEngines(t, testScientificPackages, "exec", "fork") }

func testScientificPackages(t *testing.T, edit func(*jail.Config)) {
	jailtest.RequireModules(t, "numpy", "pandas", "matplotlib")
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 }) // the lab computes slowly
	for _, tt := range []struct{ name, source, want string }{
		{"numpy", `
import numpy as np
a = np.arange(4.0).reshape(2, 2)
print(np.linalg.inv(a) @ a)
`, "[[1. 0.]\n [0. 1.]]\n"},
		{"pandas", `
import pandas as pd
print(pd.DataFrame({'k': list('aab'), 'v': [1, 2, 3]}).groupby('k').v.sum().to_dict())
`, "{'a': 3, 'b': 3}\n"},
		{"matplotlib", `
import matplotlib.pyplot as plt
plt.plot([1, 2], label='x'); plt.legend(); plt.savefig('p.png')
print(open('p.png', 'rb').read(4))
`, "b'\\x89PNG'\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := jailtest.Output(t, j, tt.source); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TLS uses the certificate authorities of the distribution's package, and none that the host's administrator has added.
func TestCertificateAuthorities(t *testing.T) {
	found, _ := filepath.Glob("/usr/share/ca-certificates/mozilla/*.crt")
	j := jailtest.New(t, nil)
	got := jailtest.Output(t, j, `
import ssl
print(len(ssl.create_default_context().get_ca_certs()))
`)
	if want := fmt.Sprintln(len(found)); got != want {
		t.Errorf("%s authorities, want %s", strings.TrimSpace(got), want)
	}
}

// A program can import the packages of an interpreter in a virtual environment.
func TestVirtualEnvironment(t *testing.T) { underEngines(t, testVirtualEnvironment, "exec", "fork") }

func testVirtualEnvironment(t *testing.T, edit func(*jail.Config)) {
	python := virtualEnvironment(t, map[string]string{"mine": "x = 7"})
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Python = python })
	if got := jailtest.Output(t, j, `
import mine
print(mine.x)
`); got != "7\n" {
		t.Errorf("got %q", got)
	}
}
