package api

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/api/v1"
	"github.com/sandboxd/sandboxd/internal/schematest"
)

// Requests that are made of the described schema, right and wrong ones, get answers that are described: never a 500. One that is
// against the schema is refused, and one that is not gets an answer, or an error that points to a field of it.
func TestRequestsMadeOfTheSchema(t *testing.T) {
	s := serve(t, exits("out", "err"), func(c *setup) { c.Templates, c.Policy = []string{"data", "default"}, "strict" })
	doc := documentOf(t, s)
	seed := uint64(time.Now().UnixNano())
	m, err := schematest.New(s.call(t, "GET", "/openapi.json", "").body, seed)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int]int{}
	for i := range 1500 {
		m.Wrong = []float64{0, 0.05, 0.3}[i%3]
		text, err := m.Named("RunRequest")
		if err != nil {
			t.Fatal(err)
		}
		a := s.typed(t, string(text), "Accept", []string{"application/json", "text/event-stream", "application/jsonl"}[m.IntN(3)])
		counts[a.StatusCode]++
		doc.conforms(t, a)
		against := doc.holds("RunRequest", string(text))
		switch {
		case a.StatusCode != http.StatusOK && a.StatusCode != http.StatusUnprocessableEntity:
			t.Errorf("%d %s", a.StatusCode, a.body)
		case against != nil && a.StatusCode == http.StatusOK:
			t.Errorf("it is against the schema, and was run: %v", against)
		case against == nil && a.StatusCode != http.StatusOK && !pointsInto(t, a.body, text):
			t.Errorf("it is as the schema says, and refused for no field of it: %s", a.body)
		}
		if t.Failed() {
			t.Fatalf("seed %d, request %d: %.2000s", seed, i, text)
		}
	}
	if counts[200] < 200 || counts[422] < 200 {
		t.Errorf("too few of a kind to show anything: %v", counts)
	}
}

// pointsInto reports whether the pointers of a problem lead to values of the request.
func pointsInto(t *testing.T, problem string, request []byte) bool {
	t.Helper()
	var p v1.Problem
	if err := json.Unmarshal([]byte(problem), &p); err != nil || len(p.Errors) == 0 {
		return false
	}
	for _, e := range p.Errors {
		var at any
		if err := json.Unmarshal(request, &at); err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(e.Pointer, "/")[1:] {
			part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
			switch value := at.(type) {
			case map[string]any:
				var found bool
				if at, found = value[part]; !found {
					return false
				}
			case []any:
				n, err := strconv.Atoi(part)
				if err != nil || n >= len(value) {
					return false
				}
				at = value[n]
			default:
				return false
			}
		}
	}
	return true
}
