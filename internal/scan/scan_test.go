package scan

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// sourceCase is a program with its expected findings, as "rule name line:column", separated by commas.
type sourceCase struct{ name, src, want string }

// mustNew returns a scanner whose budget is long enough for a busy machine.
func mustNew(t testing.TB, config Config) *Scanner {
	t.Helper()
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.budget = time.Minute
	return s
}

func describe(findings []sandbox.Finding) string {
	var all []string
	for _, f := range findings {
		all = append(all, fmt.Sprintf("%s %s %d:%d", f.Rule, f.Name, f.Line, f.Column))
	}
	return strings.Join(all, ", ")
}

func testSources(t *testing.T, config Config, tests []sourceCase) {
	t.Helper()
	s := mustNew(t, config)
	for _, tt := range tests {
		name := tt.name
		if name == "" {
			name = tt.src
		}
		t.Run(name, func(t *testing.T) {
			findings, err := s.Scan(t.Context(), []byte(tt.src))
			if err != nil {
				t.Fatal(err)
			}
			if got := describe(findings); got != tt.want {
				t.Errorf("found %q, want %q, in\n%s", got, tt.want, tt.src)
			}
		})
	}
}

func TestRestrictedImports(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: "import os", want: "module os 1:8"},
		{src: "import sys", want: "module sys 1:8"},
		{src: "import pathlib", want: "module pathlib 1:8"},
		{src: "import shutil", want: "module shutil 1:8"},
		{src: "import socket", want: "module socket 1:8"},
		{src: "import urllib", want: "module urllib 1:8"},
		{src: "import requests", want: "module requests 1:8"},
		{src: "import http", want: "module http 1:8"},
		{src: "import subprocess", want: "module subprocess 1:8"},
		{src: "import math, os as operating, json", want: "module os 1:14"},
		{src: "import os.path", want: "module os 1:8"},
		{src: "import os . path as p", want: "module os 1:8"},
		{src: "import urllib.request, os", want: "module urllib 1:8, module os 1:24"},
		{src: "from urllib.request import urlopen", want: "module urllib 1:6"},
		{src: "from os import *", want: "module os 1:6"},
		{src: "from os import (path,\n  sep)", want: "module os 1:6"},
		{src: "from os.path import join as j, split", want: "module os 1:6"},
		{src: "if True: import os", want: "module os 1:17"},
		{src: "x = 1; import os; y = 2", want: "module os 1:15"},
		{src: "try:\n    import os\nexcept ImportError:\n    os = None\n", want: "module os 2:12"},
		{src: "def f():\n\timport os\n", want: "module os 2:9"},
		{src: "import \\\n  os", want: "module os 2:3"},
		{src: "import\\\r\nos\r\n", want: "module os 2:1"},
		{src: "class A:\n  class B:\n    def f(self):\n      if 1:\n        pass\n      else:\n        import sys\n", want: "module sys 7:16"},
		{src: "match 1:\n  case 0:\n    pass\n  case _:\n    import os\n", want: "module os 5:12"},
		{src: "match x:\n  case 0: pass\n  case 1: import os\n  case 2: pass", want: "module os 3:18"},
		{src: "async def f():\n  async with a as b:\n    async for c in d:\n      import os\n", want: "module os 4:14"},
		{src: "@decorated(\n  1)\n@again\nclass A:\n  'doc'\n  x: int\n  import os\n", want: "module os 7:10"},
		{src: "__import__('os')", want: "module os 1:1"},
		{src: "__import__('os.path')", want: "module os 1:1"},
		{src: "__import__(\"os\").system('ls')", want: "module os 1:1"},
		{src: "__import__(name)", want: "builtin __import__ 1:1"},
		{src: "__import__('math')", want: "builtin __import__ 1:1"},
		{src: "load = __import__", want: "builtin __import__ 1:8"},
		{src: "import importlib\nimportlib.import_module('os')", want: "module os 2:25"},
		{src: "import importlib\nimportlib.import_module(name='os')", want: "module os 2:30"},
		{src: "import importlib\nimportlib.__import__('os.path')", want: "module os 2:22"},
		{src: "import importlib as il\nx = [il.import_module('''socket''')]", want: "module socket 2:23"},
		{src: "from importlib import import_module\nimport_module('subprocess')", want: "module subprocess 2:15"},
		{src: "from importlib import import_module as im\nim('os')", want: "module os 2:4"},
		{src: "from importlib import __import__ as im\nim('os')", want: "module os 2:4"},
		{src: "import importlib\nim = importlib.import_module\nprint(im('os').getcwd())", want: "module os 3:10"},
		{src: "import importlib.util\nimportlib.import_module('os')", want: "module os 2:25"},
		{src: "def f():\n  from importlib import import_module as im\n  return im('os')\n", want: "module os 3:13"},
		{src: "from glob import os", want: "module os 1:18"},
		{src: "from random import _os as o", want: "module os 1:20"},

		// Obvious ways around the list.
		{src: "import posix", want: "module posix 1:8"},
		{src: "import nt", want: "module nt 1:8"},
		{src: "import pty", want: "module pty 1:8"},
		{src: "from _posixsubprocess import fork_exec", want: "module _posixsubprocess 1:6"},
		{src: "import _socket", want: "module _socket 1:8"},
		{src: "import builtins", want: "module builtins 1:8"},
		{src: "from builtins import open", want: "module builtins 1:6"},
		{src: "import _io", want: "module _io 1:8"},
		{src: "import code", want: "module code 1:8"},
		{src: "import runpy", want: "module runpy 1:8"},
		{src: "from importlib.machinery import SourceFileLoader", want: "member importlib.machinery 1:6"},
		{src: "import importlib\nimportlib.machinery.SourceFileLoader", want: "member importlib.machinery 2:11"},
		{src: "import importlib\nimportlib.import_module('posix')", want: "module posix 2:25"},
		{src: "import urllib3", want: "module urllib3 1:8"},
		{src: "import smtplib", want: "module smtplib 1:8"},
	})
}

func TestOrdinaryImports(t *testing.T) {
	var tests []sourceCase
	for name := range strings.FieldsSeq(`math json re random collections dataclasses datetime threading asyncio io
		multiprocessing sqlite3 tempfile numpy pandas matplotlib.pyplot time itertools functools string typing
		statistics decimal fractions enum abc copy heapq bisect queue signal concurrent.futures contextlib
		operator textwrap unittest logging argparse csv pickle struct hashlib base64 uuid secrets glob
		platform traceback inspect types weakref gc array calendar pprint importlib importlib.util
		importlib.metadata ctypes codecs zlib gzip timeit doctest turtle tkinter`) {
		tests = append(tests, sourceCase{src: "import " + name}, sourceCase{src: "from " + name + " import *"},
			sourceCase{src: "from " + name + " import thing as other"})
	}
	testSources(t, Config{Policy: Strict}, append(tests, []sourceCase{
		{src: "import osquery"},
		{src: "import os_helper, system, syslog, sysconfig, httplib2, requests_mock"},
		{src: "import my.os"},
		{src: "from my.sys import path"},
		{src: "from . import os"},
		{src: "from .os import path"},
		{src: "from ..os.path import join"},
		{src: "from ... import sys"},
		{src: "from .... import sys"},
		{src: "from django import http"},
		{src: "from six.moves import urllib"},
		{src: "import numpy as os"},
		{src: "import importlib\nimportlib.import_module('json')\nimportlib.import_module(name)\nimportlib.reload(m)"},
		{src: "import importlib\nimportlib.import_module('.os', 'package')"},
		{src: "im = print\nim('os')"},
		{src: "from importlib.util import find_spec\nfind_spec('os')"},
		{src: "__import__ = print\n__import__('os')"},
		{src: "def im(name): pass\nim('os')"},
		{src: "import_module('os')"},
		{src: "d = {'os': 1, 'sys': [2]}\nd['os']"},
	}...))
}

func TestRestrictedBuiltins(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: "eval('1')", want: "builtin eval 1:1"},
		{src: "exec('1')", want: "builtin exec 1:1"},
		{src: "exec ('1')", want: "builtin exec 1:1"},
		{src: "compile('1', '', 'eval')", want: "builtin compile 1:1"},
		{src: "x = open('x')", want: "builtin open 1:5"},
		{src: "file('x')", want: "builtin file 1:1"},
		{src: "name = input()", want: "builtin input 1:8"},
		{src: "raw_input()", want: "builtin raw_input 1:1"},
		{src: "print(open('x').read())", want: "builtin open 1:7"},
		{src: "with open('x') as f: pass", want: "builtin open 1:6"},
		{src: "with (open('x') as f,\n  open('y') as g):\n  pass", want: "builtin open 1:7, builtin open 2:3"},
		{src: "n = int(input('n: '))\nm = int(input('m: '))", want: "builtin input 1:9, builtin input 2:9"},
		{src: "f = open", want: "builtin open 1:5"},
		{src: "list(map(eval, xs))", want: "builtin eval 1:10"},
		{src: "(open)('x')", want: "builtin open 1:2"},
		{src: "[open][0]('x')", want: "builtin open 1:2"},
		{src: "f(key=open)", want: "builtin open 1:7"},
		{src: "f(file=open, x=[a, (open)], eval=1)", want: "builtin open 1:8, builtin open 1:21"},
		{src: "f'{a, open=}' f'{(b, eval)=:{input=}}'", want: "builtin open 1:7, builtin eval 1:22, builtin input 1:30"},
		{src: "f(*open, **eval)", want: "builtin open 1:4, builtin eval 1:12"},
		{src: "@eval\ndef f(): pass", want: "builtin eval 1:2"},
		{src: "class A(open): pass", want: "builtin open 1:9"},
		{src: "def f(o=open): return o('x')", want: "builtin open 1:9"},
		{src: "def f(open=open): return open('x')", want: "builtin open 1:12"},
		{src: "lambda open=open: open", want: "builtin open 1:13"},
		{src: "def f(x: int = eval('1')) -> str: pass", want: "builtin eval 1:16"},
		{src: "x = [open(n) for n in names]", want: "builtin open 1:6"},
		{src: "x = [open for open in open('x')]", want: "builtin open 1:23"},
		{src: "x = lambda: open('x')", want: "builtin open 1:13"},
		{src: "open('x').x = 1", want: "builtin open 1:1"},
		{src: "d[open('x')] = 1", want: "builtin open 1:3"},
		{src: "assert eval('1')", want: "builtin eval 1:8"},
		{src: "return_ = not eval('1')", want: "builtin eval 1:15"},
		{src: "x = 1if eval('1')else 2", want: "builtin eval 1:9"},
		{src: "x = 1 or\\\n open('x')", want: "builtin open 2:2"},
		{src: "é = open('x')", want: "builtin open 1:5"},
		{src: "日本 = '語'; open('x')", want: "builtin open 1:11"},
		{src: "x = '''\n\n'''; open('x')", want: "builtin open 3:6"},
		{src: "\topen('x')", want: "builtin open 1:2"},
		{src: "global open\nopen('x')", want: "builtin open 2:1"},
		{src: "def f():\n  global open\n  open('x')", want: "builtin open 3:3"},
		{src: "def f():\n  open = 1\ndef g():\n  open('x')", want: "builtin open 4:3"},
		{src: "class A:\n  def open(self): pass\n  def g(self): open('x')", want: "builtin open 3:16"},
		{src: "class A:\n  open = 1\n  x = [open for _ in y]\n", want: "builtin open 3:8"},
		{src: "[open for open in x]\nopen('x')", want: "builtin open 2:1"},
		{src: "f = lambda open: 1\nopen('x')", want: "builtin open 2:1"},
		{src: "match x:\n  case open('x'): pass", want: "builtin open 2:8"},
		{src: "print >>open('x'), 1", want: "builtin open 1:9"},
		{src: "from math import *\nopen('x')", want: "builtin open 2:1"},
		{src: "from re import *\nopen('x')", want: "builtin open 2:1"},
		{src: "for i in range(3):\n  x = 1\nelse:\n  open('x')\n", want: "builtin open 4:3"},
		{src: "try:\n  a()\nexcept A:\n  b()\nelse:\n  c()\nfinally:\n  open('x')", want: "builtin open 8:3"},
		{src: "try:\n  a()\nexcept* A:\n  eval('x')", want: "builtin eval 4:3"},
		{src: "type = eval('x')\nmatch = eval\nprint(type)", want: "builtin eval 1:8, builtin eval 2:9"},
		{src: "x = a[eval('1'):]", want: "builtin eval 1:7"},
		{src: "async def f(): await open('x')", want: "builtin open 1:22"},
		{src: "yield_ = (yield open)", want: "builtin open 1:17"},
		{src: "x = 5 if (y := eval('1')) else 3", want: "builtin eval 1:16"},
		{src: "1e-5 + eval('1') + 0x1e-5 + 1.e+3", want: "builtin eval 1:8"},

		// Names are compared after NFKC normalisation, as in Python.
		{src: "ｏｐｅｎ('x')", want: "builtin open 1:1"},
		{src: "𝐞𝐯𝐚𝐥('x')", want: "builtin eval 1:1"},
		{src: "import ｏs", want: "module os 1:8"},
		{src: "__ｉmport__('os')", want: "module os 1:1"},
		{src: "ªpen = 1; oºen = 2; ope𝑛('x')", want: "builtin open 1:21"},

		// Names inside f-strings.
		{src: `f"{open('x')}"`, want: "builtin open 1:4"},
		{src: `f"{open("x")}"`, want: "builtin open 1:4"},
		{src: `x = f"a{{b}}{1}c{eval('1')!r:>{input()}}d" "open()"`, want: "builtin eval 1:18, builtin input 1:32"},
		{src: `rf"\{open('x')}"`, want: "builtin open 1:6"},
		{src: `f"\{open('x')}"`, want: "builtin open 1:5"},
		{src: "f'''\n{\n open('x')\n}'''", want: "builtin open 3:2"},
		{src: `f"{f'{f"{eval(1)}"}'}"`, want: "builtin eval 1:10"},
		{src: `f"{(lambda: eval(1))()=}"`, want: "builtin eval 1:13"},
		{src: `f"{ {1: eval(1)}[1] }"`, want: "builtin eval 1:9"},
		{src: `f"\N{DASH}{eval(1)}"`, want: "builtin eval 1:12"},
		{src: `f"{x!=eval(1)}{y:%H:%M}"`, want: "builtin eval 1:7"},
		{src: `t"{eval(1)}"`, want: "builtin eval 1:4"},
	})
}

func TestNamesBoundByTheUser(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: "input = [1, 2]\nfor x in input: print(x)"},
		{src: "def compile(x): return x\ncompile(1)"},
		{src: "compile(1)\ndef compile(x): return x"},
		{src: "class file: pass\nfile()"},
		{src: "async def open(): pass\nawait_ = open()"},
		{src: "def f(input): return input + 1"},
		{src: "def f(*input, **file): return input, file"},
		{src: "def f(input: int, file: str = 'x', open=None): return input, file, open"},
		{src: "def f(x, /, input, *, open): return input, open"},
		{src: "def f(x):\n  def g(): return input\n  input = 1\n  return g"},
		{src: "f = lambda input, *file, open=1: (input, file, open)"},
		{src: "for input in range(3): print(input)"},
		{src: "for i, (input, [file, *open]) in x: print(input, file, open)"},
		{src: "a, input = 1, 2\nprint(input)"},
		{src: "(input, file) = [open, compile] = x\ninput, file, open, compile"},
		{src: "input, *file = x\nfile"},
		{src: "a = input = 3\nprint(input)"},
		{src: "input: int = 3\nprint(input)"},
		{src: "input: list[int]\nprint(input)"},
		{src: "input += 1\nprint(input)"},
		{src: "with x as file: file.read()"},
		{src: "with x as (file, [open]): file, open"},
		{src: "with (x as file, y as open): file, open"},
		{src: "try: pass\nexcept E as input: print(input)"},
		{src: "try: pass\nexcept (E, F) as input: print(input)"},
		{src: "import compiler as compile\ncompile()"},
		{src: "from x import open, eval as exec\nopen(exec)"},
		{src: "from .x import open\nopen()"},
		{src: "from gzip import *\nopen('x')"},
		{src: "from re import *\ncompile('x')"},
		{src: "from PIL.Image import *\nopen('x')"},
		{src: "if (input := f()): print(input)"},
		{src: "[y for x in z if (input := x)]\nprint(input)"},
		{src: "[input for input in x]"},
		{src: "{input: file for input, file in x}"},
		{src: "{input for x in y for input in x if input}"},
		{src: "sum(input * 2 for input in x)"},
		{src: "[[input for _ in input] for input in x]"},
		{src: "match p:\n  case input: print(input)"},
		{src: "match p:\n  case [input, *file]: print(input, file)"},
		{src: "match p:\n  case {'a': input, **file}: print(input, file)"},
		{src: "match p:\n  case Point(x=input, y=0 as file): print(input, file)"},
		{src: "match p:\n  case Point(open=x): print(x)"},
		{src: "match p:\n  case (1 | 2) as input: print(input)"},
		{src: "match p:\n  case Point(input) if input > 1: print(input)"},
		{src: "match p:\n  case 1:\n    pass\n  case Point(input):\n    print(input)"},
		{src: "def f():\n  global input\n  input = 3\nprint(input)"},
		{src: "def f():\n  input = 1\n  def g():\n    nonlocal input\n    input = 2\n  return input"},
		{src: "class A:\n  input = 3\n  print(input)"},
		{src: "class A:\n  def open(self): pass\n  opened = property(open)"},
		{src: "def decorate(f): return f\n@decorate\ndef open(): pass\nopen()"},
		{src: "type input = int\nprint(input)"},
		{src: "if x:\n  def input(): return 1\nelse:\n  input = 2\nprint(input())"},
		{src: "for x in y:\n  pass\nelse:\n  input = 1\nprint(input)"},
		{src: "while x:\n  input = 1\n  break\nprint(input)"},

		// Attributes, keyword arguments, and names that only contain a restricted name.
		{src: "re.compile('x'); Image.open('x'); df.eval('a+b'); self.input; photos.os"},
		{src: "f(open=1, input=2, file=3)"},
		{src: "a = b, file = c\nfile"},
		{src: "lambda a, file=1: file"},
		{src: "f(a == b, c, open\n= 1)"},
		{src: "print(x, file=f)"},
		{src: "a.b.open.c[1].eval().exec"},
		{src: "a.\\\nopen()"},
		{src: "(a\n  .open())"},
		{src: "opened = reopen = open_file = evaluate = executor = 1\nopened, reopen"},
		{src: "del open"},
		{src: "del open, eval"},
		{src: "def f(x: file) -> open: pass"},
		{src: "import io\nio.StringIO(); io.BytesIO().read()"},
		{src: "import io\nImage.open('x')"},
		{src: "class A:\n  def exec(self): return self.exec()\n  def open(self): return self.open"},
		{src: "Ｏpen = 1; 𝔬pened()"},
	})
}

// Cases in which the old service refused harmless text, or missed code, because it searched the text.
func TestTextIsNotCode(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: `print("photos.jpg")`},
		{src: `import osquery`},
		{src: `# import os`},
		{src: `x = 1  # open('x'), eval, __import__('os')`},
		{src: `print("import os")`},
		{src: `s = 'import os'; t = "open(", eval_ = 3`},
		{src: "'''\nimport os\nopen('x')\n'''\n"},
		{src: "def f():\n  '''eval(x)\n  import sys'''\n  return 1"},
		{src: `x = r"\"; import os" + "open('x')"`},
		{src: `x = "\"; import os; open('x')"`},
		{src: `x = b"import os"; y = u'eval(1)'; z = Rb'exec(1)'`},
		{src: `f"open('x') import os {x} eval(1)"`},
		{src: `f"{{open('x')}}"`},
		{src: `f"{x:open('x')}"`},
		{src: `f"{'open'}" f'{x["eval"]}'`},
		{src: "x = 'a\\\nimport os'"},
		{src: "'__import__(\"os\")'"},
		{src: "print('().__class__.__base__.__subclasses__()')"},
		{src: "().__class__.__base__.__subclasses__()", want: "dunder __subclasses__ 1:23"},
	})
}

func TestDetours(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: "getattr(__builtins__, 'open')('x')", want: "builtin open 1:9"},
		{src: "getattr(__builtins__, name)('x')", want: "detour __builtins__ 1:9"},
		{src: "__builtins__['open']('x')", want: "builtin open 1:1"},
		{src: "__builtins__[name]('x')", want: "detour __builtins__ 1:1"},
		{src: "__builtins__.open('x')", want: "builtin open 1:1"},
		{src: "__builtins__.__import__('os')", want: "builtin __import__ 1:1"},
		{src: "__builtins__.get('open')", want: "detour __builtins__ 1:1"},
		{src: "__builtins__.__dict__['open']", want: "detour __builtins__ 1:1"},
		{src: "vars(__builtins__)['open']", want: "detour __builtins__ 1:6"},
		{src: "b = __builtins__\nb.open('x')", want: "detour __builtins__ 1:5"},
		{src: "globals()['__builtins__']", want: "dunder __builtins__ 1:11"},
		{src: "globals()['__builtins__'].open", want: "dunder __builtins__ 1:11"},
		{src: "globals().get('__builtins__')", want: "dunder __builtins__ 1:15"},
		{src: "getattr(f, '__globals__')", want: "dunder __globals__ 1:12"},
		{src: "getattr(object, '__subclasses__')()", want: "dunder __subclasses__ 1:17"},
		{src: "object.__getattribute__(f, '__globals__')", want: "dunder __globals__ 1:28"},
		{src: "type.__dict__['__subclasses__'](object)", want: "dunder __subclasses__ 1:15"},
		{src: "(lambda: 0).__builtins__", want: "dunder __builtins__ 1:13"},
		{src: "__loader__.load_module('os')", want: "detour __loader__ 1:1"},
		{src: "__spec__.loader.load_module('os')", want: "detour __spec__ 1:1"},
		{src: "import math\nmath.__loader__.load_module('os')", want: "detour __loader__ 2:6"},
		{src: "import math\nmath.__spec__.loader", want: "detour __spec__ 2:6"},
		{src: "import io\nio.open('x')", want: "member io.open 2:4"},
		{src: "import io as i\ni.open('x')", want: "member io.open 2:3"},
		{src: "from io import open", want: "member io.open 1:16"},
		{src: "from io import open as o\no('x')", want: "member io.open 1:16"},
		{src: "from io import StringIO, FileIO", want: "member io.FileIO 1:26"},
		{src: "import codecs\ncodecs.open('x')", want: "member codecs.open 2:8"},
		{src: "import ctypes\nctypes.CDLL(None)", want: "member ctypes.CDLL 2:8"},
		{src: "from ctypes import cdll", want: "member ctypes.cdll 1:20"},
		{src: "import asyncio\nasyncio.create_subprocess_shell('ls')", want: "member asyncio.create_subprocess_shell 2:9"},

		{src: "object.__subclasses__()", want: "dunder __subclasses__ 1:8"},
		{src: "x.__class__.__mro__[1].__subclasses__()", want: "dunder __subclasses__ 1:24"},
		{src: "''.__class__.__mro__[1]"},
		{src: "[].__class__.__bases__[0]"},
		{src: "1..__class__.__base__"},
		{src: "(1).__class__.mro()[1]"},
		{src: "{}.__class__.__base__"},
		{src: "True.__class__.__bases__; x = True; x.__class__.__bases__; None.__class__.__mro__; (lambda: 0).__class__.__base__"},
		{src: "True.__class__.__bases__[0].__subclasses__()", want: "dunder __subclasses__ 1:29"},
		{src: "f.__init__.__globals__['os']", want: "dunder __globals__ 1:12"},
		{src: "sys._getframe().f_globals", want: "dunder f_globals 1:17"},
		{src: "g.gi_frame.f_back.f_builtins", want: "dunder f_builtins 1:19"},
		{src: "f.__code__ = g.__code__", want: "dunder __code__ 1:3"},
		{src: "f.__code__.replace(co_code=b'')", want: "dunder __code__ 1:3"},
		{src: "print.__self__.open('x')", want: "dunder __self__ 1:7"},
		{src: "f\"{().__class__.__base__}\""},

		{src: "# coding: utf-7\n+AG8-s", want: "encoding utf_7 1:11"},
		{src: "#!/usr/bin/python3\n# -*- coding: unicode_escape -*-\n", want: "encoding unicode_escape 2:15"},
	})
}

func TestOrdinaryIntrospection(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: "class A(B):\n  def __init__(self):\n    super().__init__()\n    super(A, self).__init__()"},
		{src: "type(x).__name__; x.__class__.__name__; x.__class__; x.__dict__; x.__doc__; __name__; __file__; __doc__"},
		{src: "cls.__mro__; A.__mro__; A.mro(); type(5).__mro__; obj.__class__.__bases__; A.__base__"},
		{src: "class Shape: pass\nprint(Shape.__subclasses__())"},
		{src: "class P:\n  @classmethod\n  def all(cls): return cls.__subclasses__()\n  def f(self): return self.__class__.__subclasses__()"},
		{src: "f.__code__.co_varnames; f.__code__.co_argcount; f.__defaults__; f.__closure__[0].cell_contents"},
		{src: "g.gi_frame is None; inspect.currentframe().f_code.co_name; e.__traceback__.tb_lineno"},
		{src: "m = obj.method\nm.__self__; obj.method.__self__; m.__func__"},
		{src: "print(dir(__builtins__)); help(__builtins__); 'x' in dir(__builtins__); type(__builtins__)"},
		{src: "hasattr(__builtins__, 'open'); isinstance(__builtins__, dict); __builtins__.len; __builtins__['print']"},
		{src: "getattr(__builtins__, 'print')('x'); __builtins__.__name__"},
		{src: "__spec__ is None; print(__spec__); __spec__.name; __loader__; print(math.__spec__)"},
		{src: "[k for k in globals() if k != '__builtins__']; x in ('__builtins__', '__globals__')"},
		{src: "hasattr(f, '__globals__'); print('__subclasses__'); {'__builtins__': None}"},
		{src: "namespace['__builtins__'] = {}"},
		{src: "getattr(x, '__class__'); getattr(x, 'open'); getattr(x, name); setattr(x, 'eval', 1)"},
		{src: "class A:\n  def __getattribute__(self, name):\n    return object.__getattribute__(self, name)"},
		{src: "import ctypes\n(5 * ctypes.py_object)(); ctypes.c_int32(7)"},
		{src: "__builtins__ = {}\n__builtins__['open']"},
		{src: "# -*- coding: utf-8 -*-\nx = 'é'"},
		{src: "# vim: set fileencoding=latin-1 :\nx = '\xe9'"},
		{src: "x = 1\ny = 2\n# coding: utf-7\n"},
		{src: "x = 1\n# coding: utf-7\n"},
	})
}

func TestInvalidAndUnusualText(t *testing.T) {
	testSources(t, Config{Policy: Strict}, []sourceCase{
		{src: ""},
		{src: "\n\n"},
		{src: "   "},
		{src: "\\"},
		{src: "open('x'"},
		{src: "open('x'))"},
		{src: "open('x']"},
		{src: "x = '''\nimport os\n"},
		{src: "x = 'import os\nopen('x')"},
		{src: "if x:\n    a\n  b\nimport os"},
		{src: "import os $"},
		{src: "!ls\nimport os"},
		{src: "import os \\ \nx"},
		{src: "f'{open(1)'"},
		{src: "f'{'\nimport os"},
		{src: "f'{x:'\nimport os"},
		{src: "exec 'import os'"},
		{src: "exec code in {}"},
		{src: "print open('x')"},
		{src: "print 'x', eval('1')"},
		{src: "x'open'"},
		{src: "\xff\xfe import os"}, // not UTF-8, and without an encoding declaration
		{src: "print 'x'\nimport os", want: "module os 2:8"},
		{src: "x = = 1\nimport os", want: "module os 2:8"},
		{src: "def f(:\n  pass\nopen('x')"},
		{src: "\xef\xbb\xbfimport os", want: "module os 1:8"},
		{src: "\xef\xbb\xbfx = 1\nimport os", want: "module os 2:8"},
		{src: "\fimport os\f\n", want: "module os 1:9"},
		{src: "if x:\n\f  import os", want: "module os 2:11"},
		{src: "import math\r\nimport os\r\n", want: "module os 2:8"},
		{src: "import math\rimport os\r", want: "module os 2:8"},
		{src: "if x:\r\n\tx = 1\r\n\timport os\r\n", want: "module os 3:9"},
		{src: "# coding: latin-1\n\xe9 = '\xe8'; open(\xe9)", want: "builtin open 2:10"},
		{src: "import os # \x00 hidden '", want: "module os 1:8"},
		{src: "# \x00\nimport os", want: "module os 2:8"},
		{src: "if 1:\n        import os\n\tx = 1", want: "module os 2:16"},
		{src: "  \\\n\\\nimport os", want: "module os 3:8"},
		{src: "class A:\n  # comment\n\n    # deeper\n  import os\n# out\n  import sys", want: "module os 5:10, module sys 7:10"},
		{src: "if x: # :\n  import os # :", want: "module os 2:10"},
	})
}

func TestFindingsAreBounded(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	findings, err := s.Scan(t.Context(), []byte(strings.Repeat("import os\n", 1000)))
	if err != nil || len(findings) != MaxFindings || findings[MaxFindings-1].Line != MaxFindings {
		t.Errorf("got %d findings and %v, want the first %d", len(findings), err, MaxFindings)
	}
}
