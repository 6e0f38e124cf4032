// Package page serves the playground page: an editor in the browser that runs programs over the typed API.
//
// The sources are in web/. scripts/page builds and compresses them, and this package embeds the result. The page loads nothing from
// other hosts: it works without internet access, and its Content-Security-Policy forbids other hosts. The page refers to its script and
// style sheet by addresses with a hash of their content, so that browsers may keep them.
package page

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

// bundle holds what scripts/page builds (see bundle/README.md).
//
//go:embed bundle
var bundle embed.FS

//go:embed missing.html
var missing []byte

// Path is the path of the page. Its other files are below Path. References are relative, so a proxy can map the service to any path.
const Path = "/play"

// file is a file of the page.
type file struct {
	path        string
	name        string // file name in the bundle, without .gz
	contentType string
	policy      string // Content-Security-Policy, for documents only
}

const (
	html       = "text/html; charset=utf-8"
	javascript = "text/javascript; charset=utf-8"
	css        = "text/css; charset=utf-8"
)

// pagePolicy is the Content-Security-Policy of the page. CodeMirror needs no style element, because the editor is in a shadow root,
// where it uses adoptedStyleSheets. The origin 'self' includes WebSockets (CSP 3).
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: blob:; connect-src 'self'; frame-src 'self'; " +
	"base-uri 'none'; form-action 'none'; "

// framePolicy is the Content-Security-Policy of frames that show a program's HTML. The frames have an opaque origin even without the
// sandbox attribute. They have no network: default-src forbids requests, and the page's frame-src forbids navigation.
const framePolicy = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; " +
	"img-src data: blob:; font-src data:; base-uri 'none'; form-action 'none'"

var files = []file{
	{Path, "play.html", html, pagePolicy},
	{Path + "/play.js", "play.js", javascript, ""},
	{Path + "/play.css", "play.css", css, ""},
	{Path + "/frame", "frame.html", html, framePolicy},
}

// Paths returns the paths of all files of the page.
func Paths() []string {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.path)
	}
	return paths
}

// Built reports whether this program was built with the page.
func Built() bool {
	_, err := bundle.Open("bundle/play.html.gz")
	return err == nil
}

// Handler serves the files of the page. Pages of these origins may embed the page in a frame, with ?embed=1. Without origins, any page
// may embed it.
func Handler(origins []string) http.Handler {
	s := &server{embedders: "*", contents: map[string]func() *content{}}
	if len(origins) > 0 {
		s.embedders = "'self' " + strings.Join(origins, " ")
	}
	for _, f := range files {
		s.contents[f.path] = sync.OnceValue(func() *content { return read(f) })
	}
	return s
}

type server struct {
	embedders string // sources for frame-ancestors
	contents  map[string]func() *content
}

// content is a file that has been read.
type content struct {
	file
	packed []byte        // by gzip
	plain  func() []byte // the same, unpacked
	hash   string        // of packed
}

// read reads a file. scripts/page has compressed it.
func read(f file) *content {
	c := &content{file: f}
	var err error
	if c.packed, err = bundle.ReadFile(path.Join("bundle", f.name+".gz")); err != nil {
		if f.path != Path {
			return nil
		}
		c.packed = Gzip(missing)
	}
	c.plain = sync.OnceValue(func() []byte { return Gunzip(c.packed) })
	sum := sha256.Sum256(c.packed)
	c.hash = hex.EncodeToString(sum[:8])
	return c
}

// Gzip compresses a file.
func Gzip(file []byte) []byte {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(file) // into memory: no error
	_ = z.Close()
	return packed.Bytes()
}

// Gunzip returns a file that Gzip, or the build, compressed. It panics if the file is damaged.
func Gunzip(packed []byte) []byte {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(err)
	}
	file, err := io.ReadAll(z)
	if err != nil {
		panic(err)
	}
	return file
}

// Embeds reports whether a request is for the page to be embedded in another page.
func Embeds(r *http.Request) bool {
	return r.URL.Path == Path && r.URL.Query().Get("embed") == "1"
}

// ServeHTTP serves a file of the page.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	read := s.contents[r.URL.Path]
	if read == nil || read() == nil {
		http.NotFound(w, r)
		return
	}
	c := read()
	h := w.Header()
	h.Set("Content-Type", c.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	if r.URL.Query().Get("v") == c.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable") // a year; another version has another address
	} else {
		h.Set("Cache-Control", "no-cache") // the browser asks each time whether its copy is current
	}
	h.Add("Vary", "Accept-Encoding, Sec-Fetch-Site")
	if c.policy != "" {
		policy := c.policy
		switch {
		case c.path != Path: // a frame in the page: the page's frame-ancestors restricts the other ancestors
		case Embeds(r):
			policy += "frame-ancestors " + s.embedders
		default:
			policy += "frame-ancestors 'none'"
			h.Set("Cross-Origin-Opener-Policy", "same-origin")
		}
		h.Set("Content-Security-Policy", policy)
	}
	gzipped := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	etag := `"` + c.hash + `"`
	if gzipped {
		etag = `"` + c.hash + `-gzip"`
	}
	h.Set("ETag", etag)
	if strings.Contains(r.Header.Get("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	var body []byte
	if gzipped {
		h.Set("Content-Encoding", "gzip")
		body = c.packed
	} else {
		body = c.plain()
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body) // an error means that the client went away
}
