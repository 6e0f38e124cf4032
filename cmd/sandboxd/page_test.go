package main

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/sandboxd/sandboxd/internal/browsertest"
	"github.com/sandboxd/sandboxd/internal/page"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// playground is the playground page of a running daemon, in a browser.
type playground struct {
	*browsertest.Browser
	daemon *sandboxd
}

// openPlayground starts a daemon with these flags and opens its page as a user does who types the address.
func openPlayground(t *testing.T, flags ...string) *playground {
	t.Helper()
	if !page.Built() {
		testenv.Missing(t, "the playground page: run scripts/page")
	}
	p := &playground{browsertest.Start(t), start(t, flags...)}
	p.Run(t, chromedp.Navigate(p.daemon.url), chromedp.WaitVisible("#editor"))
	return p
}

// js evaluates JavaScript, whose value it waits for.
func (p *playground) js(t *testing.T, script string, result any) {
	t.Helper()
	p.Run(t, chromedp.Evaluate(script, result, func(params *runtime.EvaluateParams) *runtime.EvaluateParams {
		return params.WithAwaitPromise(true)
	}))
}

// write replaces the program in the editor, as a user who pastes it.
func (p *playground) write(t *testing.T, program string) {
	t.Helper()
	p.Run(t, chromedp.Evaluate(`document.querySelector("#editor").shadowRoot.querySelector(".cm-content").focus()`, nil),
		chromedp.KeyEvent("a", chromedp.KeyModifiers(2)), // Ctrl
		chromedp.Evaluate(`{
			const data = new DataTransfer();
			data.setData("text/plain", `+strconv.Quote(program)+`);
			document.querySelector("#editor").shadowRoot.querySelector(".cm-content").dispatchEvent(
				new ClipboardEvent("paste", {clipboardData: data, bubbles: true, cancelable: true}));
		}`, nil))
}

// ends waits until the program has ended, and returns the reason and the text of the output.
func (p *playground) ends(t *testing.T) (reason, output string) {
	t.Helper()
	p.until(t, `document.querySelector("#reason").textContent !== "" && document.querySelector("#stop").disabled`)
	p.js(t, `document.querySelector("#reason").textContent`, &reason)
	return reason, p.output(t)
}

func (p *playground) output(t *testing.T) (text string) {
	t.Helper()
	p.js(t, `[...document.querySelectorAll("#output .line")].map(line => line.textContent).join("\n")`, &text)
	return text
}

// until waits for a condition in JavaScript.
func (p *playground) until(t *testing.T, condition string) {
	t.Helper()
	waitFor(t, condition, func() (holds bool) {
		p.js(t, "!!("+condition+")", &holds)
		return holds
	})
}

func (p *playground) click(t *testing.T, selector string) {
	t.Helper()
	p.Run(t, chromedp.Click(selector, chromedp.ByQuery))
}

// TestPlaygroundRuns runs programs on the page, and checks what it shows of them.
func TestPlaygroundRuns(t *testing.T) {
	p := openPlayground(t, "--policy=off", "--wall=2m", "--max-output=16M", "--output-limit=16M")

	t.Run("by the button", func(t *testing.T) {
		p.write(t, "print('one')\nprint('two')")
		p.click(t, "#run")
		reason, output := p.ends(t)
		if output != "one\ntwo\n" || !strings.Contains(reason, "exit code 0") {
			t.Errorf("%q, %q", output, reason)
		}
		var usage string
		p.js(t, `document.querySelector("#usage").innerText`, &usage)
		for _, want := range []string{"Wall clock", "of 120 s", "CPU time", "Memory", "MiB"} {
			if !strings.Contains(usage, want) {
				t.Errorf("no %q in %q", want, usage)
			}
		}
	})

	t.Run("by the keyboard, as it is printed", func(t *testing.T) {
		p.write(t, "import time\nprint('early')\ntime.sleep(1000)")
		p.Run(t, chromedp.KeyEvent("\r", chromedp.KeyModifiers(2)))
		p.until(t, `document.querySelector("#output").textContent.includes("early")`)
		p.click(t, "#stop")
		if _, output := p.ends(t); !strings.Contains(output, "KeyboardInterrupt") {
			t.Errorf("it was not interrupted first: %q", output)
		}
	})

	t.Run("stop cancels what ignores the interrupt", func(t *testing.T) {
		p.write(t, "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready')\ntime.sleep(1000)")
		p.click(t, "#run")
		p.until(t, `document.querySelector("#output").textContent.includes("ready")`)
		begin := time.Now()
		p.click(t, "#stop")
		if reason, _ := p.ends(t); !strings.Contains(reason, "cancelled") || time.Since(begin) > 10*time.Second {
			t.Errorf("after %v: %q", time.Since(begin), reason)
		}
	})

	t.Run("standard error has a name", func(t *testing.T) {
		p.write(t, "import sys\nprint('out')\nprint('err', file=sys.stderr)")
		p.click(t, "#run")
		p.ends(t)
		var shown string
		p.js(t, `[...document.querySelectorAll("#output .line.stderr")].map(line => line.textContent + getComputedStyle(line, "::before").content).join()`, &shown)
		if shown != `err"stderr"` {
			t.Errorf("standard error is shown as %s", shown)
		}
	})

	t.Run("terminal sequences", func(t *testing.T) {
		p.write(t, strings.Join([]string{
			`for i in range(101): print(f"\r{i:3}%", end="")`,
			`print("\n\x1b[1;31mred\x1b[0m \x1b[38;5;46mgreen\x1b[m plain")`,
			`print("one\ntwo\n\x1b[2A\x1b[KONE\n")`,
			`print("abc\b\bX")`,
			`print("<img src=x onerror=alert(1)>")`,
		}, "\n"))
		p.click(t, "#run")
		if _, output := p.ends(t); output != "100%\nred green plain\nONE\ntwo\naXc\n<img src=x onerror=alert(1)>\n" {
			t.Errorf("shown is %q", output)
		}
		var styles []string
		p.js(t, `[...document.querySelectorAll("#output .line span")].map(span => span.className + " " + span.style.color)`, &styles)
		if got := strings.Join(styles, ", "); got != "stdout bold var(--ansi-1), stdout rgb(0, 255, 0)" {
			t.Errorf("styles are %s", got)
		}
	})

	t.Run("input", func(t *testing.T) {
		p.write(t, "name = input('Your name? ')\nprint('Hello ' + name)\nimport sys\nprint(sys.stdin.read() + 'end')")
		p.click(t, "#run")
		p.until(t, `document.activeElement.id === "line"`)
		p.Run(t, chromedp.KeyEvent("Ada\r"))
		p.until(t, `document.querySelector("#output").textContent.includes("Hello Ada")`)
		p.click(t, "#eof")
		if _, output := p.ends(t); output != "Your name? Ada\nHello Ada\nend\n" {
			t.Errorf("shown is %q", output)
		}
	})

	var fast time.Duration // the time to read a million lines
	for _, test := range []struct {
		name    string
		slower  float64       // than this machine
		answers time.Duration // the page is never busy for longer
	}{
		{"a million lines", 1, 2 * time.Second},
		{"a million lines on a slow computer", 8, 6 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			// The service drops output while too much waits for the page. The program therefore waits for input before it prints the last
			// line. The test sends the input when the page has shown everything that arrived, and nothing new has arrived for 3 s.
			p.write(t, "for i in range(1_000_000): print(i)\ninput()\nprint('end')")
			p.js(t, `window.longest = 0; window.begin = window.last = window.changed = performance.now(); window.out = document.querySelector("#output");
				new MutationObserver(() => changed = performance.now()).observe(out, {childList: true, subtree: true});
				window.ticks = setInterval(() => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; }, 10); 0`, nil)
			p.Run(t, emulation.SetCPUThrottlingRate(test.slower))
			defer p.Run(t, emulation.SetCPUThrottlingRate(1))
			p.click(t, "#run")
			p.until(t, `out.querySelector(".line") && out.ariaLive === "polite" && performance.now() - changed > 3000`)
			var milliseconds float64 // until the page has read all lines
			p.js(t, `changed - begin`, &milliseconds)
			took := time.Duration(milliseconds * 1e6)
			if test.slower == 1 {
				fast = took
			} else if most := 2 * test.slower * fast.Seconds(); took.Seconds() > most { // a page that draws too often
				t.Errorf("the page read the lines in %v, and in %v on a computer that is %g times as slow", fast, took, test.slower)
			}
			p.Run(t, chromedp.SendKeys("#line", "\r", chromedp.ByQuery))
			_, output := p.ends(t)
			var longest float64
			p.js(t, `clearInterval(ticks); longest`, &longest)
			if !strings.HasSuffix(output, "\nend\n") || strings.Count(output, "\n") > 3000 {
				t.Errorf("%d lines are shown, the last are %q", strings.Count(output, "\n"), output[max(0, len(output)-40):])
			}
			if most := max(test.answers, took/4); longest > float64(most.Milliseconds()) { // a page that shows all lines does not answer at all
				t.Errorf("the page did not answer for %.0f ms, while it read lines for %v", longest, took)
			}
			var note string
			p.js(t, `document.querySelector("#output .note").textContent`, &note)
			if !strings.Contains(note, "earlier lines are not shown") {
				t.Errorf("the page does not tell that lines are missing: %q", note)
			}
		})
	}
	p.Picture(t, "play.png")
	p.WantOnly(t, p.daemon.url)
}

// TestPlaygroundShowsDisplaysAndFiles runs programs that return more than text. The HTML and the SVG try to act as the page.
func TestPlaygroundShowsDisplaysAndFiles(t *testing.T) {
	p := openPlayground(t, "--policy=off", "--wall=30s")

	t.Run("pictures", func(t *testing.T) {
		p.write(t, `
import base64
class PNG:
    def _repr_png_(self):
        return base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
class SVG:
    def _repr_svg_(self):
        return '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"><script>top.stolen = 1</script></svg>'
print("before")
display(PNG(), title="A red dot")
display(SVG())
`)
		p.click(t, "#run")
		p.ends(t)
		p.until(t, `[...document.querySelectorAll("#output img")].every(image => image.complete)`)
		var shown string
		p.js(t, `[...document.querySelectorAll("#output > :not(.note)")].map(node => {
			const image = node.querySelector("img");
			return image ? image.alt + " " + image.naturalWidth + " " + node.querySelector("a").download : node.textContent;
		}).join(", ")`, &shown)
		if shown != "before, A red dot 1 A-red-dot.png, Display 2 20 Display-2.svg" {
			t.Errorf("shown are %s", shown)
		}
		p.js(t, `typeof window.stolen`, &shown)
		if shown != "undefined" {
			t.Error("the script of an SVG ran in the page")
		}
	})

	t.Run("HTML has no rights", func(t *testing.T) {
		p.write(t, `
class HTML:
    def _repr_html_(self):
        return """<style>p { height: 300px; margin: 0 }</style><p>table</p><script>
            const tried = [];
            const attempt = (name, f) => { try { f(); tried.push(name + " worked"); } catch (e) { tried.push(name + " failed"); } };
            attempt("parent", () => parent.document.title);
            attempt("storage", () => localStorage.length);
            attempt("cookie", () => document.cookie);
            fetch("http://" + "127.0.0.1:1/").then(() => tried.push("fetch worked"), () => tried.push("fetch failed"))
                .then(() => { document.querySelector("p").textContent = tried.join(", ") + ", origin " + origin; parent.postMessage({ tried: tried.join(", ") + ", origin " + origin }, "*"); });
        </script>"""
display(HTML())
`)
		p.js(t, `window.tried = new Promise(done => addEventListener("message", e => e.data.tried && done(e.data.tried))); 0`, nil)
		p.click(t, "#run")
		p.ends(t)
		var tried string
		p.js(t, `window.tried`, &tried)
		if tried != "parent failed, storage failed, cookie failed, fetch failed, origin null" {
			t.Errorf("HTML of a program: %s", tried)
		}
		p.until(t, `document.querySelector("#output iframe").getBoundingClientRect().height > 290`)
	})

	t.Run("files come and go", func(t *testing.T) {
		p.js(t, `{
			const data = new DataTransfer();
			data.items.add(new File(["1,2\n3,4\n"], "numbers.csv"));
			data.items.add(new File(["unused"], "other.bin"));
			document.querySelector("#editor").dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
		}`, nil)
		p.until(t, `document.querySelectorAll("#inputs li").length === 2`)
		p.write(t, `
rows = [line.split(",") for line in open("numbers.csv")]
with open("sum.txt", "w") as out:
    out.write(str(sum(int(cell) for row in rows for cell in row)))
open("page.html", "w").write("<script>alert(1)</script>")
open(".hidden", "w").write("cache")
`)
		p.click(t, `#inputs button[aria-label="Remove other.bin"]`)
		p.click(t, "#run")
		if reason, output := p.ends(t); !strings.Contains(reason, "exit code 0") {
			t.Fatalf("%s\n%s", reason, output)
		}
		var files string
		p.js(t, `[...document.querySelectorAll("#files li")].map(item => item.innerText.replace(/\s+/g, " ") + " " + item.querySelector("a").download).join(", ")`, &files)
		if files != "page.html 25 bytes page.html, sum.txt 2 bytes sum.txt" {
			t.Errorf("the files are %s", files)
		}
		p.js(t, `document.querySelector("#collect").value = ".hid* *.html"`, nil)
		p.click(t, "#run")
		p.ends(t)
		p.js(t, `document.querySelector("#files").innerText`, &files)
		if strings.Contains(files, "sum.txt") || !strings.Contains(files, "page.html") || !strings.Contains(files, ".hidden") {
			t.Errorf("the files that match are %s", files)
		}
	})
	p.Picture(t, "play-files.png")
}

// TestPlaygroundMarksPlaces checks that findings and tracebacks lead to the right place, also behind characters outside of the BMP.
func TestPlaygroundMarksPlaces(t *testing.T) {
	p := openPlayground(t, "--offer-policy=off")
	const inEditor = `document.querySelector("#editor").shadowRoot`

	t.Run("findings", func(t *testing.T) {
		p.write(t, "print('🐍' * 3); x = '🐍🐍'; import socket\nprint(1)")
		p.click(t, "#run")
		reason, _ := p.ends(t)
		if reason == "" || strings.Contains(reason, "exit code") {
			t.Errorf("the reason is %q", reason)
		}
		var place, listed string
		p.js(t, inEditor+`.querySelector(".cm-lintRange-error").textContent`, &place)
		if place != "socket" {
			t.Errorf("the mark is at %q", place)
		}
		p.js(t, `document.querySelector("#findings").innerText`, &listed)
		if !strings.HasPrefix(listed, "Line 1 ") || !strings.Contains(listed, "socket") {
			t.Errorf("the findings are %q", listed)
		}
	})

	t.Run("tracebacks", func(t *testing.T) {
		p.write(t, "def f(n):\n    return 1 / n\n\nprint('File \"main.py\" is fine')\nf(0)")
		p.click(t, "#run")
		p.ends(t)
		var lines, at string
		p.js(t, `[...document.querySelectorAll("#output .place")].map(place => place.dataset.line).join()`, &lines)
		if lines != "5,2" {
			t.Fatalf("the places are %s in %s", lines, p.output(t))
		}
		p.click(t, `#output .place[data-line="2"]`)
		p.js(t, inEditor+`.querySelector(".cm-marked").textContent`, &at)
		if at != "    return 1 / n" {
			t.Errorf("marked is %q", at)
		}
		var focused bool
		p.js(t, inEditor+`.activeElement?.classList.contains("cm-content") ?? false`, &focused)
		if !focused {
			t.Error("the cursor is not in the editor")
		}
		p.Picture(t, "play-marks.png")
		p.write(t, "print(1)")
		p.click(t, "#run")
		p.ends(t)
		p.js(t, inEditor+`.querySelectorAll(".cm-marked, .cm-lintRange").length + ""`, &lines)
		if lines != "0" {
			t.Errorf("%s marks are left", lines)
		}
	})
}

// TestPlaygroundShares makes a link, and opens it in a page and in a frame of another page. Neither runs the program.
func TestPlaygroundShares(t *testing.T) {
	p := openPlayground(t)
	program := "# \U0001f40d\nprint('" + strings.Repeat("shared ", 100) + "')\n"
	p.write(t, program)
	p.click(t, "#share")
	p.until(t, `!document.querySelector("#links").hidden`)
	var link, frame string
	p.js(t, `document.querySelector("#link").value`, &link)
	p.js(t, `document.querySelector("#frame").value`, &frame)
	if !strings.HasPrefix(link, p.daemon.url+"/play#code=") || len(link) > 300 {
		t.Errorf("the link is %s", link)
	}
	const shown = `[...document.querySelector("#editor").shadowRoot.querySelectorAll(".cm-line")].map(line => line.textContent).join("\n")`
	open := func(address string) (text string) {
		t.Helper()
		p.Run(t, chromedp.Navigate("about:blank"), chromedp.Navigate(address))
		p.until(t, `!`+shown+`.includes("math") || document.querySelector("#reason").textContent`)
		p.js(t, shown, &text)
		return text
	}
	if got := open(link); got != program {
		t.Errorf("the link leads to %q", got)
	}
	p.Picture(t, "play-shared.png")

	t.Run("a damaged link", func(t *testing.T) {
		for _, fragment := range []string{"!", "AAAA", bomb(t)} {
			var reason string
			open(p.daemon.url + "/play#code=" + fragment)
			p.js(t, `document.querySelector("#reason").textContent`, &reason)
			if !strings.Contains(reason, "damaged") {
				t.Errorf("%.20s: the page says %q", fragment, reason)
			}
		}
	})

	t.Run("in a frame", func(t *testing.T) {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,">%s`, frame)
		}))
		t.Cleanup(other.Close)
		metadata := regexp.MustCompile(`(?m)^sandboxd_http_requests_total\{code="200",route="/v1/meta"\} \d+$`)
		loads := func() string { return strings.Join(metadata.FindAllString(p.daemon.get(t, "/metrics").body, -1), " ") }
		before := loads()
		p.Run(t, chromedp.Navigate(other.URL))
		waitFor(t, "the script of the page in the frame, which asks for the metadata", func() bool { return loads() != before })
	})
	if metrics := p.daemon.get(t, "/metrics").body; !strings.Contains(metrics, `sandboxd_runs_total{verdict="exited"} 0`) {
		t.Error("a program was run, but nobody asked for it")
	}
}

// TestPlaygroundReplays makes a link with the output of a run, and replays it. The replay shows what the run showed, and starts nothing.
func TestPlaygroundReplays(t *testing.T) {
	p := openPlayground(t, "--policy=off", "--wall=30s")
	runs := func() string {
		return regexp.MustCompile(`(?m)^sandboxd_runs_total\{verdict="exited"\} .*$`).FindString(p.daemon.get(t, "/metrics").body)
	}
	p.write(t, `import sys, time
class Paragraph:
    def _repr_html_(self):
        return "<p>shown</p>"
name = input("name? ")
print("\033[31mhello\033[0m", name)
time.sleep(0.5)
print("oh", file=sys.stderr)
display(Paragraph(), title="A paragraph")
`)
	p.click(t, "#run")
	p.until(t, `!document.querySelector("#prompt").hidden`)
	p.Run(t, chromedp.SendKeys("#line", "Ada\r", chromedp.ByQuery))
	reason, output := p.ends(t)
	const figures = `[...document.querySelectorAll("#output figcaption span")].map(name => name.textContent).join()`
	var shown, link string
	p.js(t, figures, &shown)
	if !strings.Contains(output, "hello Ada") || shown != "A paragraph" {
		t.Fatalf("%q, %q, displays %q", output, reason, shown)
	}
	p.click(t, "#share")
	p.until(t, `!document.querySelector("#links").hidden`)
	p.click(t, "#with-output")
	p.until(t, `document.querySelector("#link").value.includes("#run=")`)
	p.js(t, `document.querySelector("#link").value`, &link)
	p.Picture(t, "play-share-output.png")

	before := runs()
	p.Run(t, chromedp.Navigate("about:blank"), chromedp.Navigate(link), chromedp.WaitVisible("#replay"))
	if p.output(t) != "" {
		t.Error("the replay starts by itself")
	}
	p.click(t, "#replay")
	again, replayed := p.ends(t)
	p.js(t, figures, &shown)
	if again != "Recorded run: "+reason || replayed != output || shown != "A paragraph" {
		t.Errorf("the replay shows %q and %q with displays %q, but the run %q and %q", replayed, again, shown, output, reason)
	}
	p.Picture(t, "play-replay.png")
	if after := runs(); after != before || before == "" {
		t.Errorf("the replay started a run: %s, before %s", after, before)
	}
	p.write(t, "print(1)")
	p.until(t, `document.querySelector("#replay").hidden && location.hash === ""`)

	t.Run("stop shows the rest at once", func(t *testing.T) {
		p.Run(t, chromedp.Navigate("about:blank"), chromedp.Navigate(p.daemon.url+"/play#run="+p.packed(t, recording(`{"event":"stdout","at_seconds":1000,"text":"late"},`))))
		p.until(t, `!document.querySelector("#replay").hidden`)
		p.click(t, "#replay")
		p.click(t, "#stop")
		if _, output := p.ends(t); output != "late" {
			t.Errorf("the output is %q", output)
		}
	})

	t.Run("what is no recording", func(t *testing.T) {
		end := strings.TrimPrefix(recording(""), `{"code":"x","limits":{"wall_seconds":1,"cpu_seconds":1,"memory_bytes":1},"events":[{"event":"started","at_seconds":0},`)
		for name, text := range map[string]string{
			"no object":            `null`,
			"no events":            `{"code":"x","limits":{"wall_seconds":1,"cpu_seconds":1,"memory_bytes":1},"events":[]}`,
			"no limits":            `{"code":"x","events":[` + end,
			"no end":               strings.Replace(recording(""), `"finished"`, `"started"`, 1),
			"two ends":             recording(strings.TrimSuffix(end, "]}") + ","),
			"null as event":        recording("null,"),
			"unknown event":        recording(`{"event":"files","at_seconds":0},`),
			"text that is none":    recording(`{"event":"stdout","at_seconds":0,"text":{"length":1}},`),
			"negative time":        recording(`{"event":"stdout","at_seconds":-1,"text":"x"},`),
			"damaged base64":       recording(`{"event":"display","at_seconds":0,"mime_type":"image/png","base64":"!"},`),
			"too much text":        recording(`{"event":"stdout","at_seconds":0,"text":"` + strings.Repeat("x", 300<<10) + `"},`),
			"a finding in line 0":  strings.Replace(recording(""), `"findings":[]`, `"findings":[{"line":0,"column":1,"end_line":1,"end_column":1,"message":"x"}]`, 1),
			"a bomb":               recording(`{"event":"stdout","at_seconds":0,"text":"` + strings.Repeat("x", 8<<20) + `"},`),
			"too many events":      recording(strings.Repeat(`{"event":"started","at_seconds":0},`, 10_000)),
			"a length that is not": recording(`{"event":"stdout","at_seconds":0,"text":["x"]},`),
		} {
			p.Run(t, chromedp.Navigate("about:blank"), chromedp.Navigate(p.daemon.url+"/play#run="+p.packed(t, text)))
			p.until(t, `document.querySelector("#reason").textContent`)
			var reason string
			p.js(t, `document.querySelector("#reason").textContent + document.querySelector("#replay").hidden`, &reason)
			if !strings.Contains(reason, "damaged") || !strings.HasSuffix(reason, "true") {
				t.Errorf("%s: the page says %q", name, reason)
			}
		}
	})
}

// recording returns the JSON of a recording with these events, each followed by a comma, between its start and its end.
func recording(events string) string {
	return `{"code":"x","limits":{"wall_seconds":1,"cpu_seconds":1,"memory_bytes":1},"events":[{"event":"started","at_seconds":0},` + events +
		`{"event":"finished","at_seconds":1,"verdict":"exited","exit_code":0,"reason":"It ended.","findings":[],` +
		`"usage":{"wall_seconds":1,"cpu_seconds":1,"peak_memory_bytes":1},"truncated":{"stdout_bytes":0,"stderr_bytes":0,"displays":0}}]}`
}

// packed returns text as a fragment of the page's address carries it.
func (p *playground) packed(t *testing.T, text string) string {
	t.Helper()
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(packed.Bytes())
}

// bomb returns a link's fragment that unpacks to far more than a program may have.
func bomb(t *testing.T) string {
	t.Helper()
	var packed bytes.Buffer
	z, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	return base64.RawURLEncoding.EncodeToString(packed.Bytes())
}

// TestPlaygroundSettings chooses an environment, a policy and limits, which stay after a reload.
func TestPlaygroundSettings(t *testing.T) {
	p := openPlayground(t, "--engine=fork", "--templates=data=json", "--offer-policy=off", "--max-wall=20s")
	choose := func(name, value string) {
		t.Helper()
		p.js(t, `{
			const field = document.querySelector("#settings").elements[`+strconv.Quote(name)+`];
			field.value = `+strconv.Quote(value)+`;
			field.dispatchEvent(new Event("change", {bubbles: true}));
		}`, nil)
	}
	p.until(t, `document.querySelector("#environment").options.length === 2`)
	p.click(t, "#choices")
	choose("environment", "data")
	choose("policy", "off")
	choose("wall_seconds", "0.5")
	p.Run(t, chromedp.Reload())
	p.until(t, `document.querySelector("#environment").value === "data"`)
	p.write(t, "import sys\nprint('json' in sys.modules)\nwhile True: pass")
	p.click(t, "#run")
	reason, output := p.ends(t)
	if output != "True\n" || !strings.Contains(reason, "0.5 s") || !strings.Contains(reason, "line 3") {
		t.Errorf("%q, %q", output, reason)
	}
	var usage string
	p.js(t, `document.querySelector("#wall").innerText`, &usage)
	if !strings.Contains(usage, "of 0.5 s") {
		t.Errorf("the bar is %q", usage)
	}

	t.Run("out of range", func(t *testing.T) {
		choose("wall_seconds", "21")
		p.click(t, "#run")
		p.until(t, `document.activeElement.id === "wall_seconds" && !document.querySelector("#settings").hidden`)
		p.Picture(t, "play-settings.png")
	})
	t.Run("defaults", func(t *testing.T) {
		p.click(t, "#defaults")
		p.write(t, "import sys")
		p.click(t, "#run")
		if reason, _ := p.ends(t); !strings.Contains(reason, "policy forbids") {
			t.Errorf("the policy is not the default: %q", reason)
		}
	})
}

// TestPlaygroundKey asks for a key when the service wants one, and never stores it for longer than its tab is open.
func TestPlaygroundKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	token := makeKey(t, file, "alice")
	p := openPlayground(t, "--keys="+file)
	p.write(t, "print('with a key')")
	p.click(t, "#run")
	for _, given := range []string{"", "sbx_wrong", token} {
		if given != "" {
			p.until(t, `document.activeElement.id === "token"`)
			p.Run(t, chromedp.SetValue("#token", given, chromedp.ByQuery), chromedp.Click("#key button", chromedp.ByQuery))
		}
		if given == token {
			p.until(t, `document.querySelector("#reason").textContent.includes("exit code 0")`)
			break
		}
		p.until(t, `document.querySelector("#reason").textContent !== "" && !document.querySelector("#key").hidden`)
	}
	if output := p.output(t); output != "with a key\n" {
		t.Errorf("the output is %q", output)
	}
	var kept bool
	p.js(t, `JSON.stringify(localStorage).includes("sbx_") || location.href.includes("sbx_")`, &kept)
	if kept {
		t.Error("the key is stored")
	}
	p.Run(t, chromedp.Reload())
	p.click(t, "#run")
	if reason, _ := p.ends(t); !strings.Contains(reason, "exit code 0") {
		t.Errorf("after a reload: %q", reason)
	}
}

// TestPlaygroundExamples runs every example of the menu.
func TestPlaygroundExamples(t *testing.T) {
	p := openPlayground(t, "--offer-policy=permissive", "--wall=20s", "--cpu=2", "--memory=256M")
	if out, err := exec.Command("/usr/bin/python3", "-c", "import matplotlib, pandas").CombinedOutput(); err != nil {
		testenv.Missing(t, "pandas and matplotlib: %s", out)
	}
	const figure = `document.querySelector("#output figure")`
	examples := []struct {
		name    string
		during  func(t *testing.T)
		output  string // part of it
		reason  string
		holds   string // JavaScript, when it has ended
		seconds string // of the wall clock
	}{
		{name: "Print", output: "The square root of 4 is 2.0000", reason: "exit code 0"},
		{name: "Input", output: "Hello Ada, you will be 100 in 1915.", reason: "exit code 0", during: func(t *testing.T) {
			p.until(t, `document.activeElement.id === "line"`)
			p.Run(t, chromedp.KeyEvent("Ada\r1815\r"))
		}},
		{name: "Plot", reason: "exit code 0", holds: figure + `.querySelector("img").naturalWidth > 300`},
		{name: "Table", output: "Mean radius: 4563.25 km", reason: "exit code 0", holds: figure + `.querySelector("iframe").title === "Inner planets"`},
		{name: "Progress bar", output: strings.Repeat("█", 25) + " 100%\nDone.", reason: "exit code 0", holds: `!document.querySelector("#output").textContent.includes("99%")`},
		{name: "Files", output: "10,100", reason: "exit code 0", holds: `document.querySelector("#files a").textContent === "squares.csv"`},
		{name: "Threads", output: "7 49", reason: "exit code 0"},
		{name: "Time limit", output: "Counting …", reason: "after 1 s of wall-clock time", seconds: "1"},
		{name: "Memory limit", output: "64 MiB", reason: "memory", holds: `document.querySelector("#memory.full")`},
		{name: "Refused import", reason: "policy forbids", holds: `document.querySelector("#findings").textContent.includes("Line 3")`},
	}
	var names []string
	p.js(t, `[...document.querySelectorAll("#examples option")].map(option => option.value).filter(Boolean)`, &names)
	if len(names) != len(examples) {
		t.Errorf("the menu has %q", names)
	}
	for _, tt := range examples {
		t.Run(tt.name, func(t *testing.T) {
			p.until(t, `document.querySelector("#environment").options.length > 0`)
			p.js(t, `{
				document.querySelector("#wall_seconds").value = `+strconv.Quote(tt.seconds)+`;
				const menu = document.querySelector("#examples");
				menu.value = `+strconv.Quote(tt.name)+`;
				menu.dispatchEvent(new Event("change"));
			}`, nil)
			p.click(t, "#run")
			if tt.during != nil {
				tt.during(t)
			}
			reason, output := p.ends(t)
			if !strings.Contains(output, tt.output) || !strings.Contains(reason, tt.reason) {
				t.Errorf("%q\n%s", reason, output)
			}
			if tt.holds != "" {
				p.until(t, tt.holds)
			}
			p.Picture(t, "play-"+strings.ReplaceAll(tt.name, " ", "-")+".png")
		})
	}
	p.WantOnly(t, p.daemon.url)
}

// TestPlaygroundSizes draws a figure on screens of several sizes. make screenshots keeps the pictures.
func TestPlaygroundSizes(t *testing.T) {
	p := openPlayground(t, "--wall=20s", "--cpu=2")
	if out, err := exec.Command("/usr/bin/python3", "-c", "import matplotlib").CombinedOutput(); err != nil {
		testenv.Missing(t, "matplotlib: %s", out)
	}
	for _, size := range []struct{ width, height int64 }{{1200, 760}, {3840, 2160}, {360, 740}} {
		for _, scheme := range []string{"light", "dark"} {
			name := fmt.Sprintf("playground-%d-%s", size.width, scheme)
			t.Run(name, func(t *testing.T) {
				p.Run(t, chromedp.EmulateViewport(size.width, size.height),
					emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
				p.js(t, `{
					const menu = document.querySelector("#examples");
					menu.value = "Plot";
					menu.dispatchEvent(new Event("change"));
				}`, nil)
				p.click(t, "#run")
				if reason, _ := p.ends(t); !strings.Contains(reason, "exit code 0") {
					t.Error(reason)
				}
				p.until(t, `document.querySelector("#output figure img").naturalWidth > 300`)
				var width int64
				if p.js(t, `document.documentElement.scrollWidth`, &width); width > size.width {
					t.Errorf("the page is %d pixels wide", width)
				}
				p.Picture(t, name+".png")
			})
		}
	}
}

// TestPlaygroundAfterARestart stops the daemon while a program runs. The page says so, and works with the next daemon.
func TestPlaygroundAfterARestart(t *testing.T) {
	p := openPlayground(t)
	address := strings.TrimPrefix(p.daemon.url, "http://")
	p.write(t, "print('before')\nwhile True: pass")
	p.click(t, "#run")
	p.until(t, `document.querySelector("#output").textContent.includes("before")`)
	if err := p.daemon.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.daemon.done
	reason, output := p.ends(t)
	if !strings.Contains(reason, "connection to the service was lost") || !strings.Contains(output, "before") {
		t.Errorf("%q, %q", reason, output)
	}
	p.click(t, "#run")
	if reason, _ := p.ends(t); !strings.Contains(reason, "connection to the service was lost") {
		t.Error(reason)
	}
	p.daemon = start(t, "--listen="+address)
	p.write(t, "print('after')")
	p.click(t, "#run")
	if reason, output := p.ends(t); output != "after\n" || !strings.Contains(reason, "exit code 0") {
		t.Errorf("%q, %q", reason, output)
	}
}

// isAccessible runs the rules of axe-core, such as those for names, roles and contrast, on what the page shows.
func (p *playground) isAccessible(t *testing.T) {
	t.Helper()
	axe, err := os.ReadFile("../../web/node_modules/axe-core/axe.min.js")
	if err != nil {
		testenv.Missing(t, "axe-core, which scripts/page installs: %v", err)
	}
	var violations []string
	p.Run(t, chromedp.Evaluate(string(axe), nil))
	p.js(t, `axe.run().then(({ violations, passes }) => passes.length === 0 ? ["no rule passed"] :
		violations.map(({ id, help, nodes }) => id + ": " + help + ": " + nodes.map(node => node.html + " " + node.failureSummary).join("; ")))`, &violations)
	for _, v := range violations {
		t.Errorf("axe-core: %s", v)
	}
}

// TestPlaygroundIsAccessible checks what a machine can check: the rules of axe-core, live regions, the order of the focus, a narrow
// screen, both colour schemes.
func TestPlaygroundIsAccessible(t *testing.T) {
	p := openPlayground(t)
	p.click(t, "#choices")
	p.click(t, "#share")
	p.until(t, `!document.querySelector("#links").hidden`)
	p.isAccessible(t)
	var roles string
	p.js(t, `["output", "verdict", "state"].map(id => document.getElementById(id).role).join()`, &roles)
	if roles != "log,status,status" {
		t.Errorf("the roles are %s", roles)
	}

	t.Run("focus order", func(t *testing.T) {
		p.click(t, "#share")
		p.click(t, "#choices")
		p.js(t, `document.querySelector("#examples").focus()`, nil)
		order := []string{"examples"}
		for range 3 {
			var id string
			p.Run(t, chromedp.KeyEvent("\t"))
			p.js(t, `document.activeElement.id`, &id)
			order = append(order, id)
		}
		// Escape and then Tab leaves the editor.
		p.Run(t, chromedp.KeyEvent("\t"))
		p.Run(t, chromedp.KeyEvent("\x1b"), chromedp.KeyEvent("\t"))
		var id string
		p.js(t, `document.activeElement.id`, &id)
		if got := strings.Join(append(order, id), " "); got != "examples choices share run add" {
			t.Errorf("the order is %s", got)
		}
	})

	for _, scheme := range []string{"light", "dark"} {
		t.Run("360 pixels, "+scheme, func(t *testing.T) {
			p.Run(t, chromedp.EmulateViewport(360, 740), emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}))
			p.write(t, "print('x' * 500)\nprint(1 / 0)")
			p.click(t, "#run")
			p.ends(t)
			var width float64
			p.js(t, `document.documentElement.scrollWidth`, &width)
			if width > 360 {
				t.Errorf("the page is %.0f pixels wide", width)
			}
			p.isAccessible(t)
			p.Picture(t, "play-360-"+scheme+".png")
		})
	}
}
