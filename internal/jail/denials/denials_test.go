package denials

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// denials_test.go of package jail tests counting and answering with real jails.

func TestCounts(t *testing.T) {
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	if !Counts(filter.Program) {
		t.Error("the default filter counts nothing")
	}
	if Counts(filter.Silent()) {
		t.Error("a filter without notifications counts")
	}
	if Counts([]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}) {
		t.Error("a filter that allows everything counts")
	}
}

// Runs that flood the daemon with denied calls share one pace.
func TestPace(t *testing.T) {
	pace := NewPace()
	begin := time.Now()
	var last time.Duration
	for range 100 {
		last = pace.ReserveN(begin, 1).DelayFrom(begin)
	}
	if want := 99 * batch * interval; last != want {
		t.Errorf("the hundredth turn is after %v, want %v", last, want)
	}
}

func TestNilListener(t *testing.T) {
	var none *Listener
	if none.Stop() != nil {
		t.Error("a nil Listener returned counts")
	}
}
