package api

import (
	"context"
	"log"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	logs "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

func TestPagesReferToNothingElsewhere(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	for _, page := range []string{"/docs", "/redoc"} {
		html := s.call(t, "GET", page, "")
		if html.StatusCode != 200 || html.Header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: %d %v", page, html.StatusCode, html.Header)
		}
		policy := html.Header.Get("Content-Security-Policy")
		if strings.Contains(policy, "http") || strings.Contains(policy, "*") || !strings.Contains(policy, "default-src 'none'") {
			t.Errorf("%s: policy is %s", page, policy)
		}
		if strings.Contains(html.body, "//") || strings.Contains(html.body, "{/") {
			t.Errorf("%s refers to another host, or to an asset that is not there:\n%s", page, html.body)
		}
		refs := regexp.MustCompile(`(?:src|href)="(/[^"]+)"`).FindAllStringSubmatch(html.body, -1)
		if len(refs) < 2 {
			t.Errorf("%s refers to %d assets", page, len(refs))
		}
		for _, ref := range refs {
			a := s.call(t, "GET", ref[1], "")
			if a.StatusCode != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "immutable") || len(a.body) < 100 {
				t.Errorf("%s: %d %v", ref[1], a.StatusCode, a.Header)
			}
			plain := s.call(t, "GET", ref[1], "", "Accept-Encoding", "identity")
			if plain.body != a.body || plain.Header.Get("Content-Encoding") != "" {
				t.Errorf("%s differs without compression", ref[1])
			}
		}
	}
}

// browser is a Chromium that notes what it asks of the network, and what its console says.
type browser struct {
	ctx context.Context

	mu       sync.Mutex
	hosts    map[string]bool
	complain []string
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	if testenv.InLab() {
		t.Skip("no browser in the lab: the pages are tried outside of it")
	}
	path := "/usr/bin/chromium"
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("chromium"); err != nil {
			testenv.Missing(t, "chromium")
		}
	}
	// Not t.TempDir: Chromium's processes write to it until the last of them has ended.
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "Chromium to leave its profile", func() bool { return os.RemoveAll(profile) == nil })
	})
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(profile),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1200, 1400), chromedp.WSURLReadTimeout(time.Minute))
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	// This version of Chromium may send events that chromedp does not know yet.
	quiet := log.New(testWriter{t}, "chromedp: ", 0).Printf
	ctx, _ = chromedp.NewContext(ctx, chromedp.WithErrorf(quiet), chromedp.WithLogf(quiet))
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // closes it, and waits

	b := &browser{ctx: ctx, hosts: map[string]bool{}}
	chromedp.ListenTarget(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestWillBeSent:
			if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
				b.hosts[u.Scheme+"://"+u.Host] = true
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError || e.Type == runtime.APITypeWarning {
				text := string(e.Type)
				for _, arg := range e.Args {
					text += " " + string(arg.Value) + arg.Description
				}
				b.complain = append(b.complain, text)
			}
		case *runtime.EventExceptionThrown:
			b.complain = append(b.complain, e.ExceptionDetails.Error())
		case *logs.EventEntryAdded: // violations of the policy, requests that failed
			if e.Entry.Level == logs.LevelError || e.Entry.Level == logs.LevelWarning {
				b.complain = append(b.complain, e.Entry.Text+" "+e.Entry.URL)
			}
		}
	})
	return b
}

// run runs actions, and saves a picture of the page if SANDBOXD_SCREENSHOTS names a directory.
func (b *browser) run(t *testing.T, picture string, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.ctx, append([]chromedp.Action{network.Enable(), logs.Enable()}, actions...)...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("%v\nconsole: %q", err, b.complain)
	}
	if dir := os.Getenv("SANDBOXD_SCREENSHOTS"); dir != "" {
		var png []byte
		if err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot(&png)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, picture), png, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// wantOnly asserts that nothing but this server was asked, and that nobody complained.
func (b *browser) wantOnly(t *testing.T, server string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.hosts) != 1 || !b.hosts[server] {
		t.Errorf("asked were %v", b.hosts)
	}
	for _, c := range b.complain {
		t.Errorf("console: %s", c)
	}
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func TestSwaggerUIInABrowser(t *testing.T) {
	s := serve(t, exits("out of the jail\n", ""), nil)
	b := startBrowser(t)
	const op = "#operations-playground-execute_code_playground_execute_post"
	var title, answer string
	b.run(t, "docs.png",
		chromedp.Navigate(s.url+"/docs"),
		chromedp.Text(op+" .opblock-summary-path", &title, chromedp.ByQuery, chromedp.NodeVisible),
		chromedp.Click(op+" .opblock-summary-control", chromedp.ByQuery),
		chromedp.Click(op+" .try-out__btn", chromedp.ByQuery, chromedp.NodeVisible),
		chromedp.Click(op+" .execute", chromedp.ByQuery, chromedp.NodeVisible),
		chromedp.Text(op+" .live-responses-table tbody .response-col_description", &answer, chromedp.ByQuery, chromedp.NodeVisible),
	)
	if strings.ReplaceAll(title, "\u200b", "") != "/playground/execute" {
		t.Errorf("operation is called %q", title)
	}
	if !strings.Contains(answer, "out of the jail") {
		t.Errorf("answer is shown as %q", answer)
	}
	b.wantOnly(t, s.url)
}

func TestReDocInABrowser(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	b := startBrowser(t)
	var page string
	b.run(t, "redoc.png",
		chromedp.Navigate(s.url+"/redoc"),
		chromedp.WaitVisible(`//span[text()="/playground/execute"] | //div[contains(., "/playground/execute")]`, chromedp.BySearch),
		chromedp.Text("#redoc", &page, chromedp.ByQuery),
	)
	for _, want := range []string{"/playground/execute", "Execute Code", "Validation Error", "A Python program", "Hello, World!"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %s:\n%s", want, page)
		}
	}
	b.wantOnly(t, s.url)
}
