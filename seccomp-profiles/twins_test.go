package seccompprofiles

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// twins are families of system calls with the same effect: by path or by descriptor, with or without flags, for 32 bits or for 64. Which one
// a program uses depends on the C library and the machine. So a profile that allows a call but not its twin does not stop an attacker, and
// breaks programs.
//
// Every call that the default profile allows is in this table. If you allow another call, add its twins here.
var twins = [][]string{
	{"accept", "accept4"},
	{"access", "faccessat", "faccessat2"},
	{"alarm", "getitimer", "setitimer"},
	{"arch_prctl"},
	{"bind"},
	{"brk"},
	{"chdir", "fchdir"},
	{"chmod", "fchmod", "fchmodat", "fchmodat2"},
	{"chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32"},
	{"clock_getres", "clock_getres_time64"},
	{"clock_gettime", "clock_gettime64", "gettimeofday", "time"},
	{"clock_nanosleep", "clock_nanosleep_time64", "nanosleep"},
	{"clone", "clone3", "fork", "vfork"},
	{"close", "close_range"},
	{"connect"},
	{"copy_file_range", "sendfile", "sendfile64"},
	{"creat", "open", "openat", "openat2"},
	{"dup", "dup2", "dup3"},
	{"epoll_create", "epoll_create1"},
	{"epoll_ctl"},
	{"epoll_pwait", "epoll_pwait2", "epoll_wait"},
	{"eventfd", "eventfd2"},
	{"execve", "execveat"},
	{"exit", "exit_group"},
	{"fadvise64", "fadvise64_64"},
	{"fallocate"},
	{"fcntl", "fcntl64", "flock"},
	{"fdatasync", "fsync"},
	{"fgetxattr", "flistxattr", "getxattr", "getxattrat", "lgetxattr", "listxattr", "listxattrat", "llistxattr"},
	{"fstat", "fstat64", "fstatat64", "lstat", "lstat64", "newfstatat", "stat", "stat64", "statx"},
	{"fstatfs", "fstatfs64", "statfs", "statfs64"},
	{"ftruncate", "ftruncate64", "truncate", "truncate64"},
	{"futex", "futex_time64", "futex_wait", "futex_waitv", "futex_wake", "futex_requeue"},
	{"futimesat", "utime", "utimensat", "utimensat_time64", "utimes"},
	{"getcpu"},
	{"getcwd"},
	{"getdents", "getdents64"},
	{"getegid", "getegid32", "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getresgid", "getresgid32", "getresuid", "getresuid32", "getuid", "getuid32"},
	{"getpeername", "getsockname"},
	{"getpgid", "getpgrp", "getsid"},
	{"getpid", "getppid", "gettid"},
	{"getpriority", "setpriority"},
	{"getrandom"},
	{"getrlimit", "prlimit64", "setrlimit", "ugetrlimit"},
	{"getrusage", "times"},
	{"getsockopt"},
	{"ioctl"},
	{"ioprio_get", "ioprio_set"},
	{"kill", "pidfd_send_signal", "tgkill", "tkill"},
	{"link", "linkat"},
	{"listen"},
	{"lseek", "_llseek"},
	{"madvise"},
	{"mkdir", "mkdirat"},
	{"mknod", "mknodat"},
	{"mlock", "mlock2", "mlockall", "munlock", "munlockall"},
	{"mmap", "mmap2", "munmap"},
	{"mprotect"},
	{"mremap"},
	{"msync"},
	{"pause", "rt_sigsuspend"},
	{"pidfd_open"},
	{"pipe", "pipe2"},
	{"poll", "ppoll", "ppoll_time64"},
	{"prctl"},
	{"pread64", "preadv", "preadv2", "read", "readv"},
	{"pselect6", "pselect6_time64", "select", "_newselect"},
	{"pwrite64", "pwritev", "pwritev2", "write", "writev"},
	{"readlink", "readlinkat"},
	{"recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg"},
	{"rename", "renameat", "renameat2"},
	{"restart_syscall"},
	{"rmdir", "unlink", "unlinkat"},
	{"rt_sigaction"},
	{"rt_sigpending"},
	{"rt_sigprocmask"},
	{"rt_sigreturn", "sigreturn"},
	{"rt_sigtimedwait", "rt_sigtimedwait_time64"},
	{"sched_get_priority_max", "sched_get_priority_min"},
	{"sched_getaffinity", "sched_setaffinity"},
	{"sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval", "sched_rr_get_interval_time64",
		"sched_setattr", "sched_setparam", "sched_setscheduler"},
	{"sched_yield"},
	{"send", "sendmmsg", "sendmsg", "sendto"},
	{"set_tid_address"},
	{"setpgid", "setsid"},
	{"setsockopt"},
	{"shutdown"},
	{"sigaltstack"},
	{"socket"},
	{"socketpair"},
	{"symlink", "symlinkat"},
	{"sysinfo"},
	{"timerfd_create", "timerfd_gettime", "timerfd_gettime64", "timerfd_settime", "timerfd_settime64"},
	{"umask"},
	{"uname"},
	{"wait4", "waitid", "waitpid"},
}

// apart are calls that have a greater effect than their twins, or that no profile can name.
var apart = map[string]string{
	"clone3":        "its flags are in memory, where a filter cannot look",
	"execveat":      "executes what has no path: past noexec",
	"fchmodat2":     unnamed,
	"futex_waitv":   "newer code, for Windows' games",
	"futex_wait":    "has flags of its own",
	"futex_wake":    "has flags of its own",
	"futex_requeue": "has flags of its own",
	"getxattrat":    unnamed,
	"listxattrat":   unnamed,
	"sched_getattr": "nothing without sched_setattr",
	"sched_setattr": "deadlines, and hints to the processor's frequency",
}

const unnamed = "the oldest libseccomp that we build with does not know it; C libraries take the older twin on ENOSYS"

func TestTwinsAreAllowedTogether(t *testing.T) {
	for _, m := range machines {
		t.Run(m.goarch, func(t *testing.T) {
			f, err := compileFor(Default, m)
			if err != nil {
				t.Fatal(err)
			}
			named := map[string]bool{}
			for _, family := range twins {
				var allowed, denied []string
				for _, name := range family {
					if named[name] {
						t.Errorf("%s is in two families", name)
					}
					named[name] = true
					if apart[name] != "" {
						continue
					}
					if exists, err := m.has(name); err != nil {
						t.Error(err)
					} else if !exists { // on this machine
						continue
					}
					if slices.Contains(f.Allowed(), name) {
						allowed = append(allowed, name)
					} else {
						denied = append(denied, name)
					}
				}
				if len(allowed) > 0 && len(denied) > 0 {
					t.Errorf("%v are allowed, but not their twins %v", allowed, denied)
				}
			}
			for _, name := range f.Allowed() {
				if !named[name] {
					t.Errorf("%s is allowed, but is in no family", name)
				}
				if apart[name] != "" {
					t.Errorf("%s is allowed, although it differs from its twins: %s", name, apart[name])
				}
			}
		})
	}
}

// Every allowed call is in the table of README.md, with its users, the part of the kernel that it reaches, and why that is acceptable.
func TestAllowedCallsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## What is allowed\n")
	section, _, found := strings.Cut(section, "\n## ")
	if !found {
		t.Fatal("README.md has no section that says what is allowed")
	}
	documented := map[string]bool{}
	for line := range strings.Lines(section) {
		if cells := strings.Split(line, "|"); len(cells) == 6 { // an empty one, calls, users, kernel parts, reason, an empty one
			for _, word := range regexp.MustCompile("`[a-z0-9_]+`").FindAllString(cells[1], -1) {
				documented[strings.Trim(word, "`")] = true
			}
		}
	}
	allowed := map[string]bool{}
	for _, m := range machines {
		f, err := compileFor(Default, m)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range f.Allowed() {
			allowed[name] = true
			if !documented[name] {
				t.Errorf("%s: %s is allowed, but not in the table", m.goarch, name)
			}
		}
	}
	for name := range documented {
		if !allowed[name] {
			t.Errorf("%s is in the table, but not allowed", name)
		}
	}
}
