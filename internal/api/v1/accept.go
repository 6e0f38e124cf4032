package v1

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// The media types of answers. Those of streams are also values of a label of metrics.
const (
	typeJSON    = "application/json"
	typeEvents  = "text/event-stream"
	typeLines   = "application/jsonl"
	typeProblem = "application/problem+json"
)

// accepted returns the offered media type that the request prefers, or "" if it accepts none. JSON wins a tie, then
// server-sent events.
func accepted(r *http.Request) string {
	header := strings.Join(r.Header.Values("Accept"), ",")
	if strings.TrimSpace(header) == "" {
		return typeJSON
	}
	best, most := "", 0.0
	for _, offer := range []string{typeJSON, typeEvents, typeLines} {
		if q := quality(header, offer); q > most {
			best, most = offer, q
		}
	}
	return best
}

// quality returns the weight of a media type in an Accept header, from the most specific range that matches (RFC 9110, 12.5.1).
func quality(header, offer string) (q float64) {
	kind, _, _ := strings.Cut(offer, "/")
	precision := -1
	for part := range strings.SplitSeq(header, ",") {
		name, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		p := -1
		switch name {
		case offer:
			p = 2
		case kind + "/*":
			p = 1
		case "*/*":
			p = 0
		}
		if p <= precision {
			continue
		}
		precision, q = p, 1
		if weight, given := params["q"]; given {
			q, _ = strconv.ParseFloat(weight, 64) // an invalid weight counts as 0, which means not acceptable
		}
	}
	return q
}

// isJSON reports whether the Content-Type is JSON in UTF-8.
func isJSON(r *http.Request) bool {
	name, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset, given := params["charset"]
	return err == nil && name == typeJSON && (!given || strings.EqualFold(charset, "utf-8"))
}
