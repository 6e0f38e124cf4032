package seccompprofiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Explanation describes a profile for an operator.
type Explanation struct {
	Instructions int     // BPF instructions
	Counts       []Count // system calls of the machine by kind of treatment
	Adds         []string
	TakesAway    []string
	Otherwise    []string // calls that both profiles deny, with another action
	Warnings     []string // dangerous allowed calls, and common calls whose denials would be counted
}

// Count is the number of system calls with one kind of treatment.
type Count struct {
	Kind  string
	Calls int
}

// Kinds of treatment of a system call, in the order in which they are printed.
const (
	kindAllowed     = "allowed"
	kindConditional = "allowed with certain arguments"
	kindEPERM       = "denied with EPERM"
	kindENOSYS      = "denied with ENOSYS"
	kindErrno       = "denied with another errno"
	kindKilled      = "killed or trapped"
)

var kinds = []string{kindAllowed, kindConditional, kindEPERM, kindENOSYS, kindErrno, kindKilled}

// Explain describes what a profile allows on this machine, and how it differs from the default profile. It compares rules as they are
// written, so two forms of the same rule count as a difference.
func Explain(f *Filter) (*Explanation, error) {
	m, err := native()
	if err != nil {
		return nil, err
	}
	base, err := Compile(Default)
	if err != nil {
		return nil, err
	}
	e := &Explanation{Instructions: len(f.Program)}
	ours, theirs := f.rules(), base.rules()
	calls := make(map[string]int)
	names := slices.DeleteFunc(m.names(), func(name string) bool { return name == "" })
	slices.Sort(names)
	for _, name := range names {
		calls[kindOf(ours[name], f.Fallback)]++
		e.compare(name, answers(ours[name], f.Fallback), answers(theirs[name], base.Fallback))
	}
	for _, kind := range kinds {
		e.Counts = append(e.Counts, Count{kind, calls[kind]})
	}
	for _, d := range dangers {
		if d.open(f, m) && !d.open(base, m) {
			e.Warnings = append(e.Warnings, d.call+": "+d.why)
		}
	}
	if f.Fallback.Errno() != unix.ENOSYS {
		e.Warnings = append(e.Warnings, fmt.Sprintf("defaultAction: %s: C libraries fall back to older calls only on ENOSYS", f.Fallback))
	}
	if loud := noisy(ours, theirs); len(loud) > 0 {
		e.Warnings = append(e.Warnings, "denied but not quiet, although common programs try them: "+strings.Join(loud, ", "))
	}
	return e, nil
}

// rules returns the rules of a filter by system call.
func (f *Filter) rules() map[string][]Rule {
	rules := make(map[string][]Rule, len(f.Syscalls))
	for _, s := range f.Syscalls {
		rules[s.Name] = s.Rules
	}
	return rules
}

func kindOf(rules []Rule, fallback Action) string {
	actions := []Action{}
	conditional := true
	for _, r := range rules {
		actions = append(actions, r.Action)
		if len(r.Args) == 0 {
			conditional = false
		}
	}
	if conditional {
		actions = append(actions, fallback)
	}
	has := func(errno unix.Errno) bool {
		return slices.ContainsFunc(actions, func(a Action) bool { return a.Errno() == errno })
	}
	switch {
	case slices.ContainsFunc(actions, Action.Allows):
		if conditional {
			return kindConditional
		}
		return kindAllowed
	case slices.ContainsFunc(actions, func(a Action) bool { return a.Errno() == 0 }):
		return kindKilled
	case has(unix.EPERM):
		return kindEPERM
	case has(unix.ENOSYS):
		return kindENOSYS
	}
	return kindErrno
}

// treatment describes the rules of one system call as text.
type treatment struct {
	allows []string // conditions of the rules that allow; "" for a rule without conditions
	denies []string
}

func answers(rules []Rule, fallback Action) (t treatment) {
	conditional := true
	for _, r := range rules {
		conditional = conditional && len(r.Args) > 0
		if r.Action.Allows() {
			t.allows = append(t.allows, strings.TrimPrefix(r.String(), r.Action.String()))
		} else {
			t.denies = append(t.denies, r.String())
		}
	}
	if conditional {
		t.denies = append(t.denies, fallback.String())
	}
	slices.Sort(t.allows)
	slices.Sort(t.denies)
	t.allows, t.denies = slices.Compact(t.allows), slices.Compact(t.denies)
	return t
}

// compare records how one call is treated differently from the default profile.
func (e *Explanation) compare(name string, ours, theirs treatment) {
	more, less := missing(ours.allows, theirs.allows), missing(theirs.allows, ours.allows)
	for _, conditions := range more {
		if conditions == "" && len(theirs.allows) > 0 {
			conditions = " with any arguments"
		}
		e.Adds = append(e.Adds, name+conditions)
	}
	for _, conditions := range less {
		e.TakesAway = append(e.TakesAway, name+conditions)
	}
	if len(more) == 0 && len(less) == 0 && !slices.Equal(ours.denies, theirs.denies) {
		e.Otherwise = append(e.Otherwise, fmt.Sprintf("%s: %s instead of %s", name,
			strings.Join(ours.denies, ", "), strings.Join(theirs.denies, ", ")))
	}
}

// missing returns the conditions in a under which b does not allow the call.
func missing(a, b []string) []string {
	if slices.Contains(b, "") {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a), func(conditions string) bool { return slices.Contains(b, conditions) })
}

// noisy returns calls that the default profile denies quietly, and this profile denies with a count.
func noisy(ours, theirs map[string][]Rule) []string {
	var names []string
	quiet := func(r Rule) bool { return r.Quiet }
	for name, rules := range theirs {
		if slices.ContainsFunc(rules, quiet) && !slices.ContainsFunc(ours[name], quiet) &&
			!slices.ContainsFunc(ours[name], func(r Rule) bool { return r.Action.Allows() }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// danger is a call that reaches a part of the kernel with a history of exploits, or that breaks an assumption of the jail.
type danger struct {
	call string
	args [6]uint64
	why  string
}

// open reports whether the filter allows the call.
func (d danger) open(f *Filter, m machine) bool {
	name, _, _ := strings.Cut(d.call, " ")
	i, found := slices.BinarySearchFunc(f.Syscalls, name, func(s Syscall, name string) int { return cmp.Compare(s.Name, name) })
	if !found {
		return f.Fallback.Allows()
	}
	action, err := f.Decide(m.audit, f.Syscalls[i].Number, d.args)
	return err == nil && action.Allows()
}

const (
	whyNamespaces = "a user namespace gives capabilities over the kernel's least tested code"
	whyMounts     = "mounts; FUSE and overlayfs are behind them"
	whyUring      = "io_uring: makes system calls that no filter sees"
	whyKeys       = "key rings: runs of one uid share them"
	whyIPC        = "System V IPC"
	whyQueues     = "POSIX message queues"
	whyMemory     = "memory and descriptors of other processes"
	whyModules    = "replaces the kernel, or parts of it"
	whyFilter     = "socket filters are BPF"
	whyTerminal   = "injects input into a terminal"
	whyPages      = "pipes that borrow pages (CVE-2022-0847)"
	whyUnseen     = "memory that no process maps: best effort does not limit it"
	whyChannel    = "watches what others do with a file: a channel between runs that share the file"
)

var dangers = []danger{
	{"clone with CLONE_NEWUSER", [6]uint64{unix.CLONE_NEWUSER}, whyNamespaces},
	{"clone with CLONE_NEWNET", [6]uint64{unix.CLONE_NEWNET}, "a new network namespace"},
	{"clone3", [6]uint64{}, whyNamespaces + ", and a filter cannot see its flags, which are in memory"},
	{"unshare", [6]uint64{unix.CLONE_NEWUSER}, whyNamespaces},
	{"setns", [6]uint64{3, unix.CLONE_NEWUSER}, whyNamespaces},
	{"mount", [6]uint64{}, whyMounts}, {"umount2", [6]uint64{}, whyMounts}, {"fsopen", [6]uint64{}, whyMounts},
	{"fsmount", [6]uint64{}, whyMounts}, {"open_tree", [6]uint64{}, whyMounts}, {"move_mount", [6]uint64{}, whyMounts},
	{"mount_setattr", [6]uint64{}, whyMounts}, {"fsconfig", [6]uint64{}, whyMounts},
	{"pivot_root", [6]uint64{}, "the root is made once, by the jail"}, {"chroot", [6]uint64{}, "the root is made once, by the jail"},
	{"open_by_handle_at", [6]uint64{}, "opens files past the mount namespace"},
	{"io_uring_setup", [6]uint64{}, whyUring}, {"io_uring_enter", [6]uint64{}, whyUring}, {"io_uring_register", [6]uint64{}, whyUring},
	{"io_setup", [6]uint64{}, "asynchronous I/O of the kernel"}, {"io_submit", [6]uint64{}, "asynchronous I/O of the kernel"},
	{"socket of AF_NETLINK", [6]uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, "nf_tables, net/sched"},
	{"socket of AF_PACKET", [6]uint64{unix.AF_PACKET, unix.SOCK_RAW}, "packet sockets"},
	{"socket of AF_ALG", [6]uint64{unix.AF_ALG, unix.SOCK_SEQPACKET}, "the kernel's cryptography"},
	{"socket of AF_VSOCK", [6]uint64{unix.AF_VSOCK, unix.SOCK_STREAM}, "connects to the hypervisor, past the network namespace"},
	{"socket of AF_XDP", [6]uint64{unix.AF_XDP, unix.SOCK_RAW}, "XDP"},
	{"socket of type SOCK_RAW", [6]uint64{unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP}, "raw sockets"},
	{"setsockopt of SO_ATTACH_FILTER", [6]uint64{0, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER}, whyFilter},
	{"setsockopt of SO_ATTACH_BPF", [6]uint64{0, unix.SOL_SOCKET, unix.SO_ATTACH_BPF}, whyFilter},
	{"setsockopt of SOL_IP", [6]uint64{0, unix.SOL_IP, 64}, "netfilter (CVE-2021-22555)"},
	{"setsockopt of TCP_ULP", [6]uint64{0, unix.SOL_TCP, unix.TCP_ULP}, "kernel TLS (CVE-2023-0461)"},
	{"bpf", [6]uint64{}, "BPF"}, {"perf_event_open", [6]uint64{}, "performance events"},
	{"userfaultfd", [6]uint64{}, "stops the kernel at a page fault, which many exploits use"},
	{"add_key", [6]uint64{}, whyKeys}, {"request_key", [6]uint64{}, whyKeys}, {"keyctl", [6]uint64{}, whyKeys},
	{"msgget", [6]uint64{}, whyIPC}, {"semget", [6]uint64{}, whyIPC}, {"shmget", [6]uint64{}, whyIPC},
	{"mq_open", [6]uint64{}, whyQueues}, {"mq_notify", [6]uint64{}, whyQueues},
	{"ptrace", [6]uint64{}, whyMemory}, {"process_vm_readv", [6]uint64{}, whyMemory}, {"process_vm_writev", [6]uint64{}, whyMemory},
	{"pidfd_getfd", [6]uint64{}, whyMemory}, {"kcmp", [6]uint64{}, whyMemory},
	{"init_module", [6]uint64{}, whyModules}, {"finit_module", [6]uint64{}, whyModules}, {"kexec_load", [6]uint64{}, whyModules},
	{"kexec_file_load", [6]uint64{}, whyModules},
	{"prctl of PR_SET_PDEATHSIG", [6]uint64{unix.PR_SET_PDEATHSIG}, "a run could survive its daemon"},
	{"prctl of PR_SET_SECCOMP", [6]uint64{unix.PR_SET_SECCOMP}, "BPF"}, {"seccomp", [6]uint64{1}, "BPF"},
	{"ioctl of TIOCSTI", [6]uint64{0, unix.TIOCSTI}, whyTerminal}, {"ioctl of TIOCLINUX", [6]uint64{0, 0x541c}, whyTerminal},
	{"ioctl of TIOCSTI with high bits", [6]uint64{0, unix.TIOCSTI | 1<<32}, whyTerminal + " (CVE-2019-10063): compare 32 bits"},
	{"ioctl of TIOCSETD", [6]uint64{0, unix.TIOCSETD}, "line disciplines (CVE-2017-2636)"},
	{"pipe2 of O_NOTIFICATION_PIPE", [6]uint64{0, unix.O_EXCL}, "watch queues (CVE-2022-0995)"},
	{"futex of FUTEX_LOCK_PI", [6]uint64{0, 6}, "priority inheritance (CVE-2014-3153, CVE-2021-3347)"},
	{"splice", [6]uint64{}, whyPages}, {"vmsplice", [6]uint64{}, whyPages}, {"tee", [6]uint64{}, whyPages},
	{"memfd_create", [6]uint64{}, whyUnseen}, {"memfd_secret", [6]uint64{}, whyUnseen},
	{"execveat", [6]uint64{}, "executes programs without a file, past noexec"},
	{"fcntl of F_SETLEASE", [6]uint64{0, unix.F_SETLEASE}, whyChannel}, {"fcntl of F_NOTIFY", [6]uint64{0, unix.F_NOTIFY}, whyChannel},
	{"mknodat of a device", [6]uint64{0, 0, unix.S_IFCHR}, "device nodes; overlayfs marks a deleted file with device 0:0 (CVE-2021-3493)"},
	{"renameat2 of RENAME_WHITEOUT", [6]uint64{0, 0, 0, 0, unix.RENAME_WHITEOUT}, "makes a device node"},
	{"prctl of PR_SET_DUMPABLE", [6]uint64{unix.PR_SET_DUMPABLE}, "hides the memory of a run from an unprivileged daemon, which limits it in best effort"},
	{"inotify_init1", [6]uint64{}, "shows what other runs do with a device node"},
	{"modify_ldt", [6]uint64{}, "segments of the x86"}, {"personality", [6]uint64{}, "address space layout"},
}
