package api

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// CheckOrigins returns an error for the first string that is not an origin. "*" means all origins, and inside an origin a part of the host.
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

// allowOrigins configures CORS.
func (s *Server) allowOrigins(origins []string) error {
	options := cors.Options{
		AllowedMethods: []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{
			headerVerdict, headerExitCode, headerSignal, headerTruncated, headerRequestID, headerTiming, "Retry-After",
		},
		AllowCredentials:     true,
		MaxAge:               600, // seconds, like Starlette
		OptionsSuccessStatus: http.StatusOK,
	}
	if s.cfg.Limiter != nil {
		options.ExposedHeaders = append(options.ExposedHeaders, headerRate, headerRatePolicy)
	}
	if err := CheckOrigins(origins); err != nil {
		return err
	}
	if len(origins) == 0 || slices.Contains(origins, "*") {
		// A browser does not accept "*" for requests with credentials, so the answer repeats the origin of the request.
		options.AllowOriginFunc = func(string) bool { return true }
	} else {
		options.AllowedOrigins = origins
		s.ownPages = http.NewCrossOriginProtection()
	}
	s.cors = cors.New(options)
	return nil
}

// foreign reports whether a request comes from a web page of another origin that is not allowed. CORS alone would only withhold the answer from
// such a page. A request that needs no preflight would still run its program: one without a content type counts as JSON.
func (s *Server) foreign(r *http.Request) bool {
	return s.ownPages != nil && r.Header.Get("Origin") != "" &&
		!s.cors.OriginAllowed(r) && s.ownPages.Check(r) != nil
}
