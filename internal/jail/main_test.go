package jail_test

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// canaryHost is the host name of the tests, if they may set it. It occurs nowhere by chance.
const canaryHost = "sandboxd-canary-host"

// TestMain gives the tests a session key ring and, if they may, a host name. Both belong to a thread, and
// are inherited by what it executes: itself, so that all of its threads, and whatever they start, have them. It also
// handles the signals that a script ignores in processes that it starts in the background: execve(2) resets a signal that is handled,
// and keeps one that is ignored. Otherwise a program outside of a jail could not be interrupted.
func TestMain(m *testing.M) {
	const done = "SANDBOXD_TEST_CANARIES"
	if os.Getenv(done) == "" {
		runtime.LockOSThread()
		signal.Notify(make(chan os.Signal, 1), unix.SIGINT, unix.SIGHUP)
		// On a kernel without keyrings, the tests that need one fail with a message.
		_, _ = unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0) // 0: anonymous
		if unix.Unshare(unix.CLONE_NEWUTS) == nil {
			_ = unix.Sethostname([]byte(canaryHost))
		}
		fmt.Fprintln(os.Stderr, unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), done+"=1")))
		os.Exit(1)
	}
	os.Exit(m.Run())
}
