package main

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sandboxd/sandboxd/internal/browsertest"
)

// TestStatusPage looks at the status page while programs run, and when the daemon has ended.
func TestStatusPage(t *testing.T) {
	p := &playground{browsertest.Start(t), start(t, "--concurrency=3", "--policy=off")}
	p.daemon.execute(t, "print(1)")
	p.daemon.execute(t, "raise SystemExit(3)")
	p.Run(t, chromedp.Navigate(p.daemon.url+"/status"))
	rows := func(table string) string {
		return `[...document.querySelectorAll("#` + table + ` tbody tr")].map(row => row.innerText.trim().split(/\s+/).join(" "))`
	}
	p.until(t, rows("verdicts")+`.includes("exited 0 2")`) // before the page was opened
	p.until(t, `document.querySelector("#now").innerText.includes("0 of 3")`)
	p.until(t, `!document.querySelector("#calm").hidden`)
	p.daemon.execute(t, "import os; os.kill(os.getpid(), 9)")
	p.daemon.execute(t, "import os; os.chroot('/')")
	p.until(t, rows("verdicts")+`.includes("signaled 1 1")`)
	p.until(t, rows("troubles")+`.some(row => row.startsWith("system call denied: chroot"))`)
	var layers []string
	p.js(t, `[...document.querySelectorAll("#layers li")].map(item => item.textContent)`, &layers)
	if len(layers) < 15 || !strings.Contains(strings.Join(layers, " "), "seccomp") {
		t.Errorf("the layers are %q", layers)
	}
	p.isAccessible(t)
	p.WantOnly(t, p.daemon.url)
	p.Picture(t, "status.png")

	p.daemon.cmd.Process.Kill()
	p.until(t, `document.querySelector("#state").textContent.startsWith("No answer since")`)
}
