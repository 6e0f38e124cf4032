package v1

import (
	"context"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Whoever started a run is told that it was cancelled, however the answer comes, also while the run waits for a slot.
func TestCancel(t *testing.T) {
	for _, accept := range []string{typeJSON, typeEvents, typeLines} {
		for _, waits := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				a := newAPI(func(ctx context.Context, live *sandbox.Stream) error {
					live.Start()
					<-ctx.Done()
					return context.Cause(ctx)
				})
				a.newID = func() string { return "run_TEST" }
				if waits {
					release, _, err := a.cfg.Service.Gate().Acquire(t.Context(), admission.Caller{})
					if err != nil {
						t.Fatal(err)
					}
					defer release()
				}
				answered := make(chan *httptest.ResponseRecorder)
				go func() {
					w, err := ask(a, accept, `{"code":"x"}`)
					if err != nil {
						t.Error(err)
					}
					answered <- w
				}()
				synctest.Wait()
				w := httptest.NewRecorder()
				if err := a.Cancel(w, "run_TEST"); err != nil || w.Code != 202 || w.Body.Len() > 0 {
					t.Errorf("%v: %d", err, w.Code)
				}
				got := (<-answered).Body.String()
				if strings.Count(got, `"id":"run_TEST","verdict":"cancelled","exit_code":null,"signal":null,"reason":"The program was not run, because its client cancelled it before."`) != 1 {
					t.Errorf("%s, waiting %v: %s", accept, waits, got)
				}
				if err := a.Cancel(w, "run_TEST"); err == nil || err.(*Error).Kind != NoSuchRun {
					t.Errorf("%v", err)
				}
			})
		}
	}
}

// An id is the permission to cancel a run: 26 characters of base32 have 130 bits.
func TestIDs(t *testing.T) {
	form := regexp.MustCompile(`^run_[A-Z2-7]{26,}$`)
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		if !form.MatchString(id) || seen[id] {
			t.Errorf("%s", id)
		}
		seen[id] = true
	}
}
