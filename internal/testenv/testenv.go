// Package testenv tells tests in which environment they run, and which cases of a table they have to try.
//
// A test is skipped if something is missing that the project's own scripts install. If SANDBOXD_TEST_STRICT is 1 (as in `make test`),
// it fails instead. SANDBOXD_TEST_LAB is 1 in the virtual machine, which has all cgroup controllers but no browser.
// SANDBOXD_TEST_ALL is 1 if every case is to be tried in every way (as in `make test-all`).
//
// The lab runs the tests that have a directive above them, as the users that it names:
//
//	//lab:as user own
//	//lab:all root
//
// //lab:all only counts if SANDBOXD_TEST_ALL is 1. The user "user" then runs all other tests too. lab/payload reads the directives.
package testenv

import (
	"os"
	"testing"
)

// Missing skips a test because something is missing that the project's own scripts install. With SANDBOXD_TEST_STRICT=1 it fails the
// test instead.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SANDBOXD_TEST_STRICT") == "1" {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// InLab reports whether the test runs in the virtual machine.
func InLab() bool { return os.Getenv("SANDBOXD_TEST_LAB") == "1" }

// All reports whether every case has to be tried in every way.
func All() bool { return os.Getenv("SANDBOXD_TEST_ALL") == "1" }

// Brief reports whether the test runs in the virtual machine without SANDBOXD_TEST_ALL. Large tables are tried natively, so one case of
// each kind is enough there.
func Brief() bool { return InLab() && !All() }

// Tries reports whether the n-th case of a table has to be tried in one of the four ways to start a jail, numbered from 0: exec cold,
// exec warm, fork cold, fork warm. Each case is tried cold under one engine and warm under the other, in turn. With
// SANDBOXD_TEST_ALL=1 it is tried in all four ways, except in the lab, which is slow.
func Tries(way, n int) bool { return All() && !InLab() || (way == 0 || way == 3) == (n%2 == 0) }
