package api

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckRootPath returns an error for a path that cannot be a root path.
func CheckRootPath(path string) error {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
	if path == "" || path[0] == '/' && path[len(path)-1] != '/' && !strings.Contains(path, "//") && !strings.Contains(path+"/", "/../") &&
		!strings.Contains(path+"/", "/./") && strings.Trim(path, letters) == "" {
		return nil
	}
	return fmt.Errorf("%q is no root path: give one that begins with a slash and does not end with one, such as /api", path)
}

// belowRoot removes the root path from the path of a request, if it is there.
func (s *Server) belowRoot(u *url.URL) *url.URL {
	rest, found := strings.CutPrefix(u.Path, s.cfg.RootPath)
	if s.cfg.RootPath == "" || !found || rest != "" && rest[0] != '/' {
		return u
	}
	below := *u
	below.Path, below.RawPath = rest, strings.TrimPrefix(u.RawPath, s.cfg.RootPath)
	if rest == "" {
		below.Path, below.RawPath = "/", ""
	}
	return &below
}
