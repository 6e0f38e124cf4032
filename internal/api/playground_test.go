package api

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/page"
)

const (
	welcomeText     = `{"Message":"Welcome to the Python Playground Backend!"}`
	acceptOfBrowser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
)

// Only a browser that shows "/" to its user gets a redirect. All other clients get the message of the contract.
func TestOnlyAVisitOfTheRootGetsThePage(t *testing.T) {
	for _, tt := range []struct {
		name, method string
		headers      []string
		visit        bool
	}{
		{"no header", "GET", nil, false},
		{"curl", "GET", []string{"Accept", "*/*"}, false},
		{"a client", "GET", []string{"Accept", "application/json"}, false},
		{"a client that also takes HTML", "GET", []string{"Accept", "application/json, text/html"}, false},
		{"a client that takes HTML less", "GET", []string{"Accept", "application/json, text/html;q=0.5"}, false},
		{"HTML is refused", "GET", []string{"Accept", "text/html;q=0, */*"}, false},
		{"text", "GET", []string{"Accept", "text/*"}, false},
		{"a wrong weight", "GET", []string{"Accept", "text/html;q=x"}, false},
		{"a script", "GET", []string{"Accept", acceptOfBrowser, "Sec-Fetch-Mode", "cors"}, false},
		{"an old browser", "GET", []string{"Accept", acceptOfBrowser}, true},
		{"a browser", "GET", []string{"Accept", acceptOfBrowser, "Sec-Fetch-Mode", "navigate"}, true},
		{"HTML before JSON", "GET", []string{"Accept", "text/html, application/json;q=0.9"}, true},
		{"HEAD", "HEAD", []string{"Accept", acceptOfBrowser}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for root, path := range map[string]string{"": "/", "/api": "/api"} {
				s := serve(t, exits("", ""), func(c *setup) { c.RootPath = root })
				a := s.call(t, tt.method, path, "", tt.headers...)
				if !tt.visit {
					if a.StatusCode != http.StatusOK || a.body != welcomeText || a.Header.Get("Content-Type") != "application/json" || a.Header.Get("Location") != "" {
						t.Errorf("%s: %d %v %s", path, a.StatusCode, a.Header, a.body)
					}
				} else if a.StatusCode != http.StatusFound || a.Header.Get("Location") != root+"/play" || !strings.Contains(strings.Join(a.Header.Values("Vary"), ","), "Accept") {
					t.Errorf("%s: %d %v", path, a.StatusCode, a.Header)
				}
			}
		})
	}
}

func TestPlaygroundPage(t *testing.T) {
	for _, root := range []string{"", "/api"} {
		s := serve(t, exits("", ""), func(c *setup) { c.RootPath = root })
		a := s.call(t, "GET", root+"/play", "")
		if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.HasPrefix(a.Header.Get("Content-Security-Policy"), "default-src 'none';") {
			t.Errorf("%s: %d %v", root, a.StatusCode, a.Header)
		}
		if a := s.call(t, "GET", root+"/play/", ""); a.StatusCode != http.StatusTemporaryRedirect || a.Header.Get("Location") != root+"/play" {
			t.Errorf("%s: %d %s", root, a.StatusCode, a.Header.Get("Location"))
		}
		s.call(t, "POST", root+"/play", "").want(t, 405, `{"detail":"Method Not Allowed"}`)
	}
}

// A page of another origin can only load the playground page in a frame, and only if the policy of the answer allows it.
func TestWhoMayFrameThePage(t *testing.T) {
	foreign := func(mode, destination string) []string {
		return []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", destination}
	}
	for _, tt := range []struct {
		name, target string
		headers      []string
		status       int
	}{
		{"as a frame", "/play?embed=1", foreign("navigate", "iframe"), 200},
		{"as a frame, without asking", "/play", foreign("navigate", "iframe"), 403},
		{"as a frame, asking wrongly", "/play?embed=2", foreign("navigate", "iframe"), 403},
		{"as an object", "/play?embed=1", foreign("navigate", "object"), 403},
		{"by a script", "/play?embed=1", foreign("cors", "empty"), 403},
		{"by a script, old browser", "/play?embed=1", []string{"Origin", "http://front.example"}, 403},
		{"another document as a frame", "/docs?embed=1", foreign("navigate", "iframe"), 403},
		{"the frame of displays", "/play/frame?embed=1", foreign("navigate", "iframe"), 403},
		{"a link", "/play", foreign("navigate", "document"), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for origins, ancestors := range map[string]string{"*": "*", "http://front.example": "'self' http://front.example"} {
				s := serve(t, exits("", ""), func(c *setup) { c.Origins = []string{origins} })
				a := s.call(t, "GET", tt.target, "", tt.headers...)
				if a.StatusCode != tt.status {
					t.Errorf("%s: %d %s", origins, a.StatusCode, a.body)
				}
				if strings.HasSuffix(tt.target, "embed=1") && a.StatusCode == 200 && !strings.HasSuffix(a.Header.Get("Content-Security-Policy"), "frame-ancestors "+ancestors) {
					t.Errorf("%s: %s", origins, a.Header.Get("Content-Security-Policy"))
				}
			}
		})
	}
}

// Each file of the page is a route.
func TestEveryFileOfThePageIsARoute(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	paths := map[string]bool{}
	for _, rt := range s.table() {
		paths[rt.path] = true
	}
	for _, path := range page.Paths() {
		if !paths[path] {
			t.Errorf("%s is not served", path)
		}
	}
}
