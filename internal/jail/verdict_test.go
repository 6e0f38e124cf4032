package jail

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestVerdict(t *testing.T) {
	const killed = unix.WaitStatus(unix.SIGKILL)
	exit := func(code int) unix.WaitStatus { return unix.WaitStatus(code << 8) }
	for _, tt := range []struct {
		name string
		e    ended
		want Verdict
	}{
		{"ends by itself", ended{status: exit(0)}, Exited},
		{"ends by itself with a status", ended{status: exit(3)}, Exited},
		{"killed by itself", ended{status: killed}, Signaled},
		{"crashed", ended{status: unix.WaitStatus(unix.SIGSEGV)}, Signaled},
		{"killed by our clock", ended{cause: Timeout, status: killed}, Timeout},
		{"flushed when our clock asked for it", ended{cause: Timeout, status: exit(1)}, Timeout},
		{"killed by our clock, out of memory as well", ended{cause: Timeout, oom: true, status: killed}, Timeout},
		{"killed by the kernel for its memory", ended{oom: true, status: killed}, OOM},
		{"a child was killed for its memory and the program went on", ended{oom: true, status: exit(0)}, Exited},
		{"crashed after a child was killed", ended{oom: true, status: unix.WaitStatus(unix.SIGSEGV)}, Signaled},
		{"the client went away", ended{cause: Cancelled, status: killed}, Cancelled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.e.verdict(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
