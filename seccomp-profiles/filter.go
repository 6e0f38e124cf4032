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
	// (4,096) instructions.
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
}

// String names the answer and the conditions, for errors and explanations.
func (r Rule) String() string {
	if len(r.Args) == 0 {
		return r.Action.String()
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
	return r.Action.String() + " if " + strings.Join(conditions, " and ")
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

// Decide runs the program on a call as the kernel would. The architecture is an AUDIT_ARCH_*.
func (f *Filter) Decide(arch, number uint32, args [6]uint64) (Action, error) {
	return run(f.Program, arch, number, args)
}

// Action is what a filter returns: SECCOMP_RET_* and, in the lower 16 bits, its data (seccomp(2)).
type Action uint32

// Allows reports whether the kernel goes on with the call.
func (a Action) Allows() bool {
	return a == unix.SECCOMP_RET_ALLOW || a == unix.SECCOMP_RET_LOG
}

// Errno is what the call returns instead of being done, or 0 where that is not the action.
func (a Action) Errno() unix.Errno {
	if a&unix.SECCOMP_RET_ACTION_FULL != unix.SECCOMP_RET_ERRNO {
		return 0
	}
	return unix.Errno(a & unix.SECCOMP_RET_DATA)
}

func (a Action) String() string {
	if errno := a.Errno(); errno != 0 {
		if name := unix.ErrnoName(errno); name != "" {
			return name
		}
		return fmt.Sprintf("errno %d", errno)
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

// libseccomp's name for the action.
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
	return seccomp.ActErrno.SetReturnCode(int16(a.Errno()))
}
