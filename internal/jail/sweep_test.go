package jail_test

import (
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

var updateSweep = flag.Bool("update-sweep", false, "write testdata/sweep.*.golden anew")

// The range of system call numbers that the sweep tries. The highest number in Linux 6.18 is 470.
const sweepFirst, sweepLast = 0, 600

// revealing has arguments for calls that the filter allows only with some arguments, and neither with all zeros nor with all ones. The
// call must have no effect with these arguments. A test compares the list with the compiled profile, so that it is complete.
var revealing = map[string][]int64{
	"arch_prctl": {0x1002, -1}, // ARCH_SET_FS: EPERM for such an address
	"ioprio_set": {1, 0, 0},
	"prctl":      {unix.PR_GET_DUMPABLE, 0, 0, 0, 0},
	"ioctl":      {0, unix.TCGETS, 0},
	"setsockopt": {-1, unix.SOL_SOCKET, unix.SO_REUSEADDR, 0, 0},
	"socket":     {unix.AF_UNIX, unix.SOCK_STREAM, 0},
	"socketpair": {unix.AF_UNIX, unix.SOCK_STREAM, 0, 0},
}

// unfiltered lists calls on amd64 to which newer kernels apply no seccomp filter, because the kernel's own trampolines for user probes make
// them (seccomp_uprobe_exception in kernel/seccomp.c, since 6.14 and 6.18). Outside of a trampoline, uretprobe kills its caller with SIGILL
// and uprobe returns ENXIO.
var unfiltered = map[string]map[uint32]string{"amd64": {335: "uretprobe", 336: "uprobe"}}[runtime.GOARCH]

//go:embed testdata/sweep.py
var sweepProgram string

// The sweep makes every system call to find out which ones reach the kernel. It uses the default filter, but replaces each errno with one
// that the kernel never returns, so that answers of the filter are recognized. This also works under the filter of a systemd unit: of two
// filters that return an errno, the one that was installed last counts (seccomp(2)).
//
//lab:arm64 user
func TestSystemCallSweep(t *testing.T) {
	var attempts [][]int64
	for number := int64(sweepFirst); number <= sweepLast; number++ {
		attempts = append(attempts, []int64{number, 0, 0, 0, 0, 0, 0}, []int64{number, -1, -1, -1, -1, -1, -1})
		if args, ok := revealing[seccompprofiles.Name(uint32(number))]; ok {
			attempts = append(attempts, append([]int64{number}, args...))
		}
	}
	var reached []string
	for i, outcome := range sweep(t, attempts) {
		number := uint32(attempts[i][0])
		if name, ok := unfiltered[number]; ok && (outcome == "died" || outcome == enxio) {
			if attempts[i][1] == 0 {
				t.Logf("%s: this kernel lets it past every filter", name)
			}
			continue
		}
		name := seccompprofiles.Name(number)
		if name == "" {
			name = fmt.Sprintf("number %d", number)
		}
		if outcome.reachedKernel() && !slices.Contains(reached, name) {
			reached = append(reached, name)
		}
	}
	slices.Sort(reached)
	t.Logf("%d of the system calls %d to %d reach the kernel: %s", len(reached), sweepFirst, sweepLast, strings.Join(reached, " "))
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	if allowed := filter.Allowed(); !slices.Equal(reached, allowed) {
		t.Errorf("the profile allows\n%v\nand these reach the kernel\n%v", allowed, reached)
	}

	golden := filepath.Join("testdata", "sweep."+runtime.GOARCH+".golden")
	got := fmt.Sprintf("%d\n%s\n", len(reached), strings.Join(reached, "\n"))
	if *updateSweep {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want, err := os.ReadFile(golden); err != nil || got != string(want) {
		t.Errorf("%s differs (%v); if that is meant: go test -run %s -update-sweep ./internal/jail\ngot:\n%s", golden, err, t.Name(), got)
	}
}

// The filter denies the system calls of kernel subsystems that public exploits have used. Each case makes the calls of one subsystem.
//
//lab:arm64 user
func TestSubsystemsAreOutOfReach(t *testing.T) {
	const cloneUser = unix.CLONE_NEWUSER | int64(unix.SIGCHLD)
	type call []int64
	tests := []struct {
		name  string
		calls []call
	}{
		{"nf_tables", []call{{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, {unix.SYS_SOCKET, unix.AF_NETLINK | 1<<32, unix.SOCK_DGRAM, unix.NETLINK_NETFILTER}}},
		{"net/sched", []call{{unix.SYS_SOCKET, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE}, {unix.SYS_SOCKETPAIR, unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, 0}}},
		{"iptables", []call{{unix.SYS_SETSOCKOPT, -1, unix.SOL_IP, 64, 0, 0}, {unix.SYS_SETSOCKOPT, -1, unix.SOL_IPV6, 64, 0, 0}}},
		{"io_uring", []call{{unix.SYS_IO_URING_SETUP, 1, 0}, {unix.SYS_IO_URING_ENTER, -1, 0, 0, 0}, {unix.SYS_IO_URING_REGISTER, -1, 0, 0, 0}}},
		{"AF_VSOCK", []call{{unix.SYS_SOCKET, unix.AF_VSOCK, unix.SOCK_STREAM, 0}, {unix.SYS_SOCKETPAIR, unix.AF_VSOCK, unix.SOCK_STREAM, 0, 0}}},
		{"AF_PACKET", []call{{unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_RAW, 0}, {unix.SYS_SOCKET, unix.AF_PACKET, unix.SOCK_DGRAM, 0}, {unix.SYS_SETSOCKOPT, -1, unix.SOL_PACKET, 5, 0, 0}}},
		{"AF_ALG", []call{{unix.SYS_SOCKET, unix.AF_ALG, unix.SOCK_SEQPACKET, 0}, {unix.SYS_SETSOCKOPT, -1, unix.SOL_ALG, 1, 0, 0}}},
		{"bpf", []call{{unix.SYS_BPF, 0, 0, 0}, {unix.SYS_SETSOCKOPT, -1, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, 0, 0}, {unix.SYS_SETSOCKOPT, -1, unix.SOL_SOCKET, unix.SO_ATTACH_BPF, 0, 0}, {unix.SYS_SECCOMP, 1, 0, 0}, {unix.SYS_PRCTL, unix.PR_SET_SECCOMP, 2, 0}}},
		{"perf", []call{{unix.SYS_PERF_EVENT_OPEN, 0, 0, -1, -1, 0}}},
		{"key rings", []call{{unix.SYS_ADD_KEY, 0, 0, 0, 0, 0}, {unix.SYS_REQUEST_KEY, 0, 0, 0, 0}, {unix.SYS_KEYCTL, 0, -3, 1}}},
		{"userfaultfd", []call{{unix.SYS_USERFAULTFD, 0}, {unix.SYS_USERFAULTFD, 1}}},
		{"user namespaces", []call{{unix.SYS_CLONE, cloneUser}, {unix.SYS_CLONE, cloneUser | 1<<32}, {unix.SYS_CLONE3, 0, 0}, {unix.SYS_UNSHARE, unix.CLONE_NEWUSER}, {unix.SYS_SETNS, -1, unix.CLONE_NEWUSER}}},
		{"FUSE and overlayfs", []call{{unix.SYS_MOUNT, 0, 0, 0, 0, 0}, {unix.SYS_FSOPEN, 0, 0}, {unix.SYS_FSCONFIG, -1, 0, 0, 0, 0}, {unix.SYS_FSMOUNT, -1, 0, 0}, {unix.SYS_FSPICK, -1, 0, 0}, {unix.SYS_OPEN_TREE, -1, 0, 0}, {unix.SYS_OPEN_TREE_ATTR, -1, 0, 0}, {unix.SYS_MOVE_MOUNT, -1, 0, -1, 0, 0}, {unix.SYS_MOUNT_SETATTR, -1, 0, 0, 0, 0}}},
		{"System V IPC", []call{{unix.SYS_MSGGET, 0, 0o1600}, {unix.SYS_SEMGET, 0, 1, 0o1600}, {unix.SYS_SHMGET, 0, 4096, 0o1600}, {unix.SYS_SHMAT, -1, 0, 0}, {unix.SYS_MSGSND, -1, 0, 0, 0}, {unix.SYS_SEMTIMEDOP, -1, 0, 0, 0}}},
		{"POSIX message queues", []call{{unix.SYS_MQ_OPEN, 0, 0, 0, 0}, {unix.SYS_MQ_UNLINK, 0}, {unix.SYS_MQ_NOTIFY, -1, 0}}},
		{"asynchronous I/O", []call{{unix.SYS_IO_SETUP, 1, 0}, {unix.SYS_IO_SUBMIT, 0, 0, 0}}},
		{"modules and kexec", []call{{unix.SYS_INIT_MODULE, 0, 0, 0}, {unix.SYS_FINIT_MODULE, -1, 0, 0}, {unix.SYS_KEXEC_LOAD, 0, 0, 0, 0}}},
		{"watch queues", []call{{unix.SYS_PIPE2, 0, unix.O_EXCL}}},
	}
	var attempts [][]int64
	for _, tt := range tests {
		for _, c := range tt.calls {
			attempts = append(attempts, c)
		}
	}
	outcomes := sweep(t, attempts)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, c := range tt.calls {
				if outcomes[0].reachedKernel() {
					t.Errorf("%s%#x reaches the kernel: %s", seccompprofiles.Name(uint32(c[0])), c[1:], outcomes[0])
				}
				outcomes = outcomes[1:]
			}
		})
	}
	// The devices of these subsystems do not exist either.
	got := jailtest.Output(t, jailtest.New(t, nil), `
import os
print([d for d in ("fuse", "vsock", "userfaultfd", "net/tun", "kvm", "vhost-net", "vhost-vsock", "mqueue", "dri", "snd", "input") if os.path.lexists("/dev/" + d)])`)
	if got != "[]\n" {
		t.Errorf("devices %s", got)
	}
}

// filterErrno is an errno that the kernel never returns. The kernel's errnos end at 133, and its internal ones at 530.
const filterErrno = 3999

const enxio = outcome("6")

// outcome is the result of a call: an errno, "died", "SIGSYS" or "not tried". See sweep.py.
type outcome string

// reachedKernel reports whether the call was answered by the kernel and not by the filter. The filter answers with filterErrno or SIGSYS.
func (o outcome) reachedKernel() bool { return o != outcome(fmt.Sprint(filterErrno)) && o != "SIGSYS" }

// sweep makes system calls in a jail, each in a separate process.
func sweep(t *testing.T, attempts [][]int64) []outcome {
	t.Helper()
	j := jailtest.New(t, func(c *jail.Config) {
		c.Filter = slices.Clone(c.Filter)
		for i, ins := range c.Filter {
			action := ins.K & unix.SECCOMP_RET_ACTION_FULL
			if ins.Code == unix.BPF_RET|unix.BPF_K && (action == unix.SECCOMP_RET_ERRNO || action == unix.SECCOMP_RET_USER_NOTIF) {
				c.Filter[i].K = unix.SECCOMP_RET_ERRNO | filterErrno
			}
		}
		c.Limits.Wall = 2 * time.Minute
	})
	list, err := json.Marshal(attempts)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(jailtest.Output(t, j, "ATTEMPTS = "+string(list)+"\n"+sweepProgram)), "\n")
	if len(lines) != len(attempts) {
		t.Fatalf("%d answers to %d calls", len(lines), len(attempts))
	}
	outcomes := make([]outcome, len(lines))
	for i, line := range lines {
		number, what, _ := strings.Cut(line, "\t")
		if number != fmt.Sprint(attempts[i][0]) || what == "not tried" {
			t.Fatalf("call %#x: %q", attempts[i], line)
		}
		outcomes[i] = outcome(what)
	}
	return outcomes
}
