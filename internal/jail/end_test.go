package jail_test

import (
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// A program ends as under `python3 main.py`, although the launcher skips most of the interpreter's finalization (End in launcher.py).
// Each of these programs would lose output or its exit status if the launcher skipped too much.
func TestEnd(t *testing.T) { underEngines(t, testEnd, "exec", "fork") }

func testEnd(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 12 }) // the lab computes slowly
	const told = `
class A:
  def __del__(self): print('gone', __name__, A.__name__)
`
	// Python 3.12 and later have sys.monitoring.
	const monitor = `
import sys
m = getattr(sys, 'monitoring', None)
if m:
  m.use_tool_id(3, 'mine')
  m.register_callback(3, m.events.PY_START, lambda code, at, out=print: out('start', code.co_name))
  m.register_callback(3, m.events.CALL, lambda code, at, called, argument, out=print: out('call', called))
  m.set_events(3, m.events.PY_START | m.events.CALL)
`
	for name, source := range map[string]string{
		"a last comment": "print(1)  # that was it",
		"a last line that is indented": `
if True:
	print(1)
	
`,
		"no last line":           "'''only a docstring'''",
		"a line that goes on":    "x = \\",
		"a bracket that goes on": "x = (",
		"a decorator of nothing": "@print",
		"a return": `print(1)
return`,
		"an encoding of its own": `# coding: latin-1
print(1)`,
		"an object of the main module": told + "a = A()",
		"one that a function knows":    told + "a = A()\ndef f(): return a",
		"one in a circle":              told + "a = A(); a.a = a",
		"one that was put elsewhere":   told + "import os; os.x = A()",
		"one among the builtins":       told + "import builtins; builtins.x = A()",
		"one of a module":              "open('mine.py', 'w').write(" + strconv.Quote(told+"a = A()") + ")\nimport mine",
		"one that a traceback knows":   told + "def f():\n  a = A()\n  1/0\nf()",
		"one that prints late": `
import sys
class A:
  def __del__(self): sys.stdout.write('no newline')
a = A()
`,
		"one that fails": `
exec('def fail(self): 1/0')
class A: __del__ = fail
a = A()
`,
		"a generator": `
def g():
  try: yield 1
  finally: print('finally')
x = g(); next(x)
`,
		"a generator that was put away": `
import os
def g():
  try: yield 1
  finally: print('finally')
os.x = g(); next(os.x)
`,
		"a file": `
import os
f = os.fdopen(os.dup(1), 'w'); f.write('unflushed')
`,
		"a file that was put away": `
import os
os.f = os.fdopen(os.dup(1), 'w'); os.f.write('unflushed')
`,
		"a stream of its own": `
import io, sys
sys.stdout = io.TextIOWrapper(sys.stdout.buffer); print('mine', end='')
`,
		"a stream that was replaced": `
import io, sys
print('x', end='')
sys.stdout = io.StringIO()
print('y')
`,
		"a stream that was taken apart": `
import sys
print('x', end='')
b = sys.stdout.detach()
b.write(b'y')
`,
		"no newline":    "print('x', end='')",
		"a stream of C": "import ctypes; ctypes.CDLL(None).printf(b'from C')",
		"a finalizer": `
import weakref
class A: pass
a = A(); weakref.finalize(a, print, 'finalized')
`,
		"atexit":                         "import atexit; atexit.register(print, 'bye')",
		"atexit without us":              "import atexit; atexit._clear(); print(1)",
		"atexit before its time":         "import atexit; atexit.register(print, 'bye'); atexit._run_exitfuncs(); print(1)",
		"a failure in atexit":            "import atexit; atexit.register(lambda: 1/0)",
		"a status":                       "raise SystemExit(3)",
		"a status without a main module": "globals().clear(); raise SystemExit(4)",
		"a status without that module":   "import sys; del sys.modules['__main__']; sys.exit(5)",
		"a status of a thread":           "import threading, sys; threading.Thread(target=sys.exit, args=(6,)).start()",
		"a status that is a message":     "raise SystemExit('so long')",
		"a status of its own kind": `
class E(SystemExit):
  code = property(lambda self: 7)
raise E
`,
		"an exception":                      "1/0",
		"an exception that is interrupting": "raise KeyboardInterrupt",
		"an interrupt":                      "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
		"a signal":                          "import os; os.kill(os.getpid(), 15)",
		"a kill":                            "import os; os.kill(os.getpid(), 9)",
		"an alarm":                          "import signal, time; signal.alarm(1); time.sleep(60)",
		"an alarm with a handler": `
import signal, time
signal.signal(signal.SIGALRM, lambda *_: print('rang'))
signal.setitimer(signal.ITIMER_REAL, .1); time.sleep(.5)
`,
		"a real-time signal":    "import os; os.kill(os.getpid(), 40)",
		"an abort":              "import os; os.abort()",
		"a fault":               "import ctypes; ctypes.string_at(0)",
		"a signal to its group": "import os; os.killpg(0, 15)",
		"a subinterpreter": `
import _xxsubinterpreters as s
i = s.create(); s.run_string(i, "import sys; print('in sub', [p for p in sys.path if 'sandbox' in p])"); s.destroy(i); print('main')
`,
		"a signal of a thread": `
import signal, threading, time
threading.Thread(target=lambda: signal.raise_signal(signal.SIGTERM)).start(); time.sleep(60)
`,
		"a thread": `
import threading, time
def f():
  time.sleep(.1); print('thread')
threading.Thread(target=f).start()
`,
		"a daemon thread": `
import threading, time
def f():
  while True: time.sleep(.001)
threading.Thread(target=f, daemon=True).start()
`,
		"a child": `
import os, sys
if os.fork() == 0: print('child')
else: os.wait(); print('parent')
`,
		"a stream that is closed":    "import os; print('lost', end=''); os.close(1)",
		"callbacks of the collector": "import gc; gc.callbacks.append(lambda phase, info: print(phase))",
		"no collector":               told + "import gc; gc.disable(); a = A(); a.a = a",
		"modules that are none":      "import sys; sys.modules['x'] = 5; sys.modules['y'] = None; print(1)",
		"no modules":                 "import sys; sys.modules.clear()",
		"a coroutine that nobody awaits": `
async def f(): pass
c = f()
print('end')
`,
		"an asynchronous generator": `
async def f():
  try: yield 1
  finally: print('finally')
g = f()
try: g.asend(None).send(None)
except StopIteration: pass
`,
		"a warning of a destructor": `import warnings
class A:
  def __del__(self): warnings.warn('late')
a = A()`,
		"the stack of a destructor": `import traceback
class A:
  def __del__(self): traceback.print_stack()
a = A()`,
		"the frames of a destructor": `import sys
class A:
  def __del__(self, f=sys._getframe):
    g = f()
    while g: print(g.f_code.co_name); g = g.f_back
a = A()`,
		"a file that is left open": `
import warnings
warnings.simplefilter('always')
f = open('x', 'w'); f.write('late')
`,
		"a file that is closed": `
import warnings
warnings.simplefilter('always')
with open('x', 'w') as f: f.write('x')
`,
		"a generator without a handler": `
def g():
  yield 1
  print('never')
import os
os.x = g(); next(os.x)
`,
		"a generator in a with statement": `
import contextlib, os
@contextlib.contextmanager
def c():
  try: yield
  finally: print('left')
def g():
  with c(): yield 1
os.x = g(); next(os.x)
`,
		"a generator that catches its end": `
import os
def g():
  try: yield 1
  except GeneratorExit: print('closed')
os.x = g(); next(os.x)
`,
		"a generator with an object in it": told + `
import os
def g():
  a = A()
  yield 1
os.x = g(); next(os.x)
`,
		"a generator that yields from another": `
import os
def g():
  try: yield 1
  finally: print('inner')
def h(): yield from g()
os.x = h(); next(os.x)
`,
		"a file that is left open for reading": "f = open('/etc/passwd'); print(f.read(3))",
		"one that is read in part, and warned of": `
import warnings
warnings.simplefilter('always')
f = open('/etc/passwd', 'rb'); print(f.read(3))
`,
		"one that is warned of as an error": `
import warnings
warnings.filterwarnings('error', category=ResourceWarning)
import os; os.x = open('/etc/passwd')
`,
		"one whose warning is ignored by name": `
import warnings
warnings.filterwarnings('ignore', 'nothing like it', ResourceWarning)
warnings.simplefilter('default', append=True)
import os; os.x = open('/etc/passwd')
`,
		"a file for both that is left open": "f = open('x', 'w+'); f.write('late')",
		"a reader of a kind of its own": `
import io
class R(io.FileIO):
  def close(self): print('closed', self.closed); super().close()
f = R('/etc/passwd')
`,
		"an abstract base class with a registry": `
import abc
class A(abc.ABC): pass
class B: pass
A.register(B); print(issubclass(B, A), issubclass(int, A))
`,
		"a class of a registry that is called back": `
import abc, weakref
class A(abc.ABC): pass
class B: pass
A.register(B)
r = weakref.ref(B, lambda _: print('gone'))
`,
		"a directory that is left open": `
import os, warnings
warnings.simplefilter('always')
d = os.scandir('.')
d.__next__()
`,
		"a weak reference that calls back": `
import weakref
class A: pass
a = A(); a.a = a
r = weakref.ref(a, lambda _: print('called back'))
`,
		"a class without a dictionary": `
class A:
  __slots__ = ()
  def __del__(self): print('gone')
a = A()
`,
		"a metaclass that answers": `
class M(type):
  def __getattribute__(c, name):
    print(name); return type.__getattribute__(c, name)
class A(metaclass=M): pass
a = A()
`,
		"a metaclass with a destructor": `
class M(type):
  def __del__(c): print('gone')
class A(metaclass=M): pass
`,
		"garbage that may not be collected": `
import gc
gc.garbage.append(1); print(1)
`,
		"a tracer": `
import sys
sys.settrace(lambda frame, event, arg: print(event, frame.f_code.co_name))
print('end')
`,
		"a tracer and a destructor": `
import sys
class A:
  def __del__(self): 1
a = A()
sys.settrace(lambda frame, event, arg, out=print: out(event, frame.f_code.co_name))
print('end')
`,
		"a monitor": monitor + "print('end')",
		"a monitor and a destructor": monitor + `
class A:
  def __del__(self): print('gone')
a = A()
print('end')`,
		"a profiler": `
import sys
sys.setprofile(lambda frame, event, arg: print(event, frame.f_code.co_name))
print('end')
`,
		"a profiler and a destructor": `import sys
class A:
  def __del__(self): 1
a = A()
sys.setprofile(lambda frame, event, arg, out=print: out(event, frame.f_code.co_name))
print('end')`,
		"a traceback that is hidden": `import sys
sys.excepthook = lambda *_: print('hidden')
1/0`,
		"the names at the end": `
import atexit
atexit.register(lambda: print(sorted(globals())))
`,
		"the names at an exit": `
import atexit, sys
atexit.register(lambda: print(sorted(globals()), __cached__))
sys.exit(3)
`,
		"a stream that cannot be flushed": `
import os, sys
sys.stdout.write('lost'); os.close(1)
`,
		"a stream that fails": `
import sys
class S:
  def write(self, s): pass
  def flush(self): raise OSError(5)
sys.stdout = S()
`,
		"a stream that is no stream": "import sys; sys.stdout = 5",
		"no streams":                 "import sys; sys.stdout = sys.stderr = None",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			compareWithBare(t, j, source)
		})
	}
}

var address = regexp.MustCompile("0x[0-9a-f]+")

var bareEnds sync.Map // source → end
