package jail_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

func signalZygotes(t *testing.T, j *jail.Jail, signal unix.Signal) {
	t.Helper()
	for _, pid := range j.Zygotes() {
		if err := unix.Kill(pid, signal); err != nil {
			t.Error(err)
		}
	}
}

// What clones is replaced when it dies or is stuck, and no run sees it.
func TestZygotesAreReplaced(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) {
		c.SetUpPatience = 3 * time.Second
		if testenv.InLab() {
			c.SetUpPatience = 20 * time.Second
		}
	})
	jailtest.Run(t, j, "pass")
	before := jailtest.Count(t, os.Getpid())
	for _, signal := range []unix.Signal{unix.SIGKILL, unix.SIGSTOP} {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			first := j.Zygotes()
			signalZygotes(t, j, signal)
			for range len(first) + 1 {
				if got := jailtest.Output(t, j, "print(6 * 7)"); got != "42\n" {
					t.Errorf("printed %q", got)
				}
			}
			for _, pid := range j.Zygotes() {
				if slices.Contains(first, pid) {
					t.Errorf("process %d was not replaced", pid)
				}
			}
			jailtest.Settled(t, os.Getpid(), before)
		})
	}
}

// A zygote has nothing of the daemon's but its socket, and what it clones nothing of the zygote's.
func TestZygotesHoldNothing(t *testing.T) {
	j := jailtest.New(t, nil)
	jailtest.Run(t, j, "pass")
	for _, pid := range j.Zygotes() {
		// The streams, which are nothing, and the socket.
		if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err != nil || len(fds) != 4 {
			t.Errorf("process %d has descriptors %v (%v)", pid, fds, err)
		}
		if session, err := unix.Getsid(pid); err != nil || session != pid {
			t.Errorf("process %d is of session %d (%v)", pid, session, err)
		}
	}
}
