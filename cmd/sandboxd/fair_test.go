package main

import (
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// One caller's queued runs delay another caller's by the runs that hold a slot, and a caller that has filled its part of the
// queue leaves room for others.
func TestSlotsGoRound(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	many, one := makeKey(t, file, "many"), makeKey(t, file, "one")
	d := start(t, "--keys="+file, "--concurrency=1", "--queue=40", "--queue-per-caller=20", "--policy=off")
	ask := func(token, code string) answer {
		a, err := d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(`{"code":"`+code+`"}`), "X-API-Key", token)
		if err != nil {
			t.Error(err)
		}
		return a
	}
	ended := func() int {
		n, err := strconv.Atoi(d.metric(t, `sandboxd_runs_total{verdict="exited"}`))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var waiting sync.WaitGroup
	for range 21 {
		waiting.Go(func() {
			if a := ask(many, "import time; time.sleep(0.4)"); a.status != http.StatusOK {
				t.Errorf("a run that has room: %d %s", a.status, a.body)
			}
		})
	}
	waitFor(t, "20 runs to wait", func() bool { return d.metric(t, "sandboxd_queue_depth") == "20" })
	if a := ask(many, "print(1)"); a.status != 503 || a.body != `{"detail":"Too many of your own programs are running or waiting: try again later"}` || a.header.Get("Retry-After") == "" {
		t.Errorf("one more run of a caller with a full queue: %d %s", a.status, a.body)
	}
	before := ended()
	if a := ask(one, "print(6*7)"); a.status != 200 || a.body != `{"stdout":"42\n","stderr":""}` {
		t.Errorf("a run of another caller: %d %s", a.status, a.body)
	}
	// One held the slot, and one may have ended between the count and the arrival of the request. First come, first served
	// would be about 19.
	if others := ended() - before - 1; others > 3 {
		t.Errorf("%d runs of the first caller ended before it", others)
	}
	if got := d.metric(t, `sandboxd_requests_rejected_total{reason="caller_queue_full"}`); got != "1" {
		t.Errorf("%s are counted", got)
	}
	waiting.Wait()
}

// A key with a concurrency of its own leaves the other slots free.
func TestConcurrencyOfAKey(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	single := makeKey(t, file, "single", "--concurrency=1")
	d := start(t, "--keys="+file, "--concurrency=4", "--policy=off")
	var running sync.WaitGroup
	for range 3 {
		running.Go(func() {
			a, err := d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(`{"code":"import time; time.sleep(1)"}`), "X-API-Key", single)
			if err != nil || a.status != http.StatusOK {
				t.Errorf("%d %s, %v", a.status, a.body, err)
			}
		})
	}
	waitFor(t, "two runs to wait", func() bool { return d.metric(t, "sandboxd_queue_depth") == "2" })
	if got := d.metric(t, "sandboxd_runs_in_flight"); got != "1" {
		t.Errorf("%s runs of the key hold a slot", got)
	}
	running.Wait()
}
