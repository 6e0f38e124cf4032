package jail_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// A zygote that dies or hangs is replaced, and no run fails.
func TestZygotesAreReplaced(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) {
		c.SetUpPatience = 3 * time.Second
		if testenv.InLab() {
			c.SetUpPatience = 12 * time.Second
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

// If many runs start at once, the last ones wait long for a zygote, but do not fail.
func TestManyStartsWaitForZygotes(t *testing.T) {
	patience := 2 * time.Second
	if testenv.InLab() {
		patience = 5 * time.Second
	}
	j := jailtest.New(t, func(c *jail.Config) { c.SetUpPatience = patience })
	release := j.HoldZygotes()
	p := talk(t, j, "print(6 * 7)")
	select {
	case <-p.ended:
		t.Error("the run ended although all zygotes are held")
	case <-time.After(patience + patience/4):
	}
	release()
	<-p.ended
	if p.err != nil || string(p.result.Stdout.Kept) != "42\n" {
		t.Errorf("%+v, %v", p.result, p.err)
	}
}

// A zygote has no descriptor of the daemon except its control socket.
func TestZygotesHaveNoDescriptorOfTheDaemon(t *testing.T) {
	j := jailtest.New(t, nil)
	jailtest.Run(t, j, "pass")
	for _, pid := range j.Zygotes() {
		// The streams and descriptor 4 (Status in an init), which are all /dev/null, and the control socket.
		if fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)); err != nil || len(fds) != 5 {
			t.Errorf("process %d has descriptors %v (%v)", pid, fds, err)
		}
		if environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err != nil || len(environ) > 0 {
			t.Errorf("process %d has an environment of %d bytes (%v)", pid, len(environ), err)
		}
		// A separate program without libraries and without a heap, so its memory contains no data of the daemon.
		if program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || !strings.HasPrefix(program, "/memfd:init") {
			t.Errorf("process %d executes %s (%v)", pid, program, err)
		}
		if maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid)); err != nil || strings.Contains(string(maps), "[heap]") || len(maps) == 0 {
			t.Errorf("process %d has mapped (%v):\n%s", pid, err, maps)
		}
		if session, err := unix.Getsid(pid); err != nil || session != pid {
			t.Errorf("process %d is of session %d (%v)", pid, session, err)
		}
	}
}

// A program does not inherit the signals that the daemon ignores or blocks.
func TestSignalsThatTheDaemonIgnores(t *testing.T) {
	const child = "SANDBOXD_TEST_IGNORES"
	if os.Getenv(child) == "" {
		executable, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("env", "--ignore-signal=HUP,INT,QUIT", "--block-signal=USR1", executable, "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	for _, name := range []string{"SigIgn", "SigBlk"} {
		if set, err := strconv.ParseUint(status(t, os.Getpid())[name], 16, 64); err != nil || set == 0 {
			t.Fatalf("%s is %x (%v), so nothing is tried", name, set, err)
		}
	}
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		got := jailtest.Output(t, j, `
import signal
print(signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGQUIT), signal.getsignal(signal.SIGINT) is signal.default_int_handler)
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
`)
		if got != "0 0 True\nset()\n" {
			t.Errorf("got %q", got)
		}
	}, "exec", "exec, warm", "fork", "fork, warm")
}
