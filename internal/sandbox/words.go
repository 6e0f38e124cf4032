package sandbox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	case CPULimit:
		return fmt.Sprintf("CPU time limit exceeded (%s second limit).", seconds(limits.CPUTime))
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

// Sentence returns what a learner should know of how the run ended: one sentence with the limit that was reached and its value, and
// one for each thing that may have made the program fail.
func (o *Outcome) Sentence(limits Limits) string {
	return strings.Join(append([]string{o.ending(limits)}, o.hints(limits)...), " ")
}

// hints returns sentences about what the sandbox kept from a program that did not succeed, and about output that is missing.
func (o *Outcome) hints(limits Limits) (hints []string) {
	if o.Verdict == Exited && o.ExitCode != 0 || o.Verdict == Signaled {
		if o.Refused > 0 {
			hints = append(hints, fmt.Sprintf("It could not start a process or thread, because it had %d, which is the limit.", limits.Pids))
		}
		if call, n := o.mostDenied(); n > 0 {
			hints = append(hints, fmt.Sprintf("%s: the program called %s %s.", strings.TrimSuffix(ExplainDenial(call), "."), call, times(n)))
		}
	}
	if len(o.Truncated()) > 0 {
		hints = append(hints, fmt.Sprintf("Output was dropped, because at most %s of a stream are kept.", size(limits.Output)))
	}
	return hints
}

// mostDenied returns the system call that was denied most often, of those with a name.
func (o *Outcome) mostDenied() (call string, n int) {
	for _, name := range slices.Sorted(maps.Keys(o.Denials)) {
		if name != DenialUnknown && name != DenialKilled && o.Denials[name] > n {
			call, n = name, o.Denials[name]
		}
	}
	return call, n
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}

// ending says how the run ended, in one sentence.
func (o *Outcome) ending(limits Limits) string {
	switch o.Verdict {
	case Exited:
		return fmt.Sprintf("The program ended by itself with exit code %d.", o.ExitCode)
	case Signaled:
		if means := learned[o.Signal]; means != "" {
			return fmt.Sprintf("The program was ended by signal %s: %s.", SignalName(o.Signal), means)
		}
		return fmt.Sprintf("The program was ended by signal %s.", SignalName(o.Signal))
	case Timeout:
		return fmt.Sprintf("The program was stopped after %s s of wall-clock time, which is the limit%s.", seconds(limits.Wall), o.where())
	case OOM:
		return fmt.Sprintf("The program was stopped because it needed more than %s of memory, which is the limit.", size(limits.Memory))
	case CPULimit:
		return fmt.Sprintf("The program was stopped after %s s of CPU time, which is the limit%s.", seconds(limits.CPUTime), o.where())
	case Rejected:
		return fmt.Sprintf("The program was not run, because the policy forbids what it does in line %d.", o.Findings[0].Line)
	case Cancelled:
		if o.Timing.Program == 0 {
			return "The program was not run, because its client cancelled it before."
		}
		return fmt.Sprintf("The program was stopped after %s s, because its client cancelled it.", seconds(o.Timing.Program.Round(time.Millisecond)))
	}
	return "The sandbox failed, not the program."
}

// where says in which line the program was.
func (o *Outcome) where() string {
	if o.Line == 0 {
		return ""
	}
	return fmt.Sprintf(", in line %d", o.Line)
}

// learned explains the signals that learners meet.
var learned = map[syscall.Signal]string{
	syscall.SIGABRT: "it, or a library that it uses, called abort()",
	syscall.SIGBUS:  "it accessed memory that does not exist",
	syscall.SIGFPE:  "it divided by zero in compiled code",
	syscall.SIGILL:  "it executed an instruction that this processor does not have",
	syscall.SIGINT:  "it was interrupted",
	syscall.SIGKILL: "it, or a process that it started, killed it",
	syscall.SIGSEGV: "it accessed memory that is not its own, or recursed too deeply in compiled code",
	syscall.SIGSYS:  "it made a system call for which the sandbox ends a program",
	syscall.SIGTERM: "it, or a process that it started, ended it",
	syscall.SIGXCPU: "it used all the processor time that a process may use",
	syscall.SIGXFSZ: "it wrote a file that is larger than the sandbox allows",
}

// ExplainDenial returns one sentence for a learner that says why a system call was denied. call is a key of Outcome.Denials.
func ExplainDenial(call string) string {
	for _, d := range denied {
		if slices.Contains(strings.Fields(d.calls), call) {
			return d.why
		}
	}
	return "The sandbox does not offer this system call."
}

// denied explains system calls, grouped by their purpose.
var denied = []struct{ calls, why string }{
	{"socket socketpair connect setsockopt sendto sendmsg sendmmsg recvfrom recvmmsg recvmsg", "There is no network in here."},
	{"ptrace kcmp process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_getfd", "A program cannot look into another process here."},
	{"mount umount umount2 mount_setattr move_mount open_tree fsopen fsmount fspick fsconfig pivot_root chroot swapon swapoff " +
		"quotactl quotactl_fd sysfs ustat sync syncfs nfsservctl", "A program cannot change the file systems here."},
	{"unshare setns clone", "A program cannot make a sandbox of its own inside of this one."},
	{"chown fchown lchown fchownat capget capset setuid setgid setreuid setregid setresuid setresgid setgroups setfsuid setfsgid",
		"There is only one user in here, so a program cannot change to another."},
	{"mknod mknodat", "A program cannot make devices here."},
	{"inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_init fanotify_mark", "A program cannot watch files here."},
	{"memfd_create memfd_secret userfaultfd", "A program can only use memory that the sandbox can count."},
	{"mmap madvise fadvise64 mincore migrate_pages move_pages remap_file_pages set_mempolicy pkey_alloc pkey_free pkey_mprotect",
		"The sandbox decides where memory comes from."},
	{"io_uring_setup io_uring_enter io_uring_register io_setup io_submit io_cancel io_destroy io_getevents io_pgetevents splice tee vmsplice",
		"This way of input and output is not offered here: use ordinary reads and writes."},
	{"fcntl ioctl pipe2", "This operation on an open file is not offered here."},
	{"execveat uselib", "A program is started from a file with a name here."},
	{"bpf perf_event_open lookup_dcookie syslog", "A program cannot look into the kernel here."},
	{"seccomp prctl personality", "A program cannot change how it is confined."},
	{"add_key keyctl request_key", "The kernel keeps no keys for programs here."},
	{"sched_setattr sched_setaffinity sched_setscheduler ioprio_set setpriority", "The sandbox decides how much of the machine a program gets."},
	{"settimeofday stime clock_settime clock_settime64 clock_adjtime clock_adjtime64 adjtimex sethostname setdomainname reboot acct vhangup bdflush",
		"A program cannot change the machine here."},
	{"init_module finit_module delete_module create_module query_module get_kernel_syms kexec_load kexec_file_load iopl ioperm " +
		"modify_ldt get_thread_area set_thread_area vm86 vm86old _sysctl", "A program cannot change the kernel here."},
	{"name_to_handle_at open_by_handle_at", "A program opens files by their names here."},
	{"rt_sigqueueinfo rt_tgsigqueueinfo", "A program cannot send signals with the id of another process here."},
	{"shmget shmat shmctl shmdt semget semop semctl semtimedop msgget msgsnd msgrcv msgctl " +
		"mq_open mq_unlink mq_notify mq_getsetattr mq_timedreceive mq_timedsend", "Shared memory, semaphores and message queues with names of the kernel are not offered here."},
	{"afs_syscall arch_prctl epoll_ctl_old epoll_wait_old futex get_robust_list getpmsg putpmsg security tuxcall vserver renameat2 readahead " +
		"sched_getattr signalfd signalfd4 sync_file_range", "This system call is not offered here: an older one does the same."},
	{DenialKilled, "The sandbox ended the program for a system call."},
	{DenialUnknown, "The program made a system call that the sandbox does not know."},
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
	case Timeout, CPULimit:
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
