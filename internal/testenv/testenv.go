// Package testenv says what a test may count on, and how much of a table it is to try.
//
// A test that lacks what the project's own files install is skipped; with
// SANDBOXD_TEST_STRICT=1 (as in `make test`) that is a failure. SANDBOXD_TEST_LAB=1 says that the
// test runs in the virtual machine, where all cgroup controllers are and no browser is.
// SANDBOXD_TEST_ALL=1 (as in `make test-all`) asks for the full cross product.
//
// The lab runs the tests that have a directive above them, as the users that it names:
//
//	//lab:as user own
//	//lab:all root
//
// The second is for SANDBOXD_TEST_ALL=1, where "user" runs all other tests as well. lab/payload reads them.
package testenv

import (
	"os"
	"testing"
)

// Missing skips a test for lack of something that the project's own files install.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("SANDBOXD_TEST_STRICT") == "1" {
		t.Fatalf("missing: "+format, args...)
	}
	t.Skipf("missing: "+format, args...)
}

// InLab reports whether the test runs in the virtual machine.
func InLab() bool { return os.Getenv("SANDBOXD_TEST_LAB") == "1" }

// All reports whether the full cross product is wanted, however long it takes.
func All() bool { return os.Getenv("SANDBOXD_TEST_ALL") == "1" }

// Brief reports whether the test runs in the virtual machine for what only that machine can show.
// Large tables are tried elsewhere: one case of each kind is enough.
func Brief() bool { return InLab() && !All() }

// Tries reports whether the n-th case of a table is for one of the four ways to start a jail: exec, exec and
// warm, fork, fork and warm, from 0 to 3. Each case is tried cold under one engine and warm under the other,
// in turn. Where everything is wanted, every case is for all four; but for the lab, which computes slowly.
func Tries(way, n int) bool { return All() && !InLab() || (way == 0 || way == 3) == (n%2 == 0) }
