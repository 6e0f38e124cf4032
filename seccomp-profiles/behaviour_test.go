package seccompprofiles

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/testenv"
	"golang.org/x/sys/unix"
)

const (
	ok      = ""
	sigsys  = "SIGSYS"
	badFD   = ^uint64(0)
	highBit = 1 << 32 // a bit of the register that the kernel ignores if the argument is an int
)

// TestDefaultProfileAnswers makes each of these calls under the default profile. If the filter allows a call, its arguments make the
// kernel refuse it (EBADF, EFAULT, EINVAL), so that it has no effect.
//
//lab:arm64 root
func TestDefaultProfileAnswers(t *testing.T) {
	const (
		afUnix, afInet, afInet6   = unix.AF_UNIX, unix.AF_INET, unix.AF_INET6
		stream, dgram             = unix.SOCK_STREAM, unix.SOCK_DGRAM
		cloexec, nonblock         = unix.SOCK_CLOEXEC, unix.SOCK_NONBLOCK
		solSocket, tcp            = unix.SOL_SOCKET, unix.IPPROTO_TCP
		futexLockPI, futexPrivate = 6, 128
	)
	tests := []struct {
		call string
		args []uint64
		want string
	}{
		{"getpid", nil, ok},
		{"getpid", []uint64{1, 2, 3, 4, 5, 6}, ok},

		// CLONE_SIGHAND without CLONE_VM is EINVAL to the kernel
		{"clone", []uint64{unix.CLONE_SIGHAND}, "EINVAL"},
		{"clone", []uint64{unix.CLONE_SIGHAND | highBit}, "EINVAL"},
		{"clone", []uint64{unix.CLONE_NEWNS}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWCGROUP}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWUTS}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWIPC}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWUSER}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWPID}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWNET}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWTIME}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWUSER | unix.CLONE_NEWNET | uint64(unix.SIGCHLD)}, "EPERM"},
		{"clone", []uint64{unix.CLONE_NEWUSER | highBit | unix.CLONE_SIGHAND}, "EPERM"},
		{"clone3", nil, "ENOSYS"},
		{"unshare", []uint64{0}, "EPERM"},
		{"unshare", []uint64{unix.CLONE_NEWUSER}, "EPERM"},
		{"setns", []uint64{badFD}, "EPERM"},
		{"chroot", nil, "EPERM"},
		{"pivot_root", nil, "EPERM"},

		{"ioctl", []uint64{badFD, unix.TCGETS}, "EBADF"},
		{"ioctl", []uint64{badFD, unix.TCGETS | highBit}, "EBADF"},
		{"ioctl", []uint64{badFD, 0x5421}, "EBADF"},
		{"ioctl", []uint64{badFD, unix.TIOCSTI}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.TIOCSTI | highBit}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.TIOCSTI | 0xdeadbeef<<32}, "EPERM"},
		{"ioctl", []uint64{badFD, 0x541c}, "EPERM"},
		{"ioctl", []uint64{badFD, 0x541c | highBit}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.TIOCSETD}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.SIOCGIFHWADDR}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.SIOCGIFHWADDR | highBit}, "EPERM"},
		{"ioctl", []uint64{badFD, 0xc020660b}, "ENOSYS"}, // FS_IOC_FIEMAP
		{"ioctl", []uint64{badFD, unix.TIOCGPGRP}, "EBADF"},
		{"ioctl", []uint64{badFD, unix.TIOCSCTTY}, "EPERM"},
		{"ioctl", []uint64{badFD, unix.FICLONE}, "ENOTSUP"},

		{"socket", []uint64{afUnix, stream, 0}, ok},
		{"socket", []uint64{afUnix, dgram | cloexec | nonblock, 0}, ok},
		{"socket", []uint64{afUnix | highBit, stream | highBit, highBit}, ok},
		{"socket", []uint64{afInet, stream, 0}, ok},
		{"socket", []uint64{afInet, stream | cloexec, tcp}, ok},
		{"socket", []uint64{afInet, dgram, unix.IPPROTO_UDP}, ok},
		{"socket", []uint64{afInet, stream, unix.IPPROTO_SCTP}, "ENOSYS"},
		{"socket", []uint64{afInet, stream, unix.IPPROTO_MPTCP}, "ENOSYS"},
		{"socket", []uint64{afInet, dgram, unix.IPPROTO_ICMP}, "ENOSYS"},
		{"socket", []uint64{afInet, unix.SOCK_RAW, unix.IPPROTO_ICMP}, "EPERM"},
		{"socket", []uint64{afInet, unix.SOCK_RAW | cloexec, unix.IPPROTO_RAW}, "EPERM"},
		{"socket", []uint64{afInet6, unix.SOCK_RAW, unix.IPPROTO_ICMPV6}, "EPERM"},
		{"socket", []uint64{afInet, unix.SOCK_DCCP, 0}, "EPERM"},
		{"socket", []uint64{afUnix, unix.SOCK_SEQPACKET, 0}, ok},
		{"socket", []uint64{afUnix, unix.SOCK_RAW, 0}, "EPERM"},
		{"socket", []uint64{afUnix, unix.SOCK_RDM, 0}, "EPERM"},
		{"socket", []uint64{afUnix, unix.SOCK_DCCP, 0}, "EPERM"},
		{"socket", []uint64{unix.AF_NETLINK, dgram, 0}, "ENOTSUP"},
		{"socket", []uint64{unix.AF_NETLINK, dgram, highBit}, "EPERM"},
		{"socket", []uint64{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER}, "EPERM"},
		{"socket", []uint64{unix.AF_NETLINK | highBit, unix.SOCK_RAW, 0}, "ENOTSUP"},
		{"socket", []uint64{unix.AF_NETLINK | highBit, unix.SOCK_RAW, unix.NETLINK_GENERIC}, "EPERM"},
		{"socket", []uint64{unix.AF_PACKET, unix.SOCK_RAW, 0}, "EPERM"},
		{"socket", []uint64{unix.AF_ALG, unix.SOCK_SEQPACKET, 0}, "EPERM"},
		{"socket", []uint64{unix.AF_VSOCK, stream, 0}, "EPERM"},
		{"socket", []uint64{unix.AF_XDP, unix.SOCK_RAW, 0}, "EPERM"},
		{"socket", []uint64{unix.AF_BLUETOOTH, stream, 0}, "EPERM"},
		{"socket", []uint64{64, stream, 0}, "ENOSYS"},
		{"socketpair", []uint64{afUnix, stream | cloexec, 0, 1}, "EFAULT"},
		{"socketpair", []uint64{unix.AF_TIPC, stream, 0, 1}, "EPERM"},
		{"socketpair", []uint64{afInet, stream, 0, 1}, "EPERM"},
		{"setsockopt", []uint64{badFD, solSocket, unix.SO_REUSEADDR}, "EBADF"},
		{"setsockopt", []uint64{badFD, tcp, unix.TCP_NODELAY}, "EBADF"},
		{"setsockopt", []uint64{badFD, solSocket, unix.SO_SNDBUF}, "EBADF"},
		{"setsockopt", []uint64{badFD, solSocket, unix.SO_SNDBUFFORCE}, "ENOSYS"},
		{"setsockopt", []uint64{badFD, unix.IPPROTO_IP, unix.IP_TTL}, "EBADF"},
		{"setsockopt", []uint64{badFD, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP}, "EPERM"},
		{"sendmmsg", []uint64{badFD, 0, 0, unix.MSG_OOB}, "EPERM"},
		{"recvmmsg", []uint64{badFD, 0, 0, unix.MSG_OOB | highBit}, "EPERM"},
		{"setsockopt", []uint64{badFD, solSocket, unix.SO_ATTACH_FILTER}, "EPERM"},
		{"setsockopt", []uint64{badFD, solSocket | highBit, unix.SO_ATTACH_BPF | highBit}, "EPERM"},
		{"setsockopt", []uint64{badFD, tcp, unix.TCP_ULP}, "EPERM"},
		{"setsockopt", []uint64{badFD, unix.IPPROTO_IP, 64}, "EPERM"}, // IPT_SO_SET_REPLACE
		{"sendto", []uint64{badFD, 0, 0, unix.MSG_DONTWAIT}, "EBADF"},
		{"sendto", []uint64{badFD, 0, 0, unix.MSG_OOB}, "EPERM"},
		{"recvfrom", []uint64{badFD, 0, 0, unix.MSG_OOB | highBit}, "EPERM"},
		{"sendmsg", []uint64{badFD, 0, unix.MSG_OOB}, "EPERM"},
		{"recvmsg", []uint64{badFD, 0, unix.MSG_OOB | unix.MSG_DONTWAIT}, "EPERM"},
		{"recvmsg", []uint64{badFD, 0, 0}, "EBADF"},

		{"fcntl", []uint64{badFD, unix.F_GETFL}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_SETLKW}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_DUPFD_CLOEXEC}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_OFD_SETLK}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_OFD_SETLKW}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_SETOWN}, "EPERM"},
		{"fcntl", []uint64{badFD, unix.F_SETLEASE}, "EPERM"},
		{"fcntl", []uint64{badFD, unix.F_NOTIFY | highBit}, "EPERM"},
		{"fcntl", []uint64{badFD, unix.F_SETPIPE_SZ}, "EBADF"},
		{"fcntl", []uint64{badFD, unix.F_ADD_SEALS}, "EPERM"},
		{"pipe2", []uint64{1, unix.O_CLOEXEC}, "EFAULT"},
		{"pipe2", []uint64{1, unix.O_EXCL}, "EPERM"},
		{"futex", []uint64{1, 1 | futexPrivate, 1}, "EINVAL"}, // FUTEX_WAKE on an odd address
		{"futex", []uint64{1, futexLockPI}, "ENOSYS"},
		{"futex", []uint64{1, futexLockPI | futexPrivate | highBit}, "ENOSYS"},

		{"prctl", []uint64{unix.PR_SET_NAME, 1}, "EFAULT"},
		{"prctl", []uint64{unix.PR_CAPBSET_READ, 99}, "EINVAL"},
		{"prctl", []uint64{unix.PR_SET_PDEATHSIG, 0}, "EPERM"},
		{"prctl", []uint64{unix.PR_SET_PDEATHSIG | highBit, 0}, "EPERM"},
		{"prctl", []uint64{unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE}, "EPERM"},
		{"prctl", []uint64{unix.PR_SET_VMA, 0}, "ENOSYS"},
		{"prctl", []uint64{unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_STRICT}, "EPERM"},
		{"prctl", []uint64{unix.PR_SET_DUMPABLE, 1}, "EPERM"},
		{"prctl", []uint64{unix.PR_SET_CHILD_SUBREAPER, 1}, "EPERM"},
		{"seccomp", []uint64{unix.SECCOMP_GET_ACTION_AVAIL}, "EPERM"},
		{"personality", []uint64{0xffffffff}, "EPERM"},
		{"personality", []uint64{0x0040000}, "EPERM"}, // ADDR_NO_RANDOMIZE
		{"ptrace", []uint64{0}, "EPERM"},
		{"process_vm_readv", nil, "EPERM"},
		{"process_vm_writev", nil, "EPERM"},
		{"kcmp", nil, "EPERM"},
		{"pidfd_getfd", []uint64{badFD}, "EPERM"},
		{"pidfd_open", []uint64{badFD}, "EINVAL"},
		{"pidfd_send_signal", []uint64{badFD}, "EBADF"},
		{"io_uring_setup", nil, "EPERM"},
		{"io_uring_enter", []uint64{badFD}, "EPERM"},
		{"io_uring_register", []uint64{badFD}, "EPERM"},
		{"io_setup", nil, "EPERM"},
		{"bpf", nil, "EPERM"},
		{"perf_event_open", nil, "EPERM"},
		{"userfaultfd", nil, "EPERM"},
		{"keyctl", nil, "EPERM"},
		{"add_key", nil, "EPERM"},
		{"request_key", nil, "EPERM"},
		{"memfd_create", nil, "EPERM"},
		{"memfd_secret", nil, "EPERM"},
		{"execveat", []uint64{badFD}, "EPERM"},
		{"mount", nil, "EPERM"},
		{"umount2", nil, "EPERM"},
		{"fsopen", nil, "EPERM"},
		{"fsmount", []uint64{badFD}, "EPERM"},
		{"open_tree", []uint64{badFD}, "EPERM"},
		{"move_mount", []uint64{badFD}, "EPERM"},
		{"mount_setattr", []uint64{badFD}, "EPERM"},
		{"open_by_handle_at", []uint64{badFD}, "EPERM"},
		{"fanotify_init", nil, "EPERM"},
		{"inotify_init1", nil, "EPERM"},
		{"mknodat", []uint64{badFD, 0, unix.S_IFCHR | 0o600}, "EPERM"},
		{"mknodat", []uint64{badFD, 0, unix.S_IFBLK}, "EPERM"},
		{"mknodat", []uint64{badFD, 0, unix.S_IFCHR | highBit}, "EPERM"},
		{"mknodat", []uint64{badFD, 0, unix.S_IFDIR}, "ENOSYS"},
		{"mknodat", []uint64{badFD, 0, unix.S_IFIFO | 0o600}, "EFAULT"},
		{"mknodat", []uint64{badFD, 0, 0o600}, "EFAULT"},
		{"renameat2", []uint64{badFD, 0, badFD, 0, unix.RENAME_NOREPLACE}, "EFAULT"},
		{"renameat2", []uint64{badFD, 0, badFD, 0, unix.RENAME_WHITEOUT}, "ENOSYS"},
		{"renameat2", []uint64{badFD, 0, badFD, 0, unix.RENAME_WHITEOUT | unix.RENAME_NOREPLACE | highBit}, "ENOSYS"},
		{"fadvise64", []uint64{badFD, 0, 0, unix.FADV_WILLNEED}, "EBADF"},
		{"fadvise64", []uint64{badFD, 0, 0, unix.FADV_NOREUSE}, "EBADF"},
		{"fadvise64", []uint64{badFD, 0, 0, unix.FADV_DONTNEED}, "EPERM"},
		{"fadvise64", []uint64{badFD, 0, 0, unix.FADV_DONTNEED | highBit}, "EPERM"},
		{"ioprio_set", []uint64{99, 0, 0}, "EINVAL"},
		{"ioprio_set", []uint64{99, 0, 2<<13 | 4}, "EINVAL"},
		{"ioprio_set", []uint64{99, 0, 3 << 13}, "EINVAL"},
		{"ioprio_set", []uint64{99, 0, 2 << 13}, "EPERM"},
		{"ioprio_set", []uint64{99, 0, 2<<13 | 3 | highBit}, "EPERM"},
		{"ioprio_set", []uint64{99, 0, 1 << 13}, "EPERM"},
		{"symlinkat", nil, "EFAULT"},
		{"fchownat", []uint64{badFD, 0, 1000, 1000}, "EFAULT"},
		{"fchownat", []uint64{badFD, 0, badFD, badFD}, "EFAULT"},
		{"fchownat", []uint64{badFD, 0, 0, 0}, "EPERM"},
		{"fchownat", []uint64{badFD, 0, 1000, 100}, "EPERM"},
		{"fchown", []uint64{badFD, 1000, 1000}, "EBADF"},
		{"fchown", []uint64{badFD, 0, 1000}, "EPERM"},
		{"setuid", []uint64{uint64(os.Getuid())}, "EPERM"},
		{"setresgid", []uint64{badFD, badFD, badFD}, "EPERM"},
		{"setgroups", nil, "EPERM"},
		{"capset", nil, "EPERM"},
		{"shmget", nil, "EPERM"},
		{"semget", nil, "EPERM"},
		{"msgget", nil, "EPERM"},
		{"mq_open", nil, "EPERM"},
		{"splice", []uint64{badFD, 0, badFD}, "EPERM"},
		{"vmsplice", []uint64{badFD}, "EPERM"},
		{"mincore", nil, "EPERM"},
		{"flock", []uint64{badFD, unix.LOCK_EX}, "EBADF"},
		{"dup", []uint64{badFD}, "EBADF"},
		{"sync", nil, "EPERM"},
		{"kexec_load", nil, "EPERM"},
		{"finit_module", []uint64{badFD}, "EPERM"},
		{"getxattr", nil, "EFAULT"},
		{"setxattr", nil, "ENOTSUP"},

		// glibc falls back only on ENOSYS. It reports EPERM from these calls as an error.
		{"rseq", nil, "ENOSYS"},
		{"set_robust_list", nil, "ENOSYS"},
		{"timer_create", nil, "ENOSYS"},
		{"signalfd4", []uint64{badFD}, "ENOSYS"},
		{"futex_waitv", nil, "ENOSYS"},
		{"landlock_create_ruleset", nil, "ENOSYS"},
	}
	if runtime.GOARCH == "amd64" {
		tests = append(tests, []struct {
			call string
			args []uint64
			want string
		}{
			{"arch_prctl", []uint64{0x1003}, "ENOSYS"}, // ARCH_GET_FS
			{"modify_ldt", []uint64{0}, "EPERM"},
			{"iopl", []uint64{0}, "EPERM"},
			{"ioperm", nil, "EPERM"},
			{"mknod", []uint64{0, unix.S_IFCHR}, "EPERM"},
			{"mknod", []uint64{0, unix.S_IFBLK | highBit}, "EPERM"},
			{"mknod", []uint64{0, unix.S_IFIFO}, "EFAULT"},
		}...)
	}
	f := defaultFilter(t)
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s%#x", tt.call, tt.args), func(t *testing.T) {
			if got := try(t, f.Silent(), number(t, tt.call), tt.args...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// At each of these numbers the process is killed, or gets the answer of an unknown number.
//
//lab:arm64 root
func TestUnknownSystemCallNumbers(t *testing.T) {
	f := defaultFilter(t)
	tests := []struct {
		name   string
		number uint32
		want   string
	}{
		{"an unused number", 700, "ENOSYS"},
		{"the last number below x32", x32Bit - 1, "ENOSYS"},
		{"minus one", ^uint32(0), "ENOSYS"},
	}
	for nr := range uint32(x32Numbers) {
		if nr%29 == 0 || nr == 39 || nr > 510 {
			tests = append(tests, struct {
				name   string
				number uint32
				want   string
			}{fmt.Sprintf("x32 %d", nr), x32Bit | nr, sigsys})
		}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := try(t, f.Silent(), tt.number); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// x32Numbers is the number of calls to try with the x32 bit, which only amd64 has.
var x32Numbers = map[string]int{"amd64": 548}[runtime.GOARCH]

// 64-bit programs can make 32-bit calls by int 0x80. Number 20 is getpid there, but writev for 64-bit calls.
//
//lab:arm64 root
func TestForeignArchitectureKillsTheProcess(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Log("int 0x80 is of amd64; elsewhere the compiled program was asked, see verify")
		return
	}
	const script = `
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")  # mov $20, %eax; int $0x80; ret
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
`
	o := order{Exec: []string{python(t), "-I", "-c", script}, Dir: "/"}
	if _, stderr, status := start(t, o); status.ExitStatus() != 0 {
		t.Logf("this kernel has no such door: status %#x without a filter, %s", status, stderr)
		return
	}
	o.Program = defaultFilter(t).Silent()
	if _, stderr, status := start(t, o); !status.Signaled() || status.Signal() != unix.SIGSYS {
		t.Errorf("status %#x, want SIGSYS; %s", status, stderr)
	}
}

// The programs in testdata/tour do what an ordinary run may do. They run under the default profile as nobody, in their own directory.
//
//lab:arm64 root
func TestPythonWorks(t *testing.T) {
	f := defaultFilter(t)
	for _, tt := range []struct {
		name, module string
		env          []string
	}{
		{"stdlib", "", nil},
		{"stdlib refused", "", nil},
		{"use_numpy", "numpy", []string{"OPENBLAS_NUM_THREADS=1"}},
		{"use_numpy", "numpy", []string{"OPENBLAS_NUM_THREADS=4"}},
		{"use_pandas", "pandas", nil},
		{"use_matplotlib", "matplotlib", nil},
	} {
		t.Run(strings.Join(append([]string{tt.name}, tt.env...), " "), func(t *testing.T) {
			dir := scratch(t)
			o := order{Dir: dir, Env: append([]string{"PATH=/usr/bin:/bin", "HOME=" + dir, "TMPDIR=" + dir, "MPLCONFIGDIR=" + dir}, tt.env...)}
			if tt.module != "" {
				o.Exec = []string{python(t), "-I", "-c", "import importlib.util, sys; sys.exit(not importlib.util.find_spec('" + tt.module + "'))"}
				if _, _, status := start(t, o); status != 0 {
					testenv.Missing(t, "python3-%s", tt.module)
				}
			}
			name, args, _ := strings.Cut(tt.name, " ")
			text, err := os.ReadFile(filepath.Join("testdata", "tour", name+".py"))
			if err != nil {
				t.Fatal(err)
			}
			script := filepath.Join(dir, name+".py")
			if err := os.WriteFile(script, text, 0o644); err != nil {
				t.Fatal(err)
			}
			o.Exec, o.Program = append([]string{python(t), "-I", script}, strings.Fields(args)...), f.Silent()
			began := time.Now()
			stdout, stderr, status := start(t, o)
			if status != 0 || !strings.HasSuffix(stdout, "done\n") {
				t.Errorf("status %#x\n%s%s", status, stdout, stderr)
			}
			if stderr != "" {
				t.Errorf("it wrote to standard error:\n%s", stderr)
			}
			t.Logf("%d ms", time.Since(began).Milliseconds())
		})
	}
}

// Shell tools that programs call through os.system and subprocess.
//
//lab:arm64 root
func TestShellToolsWork(t *testing.T) {
	const script = `set -e
mkdir -p a/b; echo x > a/f; cp a/f a/g; cp a/f a/h; mv a/g a/b/; seq 30000 | sort -R | sort -n | tail -1 >/dev/null; chmod 600 a/f 2>/dev/null || true
ls -l a >/dev/null; cat a/f a/h | sort | uniq -c | grep -q 2; test -r a/f; test -w a; [ ! -x a/f ]
find a -name f | wc -l | grep -q 1; touch a/t; head -c 3 /usr/bin/env >/dev/null; date >/dev/null; sleep 0.01
sed -n 1p a/f; gzip -9 <a/f | gzip -dc; rm -r a; echo done`
	dir := scratch(t)
	o := order{Exec: []string{"/bin/sh", "-c", script}, Dir: dir, Env: []string{"PATH=/usr/bin:/bin"}, Program: defaultFilter(t).Silent()}
	if stdout, stderr, status := start(t, o); status != 0 || !strings.HasSuffix(stdout, "done\n") {
		t.Errorf("status %#x\n%s%s", status, stdout, stderr)
	}
}

func python(t *testing.T) string {
	t.Helper()
	const path = "/usr/bin/python3"
	if _, err := os.Stat(path); err != nil {
		testenv.Missing(t, "%v", err)
	}
	return path
}

// scratch returns a directory in which nobody can work. If root runs the test, t.TempDir is not such a directory.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "seccomp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Getuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
