package sandbox

import (
	"fmt"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Reason says in a sentence why a run ended, for whoever sent the program: "" where the program says so itself, since it
// ended by itself or python3 wrote a traceback.
func (o *Outcome) Reason(limits Limits) string {
	switch o.Verdict {
	case Timeout:
		return fmt.Sprintf("Code execution timed out (%s second limit).", seconds(limits.Wall))
	case OOM:
		return fmt.Sprintf("Memory limit exceeded (%s limit).", size(limits.Memory))
	case Cancelled:
		return fmt.Sprintf("Code execution was interrupted after %s seconds.", seconds(o.Timing.Program.Round(time.Millisecond)))
	case Signaled:
		if o.Signal != syscall.SIGINT { // python3 ends so after an uncaught KeyboardInterrupt, with a traceback
			return fmt.Sprintf("Program was killed by signal %s%s.", SignalName(o.Signal), meaning[o.Signal])
		}
	}
	return ""
}

// meaning says what a signal that needs it is a sign of, in a jail.
var meaning = map[syscall.Signal]string{
	syscall.SIGSYS:  " (it made a system call that the sandbox does not allow)",
	syscall.SIGXCPU: " (CPU time limit)",
	syscall.SIGXFSZ: " (file size limit)",
}

// Exit statuses that are not the program's own: those of timeout(1), and of a shell.
const (
	StatusTimeout = 124
	StatusRefused = 126
	StatusSignal  = 128 // and the number of the signal on top; 137 is out of memory as well
)

// ExitStatus is how a command that ran the program in its own place would exit.
func (o *Outcome) ExitStatus() int {
	switch o.Verdict {
	case Timeout:
		return StatusTimeout
	case Rejected:
		return StatusRefused
	case OOM:
		return StatusSignal + int(syscall.SIGKILL)
	case Cancelled:
		return StatusSignal + int(syscall.SIGINT)
	case Signaled:
		return StatusSignal + int(o.Signal)
	default:
		return o.ExitCode
	}
}

// Truncated names the streams of which bytes were dropped.
func (o *Outcome) Truncated() (streams []string) {
	if o.Stdout.Truncated() {
		streams = append(streams, "stdout")
	}
	if o.Stderr.Truncated() {
		streams = append(streams, "stderr")
	}
	return streams
}

// Start is how the run started, in a word: in a jail that waited for it, or in one that was made for it.
func (o *Outcome) Start() string {
	if o.Warm {
		return Warm
	}
	return Cold
}

// How runs start.
const (
	Warm = "warm"
	Cold = "cold"
)

// SignalName is a signal's name, such as SIGSEGV, or its number where it has none.
func SignalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	return strconv.Itoa(int(s))
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

func size(bytes int64) string {
	for _, u := range []struct {
		name string
		of   int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes >= u.of && bytes%u.of == 0 {
			return fmt.Sprintf("%d %s", bytes/u.of, u.name)
		}
	}
	return fmt.Sprintf("%d bytes", bytes)
}
