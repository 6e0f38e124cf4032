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
