package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"
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

// allowOrigins sets which web pages browsers let in.
func (s *Server) allowOrigins(origins []string) error {
	options := cors.Options{
		AllowedMethods: []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{
			headerVerdict, headerExitCode, headerSignal, headerTruncated, headerRequestID, headerTiming, "Retry-After",
		},
		AllowCredentials:     true,
		MaxAge:               600, // seconds, as Starlette's
		OptionsSuccessStatus: http.StatusOK,
	}
	if s.cfg.Limiter != nil {
		options.ExposedHeaders = append(options.ExposedHeaders, headerRate, headerRatePolicy)
	}
	if err := CheckOrigins(origins); err != nil {
		return err
	}
	if len(origins) == 0 || slices.Contains(origins, "*") {
		// With credentials a browser accepts no "*", so the origin is sent back to it.
		options.AllowOriginFunc = func(string) bool { return true }
	} else {
		options.AllowedOrigins = origins
		s.ownPages = http.NewCrossOriginProtection()
	}
	s.cors = cors.New(options)
	return nil
}

// foreign reports whether a request comes from a web page that is neither our own nor allowed.
// CORS alone would only hide the answer from such a page: a request that needs no preflight
// (without a content type it counts as JSON) would have run its program.
func (s *Server) foreign(r *http.Request) bool {
	return s.ownPages != nil && r.Header.Get("Origin") != "" &&
		!s.cors.OriginAllowed(r) && s.ownPages.Check(r) != nil
}
