package jail_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// Each case asserts from inside what a program can see and reach. The scan of the source plays no part, because this package does not use
// it.
//
//lab:as user own
//lab:all root
func TestIsolation(t *testing.T) { underEngines(t, testIsolation) }

func testIsolation(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	// attempt prints the name of the error of a call, or "ok".
	const attempt = `
import errno, os, socket
def attempt(call, *args, **kw):
    try:
        call(*args, **kw)
        print("ok", end=" ")
    except OSError as e:
        print(errno.errorcode[e.errno], end=" ")
`
	machine := struct{ source, want string }{`
memory = {l.split(":")[0]: int(l.split()[1]) for l in open("/proc/meminfo")}
print(memory["MemTotal"] >> 10, memory["MemAvailable"] <= memory["MemTotal"], memory["SwapTotal"])
print([l.split()[0] for l in open("/proc/stat") if l.startswith("cpu")], os.cpu_count())
print(sum(l.startswith("processor") for l in open("/proc/cpuinfo")), open("/proc/loadavg").read().split(), open("/proc/uptime").read().split())
for name in ("meminfo", "stat", "cpuinfo", "loadavg", "uptime"): attempt(open, "/proc/" + name, "a")`,
		"256 True 0\n['cpu', 'cpu0'] 1\n1 ['0.00', '0.00', '0.00', '1/2', '2'] ['1.00', '1.00']\n" + strings.Repeat("EROFS ", 5)}
	if !procfsKeepsCoveredFiles(t) {
		machine.source = `for name in ("meminfo", "stat", "cpuinfo", "loadavg", "uptime"): attempt(os.stat, "/proc/" + name)`
		machine.want = strings.Repeat("ENOENT ", 5)
	}
	for _, tt := range []struct{ name, source, want string }{
		{"the root directory holds what is planned", `
system = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"}
print(sorted(set(os.listdir("/")) - system), set(os.listdir("/usr")) >= {"bin", "lib", "share"}, [os.listdir(d) != [] for d in ("/etc/fonts", "/usr/share")])`,
			"['dev', 'etc', 'home', 'proc', 'run', 'sandbox', 'tmp', 'usr'] True [True, True]\n"},
		{"no host directory", `[attempt(os.stat, p) for p in ("/root", "/var", "/sys", "/boot", "/srv", "/mnt", "/opt", "/home/sandbox/..") if p != "/home/sandbox/.." ]; print(os.listdir("/home"))`,
			"ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT ENOENT ['sandbox']\n"},
		{"no host secrets", `[attempt(open, p) for p in ("/etc/shadow", "/etc/machine-id", "/etc/ssh", "/etc/ssl/private", "/proc/self/root/etc/shadow", "/proc/self/root/root", "/proc/1/root/etc/shadow")]`,
			strings.Repeat("ENOENT ", 6) + "EACCES "},
		{"its own passwd", `import pwd; print([u.pw_name for u in pwd.getpwall()])`, "['root', 'nobody', 'sandbox']\n"},
		{"the system tree is read-only", `[attempt(open, p + "/x", "w") for p in ("/", "/usr", "/usr/lib", "/etc", "/dev", "/home", "/proc", "/sandbox")]; attempt(os.chmod, "/usr/bin/env", 0o777)`,
			strings.Repeat("EROFS ", 6) + "ENOENT EROFS EROFS "},
		{"what is writable is not executable", `
for d in ("/tmp", "/home/sandbox", "/dev/shm", "/run"):
    p = d + "/x"
    open(p, "w").write("#!/bin/sh\nexit 0\n"); os.chmod(p, 0o755)
    attempt(os.execv, p, [p])`, strings.Repeat("EACCES ", 4)},
		{"every mount is read-only or inert", `
for line in open("/proc/self/mountinfo"):
    f = line.split()
    at, options = f[4], set(f[5].split(","))
    if "nosuid" not in options or not ("ro" in options or {"nodev", "noexec"} <= options):
        print(at, options)
    if "nodev" not in options and at not in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        print("devices", at)`, ""},
		{"no old root anywhere", `print({l.split()[4] for l in open("/proc/self/mountinfo")} & {"/mnt", "/.scratch", "/old", "/sys", "/root"})`, "set()\n"},
		{"no host process", `print([p for p in os.listdir("/proc") if p.isdigit()], os.getppid())`, "['1', '2'] 1\n"},
		{"no signal reaches out", `attempt(os.kill, -1, 9); attempt(os.kill, 3, 9); attempt(os.killpg, 3, 9)`, "ESRCH ESRCH ESRCH "},
		{"nothing of the kernel's in /proc", `[attempt(os.stat, "/proc/" + p) for p in ("kcore", "kallsyms", "sys", "sysrq-trigger", "net", "keys", "modules", "version", "cmdline", "mounts", "interrupts", "diskstats", "vmstat", "partitions", "iomem", "schedstat", "pressure", "sysvipc", "softirqs", "zoneinfo")]; print(sorted(os.listdir("/proc")))`,
			strings.Repeat("ENOENT ", 20) + "['1', '2', 'self', 'thread-self']\n"},
		{"its own limits for a machine in /proc", machine.source, machine.want},
		{"an ordinary user without a group", `
status = {l.split()[0]: l.split()[1:] for l in open("/proc/self/status")}
print(status["Uid:"], status["Gid:"], set(status["Groups:"]) - {"1000", "65534"})  # 65534: of an unprivileged daemon, without a name in here`,
			"['1000', '1000', '1000', '1000'] ['1000', '1000', '1000', '1000'] set()\n"},
		{"no capability in any set", `print({l.split()[1] for l in open("/proc/self/status") if l.startswith("Cap")})`, "{'0000000000000000'}\n"},
		{"no new privileges, and a filter", `print([l.split() for l in open("/proc/self/status") if l.startswith(("NoNewPrivs", "Seccomp:"))])`, "[['NoNewPrivs:', '1'], ['Seccomp:', '2']]\n"},
		{"no way to become another user", `attempt(os.setuid, 0); attempt(os.setgid, 0); attempt(os.setgroups, []); attempt(os.chown, "main.py", 0, 0)`, "EPERM EPERM EPERM EPERM "},
		{"only its three descriptors", `print(sorted(os.listdir("/proc/self/fd")))`, "['0', '1', '2', '3']\n"},
		{"a session of its own, without a terminal", `print(open("/proc/self/stat").read().split()[4:7]); attempt(os.open, "/dev/tty", os.O_RDWR)`, "['2', '2', '0']\nENOENT "},
		{"a host name of its own", `print(os.uname().nodename, socket.gethostname())`, "sandbox sandbox\n"},
		{"its cgroup is the root", `print([l.strip() for l in open("/proc/self/cgroup") if l.startswith("0:")])`, "['0::/']\n"},
		{"no network but itself", `
import fcntl, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for host in ("192.0.2.1", "10.0.0.1", "169.254.169.254", "8.8.8.8"):
    attempt(s.connect, (host, 53))
attempt(socket.socket(socket.AF_INET6).connect, ("2001:db8::1", 80))`, strings.Repeat("ENETUNREACH ", 5)},
		{"no kind of socket beyond local and internet streams", `
for family in (16, 17, 38, 40, 31, 29, 15):  # netlink, packet, alg, vsock, bluetooth, can, key
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try: socket.socket(family, kind); print(family, kind, "ok")
        except OSError: pass
attempt(socket.socket, socket.AF_INET, socket.SOCK_RAW, 1)`, "EPERM "},
		{"no System V or POSIX object of others", `[attempt(os.stat, p) for p in ("/proc/sysvipc", "/dev/mqueue")]; print(os.listdir("/dev/shm"))`, "ENOENT ENOENT []\n"},
		{"no core dump, and none for a pipe of the host's", `import resource; print(resource.getrlimit(resource.RLIMIT_CORE))`, "(1, 1)\n"},
		{"its standard input is its own", `
import fcntl
large = {"x86_64": 0o100000, "aarch64": 0o400000}[os.uname().machine]  # O_LARGEFILE, which the kernel adds to the flags of every file
print(oct(fcntl.fcntl(0, fcntl.F_GETFL) ^ large), os.fstat(0).st_dev == os.stat("/dev/null").st_dev)
attempt(os.utime, 0)
attempt(os.utime, "/dev/null")
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)  # no later run sees it: see TestRunsShareNothing`, "0o0 True\nEROFS EROFS "},
		{"little of the host's memory for TCP", `
s = socket.socket()
print(s.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) <= 32768, s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) <= 32768)`, "True True\n"},
		{"an environment built from nothing", `print(sorted(k for k in os.environ if k.startswith(("SANDBOXD", "PYTHON", "GO", "INVOCATION", "NOTIFY"))))`, "[]\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := jailtest.Run(t, j, attempt+tt.source)
			if string(r.Stdout.Kept) != tt.want || len(r.Stderr.Kept) > 0 {
				t.Errorf("got  %q\nwant %q\nstderr %s", r.Stdout.Kept, tt.want, r.Stderr.Kept)
			}
		})
	}
}

// A newer kernel refuses to add subset=pid to a mounted procfs. The jail then has a procfs without the files that it covers on other
// kernels, and shows no other files either. This test has a seccomp filter that refuses the change like such a kernel.
func TestIsolationWithANewerProcfs(t *testing.T) {
	argument := func(n uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: 16 + 8*n, Size: 4} } // struct seccomp_data: the low half
	refuses := assemble(
		bpf.LoadAbsolute{Off: 0, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_FSCONFIG, SkipTrue: 2},
		argument(1),
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.FSCONFIG_CMD_RECONFIGURE, SkipTrue: 4, SkipFalse: 3},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_MOUNT, SkipTrue: 2}, // mount(8) uses it
		argument(3),
		bpf.JumpIf{Cond: bpf.JumpBitsSet, Val: unix.MS_REMOUNT, SkipTrue: 1},
		bpf.RetConstant{Val: 0x7fff_0000},                       // SECCOMP_RET_ALLOW
		bpf.RetConstant{Val: 0x0005_0000 | uint32(unix.EINVAL)}, // SECCOMP_RET_ERRNO
	)
	if aloneUnder(t, refuses, 0) {
		if procfsKeepsCoveredFiles(t) {
			t.Fatal("the filter refuses nothing")
		}
		underEngines(t, testIsolation)
	}
}

// procfsKeepsCoveredFiles reports whether this kernel lets a mounted procfs hide everything except processes, so that a file that was
// covered before stays visible.
func procfsKeepsCoveredFiles(t *testing.T) bool {
	t.Helper()
	// This program calls mount(2) itself. Under the daemon's unit, the command mount of Debian 13 fails although the kernel allows the change.
	said, err := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "/usr/bin/python3", "-c", `
import ctypes, errno
MS_REMOUNT = 32
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(b"proc", b"/proc", b"proc", MS_REMOUNT, b"subset=pid") == 0: print("changed")
else: print(errno.errorcode[ctypes.get_errno()])`).CombinedOutput()
	switch got := strings.TrimSpace(string(said)); {
	case err == nil && got == "changed":
		return true
	case err == nil && got == "EINVAL":
		return false
	default:
		t.Fatalf("%v: %s", err, said)
		return false
	}
}

// The other layers also work without the filter and without Landlock.
//
//lab:as root
//lab:all own
func TestWithoutTheFilter(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) {
		c.Filter = allowAll
		jailtest.Without(c, inside.StageLandlock)
	})
	for _, tt := range []struct{ name, source, want string }{
		{"the root holds the system tree and nothing else", `import os; print(sorted(set(os.listdir("/")) - {"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr"}))`,
			"['dev', 'etc', 'home', 'proc', 'run', 'sandbox', 'tmp']\n"},
		{"no user namespace", "print(libc.unshare(0x10000000), ctypes.get_errno() == errno.ENOSPC)", "-1 True\n"},
		{"no other namespace", "print([libc.unshare(f) for f in (0x20000, 0x20000000, 0x40000000, 0x8000000, 0x4000000, 0x2000000)], ctypes.get_errno() == errno.EPERM)",
			"[-1, -1, -1, -1, -1, -1] True\n"},
		{"no mount", "print(libc.mount(b'none', b'/tmp', b'tmpfs', 0, None), ctypes.get_errno() == errno.EPERM, libc.umount2(b'/proc', 2), libc.mount(None, b'/usr', None, 32 | 4096, None))", "-1 True -1 -1\n"},
		{"no chroot, no pivot_root", "print(libc.chroot(b'/tmp'), libc.syscall(" + strconv.Itoa(unix.SYS_PIVOT_ROOT) + ", b'/tmp', b'/tmp'), ctypes.get_errno() == errno.EPERM)", "-1 -1 True\n"},
		{"no device", "print(libc.mknod(b'/tmp/kmem', 0o20666, 0x101), ctypes.get_errno() == errno.EPERM)", "-1 True\n"},
		{"no other user", "print(libc.setuid(0), libc.setgid(0), libc.setgroups(0, None))", "-1 -1 -1\n"},
		{"no setuid program", `
import subprocess
print(subprocess.run(['/usr/bin/id', '-u'], capture_output=True, text=True).stdout.strip(), [l.split()[1] for l in open('/proc/self/status') if l.startswith('NoNewPrivs')])
`, "1000 ['1']\n"},
		// If the tests run under a systemd unit, RestrictAddressFamilies= answers first, with EAFNOSUPPORT.
		{"no raw or packet socket", `
import socket
for family, refusals in ((socket.AF_INET, {errno.EPERM}), (socket.AF_PACKET, {errno.EPERM, errno.EAFNOSUPPORT})):
    try: socket.socket(family, socket.SOCK_RAW, 1)
    except OSError as e: print(e.errno in refusals)`, "True\nTrue\n"},
		{"nothing of the host's System V memory", fmt.Sprintf("print(libc.shmget(%d, 1, 0), ctypes.get_errno() == errno.ENOENT)", hostShm(t)), "-1 True\n"},
		{"locked securebits and an empty bounding set", "print(hex(libc.prctl(27, 0, 0, 0, 0)), {libc.prctl(23, c, 0, 0, 0) for c in range(41)})", "0xef {0}\n"},
		{"no host name", "print(libc.sethostname(b'x', 1))", "-1\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := jailtest.Output(t, j, "import ctypes, errno\nlibc = ctypes.CDLL(None, use_errno=True)\n"+tt.source)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// The environment of the daemon is not visible in a jail.
func TestDaemonsEnvironmentStaysOutside(t *testing.T) {
	t.Setenv("SANDBOXD_TEST_SECRET", "hunter2")
	j := jailtest.New(t, nil)
	out := jailtest.Output(t, j, "print(open('/proc/self/environ').read())")
	if strings.Contains(out, "hunter2") || !strings.Contains(out, "HOME=/home/sandbox") {
		t.Errorf("environment %q", out)
	}
}

// A program cannot reach a listener on the host's loopback or on an abstract socket.
func TestHostListenersAreOutOfReach(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	abstract, err := net.Listen("unix", fmt.Sprintf("@sandboxd-test-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	j := jailtest.New(t, nil)
	got := jailtest.Output(t, j, fmt.Sprintf(`
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", %d)), (socket.AF_UNIX, "\0sandboxd-test-%d")):
    try: socket.socket(family).connect(address); print("connected")
    except OSError as e: print(type(e).__name__)
`, tcp.Addr().(*net.TCPAddr).Port, os.Getpid()))
	if got != "ConnectionRefusedError\nConnectionRefusedError\n" {
		t.Errorf("got %q", got)
	}
}

// Files that a run writes are deleted with it. A later run does not see them, and they do not appear on the host.
func TestRunsShareNothing(t *testing.T) {
	j := jailtest.New(t, nil)
	const mark = "sandboxd-test-mark"
	jailtest.Output(t, j, `
import os, socket
import fcntl
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
for d in ("/tmp", "/home/sandbox", "/dev/shm", "/run"):
    open(d + "/`+mark+`", "w").write("x")
`)
	got := jailtest.Output(t, j, `
import fcntl, os
print([os.listdir(d) for d in ("/tmp", "/home/sandbox", "/dev/shm", "/run")], oct(fcntl.fcntl(0, fcntl.F_GETFL)))`)
	if got != "[[], ['main.py'], [], []] 0o100000\n" {
		t.Errorf("a later run sees %s", got)
	}
	for _, dir := range []string{"/tmp", "/home", "/dev/shm", "/run", "/var/tmp"} {
		if found, _ := filepath.Glob(dir + "/*" + mark + "*"); len(found) > 0 {
			t.Errorf("on the host: %v", found)
		}
	}
}

func TestScratchIsBounded(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Scratch, c.Limits.Inodes = 4<<20, 100 })
	for _, tt := range []struct{ name, source, want string }{
		{"bytes, over all writable directories", `
import errno, os
total = 0
for d in ("/tmp", "/dev/shm", "/home/sandbox"):
    try:
        with open(d + "/x", "wb", buffering=0) as f:
            while True: total += f.write(bytes(65536))
    except OSError as e: print(errno.errorcode[e.errno])
print(total <= 4 << 20)`, `^(EFBIG|ENOSPC)\nENOSPC\nENOSPC\nTrue\n$`},
		{"files", `
import errno
try:
    for i in range(10**6): open("/tmp/%d" % i, "w").close()
except OSError as e: print(errno.errorcode[e.errno], i < 100)`, `^ENOSPC True\n$`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := jailtest.Output(t, j, tt.source); !regexp.MustCompile(tt.want).MatchString(got) {
				t.Errorf("got %q", got)
			}
		})
	}
}

//lab:as user own root
func TestProcessesAreBounded(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Pids = 20 })
	for _, tt := range []struct{ name, source string }{
		{"forks", `
import os, time
n = 1
try:
    while True:
        if os.fork() == 0: time.sleep(60)
        n += 1
except BlockingIOError: print(n)
os._exit(0)`},
		{"threads", `
import threading, time, os
n = 1
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        n += 1
except RuntimeError: print(n, flush=True)
os._exit(0)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := jailtest.Output(t, j, tt.source); got != "20\n" {
				t.Errorf("%s processes, want 20", strings.TrimSpace(got))
			}
		})
	}
}

// The limits of the cgroup controllers, as a program sees them.
//
//lab:as user
//lab:all own root
func TestCPUIsThrottled(t *testing.T) {
	jailtest.RequireControllers(t)
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.CPU, c.Limits.Wall = 0.25, 2*time.Second })
	r := jailtest.Run(t, j, "while True: pass")
	if r.Verdict != sandbox.Timeout || r.Usage.CPU > 800*time.Millisecond {
		t.Errorf("verdict %s after %v of CPU in 2 s of a quarter of a core", r.Verdict, r.Usage.CPU)
	}
}

// If a run exceeds its memory limit, only that run is killed, and not another run or the daemon.
//
//lab:as user
//lab:all own root
func TestOutOfMemoryHitsOnlyItsRun(t *testing.T) {
	jailtest.RequireControllers(t)
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Memory, c.Limits.Wall = 64<<20, 30*time.Second })
	neighbour := talk(t, j, `
import time
while True:
    print('{}', flush=True)
    time.sleep(0.1)
`)
	neighbour.line(t)
	for _, source := range []string{
		"x = bytearray(1 << 30)",
		`
import os
f = open('/tmp/x', 'wb')
while True: f.write(bytes(1 << 20)); f.seek(0, 1)
`,
		`
import mmap
keep = []
while True:
    m = mmap.mmap(-1, 1 << 20); m.write(b'x' * (1 << 20)); keep.append(m)
`,
	} {
		r := jailtest.Run(t, j, source)
		if r.Verdict != sandbox.OOM && !strings.Contains(string(r.Stderr.Kept), "No space left") && !strings.Contains(string(r.Stderr.Kept), "File too large") {
			t.Errorf("verdict %s for %q: %s", r.Verdict, source, r.Stderr.Kept)
		}
		neighbour.news(t)
	}
	if neighbour.end(); neighbour.err != nil || neighbour.result.Verdict != sandbox.Cancelled {
		t.Errorf("the neighbour: %+v, %v", neighbour.result, neighbour.err)
	}
}

//lab:as user
//lab:all own root
func TestProbe(t *testing.T) {
	layers := doctor.Probe(t.Context(), jailtest.Config(t))
	seen := map[string]bool{}
	for _, l := range layers {
		seen[l.Name] = true
		if l.Required && !l.Works() {
			t.Errorf("%s: %v (%s)", l.Name, l.Err, l.Remedy)
		}
		if !l.Works() && l.Remedy == "" {
			t.Errorf("%s: %v, and no remedy", l.Name, l.Err)
		}
	}
	for _, row := range doctor.Table() {
		if row.Name != "" && !row.OnRequest && !seen[row.Name] {
			t.Errorf("layer %s was not probed", row.Name)
		}
	}
	if testenv.InLab() {
		config := jailtest.Config(t)
		config.BestEffort = false
		for _, l := range doctor.Missing(doctor.Probe(t.Context(), config)) {
			t.Errorf("missing in the lab: %s: %v", l.Name, l.Err)
		}
	}
}

func TestProbeNamesWhatIsMissing(t *testing.T) {
	config := jailtest.Config(t)
	config.Python = "/usr/bin/python-that-is-not"
	missing := doctor.Missing(doctor.Probe(t.Context(), config))
	if len(missing) == 0 || missing[0].Name != doctor.LayerPython || !strings.Contains(missing[0].Remedy, "python3") {
		t.Errorf("got %+v", missing)
	}
}
