package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/sandboxd/sandboxd/internal/browsertest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The examples of docs/api.md in Go, Python and JavaScript are run as a reader pastes them, but for the address of the daemon.
// TestDocumentedCommands runs the one for curl.

const printsSquares = "1\n4\n9\nThe program ended by itself with exit code 0."

var exampleBlock = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```\n")

// example returns the example in a language, for the daemon at a URL.
func example(t *testing.T, language, url string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range exampleBlock.FindAllStringSubmatch(string(text), -1) {
		if block[1] == language {
			found = append(found, block[2])
		}
	}
	if len(found) != 1 || strings.Count(found[0], "http://127.0.0.1:8000") != 1 {
		t.Fatalf("%d examples in %s, with an address each: %q", len(found), language, found)
	}
	return strings.Replace(found[0], "http://127.0.0.1:8000", url, 1)
}

func TestExampleInGo(t *testing.T) {
	if testenv.InLab() {
		t.Skip("no Go in the lab")
	}
	dir := t.TempDir()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	source, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	// To use the client of this clone, the program is compiled as if it were in it.
	replaced, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "examples/documented/main.go"): source}})
	if err != nil {
		t.Fatal(err)
	}
	text := example(t, "go", start(t).url)
	for file, content := range map[string][]byte{source: []byte(text), overlay: replaced} {
		if err := os.WriteFile(file, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if formatted, err := exec.CommandContext(t.Context(), "gofmt", source).Output(); err != nil || string(formatted) != text {
		t.Errorf("%v: gofmt makes it\n%s", err, formatted)
	}
	cmd := exec.CommandContext(t.Context(), "go", "run", "-overlay", overlay, "./examples/documented")
	cmd.Dir = root
	if said, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != printsSquares {
		t.Errorf("%v: %s", err, said)
	}
}

func TestExampleInPython(t *testing.T) {
	clients, err := filepath.Abs("../../clients/python")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(clients, "sandboxd.py"), filepath.Join(dir, "sandboxd.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(example(t, "python", start(t).url)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-B", "-W", "error", "main.py")
	cmd.Dir = dir
	if said, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(said)) != printsSquares {
		t.Errorf("%v: %s", err, said)
	}
}

func TestExampleInABrowser(t *testing.T) {
	browser := browsertest.Start(t)
	script := example(t, "js", start(t).url)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, "<!doctype html><link rel=icon href=data:,><body><script type=module>%s\ndocument.title = 'ended'</script>", script)
	}))
	defer page.Close()
	var text string
	browser.Run(t, chromedp.Navigate(page.URL),
		chromedp.Poll(`document.title === "ended"`, nil, chromedp.WithPollingTimeout(20*time.Second)),
		chromedp.Evaluate(`[...document.body.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join("")`, &text))
	if strings.TrimSpace(text) != printsSquares {
		t.Errorf("%q", text)
	}
}
