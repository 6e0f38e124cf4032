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
	// Program is what seccomp(2) loads, in the byte order of the machine, at most BPF_MAXINSNS
	// (4,096) instructions. What is denied and counted it returns as SECCOMP_RET_USER_NOTIF
	// with the errno as its data, of which the kernel takes no notice: whoever serves the listener
	// gives that errno for an answer. Without a listener the kernel's own is ENOSYS: see Silent.
	Program []unix.SockFilter
	// Fallback is the answer to a call that no rule matches.
	Fallback Action
	// Syscalls are those that the profile has rules for and the machine has, by name.
	Syscalls []Syscall
}

// Syscall is a system call with all of its rules. They never disagree, so their order does not matter.
type Syscall struct {
	Name   string
	Number uint32
	Rules  []Rule
}

// Rule is one answer, given when all of Args are met.
type Rule struct {
	Action  Action
	Args    []specs.LinuxSeccompArg
	Comment string // the reason, from the profile

	// Quiet is set for an errno that the kernel returns by itself, and nobody counts: of calls that
	// C libraries and interpreters try as a matter of course and do without.
	Quiet bool
}

// returns is what the program returns for the rule.
func (r Rule) returns() Action {
	if r.Quiet {
		return r.Action
	}
	return r.Action.counted()
}

// String names the answer and the conditions, for errors and explanations.
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

// Allowed lists the calls that can reach the kernel, if only with certain arguments, by name.
func (f *Filter) Allowed() []string {
	var names []string
	for _, s := range f.Syscalls {
		if slices.ContainsFunc(s.Rules, func(r Rule) bool { return r.Action.Allows() }) {
			names = append(names, s.Name)
		}
	}
	return names
}

// Decide runs the program on a call, and says what the profile has for an answer, whoever gives it.
// The architecture is an AUDIT_ARCH_*.
func (f *Filter) Decide(arch, number uint32, args [6]uint64) (Action, error) {
	a, err := run(f.Program, arch, number, args)
	return a.silent(), err
}

// Silent is the program for somebody who serves no listener: all answers are the kernel's.
func (f *Filter) Silent() []unix.SockFilter {
	program := slices.Clone(f.Program)
	for i, ins := range program {
		if ins.Code == unix.BPF_RET|unix.BPF_K {
			program[i].K = uint32(Action(ins.K).silent())
		}
	}
	return program
}

// Action is what a filter returns: SECCOMP_RET_* and, in the lower 16 bits, its data (seccomp(2)).
type Action uint32

// Allows reports whether the kernel goes on with the call.
func (a Action) Allows() bool {
	return a == unix.SECCOMP_RET_ALLOW || a == unix.SECCOMP_RET_LOG
}

// Errno is what the call returns instead of being done, or 0 where that is not the action.
func (a Action) Errno() unix.Errno {
	switch a & unix.SECCOMP_RET_ACTION_FULL {
	case unix.SECCOMP_RET_ERRNO, unix.SECCOMP_RET_USER_NOTIF:
		return unix.Errno(a & unix.SECCOMP_RET_DATA)
	}
	return 0
}

// counted is the action with its errno, if it has one, given by the listener.
func (a Action) counted() Action {
	if errno := a.Errno(); errno != 0 {
		return unix.SECCOMP_RET_USER_NOTIF | Action(errno)
	}
	return a
}

// silent is the action with its errno, if it has one, given by the kernel.
func (a Action) silent() Action {
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

// unmark makes counted actions of those that scmp marked.
func unmark(program []unix.SockFilter) {
	for i, ins := range program {
		if a := Action(ins.K); ins.Code == unix.BPF_RET|unix.BPF_K && a&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_TRACE {
			program[i].K = unix.SECCOMP_RET_USER_NOTIF | ins.K&unix.SECCOMP_RET_DATA
		}
	}
}

// firstNew is the first of the numbers that all architectures share, given out since Linux 5.1. That
// such a call is not there is nothing that a program has to be told: ENOSYS for it is quiet. So it
// also stays ENOSYS where another filter lies below, a systemd unit's or a container's, which knows it
// no better and says EPERM: of two errnos that of the filter loaded last counts, but any errno
// outranks a notification (seccomp(2)).
const firstNew = unix.SYS_PIDFD_SEND_SIGNAL

// answerTo is what a program returns for a number where the rules say a.
func (a Action) answerTo(number uint32) Action {
	if number >= firstNew && a.Errno() == unix.ENOSYS {
		return a.silent()
	}
	return a
}

// quietNew has a program return ENOSYS in silence for new calls, all of which lead to the same few
// instructions at its end.
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
		unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the number
		unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K, K: firstNew, Jf: 1},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: counted})
}

// libseccomp's name for the action. A counted errno goes through it as data of SECCOMP_RET_TRACE,
// which no profile may have: of SECCOMP_RET_USER_NOTIF it would drop the data.
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
