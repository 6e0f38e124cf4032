package api

import (
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/sandboxd/sandboxd/internal/browsertest"
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

func TestSwaggerUIInABrowser(t *testing.T) {
	for _, root := range []string{"", "/api"} {
		s := serve(t, exits("out of the jail\n", ""), func(c *setup) { c.RootPath = root })
		b := browsertest.Start(t)
		const op = "#operations-playground-execute_code_playground_execute_post"
		var title, answer, page string
		b.Run(t,
			chromedp.Navigate(s.url+root+"/docs"),
			chromedp.Text(op+" .opblock-summary-path", &title, chromedp.ByQuery, chromedp.NodeVisible),
			chromedp.Click(op+" .opblock-summary-control", chromedp.ByQuery),
			chromedp.Click(op+" .try-out__btn", chromedp.ByQuery, chromedp.NodeVisible),
			chromedp.Click(op+" .execute", chromedp.ByQuery, chromedp.NodeVisible),
			chromedp.Text(op+" .live-responses-table tbody .response-col_description", &answer, chromedp.ByQuery, chromedp.NodeVisible),
			chromedp.Text(op+" .request-url", &page, chromedp.ByQuery, chromedp.NodeVisible),
		)
		if root == "" {
			b.Picture(t, "docs.png")
		}
		if strings.ReplaceAll(title, "\u200b", "") != "/playground/execute" {
			t.Errorf("operation is called %q", title)
		}
		if !strings.Contains(answer, "out of the jail") {
			t.Errorf("answer is shown as %q", answer)
		}
		if !strings.Contains(page, s.url+root+"/playground/execute") {
			t.Errorf("the request went to %q", page)
		}
		b.WantOnly(t, s.url)
	}
}

func TestReDocInABrowser(t *testing.T) {
	for _, root := range []string{"", "/api"} {
		s := serve(t, exits("", ""), func(c *setup) { c.RootPath = root })
		b := browsertest.Start(t)
		var page string
		b.Run(t,
			chromedp.Navigate(s.url+root+"/redoc"),
			chromedp.WaitVisible(`//span[text()="/playground/execute"] | //div[contains(., "/playground/execute")]`, chromedp.BySearch),
			chromedp.Text("#redoc", &page, chromedp.ByQuery),
		)
		if root == "" {
			b.Picture(t, "redoc.png")
		}
		for _, want := range []string{"/playground/execute", "Execute Code", "Validation Error", "A Python program", "Hello, World!"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page does not say %s:\n%s", want, page)
			}
		}
		b.WantOnly(t, s.url)
	}
}
