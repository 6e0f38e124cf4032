// Package browsertest starts a real Chromium for tests.
package browsertest

import (
	"context"
	"log"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// Browser is a running Chromium. It records the hosts that it sends requests to, and the messages of its console.
type Browser struct {
	ctx context.Context

	mu       sync.Mutex
	hosts    map[string]bool
	complain []string
}

// Start starts a browser that ends with the test. The options override the defaults.
func Start(t *testing.T, options ...chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	if testenv.InLab() {
		t.Skip("no browser in the lab: what needs one is tried outside of it")
	}
	path := "/usr/bin/chromium"
	if _, err := os.Stat(path); err != nil {
		if path, err = exec.LookPath("chromium"); err != nil {
			testenv.Missing(t, "chromium")
		}
	}
	// Not t.TempDir: Chromium's processes write to the directory until the last of them has ended.
	profile, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remove(t, profile) })
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append([]chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(profile),
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WindowSize(1200, 1400), chromedp.WSURLReadTimeout(time.Minute),
	}, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 5*time.Minute)
	t.Cleanup(cancel)
	// This version of Chromium may send events that chromedp does not know yet.
	quiet := log.New(testWriter{t}, "chromedp: ", 0).Printf
	ctx, _ = chromedp.NewContext(ctx, chromedp.WithErrorf(quiet), chromedp.WithLogf(quiet))
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // closes it, and waits

	b := &Browser{ctx: ctx, hosts: map[string]bool{}}
	chromedp.ListenTarget(ctx, b.note)
	return b
}

// remove removes a directory when no process writes to it any more.
func remove(t *testing.T, directory string) {
	for begin := time.Now(); os.RemoveAll(directory) != nil; time.Sleep(time.Millisecond) {
		if time.Since(begin) > 10*time.Second {
			t.Fatal("Chromium does not leave its profile")
		}
	}
}

// note records an event.
func (b *Browser) note(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" && u.Scheme != "blob" {
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
	case *logs.EventEntryAdded: // violations of the content security policy, failed requests
		if e.Entry.Level == logs.LevelError || e.Entry.Level == logs.LevelWarning {
			b.complain = append(b.complain, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

// Run runs actions.
func (b *Browser) Run(t *testing.T, actions ...chromedp.Action) {
	t.Helper()
	if err := chromedp.Run(b.ctx, append([]chromedp.Action{network.Enable(), logs.Enable()}, actions...)...); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		t.Fatalf("%v\nconsole: %q", err, b.complain[max(0, len(b.complain)-5):])
	}
}

// Picture saves a picture of the page if SANDBOXD_SCREENSHOTS names a directory.
func (b *Browser) Picture(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("SANDBOXD_SCREENSHOTS")
	if dir == "" {
		return
	}
	var png []byte
	b.Run(t, chromedp.CaptureScreenshot(&png))
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}

// WantOnly asserts that the browser sent requests only to this server, and that its console has no errors or warnings.
func (b *Browser) WantOnly(t *testing.T, server string) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.hosts) != 1 || !b.hosts[server] {
		t.Errorf("requests were sent to %v", b.hosts)
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
