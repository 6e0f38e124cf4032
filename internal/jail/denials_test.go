package jail_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// byNumber is Python code for system calls without a Python function: call() returns the name of the errno.
const byNumber = `
import ctypes, errno, os, signal, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    ctypes.set_errno(0)
    libc.syscall(ctypes.c_long(number), *[ctypes.c_ulong(a & (1 << 64) - 1) for a in args])
    return errno.errorcode.get(ctypes.get_errno(), ctypes.get_errno())
`

// patient gives programs more time, because the lab computes slowly.
func patient(c *jail.Config) { c.Limits.Wall = time.Minute }

// A call that an outer filter denies, such as that of a systemd unit, is not counted by the daemon. So these tests use only calls that
// systemd/sandboxd.service allows.
//
//lab:arm64 user
func TestDenialsAreCountedByName(t *testing.T) {
	j := jailtest.New(t, patient)
	for _, tt := range []struct {
		name, source, stdout string
		want                 map[string]int
	}{
		{"nothing", "pass", "", map[string]int{}},
		{"one call", "print(call(SETUID, 0))", "EPERM\n", map[string]int{"setuid": 1}},
		{"several", "print(call(SETUID, 0), call(INOTIFY, 0), call(SETUID, 0))", "EPERM EPERM EPERM\n", map[string]int{"setuid": 2, "inotify_init1": 1}},
		{"for its arguments", "print(call(FCNTL, 0, 8), call(FCNTL, 0, 1))", "EPERM 0\n", map[string]int{"fcntl": 1}},
		{"with the errno of the rule", "print(call(FCNTL, 0, 8), call(FCNTL, 0, 9999))", "EPERM ENOSYS\n", map[string]int{"fcntl": 2}},
		{"the flags of clone", "print(call(CLONE, 0x10000000), call(CLONE, 0x20000))", "EPERM EPERM\n", map[string]int{"clone": 2}},
		{"a type of socket", `
import socket
try: socket.socket(socket.AF_UNIX, socket.SOCK_RAW)
except OSError as e: print(errno.errorcode[e.errno])
`, "EPERM\n", map[string]int{"socket": 1}},
		{"by Python's own function", `
try: os.mknod('x', 0o20600)
except OSError as e: print(errno.errorcode[e.errno])
`, "EPERM\n", map[string]int{"mknodat": 1}},
		{"new ones that are not there are not", "print(call(461), call(900), call(-1), call(1 << 29))", "ENOSYS ENOSYS ENOSYS ENOSYS\n", map[string]int{}},
		{"quiet ones are not", "print(call(MEMBARRIER, 0), call(CLONE3, 0), call(SETXATTR, 0))", "ENOSYS ENOSYS ENOTSUP\n", map[string]int{}},
		{"whatever is above 32 bits", "print(call(PRCTL, 1, 0), call(PRCTL, 1 | 1 << 32, 0))", "EPERM EPERM\n", map[string]int{"prctl": 2}},
		{"in a child", `
if os.fork() == 0: call(SETUID, 0); os._exit(0)
os.wait(); print(call(SETUID, 0))
`, "EPERM\n", map[string]int{"setuid": 2}},
		{"in threads", `
ts = [threading.Thread(target=call, args=(INOTIFY, 0)) for i in range(20)]
for t in ts: t.start()
for t in ts: t.join()
`, "", map[string]int{"inotify_init1": 20}},
		{"after an exec", "sys.stdout.flush(); os.execv(sys.executable, [sys.executable, '-c', 'import os\\ntry: os.setuid(0)\\nexcept OSError as e: print(e.errno)'])", "1\n", map[string]int{"setuid": 1}},
		{"before another end", "call(SETUID, 0); os._exit(3)", "", map[string]int{"setuid": 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := jailtest.Run(t, j, byNumber+deniedNumbers+tt.source)
			if !maps.Equal(r.Denials, tt.want) || r.Denials == nil {
				t.Errorf("denials %v, want %v", r.Denials, tt.want)
			}
			if string(r.Stdout.Kept) != tt.stdout || len(r.Stderr.Kept) > 0 {
				t.Errorf("stdout %q, want %q; stderr %s", r.Stdout.Kept, tt.stdout, r.Stderr.Kept)
			}
		})
	}
}

var deniedNumbers = fmt.Sprintf("SETUID, INOTIFY, FCNTL, CLONE, MEMBARRIER, CLONE3, PRCTL, SETXATTR = %d, %d, %d, %d, %d, %d, %d, %d\n",
	unix.SYS_SETUID, unix.SYS_INOTIFY_INIT1, unix.SYS_FCNTL, unix.SYS_CLONE, unix.SYS_MEMBARRIER, unix.SYS_CLONE3, unix.SYS_PRCTL, unix.SYS_SETXATTR)

// A system call number without a name is counted as DenialUnknown, unless an outer filter denies it first.
func TestDenialsWithoutAName(t *testing.T) {
	if mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0); err != nil || mode != 0 {
		t.Logf("there is a filter below ours: mode %d, %v", mode, err)
		return
	}
	j := jailtest.New(t, nil)
	r := jailtest.Run(t, j, byNumber+"print(call(390), call(391))")
	if want := map[string]int{sandbox.DenialUnknown: 2}; !maps.Equal(r.Denials, want) || string(r.Stdout.Kept) != "ENOSYS ENOSYS\n" {
		t.Errorf("denials %v, want %v; %s", r.Denials, want, r.Stdout.Kept)
	}
}

// An ordinary program makes no denied call that waits for the daemon.
func TestUsualProgramsCauseNoDenial(t *testing.T) {
	jailtest.RequireModules(t, "numpy", "pandas", "matplotlib")
	j := jailtest.New(t, patient)
	for _, tt := range []struct{ name, source string }{
		{"threads", `
import concurrent.futures as c
with c.ThreadPoolExecutor() as e: print(list(e.map(abs, [1])))
`},
		{"subprocess", `
import subprocess
print(subprocess.run(['/bin/ls', '-l'], capture_output=True).returncode)
`},
		{"multiprocessing", `
import multiprocessing
with multiprocessing.Pool(2) as p: print(p.map(abs, [1, 2]))
`},
		{"files", `
import pathlib, shutil
pathlib.Path('a').mkdir(); pathlib.Path('a/x').write_text('1')
shutil.copytree('a', 'b'); shutil.make_archive('c', 'gztar', 'a'); shutil.rmtree('a')
`},
		{"sqlite3", `
import sqlite3
c = sqlite3.connect('x.db'); c.execute('create table x(a)'); c.commit()
`},
		{"asyncio", `
import asyncio
async def main():
    async def answer(r, w): w.write(b'x'); w.close()
    s = await asyncio.start_server(answer, '127.0.0.1', 0)
    r, w = await asyncio.open_connection(*s.sockets[0].getsockname())
    print(await r.read())
asyncio.run(main())
`},
		{"numpy", `
import numpy
a = numpy.random.rand(300, 300)
print((a @ a).sum(), numpy.linalg.svd(a)[1][0])
`},
		{"pandas", `
import pandas
print(pandas.DataFrame({'a': [1, 2]}).describe())
`},
		{"matplotlib", `
import matplotlib.pyplot as p
p.plot([1, 2]); p.savefig('x.png')
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := jailtest.Run(t, j, tt.source)
			if r.Denials == nil || len(r.Denials) > 0 {
				t.Errorf("denials %v", r.Denials)
			}
			if r.Verdict != sandbox.Exited || r.ExitCode != 0 {
				t.Errorf("verdict %s, status %d: %s", r.Verdict, r.ExitCode, r.Stderr.Kept)
			}
		})
	}
}

// The daemon answers denied calls with the same errnos that the kernel returns under the same filter without a listener.
//
//lab:arm64 user
func TestAnswersAreThoseOfTheKernel(t *testing.T) {
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	allowed := filter.Allowed()
	var calls []string
	for number := range 500 {
		if name := seccompprofiles.Name(uint32(number)); !slices.Contains(allowed, name) {
			calls = append(calls, fmt.Sprintf("(%d, 0, 0), (%d, -1, -1)", number, number))
		}
	}
	program := byNumber + "for c in (" + strings.Join(calls, ", ") + "): print(*c, call(*c))"
	answers := func(program []unix.SockFilter, source string) ([]string, map[string]int) {
		j := jailtest.New(t, func(c *jail.Config) { patient(c); c.Filter = program })
		r := jailtest.Run(t, j, source)
		return strings.Split(strings.TrimSpace(string(r.Stdout.Kept)), "\n"), r.Denials
	}
	got, denials := answers(filter.Program, program)
	want, none := answers(filter.Silent(), program)
	if len(got) != len(want) || len(denials) < 100 || none != nil {
		t.Fatalf("by the daemon %d answers to %d names, by the kernel %d, %v", len(got), len(denials), len(want), none)
	}
	for i := range got {
		number, _ := strconv.Atoi(strings.Fields(got[i])[0])
		// An answer that is neither counted nor quiet comes from an outer filter.
		if name := seccompprofiles.Name(uint32(number)); got[i] != want[i] && denials[name] > 0 {
			t.Errorf("%s: by the daemon %q, by the kernel %q", name, got[i], want[i])
		}
	}
}

//lab:arm64 user
func TestKilledByTheFilter(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Log("x32 is of amd64")
		return
	}
	j := jailtest.New(t, nil)
	r := jailtest.Run(t, j, byNumber+"call(0x40000000 | 39)")
	if r.Verdict != sandbox.Signaled || r.Signal != unix.SIGSYS || !maps.Equal(r.Denials, map[string]int{sandbox.DenialKilled: 1}) {
		t.Errorf("%s, %v, %v", r.Verdict, r.Signal, r.Denials)
	}
	// A program cannot fake this by sending itself SIGSYS.
	r = jailtest.Run(t, j, `
import os, signal
if os.fork() == 0: os.kill(1, signal.SIGSYS); os._exit(0)
os.kill(1, signal.SIGSYS); os.wait()
`)
	if r.Verdict != sandbox.Exited || len(r.Denials) > 0 {
		t.Errorf("%s, %v", r.Verdict, r.Denials)
	}
}

// An operator's profile may use other actions than an errno.
func TestProfileWithTrap(t *testing.T) {
	filter, err := seccompprofiles.Compile([]byte(`{"extends":"default","syscalls":[{"names":["inotify_init1"],"action":"SCMP_ACT_TRAP"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	j := jailtest.New(t, func(c *jail.Config) { c.Filter = filter.Program })
	r := jailtest.Run(t, j, byNumber+deniedNumbers+"signal.signal(signal.SIGSYS, lambda *a: print('trapped'))\ncall(INOTIFY, 0)\nprint(call(SETUID, 0))")
	if string(r.Stdout.Kept) != "trapped\nEPERM\n" || !maps.Equal(r.Denials, map[string]int{"setuid": 1}) {
		t.Errorf("%q, %v, %s", r.Stdout.Kept, r.Denials, r.Stderr.Kept)
	}
}

// A program that makes denied calls in a loop costs the daemon little processor time, and can be killed like any other.
func TestFloodOfDenials(t *testing.T) {
	const wall = 3 * time.Second
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = wall })
	const flood = byNumber + `
def work():
    while True: libc.syscall(ctypes.c_long(INOTIFY), 0)
for i in range(60): threading.Thread(target=work, daemon=True).start()
print("up", flush=True)
`
	source := strings.Replace(flood, "INOTIFY", fmt.Sprint(unix.SYS_INOTIFY_INIT1), 1)
	t.Run("until the clock runs out", func(t *testing.T) {
		begin, before := time.Now(), cpuTime(t)
		r := jailtest.Run(t, j, source+"work()")
		took, cpu := time.Since(begin), cpuTime(t)-before
		if r.Verdict != sandbox.Timeout || took > wall+grace {
			t.Errorf("verdict %s after %v", r.Verdict, took)
		}
		share := took / 3 // without the pace, the daemon would use more than one whole processor
		if testenv.InLab() {
			share *= 2 // switching between processes is expensive there
		}
		if cpu > share {
			t.Errorf("the daemon's CPU time is %v of %v", cpu, took)
		}
		most := 1000 + 1100*int(took/time.Second+1)
		if n := r.Denials["inotify_init1"]; n < 1000 || n > most {
			t.Errorf("%d denials, want 1000 to %d", n, most)
		}
		t.Logf("%d denials, CPU of the daemon %.1f %% of the wall clock", r.Denials["inotify_init1"], 100*cpu.Seconds()/took.Seconds())
	})
	t.Run("until it ends itself", func(t *testing.T) {
		r := jailtest.Run(t, j, source+"os._exit(7)")
		if r.Verdict != sandbox.Exited || r.ExitCode != 7 {
			t.Errorf("verdict %s, status %d", r.Verdict, r.ExitCode)
		}
	})
	t.Run("until it is cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		before := jailtest.Count(t, os.Getpid())
		up := &notifyWriter{written: make(chan struct{})}
		go func() { <-up.written; cancel() }()
		r, err := j.Run(ctx, sandbox.Program{Source: []byte(source + "work()")}, jailtest.Live(up, nil))
		if err != nil || r.Verdict != sandbox.Cancelled || r.Timing.Program > grace {
			t.Errorf("%+v, %v", r, err)
		}
		jailtest.Settled(t, os.Getpid(), before)
	})
	t.Run("while another runs", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		up := &notifyWriter{written: make(chan struct{})}
		go func() {
			defer close(done)
			_, _ = j.Run(ctx, sandbox.Program{Source: []byte(source + "work()")}, jailtest.Live(up, nil))
		}()
		<-up.written
		r := jailtest.Run(t, j, byNumber+deniedNumbers+"for i in range(500): call(SETUID, 0)")
		cancel()
		<-done
		if r.Denials["setuid"] != 500 || r.Verdict != sandbox.Exited {
			t.Errorf("verdict %s, %v", r.Verdict, r.Denials)
		}
	})
}

// cpuTime returns the CPU time of all threads of this process.
func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// aloneUnder runs the test in a process of its own, which has this seccomp filter. In that process it returns true.
func aloneUnder(t *testing.T, filter []unix.SockFilter, flags uintptr) bool {
	t.Helper()
	if os.Getenv("SANDBOXD_TEST_UNDER_FILTER") == "" {
		cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "SANDBOXD_TEST_UNDER_FILTER=1")
		if said, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(said), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, said)
		}
		return false
	}
	if err := underFilter(filter, flags); err != nil {
		t.Fatal(err)
	}
	return true
}

// The kernel allows one listener among all filters of a process. If the filter of the daemon's container has it, jails work, and
// denials are not counted.
func TestUnderAnotherListener(t *testing.T) {
	if !aloneUnder(t, allowAll, unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH) {
		return
	}
	j := jailtest.New(t, nil)
	r := jailtest.Run(t, j, byNumber+deniedNumbers+"print(call(SETUID, 0), call(FCNTL, 0, 9999), call(900))")
	if string(r.Stdout.Kept) != "EPERM ENOSYS ENOSYS\n" || r.Denials != nil {
		t.Errorf("%q, denials %v, %s", r.Stdout.Kept, r.Denials, r.Stderr.Kept)
	}
}

// The kernel limits the descriptors in flight for each host uid. If runs share a uid and one run reaches the limit, another run cannot
// send its listener to the daemon. That run works, and its denials are not counted.
func TestDescriptorsInFlightOfAnotherRun(t *testing.T) {
	j := jailtest.New(t, patient)
	ctx, cancel := context.WithCancel(t.Context())
	up := &notifyWriter{written: make(chan struct{})}
	const hostUID = "print(open('/proc/self/uid_map').read().split()[1], flush=True)\n"
	done := make(chan *jail.Result)
	go func() {
		hog, _ := j.Run(ctx, sandbox.Program{Source: []byte(`
import socket, time
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    for i in range(1000): socket.send_fds(a, [b"x"], [0] * 10)
except OSError: ` + hostUID + `time.sleep(60)`)}, jailtest.Live(up, nil))
		done <- hog
	}()
	<-up.written
	r := jailtest.Run(t, j, byNumber+deniedNumbers+hostUID+"print(call(SETUID, 0))")
	cancel()
	hog := <-done
	if hog == nil || hog.Stdout.Total == 0 {
		t.Fatalf("the other run: %+v", hog)
	}
	uid, answer, _ := strings.Cut(string(r.Stdout.Kept), "\n")
	want, denials := "EPERM\n", map[string]int{"setuid": 1}
	if uid+"\n" == string(hog.Stdout.Kept) {
		want, denials = "ENOSYS\n", nil
	}
	if answer != want || !maps.Equal(r.Denials, denials) {
		t.Errorf("uid %s: %q, denials %v; %s", uid, answer, r.Denials, r.Stderr.Kept)
	}
}
