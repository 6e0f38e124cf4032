package page

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

func ask(t *testing.T, handler http.Handler, target string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w
}

func needBuild(t *testing.T) {
	t.Helper()
	if !Built() {
		testenv.Missing(t, "the playground page: run scripts/page")
	}
}

// Without this check, `go test` after a change in web/ would test an old build of the page.
func TestEmbeddedPageIsCurrent(t *testing.T) {
	needBuild(t)
	built, err := bundle.ReadFile("bundle/sources")
	if err != nil {
		t.Fatal(err)
	}
	current, err := exec.Command("../../scripts/page", "hash").Output()
	if err != nil {
		t.Fatal(err)
	}
	if string(built) != string(current) {
		t.Error("the embedded page is not of this tree: run scripts/page")
	}
}

func TestThePageRefersToItsFilesOnly(t *testing.T) {
	needBuild(t)
	handler := Handler(nil)
	body := ask(t, handler, Path).Body.String()
	refs := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(body, -1)
	if len(refs) < 2 {
		t.Errorf("the page refers to %d files", len(refs))
	}
	for _, ref := range refs {
		if strings.HasPrefix(ref[1], "data:") {
			continue
		}
		w := ask(t, handler, "/"+ref[1])
		if w.Code != http.StatusOK || w.Body.Len() < 100 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d, %v", ref[1], w.Code, w.Header())
		}
		// The page of another version has another address for the file, and must not keep this one under it.
		other := ask(t, handler, "/"+strings.Split(ref[1], "?")[0]+"?v=0123456789abcdef")
		if other.Code != http.StatusOK || other.Header().Get("Cache-Control") != "no-cache" || other.Header().Get("ETag") != w.Header().Get("ETag") {
			t.Errorf("%s of another version: %d, %v", ref[1], other.Code, other.Header())
		}
	}
	if strings.Contains(body, "<style") || strings.Contains(body, "style=") || regexp.MustCompile(`<script[^>]*>\s*[^<\s]`).MatchString(body) {
		t.Error("the page has a script or a style of its own, which its policy forbids")
	}
}

func TestPolicies(t *testing.T) {
	for _, tt := range []struct {
		name, target string
		origins      []string
		want         []string
		opener       string
	}{
		{"the page", Path, nil, []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"}, "same-origin"},
		{"another query", Path + "?embed=0", nil, []string{"frame-ancestors 'none'"}, "same-origin"},
		{"in a frame", Path + "?embed=1", nil, []string{"default-src 'none'", "frame-ancestors *"}, ""},
		{"in a frame of an origin", Path + "?embed=1", []string{"https://a.example", "https://*.b.example"},
			[]string{"frame-ancestors 'self' https://a.example https://*.b.example"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := ask(t, Handler(tt.origins), tt.target).Header()
			var directives []string
			for directive := range strings.SplitSeq(h.Get("Content-Security-Policy"), ";") {
				directives = append(directives, strings.TrimSpace(directive))
			}
			for _, want := range tt.want {
				if !strings.Contains("\n"+strings.Join(directives, "\n")+"\n", "\n"+want+"\n") {
					t.Errorf("no %s in %q", want, directives)
				}
			}
			for _, never := range []string{"unsafe", "http:", "script-src *"} {
				if strings.Contains(h.Get("Content-Security-Policy"), never) {
					t.Errorf("%s in %q", never, directives)
				}
			}
			if h.Get("Cross-Origin-Opener-Policy") != tt.opener || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("headers are %v", h)
			}
		})
	}
}

// The size is bounded so that the page loads quickly.
func TestScriptIsSmall(t *testing.T) {
	needBuild(t)
	const most = 250_000 // bytes, compressed
	if n := ask(t, Handler(nil), Path+"/play.js", "Accept-Encoding", "gzip").Body.Len(); n > most || n < most/100 {
		t.Errorf("the script has %d bytes, want at most %d", n, most)
	}
}

// The frame shows a program's HTML. It must have an opaque origin and no network, whichever page embeds it.
func TestTheFrameHasNoRights(t *testing.T) {
	needBuild(t)
	policy := ask(t, Handler(nil), Path+"/frame").Header().Get("Content-Security-Policy")
	for _, want := range []string{"sandbox allow-scripts;", "default-src 'none';"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	for _, never := range []string{"same-origin", "connect-src", "'self'", "allow-top", "allow-popups"} {
		if strings.Contains(policy, never) {
			t.Errorf("%s in %s", never, policy)
		}
	}
}

func TestCopiesAreRevalidated(t *testing.T) {
	handler := Handler(nil)
	for _, encoding := range []string{"", "gzip"} {
		first := ask(t, handler, Path, "Accept-Encoding", encoding)
		etag := first.Header().Get("ETag")
		if first.Code != http.StatusOK || etag == "" || first.Header().Get("Content-Encoding") != encoding {
			t.Fatalf("%q: %d %v", encoding, first.Code, first.Header())
		}
		if again := ask(t, handler, Path, "Accept-Encoding", encoding, "If-None-Match", etag); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
			t.Errorf("%q: %d with %d bytes", encoding, again.Code, again.Body.Len())
		}
		if other := ask(t, handler, Path, "Accept-Encoding", encoding, "If-None-Match", `"x"`); other.Code != http.StatusOK {
			t.Errorf("%q: another version is answered with %d", encoding, other.Code)
		}
	}
	if ask(t, handler, Path).Header().Get("Cache-Control") != "no-cache" {
		t.Error("a browser may show the page of another version")
	}
	if a, b := ask(t, handler, Path).Header().Get("ETag"), ask(t, handler, Path, "Accept-Encoding", "gzip").Header().Get("ETag"); a == b {
		t.Errorf("both encodings have the ETag %s", a)
	}
}

func TestWithoutABuild(t *testing.T) {
	if c := read(file{path: Path, name: "none", contentType: html}); !strings.Contains(string(c.plain()), "make build") {
		t.Errorf("the page does not tell how to build it: %s", c.plain())
	}
	if c := read(file{path: Path + "/none.js", name: "none"}); c != nil {
		t.Errorf("a script that was not built is %q", c.plain())
	}
}
