package api

import (
	"fmt"
	"net/url"
	"strings"
)

// CheckOrigins says what is wrong with the first of these that is no origin. "*" stands for all, and in one for part of a host.
func CheckOrigins(origins []string) error {
	for _, o := range origins {
		if o == "*" {
			continue
		}
		u, err := url.Parse(strings.Replace(o, "*", "x", 1))
		if err != nil || u.Scheme == "" || u.Host == "" || u.Scheme+"://"+u.Host != strings.Replace(o, "*", "x", 1) {
			return fmt.Errorf("origin %q: want scheme and host and nothing else, such as https://example.com", o)
		}
	}
	return nil
}
