package jail

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

func TestVerdict(t *testing.T) {
	exit := func(code int) unix.WaitStatus { return unix.WaitStatus(code << 8) }
	for _, tt := range []struct {
		name string
		e    ended
		want sandbox.Verdict
	}{
		{"ends by itself", ended{status: exit(0)}, sandbox.Exited},
		{"ends by itself with a status", ended{status: exit(3)}, sandbox.Exited},
		{"killed by itself", ended{status: spawn.Killed}, sandbox.Signaled},
		{"crashed", ended{status: unix.WaitStatus(unix.SIGSEGV)}, sandbox.Signaled},
		{"killed by our clock", ended{cause: stopped(sandbox.Timeout), status: spawn.Killed}, sandbox.Timeout},
		{"flushed when our clock asked for it", ended{cause: stopped(sandbox.Timeout), status: exit(1)}, sandbox.Timeout},
		{"killed by our clock, out of memory as well", ended{cause: stopped(sandbox.Timeout), oom: true, status: spawn.Killed}, sandbox.Timeout},
		{"killed by the kernel for its memory", ended{oom: true, status: spawn.Killed}, sandbox.OOM},
		{"a child was killed for its memory and the program went on", ended{oom: true, status: exit(0)}, sandbox.Exited},
		{"crashed after a child was killed", ended{oom: true, status: unix.WaitStatus(unix.SIGSEGV)}, sandbox.Signaled},
		{"the client went away", ended{cause: stopped(sandbox.Cancelled), status: spawn.Killed}, sandbox.Cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.e.verdict(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
