package sandbox

import (
	"fmt"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Reason returns one sentence that says why the run ended, for the author of the program. It is "" if the program ended by
// itself or by an uncaught KeyboardInterrupt, for which python3 has written a traceback.
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

// meaning explains signals that have a special cause in a jail.
var meaning = map[syscall.Signal]string{
	syscall.SIGSYS:  " (it made a system call that the sandbox does not allow)",
	syscall.SIGXCPU: " (CPU time limit)",
	syscall.SIGXFSZ: " (file size limit)",
}

// Exit statuses that are not the program's own, as in timeout(1) and in shells.
const (
	StatusTimeout = 124
	StatusRefused = 126
	StatusSignal  = 128 // and the number of the signal on top; 137 is out of memory as well
)

// ExitStatus returns the exit status of a command that runs the program, such as `sandboxd run`.
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

// Truncated returns the names of the streams that exceeded Limits.Output.
func (o *Outcome) Truncated() (streams []string) {
	if o.Stdout.Truncated() {
		streams = append(streams, "stdout")
	}
	if o.Stderr.Truncated() {
		streams = append(streams, "stderr")
	}
	return streams
}

// Start returns Warm or Cold.
func (o *Outcome) Start() string {
	if o.Warm {
		return Warm
	}
	return Cold
}

// Ways in which a run starts.
const (
	Warm = "warm" // in a waiting jail
	Cold = "cold" // in a jail that was made for the run
)

// SignalName returns the name of a signal, such as SIGSEGV, or its number if it has no name.
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
