package seccompprofiles

import (
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// TestCountedAndQuiet checks what the program returns for a denial: the errno, or a notification with the errno as its data.
func TestCountedAndQuiet(t *testing.T) {
	f := defaultFilter(t)
	m, err := native()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		call string
		args [6]uint64
		want Action
	}{
		{"read", [6]uint64{}, unix.SECCOMP_RET_ALLOW},
		{"bpf", [6]uint64{}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.EPERM)},
		{"readahead", [6]uint64{}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.ENOSYS)},
		{"ioctl", [6]uint64{0, 1}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.ENOSYS)},
		{"process_madvise", [6]uint64{}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.EPERM)},
		{"landlock_create_ruleset", [6]uint64{}, unix.SECCOMP_RET_ERRNO | Action(unix.ENOSYS)},
		{"io_uring_setup", [6]uint64{}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.EPERM)},
		{"rseq", [6]uint64{}, unix.SECCOMP_RET_ERRNO | Action(unix.ENOSYS)},
		{"clone3", [6]uint64{}, unix.SECCOMP_RET_ERRNO | Action(unix.ENOSYS)},
		{"setxattr", [6]uint64{}, unix.SECCOMP_RET_ERRNO | Action(unix.ENOTSUP)},
		{"mbind", [6]uint64{}, unix.SECCOMP_RET_ERRNO | Action(unix.EPERM)},
		{"socket", [6]uint64{unix.AF_NETLINK}, unix.SECCOMP_RET_ERRNO | Action(unix.ENOTSUP)},
		{"prctl", [6]uint64{unix.PR_SET_NAME}, unix.SECCOMP_RET_ALLOW},
		{"prlimit64", [6]uint64{1: unix.RLIMIT_STACK}, announcement},
		{"prlimit64", [6]uint64{1: unix.RLIMIT_STACK, 3: 1 << 40}, announcement},
		{"prlimit64", [6]uint64{1, unix.RLIMIT_STACK}, unix.SECCOMP_RET_ALLOW},
		{"prlimit64", [6]uint64{1: unix.RLIMIT_NOFILE}, unix.SECCOMP_RET_ALLOW},
		{"prlimit64", [6]uint64{1: unix.RLIMIT_STACK, 2: 1}, unix.SECCOMP_RET_ALLOW},
		{"prlimit64", [6]uint64{1: unix.RLIMIT_STACK, 2: 1 << 32}, unix.SECCOMP_RET_ALLOW},
		{"prctl", [6]uint64{unix.PR_SET_PDEATHSIG}, unix.SECCOMP_RET_USER_NOTIF | Action(unix.EPERM)},
	} {
		t.Run(fmt.Sprintf("%s%#x", tt.call, tt.args), func(t *testing.T) {
			got, err := run(f.Program, m.audit, number(t, tt.call), tt.args)
			if err != nil || got != tt.want {
				t.Errorf("returns %#x, want %#x, %v", uint32(got), uint32(tt.want), err)
			}
			if got, err = run(f.Silent(), m.audit, number(t, tt.call), tt.args); err != nil || got != tt.want.silent() {
				t.Errorf("silent: returns %#x, want %#x, %v", uint32(got), uint32(tt.want.silent()), err)
			}
			if got, err = f.Decide(m.audit, number(t, tt.call), tt.args); err != nil || got != tt.want.silent() {
				t.Errorf("decides on %s, want %s, %v", got, tt.want, err)
			}
		})
	}
	if got := mustCompile(t, `{"extends":"default"}`); !slices.Equal(got.Program, f.Program) {
		t.Error("a profile that extends the default by nothing is another one")
	}
}

func TestNamesOfCountedCalls(t *testing.T) {
	counted := Counted(defaultFilter(t).Program)
	for _, name := range []string{"bpf", "readahead", "ioctl", "socket", "prctl", "clone", "rseq"} {
		if want := name != "rseq"; slices.Contains(counted, name) != want {
			t.Errorf("%s counted: %v", name, !want)
		}
	}
	for _, name := range []string{"read", "rseq", "clone3", "lsetxattr", "", "execve", "mseal", "landlock_add_rule", "prlimit64"} {
		if slices.Contains(counted, name) {
			t.Errorf("%q is among what is counted", name)
		}
	}
	for number, want := range map[uint32]string{number(t, "read"): "read", unix.SYS_MSEAL: "mseal", 900: "", x32Bit: "", ^uint32(0): ""} {
		if got := Name(number); got != want {
			t.Errorf("%d is %q, want %q", number, got, want)
		}
	}
}

// When a filter is loaded, the kernel finds the calls that are allowed whatever the arguments, and then does not run the program for them
// (seccomp_is_const_allow of kernel/seccomp.c). It finds a call only if the path to its answer depends on the number and the architecture
// alone.
func TestKernelSkipsTheFilterForAllowedCalls(t *testing.T) {
	f := defaultFilter(t)
	m, err := native()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Syscalls {
		if s.Name == "prlimit64" { // announcements depend on its arguments
			continue
		}
		if len(s.Rules) == 1 && len(s.Rules[0].Args) == 0 && s.Rules[0].Action == unix.SECCOMP_RET_ALLOW &&
			!constAllow(f.Program, m.audit, s.Number) {
			t.Errorf("the kernel does not see that %s is always allowed", s.Name)
		}
	}
}

// constAllow runs the program like the kernel's check: it denies at every load of an argument.
func constAllow(program []unix.SockFilter, arch, number uint32) bool {
	program = slices.Clone(program)
	for i, ins := range program {
		if ins.Code == unix.BPF_LD|unix.BPF_W|unix.BPF_ABS && ins.K > 4 {
			program[i] = unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS}
		}
	}
	action, err := run(program, arch, number, [6]uint64{})
	return err == nil && action == unix.SECCOMP_RET_ALLOW
}

func mustCompile(t *testing.T, profile string) *Filter {
	t.Helper()
	f, err := Compile([]byte(profile))
	if err != nil {
		t.Fatal(err)
	}
	return f
}
