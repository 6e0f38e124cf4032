// Package testenv says what a test may count on.
//
// A test that lacks what the project's own files install is skipped; with
// SANDBOXD_TEST_STRICT=1 (as in `make test`) that is a failure. SANDBOXD_TEST_LAB=1 says that the
// test runs in the virtual machine, where all cgroup controllers are and no browser is.
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

// Tries reports whether the n-th case of a table is for one of the four ways to start a jail: exec, exec and
// warm, fork, fork and warm, from 0 to 3. The lab computes slowly: there each case is tried cold under one
// engine and warm under the other, in turn. Elsewhere every case is for all four.
func Tries(way, n int) bool { return !InLab() || (way == 0 || way == 3) == (n%2 == 0) }
