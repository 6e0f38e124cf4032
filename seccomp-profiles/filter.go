package seccompprofiles

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Filter is a compiled profile.
type Filter struct {
	// Program is the program for seccomp(2), in the byte order of the machine, with at most BPF_MAXINSNS (4,096)
	// instructions. For a denial that is counted it returns SECCOMP_RET_USER_NOTIF with the errno as its data. The kernel
	// ignores the data: the process that serves the listener must answer with that errno. Data 0 is an announcement: see
	// announce. Without a listener the kernel returns ENOSYS for both, unless inside.Silence has changed the program.
	Program []unix.SockFilter
	// Fallback is the action for a call that no rule matches.
	Fallback Action
	// Syscalls are the system calls that have rules and exist on the machine, sorted by name.
	Syscalls []Syscall
}

// Syscall is a system call with all of its rules. Their order does not matter, because they never contradict each other.
type Syscall struct {
	Name   string
	Number uint32
	Rules  []Rule
}

// Rule is an action for calls that meet all conditions in Args.
type Rule struct {
	Action  Action
	Args    []specs.LinuxSeccompArg
	Comment string // the reason, from the profile

	// Quiet is set if the kernel returns the errno itself and the denial is not counted. It is for calls that C libraries
	// and interpreters commonly try and do without.
	Quiet bool
}

// returns is the action in the program for the rule.
func (r Rule) returns() Action {
	if r.Quiet {
		return r.Action
	}
	return r.Action.counted()
}

// String returns the action and the conditions, for errors and explanations.
func (r Rule) String() string {
	action := r.Action.String()
	if r.Quiet {
		action += " (quiet)"
	}
	if len(r.Args) == 0 {
		return action
	}
	var conditions []string
	for _, a := range r.Args {
		op := strings.TrimPrefix(string(a.Op), "SCMP_CMP_")
		if a.Op == specs.OpMaskedEqual {
			conditions = append(conditions, fmt.Sprintf("args[%d]&%#x == %#x", a.Index, a.Value, a.ValueTwo))
		} else {
			conditions = append(conditions, fmt.Sprintf("args[%d] %s %#x", a.Index, op, a.Value))
		}
	}
	return action + " if " + strings.Join(conditions, " and ")
}

// Allowed returns the names of the calls that are allowed, at least with some arguments, sorted.
func (f *Filter) Allowed() []string {
	var names []string
	for _, s := range f.Syscalls {
		if slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.Action.Allows() }) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Decide runs the program for a call and returns the action of the profile. A counted errno is returned as an ordinary errno, and an
// announcement as SECCOMP_RET_ALLOW. arch is an AUDIT_ARCH_* constant.
func (f *Filter) Decide(arch, number uint32, args [6]uint64) (Action, error) {
	a, err := run(f.Program, arch, number, args)
	return a.silent(), err
}

// Silent returns the program for use without a listener: the kernel returns every errno itself.
func (f *Filter) Silent() []unix.SockFilter {
	program := slices.Clone(f.Program)
	for i, ins := range program {
		if ins.Code == unix.BPF_RET|unix.BPF_K {
			program[i].K = uint32(Action(ins.K).silent())
		}
	}
	return program
}

// Action is the return value of a filter: SECCOMP_RET_* with data in the lower 16 bits (seccomp(2)).
type Action uint32

// Allows reports whether the kernel executes the call.
func (a Action) Allows() bool {
	return a == unix.SECCOMP_RET_ALLOW || a == unix.SECCOMP_RET_LOG
}

// Errno returns the errno of a denied call. It is 0 if the action returns no errno.
func (a Action) Errno() unix.Errno {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ERRNO, unix.SECCOMP_RET_USER_NOTIF:
		return unix.Errno(a & unix.SECCOMP_RET_DATA)
	}
	return 0
}

// counted returns the action in which the listener gives the errno, if there is one.
func (a Action) counted() Action {
	if errno := a.Errno(); errno != 0 {
		return unix.SECCOMP_RET_USER_NOTIF | Action(errno)
	}
	return a
}

// silent returns the action that is the same for the program and has no notification.
func (a Action) silent() Action {
	if a == announcement {
		return unix.SECCOMP_RET_ALLOW
	}
	if errno := a.Errno(); errno != 0 {
		return unix.SECCOMP_RET_ERRNO | Action(errno)
	}
	return a
}

func (a Action) String() string {
	if errno := a.Errno(); errno != 0 {
		name := unix.ErrnoName(errno)
		if name == "" {
			name = fmt.Sprintf("errno %d", errno)
		}
		return name
	}
	switch a {
	case unix.SECCOMP_RET_ALLOW:
		return "allow"
	case unix.SECCOMP_RET_LOG:
		return "log"
	case unix.SECCOMP_RET_TRAP:
		return "trap"
	case unix.SECCOMP_RET_KILL_PROCESS:
		return "kill process"
	}
	return fmt.Sprintf("action %#x", uint32(a))
}

// unmark replaces the actions that scmp marked by counted ones.
func unmark(program []unix.SockFilter) {
	for i, ins := range program {
		if a := Action(ins.K); ins.Code == unix.BPF_RET|unix.BPF_K && a&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_TRACE {
			program[i].K = unix.SECCOMP_RET_USER_NOTIF | ins.K&unix.SECCOMP_RET_DATA
		}
	}
}

// firstNew is the first of the system call numbers that are the same on all architectures, which were introduced in Linux 5.1. ENOSYS for
// a newer call is quiet, for two reasons. It is no information for a program that such a call does not exist. And with a notification,
// another filter around the daemon (of a systemd unit or a container) that does not know the call and returns EPERM would win: any errno
// has precedence over a notification, but of two errnos that of the filter loaded last counts (seccomp(2)).
const firstNew = unix.SYS_PIDFD_SEND_SIGNAL

// answerTo returns the action of the program for a number if the rules say a.
func (a Action) answerTo(number uint32) Action {
	if number >= firstNew && a.Errno() == unix.ENOSYS {
		return a.silent()
	}
	return a
}

// quietNew changes a program so that it returns ENOSYS without a notification for new calls. All places that return a counted ENOSYS jump
// to the same few instructions at the end.
func quietNew(program []unix.SockFilter) []unix.SockFilter {
	const counted = unix.SECCOMP_RET_USER_NOTIF | uint32(unix.ENOSYS)
	end, found := len(program), false
	for i, ins := range program {
		if ins.Code == unix.BPF_RET|unix.BPF_K && ins.K == counted {
			program[i] = unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(end - i - 1)}
			found = true
		}
	}
	if !found {
		return program
	}
	return append(program,
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // load the number of the call
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: firstNew, Jf: 1},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: counted})
}

// scmp returns libseccomp's name for the action. libseccomp drops the data of SECCOMP_RET_USER_NOTIF, so a counted errno is passed as data
// of SECCOMP_RET_TRACE, which no profile may contain. unmark replaces it.
func (a Action) scmp() seccomp.ScmpAction {
	switch a {
	case unix.SECCOMP_RET_ALLOW:
		return seccomp.ActAllow
	case unix.SECCOMP_RET_LOG:
		return seccomp.ActLog
	case unix.SECCOMP_RET_TRAP:
		return seccomp.ActTrap
	case unix.SECCOMP_RET_KILL_PROCESS:
		return seccomp.ActKillProcess
	}
	if a == a.counted() {
		return seccomp.ActTrace.SetReturnCode(int16(a.Errno()))
	}
	return seccomp.ActErrno.SetReturnCode(int16(a.Errno()))
}
