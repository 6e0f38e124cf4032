package jail_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// long gives runs more time and memory, because the lab imports packages slowly.
func long(c *jail.Config) { c.Limits.Wall, c.Limits.Memory = time.Minute, 512<<20 }

// shows runs a program with displays.
func shows(t *testing.T, j *jail.Runner, source string) *jail.Result {
	t.Helper()
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source), Displays: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// summary returns the displays of a run, one in each line: type, title, and the text or the size of the picture.
func summary(t *testing.T, r *jail.Result) string {
	t.Helper()
	var lines []string
	for _, d := range r.Displays {
		what := string(d.Data)
		if d.MIME == "image/png" {
			picture, err := png.Decode(bytes.NewReader(d.Data))
			if err != nil {
				t.Errorf("%s: %v", d.Title, err)
				continue
			}
			what = fmt.Sprint(picture.Bounds().Size())
		}
		lines = append(lines, strings.Join([]string{d.MIME, d.Title, what}, "|"))
	}
	return strings.Join(lines, "\n")
}

func TestDisplays(t *testing.T) {
	jailtest.RequireModules(t, "matplotlib", "PIL", "pandas")
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); long(c) })
		for _, tt := range []struct{ name, source, want, stdout string }{
			{"no display", `print("hello")`, "", "hello\n"},
			{"show", `
import matplotlib.pyplot as plt
plt.plot([1, 2, 3])
plt.title("Squares")
plt.show()
print(plt.get_fignums())
`, "image/png|Squares|(640,480)", "[]\n"},
			{"two figures, open at the end", `
import matplotlib.pyplot as plt
plt.figure(figsize=(2, 1), dpi=100)
plt.figure(figsize=(1, 2), dpi=100)
`, "image/png|Figure 1|(200,100)\nimage/png|Figure 2|(100,200)", ""},
			{"a figure shown again", `
import matplotlib.pyplot as plt
for n in range(2):
    plt.figure(figsize=(1, 1), dpi=n * 10 + 10)
    plt.show()
`, "image/png|Figure 1|(10,10)\nimage/png|Figure 1|(20,20)", ""},
			{"savefig is a file", `
import matplotlib.pyplot as plt, os
plt.plot([1])
plt.savefig("x.png")
plt.close()
print(os.path.getsize("x.png") > 1000)
`, "", "True\n"},
			{"another backend", `
import matplotlib
matplotlib.use("svg")
import matplotlib.pyplot as plt
plt.plot([1])
print(matplotlib.get_backend().lower())
plt.close()
`, "", "svg\n"},
			{"a figure without pyplot", `
from matplotlib.figure import Figure
display(Figure(figsize=(1, 1), dpi=30))
`, "image/png||(30,30)", ""},
			{"a picture of PIL", `
from PIL import Image
Image.new("RGB", (3, 2)).show(title="red")
display(Image.new("L", (5, 4)))
`, "image/png|red|(3,2)\nimage/png||(5,4)", ""},
			{"the richest representation of an object", `
class Any:
    def __init__(self, **methods):
        for name, value in methods.items():
            setattr(self, name, lambda value=value: value)
display(Any(_repr_html_="<b>", _repr_markdown_="*"), Any(_repr_svg_="<svg/>", _repr_html_="no"), Any(_repr_latex_="$x$"),
        Any(_repr_mimebundle_={"text/plain": "p", "text/markdown": "m"}), Any(_repr_html_=None, _repr_markdown_="m"), 42, "text", Any,
        title="t")
`, "text/html|t|<b>\nimage/svg+xml|t|<svg/>\ntext/latex|t|$x$\ntext/markdown|t|m\ntext/markdown|t|m\ntext/plain|t|42\n" +
				"text/plain|t|'text'\ntext/plain|t|<class '__main__.Any'>", ""},
			{"after SystemExit", `
import matplotlib.pyplot as plt
plt.figure(figsize=(1, 1), dpi=10)
raise SystemExit(0)
`, "image/png|Figure 1|(10,10)", ""},
			{"from a child process", `
import os
display("parent")
if os.fork() == 0:
    display("child")
    os._exit(0)
os.wait()
display("parent")
`, "text/plain||'parent'\ntext/plain||'parent'", ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := shows(t, j, tt.source)
				if got := summary(t, r); got != tt.want || string(r.Stdout.Kept) != tt.stdout || r.LostDisplays != 0 || r.ExitCode != 0 {
					t.Errorf("got %s, %d lost, exit %d, stdout %q, stderr %s\nwant %s", got, r.LostDisplays, r.ExitCode, r.Stdout.Kept, r.Stderr.Kept, tt.want)
				}
			})
		}
		t.Run("a table of pandas", func(t *testing.T) {
			r := shows(t, j, `
import pandas
display(pandas.DataFrame({'a': [1, 2]}))
`)
			if len(r.Displays) != 1 || r.Displays[0].MIME != "text/html" || !strings.Contains(string(r.Displays[0].Data), "<td>2</td>") {
				t.Errorf("got %s, %s", summary(t, r), r.Stderr.Kept)
			}
		})
	}, "exec", "exec, warm", "fork")
}

// The picture of a figure has the pixels and the resolution of the file that savefig() writes, whatever the settings of savefig().
func TestPictureIsThatOfSavefig(t *testing.T) {
	jailtest.RequireModules(t, "matplotlib", "PIL")
	j := jailtest.New(t, long)
	for name, settings := range map[string]string{
		"usual":       ``,
		"transparent": `{"savefig.transparent": True}`,
		"resolution":  `{"savefig.dpi": 37}`,
		"tight":       `{"savefig.bbox": "tight"}`,
		"of a figure": `{"figure.dpi": 33.3, "figure.facecolor": (1, 0, 0, 0.5)}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := shows(t, j, `
import hashlib, io, matplotlib, matplotlib.pyplot as plt
from PIL import Image
matplotlib.rcParams.update(`+settings+`)
plt.figure(figsize=(3, 2))
plt.scatter(range(9), range(9), c=range(9), alpha=0.5)
file = io.BytesIO()
plt.savefig(file, format="png")
print(hashlib.sha256(Image.open(file).convert("RGBA").tobytes()).hexdigest(), file.getvalue().split(b"pHYs")[1][:9].hex())
plt.show()
`)
			if len(r.Displays) != 1 {
				t.Fatalf("%d displays, stderr %s", len(r.Displays), r.Stderr.Kept)
			}
			data := r.Displays[0].Data
			decoded, err := png.Decode(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			picture, ok := decoded.(*image.NRGBA)
			if !ok {
				t.Fatalf("the picture is a %T", decoded)
			}
			_, resolution, _ := bytes.Cut(data, []byte("pHYs"))
			if got := fmt.Sprintf("%x %x\n", sha256.Sum256(picture.Pix), resolution[:9]); got != string(r.Stdout.Kept) {
				t.Errorf("the display is %s\nsavefig wrote %s%s", got, r.Stdout.Kept, r.Stderr.Kept)
			}
		})
	}
}

// Displays work if the template has already imported the packages that show pictures.
func TestDisplaysOfATemplate(t *testing.T) {
	jailtest.RequireModules(t, "matplotlib", "PIL")
	j := jailtest.New(t, func(c *jail.Config) {
		long(c)
		c.Fork, c.Templates = true, map[string][]string{"plots": {"matplotlib.pyplot", "PIL.ImageShow"}}
	})
	const source = `
import matplotlib.pyplot as plt
from PIL import Image
plt.figure(figsize=(1, 1), dpi=10)
plt.show()
Image.new("RGB", (3, 2)).show()
`
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source), Displays: true, Template: "plots"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := summary(t, r), "image/png|Figure 1|(10,10)\nimage/png||(3,2)"; got != want {
		t.Errorf("got %s\nwant %s; stderr %s", got, want, r.Stderr.Kept)
	}
	// The template has drawn a figure. The program finds nothing of it, and draws the same picture as without a template.
	const draw = `
import sys
drawn = "matplotlib.backends.backend_agg" in sys.modules
import gc, matplotlib, matplotlib.pyplot as plt
from matplotlib.figure import Figure
print(drawn, plt.get_fignums(), any(type(thing) is Figure for thing in gc.get_objects()))
print(sorted((key, str(value)) for key, value in dict.items(matplotlib.rcParams)))
plt.plot([n * n for n in range(100)], label="squares")
plt.title("Squares")
plt.legend()
plt.show()
`
	var settings, pictures [][]byte
	for _, tt := range []struct{ template, want string }{
		{"plots", "True [] False"},
		{"", "False [] False"},
	} {
		j := j
		if tt.template == "" {
			j = jailtest.New(t, long)
		}
		r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(draw), Displays: true, Template: tt.template}, nil)
		found, set, _ := bytes.Cut(r.Stdout.Kept, []byte("\n"))
		if err != nil || string(found) != tt.want || len(r.Displays) != 1 {
			t.Fatalf("template %q: stdout %q, want %q; %d displays; %v; stderr %s", tt.template, r.Stdout.Kept, tt.want, len(r.Displays), err, r.Stderr.Kept)
		}
		settings, pictures = append(settings, set), append(pictures, r.Displays[0].Data)
	}
	if !bytes.Equal(settings[0], settings[1]) {
		t.Errorf("the settings of matplotlib are %s\nwithout a template: %s", settings[0], settings[1])
	}
	if !bytes.Equal(pictures[0], pictures[1]) {
		t.Error("the picture differs from that without a template")
	}
	// In a run without displays, nothing is left of the template's choice of a backend.
	const choice = `
import os, sys, matplotlib, matplotlib.backends, matplotlib.pyplot as plt
from types import FunctionType, ModuleType
def shown(value): return value if isinstance(value, (str, int, float, type(None))) else type(value).__name__
places = [vars(matplotlib), vars(plt), vars(matplotlib.backends)]
places += [value for name, value in sorted(vars(matplotlib).items()) if isinstance(value, matplotlib.RcParams)]
places += [vars(value) for name, value in sorted(vars(plt).items()) if isinstance(value, FunctionType)]
for place in places:
    print(sorted((name, shown(value)) for name, value in dict.items(place) if not isinstance(value, ModuleType) and name not in ("__cached__", "__loader__")))
print([name for name in sys.modules if "sandbox" in name], os.environ.get("MPLBACKEND"))
print(matplotlib.get_backend().lower(), plt.get_backend().lower())
plt.plot([1])
plt.show()
`
	var choices []string
	for _, tt := range []struct {
		runner   *jail.Runner
		template string
	}{{j, "plots"}, {jailtest.New(t, long), ""}} {
		r, err := tt.runner.Run(t.Context(), sandbox.Program{Source: []byte(choice), Template: tt.template}, nil)
		if err != nil || !strings.Contains(string(r.Stdout.Kept), "agg agg\n") || len(r.Displays) > 0 {
			t.Errorf("template %q: %s, %d displays, %v, stderr %s", tt.template, r.Stdout.Kept, len(r.Displays), err, r.Stderr.Kept)
		}
		choices = append(choices, string(r.Stdout.Kept)+string(r.Stderr.Kept))
	}
	if choices[0] != choices[1] {
		t.Errorf("with the template:\n%s\nwithout:\n%s", choices[0], choices[1])
	}
}

// A child of a template copies the memory that drawing changes at once, at its first figure, and not by a page fault for each page.
func TestDrawingCausesFewPageFaults(t *testing.T) {
	jailtest.RequireModules(t, "matplotlib")
	j := jailtest.New(t, func(c *jail.Config) {
		long(c)
		withTemplate("matplotlib.pyplot")(c)
	})
	faults := func(prepare string) (n int) {
		r := shows(t, j, `
import matplotlib.pyplot as plt
def faults(): return int(open("/proc/self/stat").read().split()[9])
`+prepare+`
plt.figure()
before = faults()
plt.plot([1, 2])
plt.show()
print(faults() - before)
`)
		if _, err := fmt.Sscan(string(r.Stdout.Kept), &n); err != nil || len(r.Displays) != 1 {
			t.Fatalf("%v: %s%s, %d displays", err, r.Stdout.Kept, r.Stderr.Kept, len(r.Displays))
		}
		return n
	}
	few, many := faults(""), faults(`display.__globals__["hot"] = b""  # the ranges that are copied`)
	if 2*few > many {
		t.Errorf("%d page faults, and %d if nothing is copied before", few, many)
	}
	t.Logf("%d page faults instead of %d", few, many)
}

// Figures of plotly are displays in plotly's own format, by show() and by display(), also if a template has imported plotly.
func TestDisplaysOfPlotly(t *testing.T) {
	jailtest.RequireModules(t, "plotly")
	const source = `
import numpy
import plotly.express, plotly.graph_objects
figure = plotly.graph_objects.Figure(plotly.graph_objects.Bar(x=["a", "b"], y=numpy.array([1, 3])))
figure.show()
figure.update_layout(title="Bars")
display(figure)
plotly.express.line(x=[1, 2], y=[3, 4], title="Lines").show()
`
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) {
			edit(c)
			long(c)
			if c.Fork {
				c.Templates = map[string][]string{"default": {"plotly.express", "plotly.io._renderers"}}
			}
		})
		r := shows(t, j, source)
		var titles []string
		for _, d := range r.Displays {
			var figure struct{ Data []struct{ Type string } }
			if err := json.Unmarshal(d.Data, &figure); err != nil || d.MIME != "application/vnd.plotly.v1+json" || len(figure.Data) != 1 {
				t.Errorf("%s: %v: %.200s", d.MIME, err, d.Data)
				continue
			}
			titles = append(titles, figure.Data[0].Type+" "+d.Title)
		}
		if got := strings.Join(titles, ", "); got != "bar , bar Bars, scatter Lines" || r.ExitCode != 0 || len(r.Stdout.Kept)+len(r.Stderr.Kept) > 0 {
			t.Errorf("got %s; exit %d, stdout %q, stderr %s", got, r.ExitCode, r.Stdout.Kept, r.Stderr.Kept)
		}
	}, "exec", "fork")
}

// Output that a program prints before a display is reported before the display.
func TestEarlierOutputIsReportedBeforeADisplay(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 4 })
		var order inOrder
		r, err := j.Run(t.Context(), sandbox.Program{Displays: true, Source: []byte(`
import sys
for n in range(50):
    print(f"[{n}]", end="" if n % 2 else "\n", file=sys.stderr if n % 3 == 0 else sys.stdout)
    display(n)
`)}, sandbox.NewStream(&order))
		if err != nil || r.ExitCode != 0 {
			t.Fatalf("%+v, %v", r, err)
		}
		for n := range 50 {
			printed, shown := strings.Index(order.String(), fmt.Sprintf("[%d]", n)), strings.Index(order.String(), fmt.Sprintf("<%d>", n))
			if printed < 0 || shown < printed {
				t.Errorf("%d was printed at %d and shown at %d of\n%s", n, printed, shown, order.String())
			}
		}
	}, "exec", "fork")
}

// inOrder records events in order: output unchanged, displays in angle brackets.
type inOrder struct{ strings.Builder }

func (o *inOrder) Event(e sandbox.Event) {
	switch e.Kind {
	case sandbox.Stdout, sandbox.Stderr:
		o.Write(e.Data)
	case sandbox.Shown:
		o.WriteString("<" + string(e.Display.Data) + ">")
	}
}

// A program can write to the channel of displays itself. This affects only its own displays.
//
//lab:as user
func TestHostileDisplays(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		for _, tt := range []struct {
			name, source string
			kept, lost   int
		}{
			{"rubbish", `
import os
display(1)
os.write(200, b'rubbish' * 100)
display(2)
print('on')
`, 1, 1},
			{"a length and nothing else", `
import os
os.write(200, bytes((255, 255, 0, 0)))
print('on')
`, 0, 1},
			{"too many", `
for n in range(70): display(n)
print('on')
`, sandbox.MaxDisplays, 6},
			{"too large", `
for n in range(3): display('x' * 5_000_000)
print('on')
`, 1, 2},
			{"the channel closed", `
import os
display(1)
os.close(200)
display(2)
print('on')
`, 1, 0},
			{"a line of its own", `
import os
os.write(200, bytes((7, 0, 0, 0, 255, 0, 0, 9, 0, 0, 0)))
print('on')
`, 0, 0},
			{"a flood", `
import os
try:
    while True: os.write(200, bytes(1 << 20))
except OSError: print('on')
`, 0, 1},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r := shows(t, j, tt.source)
				if len(r.Displays) != tt.kept || r.LostDisplays != tt.lost || string(r.Stdout.Kept) != "on\n" || r.ExitCode != 0 {
					t.Errorf("%d displays, %d lost, exit %d, stdout %q, stderr %s", len(r.Displays), r.LostDisplays, r.ExitCode, r.Stdout.Kept, r.Stderr.Kept)
				}
			})
		}
		t.Run("a run that does not ask has no channel", func(t *testing.T) {
			if got := jailtest.Output(t, j, `
import os
print(sorted(os.listdir('/proc/self/fd')), hasattr(__builtins__, 'display'))
`); got != "['0', '1', '2', '3'] False\n" {
				t.Errorf("got %s", got)
			}
		})
	}, "exec", "fork")
}

// After a timeout, the outcome contains the line that the program executed.
func TestLineOfATimeout(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Second })
		for _, tt := range []struct {
			name, source string
			want         int
		}{
			{"in a loop", `x = 1
while True:
    x += 1
`, 3},
			{"in a library", `import time


time.sleep(60)
`, 4},
			{"in a function", `def f():
    import time
    time.sleep(60)

f()
`, 3},
			{"in a call of C that does not return", `print('x')
sum(x for x in iter(int, 1))
`, 2},
			{"SIGXCPU is ignored", `import signal, time
signal.signal(signal.SIGXCPU, signal.SIG_IGN)
time.sleep(60)
`, 0},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r := shows(t, j, tt.source)
				if r.Verdict != sandbox.Timeout || r.Line != tt.want && r.Line != tt.want-1 {
					t.Errorf("%s, line %d, want %d; stderr %s", r.Verdict, r.Line, tt.want, r.Stderr.Kept)
				}
			})
		}
	}, "exec", "fork")
}

// Regular files below the working directory come back, whatever else a program leaves there.
//
//lab:as own
func TestCollectedFiles(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 4 })
		for _, tt := range []struct {
			name, source string
			patterns     []string
			want         string
			lost         int
		}{
			{"what a program wrote", `
import os
os.mkdir('out')
open('out/a.csv', 'w').write('1,2')
open('b.txt', 'w').write('x')
`, []string{"out/*"}, "out/a.csv=1,2", 0},
			{"not the program", "open('a', 'w').write('x')", []string{"*", "**"}, "a=x", 0},
			{"what it may read alone", `
import os, tempfile
f = tempfile.NamedTemporaryFile(dir='.', prefix='t', suffix='.x', delete=False)
f.write(b'secret')
f.close()
os.rename(f.name, 'mine')
`, []string{"mine"}, "mine=secret", 0},
			{"what a child wrote that is killed", `import os, time
if os.fork() == 0:
    open('a', 'w').write('x')
    time.sleep(60)
time.sleep(.3)`, []string{"a"}, "a=x", 0},
			{"links", `import os
os.symlink('/etc/passwd', 'a')
os.symlink('main.py', 'b')
open('c', 'w').write('c')
os.link('c', 'd')`, []string{"*"}, "c=c d=c", 0},
			{"what blocks", `
import os, socket
os.mkfifo('p')
s = socket.socket(socket.AF_UNIX)
s.bind('s')
open('c', 'w')
`, []string{"*"}, "c=", 0},
			{"a petabyte of nothing", `
import os
open('a', 'w')
try: os.truncate('a', 1 << 50)
except OSError: pass
open('b', 'wb').truncate(20 << 20)
`, []string{"*"}, "a=", 1},
			{"names", `
import os
for n in ('new\nline', 'ü', '..x', ' '): open(n, 'w').write(n)
open(b'bad\xff', 'w')
`, []string{"*"}, " =  ..x=..x new\nline=new\nline ü=ü", 1},
			{"outside of the working directory", `
open('/tmp/a', 'w').write('x')
open('/dev/shm/a', 'w')
`, []string{"**"}, "", 0},
			{"nothing that matches", "pass", []string{"*.csv"}, "", 0},
			{"a directory that nobody may list", `
import os
open('a', 'w')
os.chmod('.', 0)
`, []string{"*"}, "", 1},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source), Collect: tt.patterns}, nil)
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, f := range r.Files {
					got = append(got, f.Path+"="+string(f.Data))
				}
				if strings.Join(got, " ") != tt.want || r.LostFiles != tt.lost || r.ExitCode != 0 {
					t.Errorf("got %q, %d lost, exit %d; want %q, %d; stderr %s", got, r.LostFiles, r.ExitCode, tt.want, tt.lost, r.Stderr.Kept)
				}
			})
		}
		t.Run("after a timeout", func(t *testing.T) {
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(`
open('a', 'w').write('x')
while True: pass
`), Collect: []string{"a"},
				Limits: sandbox.Bounds{Wall: time.Second}}, nil)
			if err != nil || r.Verdict != sandbox.Timeout || len(r.Files) != 1 {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}, "exec", "exec, warm", "fork")
}

// A program receives standard input and interrupts while it runs.
//
//lab:as user
func TestLiveInput(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall *= 6 })
		stdin, interrupt := make(chan []byte), make(chan struct{})
		lines := make(chan string, 100)
		p := &talker{lines: lines, ended: make(chan struct{})}
		go func() {
			defer close(p.ended)
			p.result, p.err = j.Run(context.Background(), sandbox.Program{
				Source: []byte(`
import sys, time
print("ready", sys.stdin.isatty(), flush=True)
print("hello " + input("name? "))
try:
    print("waiting", flush=True)
    while True: time.sleep(0.1) # a signal that comes just before the system call does not end it
except KeyboardInterrupt:
    print("interrupted")
print(sys.stdin.read().split())
try: input()
except EOFError: print("end of file")
`),
				Input: &sandbox.Input{Stdin: stdin, Interrupt: interrupt}, Displays: true,
			}, jailtest.Live(p, nil))
		}()
		want := func(line string) {
			t.Helper()
			select {
			case <-p.ended:
				if len(lines) == 0 {
					t.Fatalf("it ended: %+v, %v", p.result, p.err)
				}
				if got := <-lines; got != line {
					t.Errorf("got %q, want %q", got, line)
				}
			case got := <-lines:
				if got != line {
					t.Errorf("got %q, want %q", got, line)
				}
			}
		}
		want("ready False")
		stdin <- []byte("Ad")
		stdin <- []byte("a\n")
		want("name? hello Ada")
		want("waiting")
		interrupt <- struct{}{}
		want("interrupted")
		stdin <- []byte("one two\nthree")
		close(stdin)
		want("['one', 'two', 'three']")
		want("end of file")
		<-p.ended
		if p.err != nil || p.result.ExitCode != 0 {
			t.Errorf("%+v, %v", p.result, p.err)
		}
	}, "exec", "exec, warm", "fork")
}

// A program that does not read its live input still ends at its timeout.
func TestLiveInputThatIsNotRead(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = 2 * time.Second })
	stdin := make(chan []byte)
	go func() {
		for {
			select {
			case stdin <- make([]byte, 1<<20):
			case <-t.Context().Done():
				return
			}
		}
	}()
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(`
import time
time.sleep(60)
`), Input: &sandbox.Input{Stdin: stdin}}, nil)
	if err != nil || r.Verdict != sandbox.Timeout {
		t.Errorf("%+v, %v", r, err)
	}
}

// A live run without input has an empty standard input: a read returns at once.
//
//lab:as user
func TestLiveRunWithoutInput(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		for _, displays := range []bool{false, true} {
			r, err := j.Run(t.Context(), sandbox.Program{
				Source: []byte(`
import sys
print(repr(sys.stdin.read()))
`), Displays: displays, Input: &sandbox.Input{Interrupt: make(chan struct{})},
			}, nil)
			if err != nil || string(r.Stdout.Kept) != "''\n" {
				t.Errorf("displays %t: %s, %q, %v", displays, end(r), r.Stdout.Kept, err)
			}
		}
	}, "exec", "exec, warm", "fork")
}

// An interrupt ends a program that does not handle it, as at a terminal, even if it comes before the first line.
//
//lab:as user
func TestEarlyInterrupt(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		// The programs loop and do not sleep: if an interrupt comes directly before the system call of time.sleep(), Python handles the
		// interrupt only after the sleep.
		for source, printed := range map[string]string{
			"while True: pass": "KeyboardInterrupt",
			"import atexit\natexit.register(print, 1)\nwhile True: pass": "KeyboardInterrupt",
			"while 1": "SyntaxError",
		} {
			var r *jail.Result
			got := ""
			// Python ignores an exception in the callback of a weak reference. Since 3.13, imports have such callbacks.
			for range 5 {
				interrupt := make(chan struct{}, 1)
				interrupt <- struct{}{}
				r = runInterrupted(t, j, source, interrupt)
				if got = string(r.Stderr.Kept); !strings.Contains(got, "Exception ignored in") {
					break
				}
			}
			want := "signal=SIGINT"
			if printed == "SyntaxError" {
				want = "exit=1"
			}
			if end(r) != want || !strings.Contains(got, printed) || strings.Contains(got, "launcher") {
				t.Errorf("%q: %s, %q", source, end(r), got)
			}
		}
	}, "exec", "exec, warm", "fork")
}

// No interrupt ends the launcher. This test sends one every 20 µs, so some come at each step of a program's start. Python writes a report
// of the first interrupt that reaches the program. Later interrupts cut this report off, so the test does not compare it.
func TestInterruptsAllTheTime(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		interrupt, ended := make(chan struct{}), make(chan struct{})
		defer close(ended)
		go func() {
			for {
				select {
				case interrupt <- struct{}{}:
					time.Sleep(20 * time.Microsecond)
				case <-ended:
					return
				}
			}
		}()
		for range 5 {
			r := runInterrupted(t, j, "while True: pass", interrupt)
			if got := string(r.Stderr.Kept); end(r) != "signal=SIGINT" || strings.Contains(got, "loader") {
				t.Errorf("%s, %q", end(r), got)
			}
		}
	}, "exec", "exec, warm", "fork")
}

func runInterrupted(t *testing.T, j *jail.Runner, source string, interrupt <-chan struct{}) *jail.Result {
	t.Helper()
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source), Input: &sandbox.Input{Stdin: make(chan []byte), Interrupt: interrupt}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Limits.CPUTime bounds the CPU time of all processes of a run together.
//
//lab:as user
func TestCPUTimeOfARun(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
		for _, tt := range []struct {
			name, source string
			verdict      sandbox.Verdict
		}{
			{"one process", `
print('x', end='')
while True: pass
`, sandbox.CPULimit},
			{"two processes", `
print('x', end='', flush=True)
import os
os.fork()
while True: pass
`, sandbox.CPULimit},
			{"processes that have ended", `
print('x', end='', flush=True)
import os, time
while True:
    if os.fork() == 0:
        end = time.process_time() + .05
        while time.process_time() < end: pass
        os._exit(0)
    os.wait()
`, sandbox.CPULimit},
			{"sleep takes none", `
print('x', end='')
import time
time.sleep(1)
`, sandbox.Exited},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source), Limits: sandbox.Bounds{CPUTime: 500 * time.Millisecond}}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if r.Verdict != tt.verdict || string(r.Stdout.Kept) != "x" {
					t.Errorf("%s, %q", r.Verdict, r.Stdout.Kept)
				}
				if tt.verdict == sandbox.CPULimit && (r.Usage.CPU < 400*time.Millisecond || r.Usage.CPU > 2*time.Second) {
					t.Errorf("it took %v of CPU time", r.Usage.CPU)
				}
			})
		}
	}, "exec", "fork")
}

// display.py and sandbox.MIMETypes list the same types of displays.
func TestTypesOfDisplays(t *testing.T) {
	source, err := os.ReadFile("python/display.py")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(source), "\nTYPES = (")
	list, _, _ = strings.Cut(list, ")")
	var types []string
	for part := range strings.SplitSeq(list, ",") {
		types = append(types, strings.Trim(strings.TrimSpace(part), `"`))
	}
	if !slices.Equal(types, sandbox.MIMETypes) {
		t.Errorf("display.py has %q, and Go %q", types, sandbox.MIMETypes)
	}
}
