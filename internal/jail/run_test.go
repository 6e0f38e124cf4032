package jail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

func short(c *jail.Config) { c.Limits.Wall = time.Second }

//lab:as user
//lab:all own root
func TestTimeout(t *testing.T) { underEngines(t, testTimeout) }

func testTimeout(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Second })
	for _, tt := range []struct{ name, source, stdout string }{
		{"busy", `
print('before')
while True: pass
`, "before\n"},
		{"asleep", `
print('before')
import time
time.sleep(60)
`, "before\n"},
		{"in the middle of a line", `
print('50%', end='')
while True: pass
`, "50%"},
		{"ignores every signal", `
import signal
for s in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}: signal.signal(s, signal.SIG_IGN)
print('deaf')
while True: pass
`, "deaf\n"},
		{"its main thread gone, another at work", `
import ctypes, threading, time
x = bytearray(1)
def work():
    while True: time.sleep(0.01)
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)
`, ""},
		{"in a child", `
import os, time
if os.fork() == 0:
    time.sleep(60)
os.wait()
`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			begin := time.Now()
			r := jailtest.Run(t, j, tt.source)
			if took := time.Since(begin); took < time.Second || took > time.Second+grace {
				t.Errorf("took %v", took)
			}
			if r.Verdict != sandbox.Timeout || string(r.Stdout.Kept) != tt.stdout {
				t.Errorf("verdict %s, stdout %q", r.Verdict, r.Stdout.Kept)
			}
		})
	}
}

func TestOutputIsCappedAndCounted(t *testing.T) {
	underEngines(t, testOutputIsCappedAndCounted, "exec", "fork")
}

func testOutputIsCappedAndCounted(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Output = 1000 })
	r := jailtest.Run(t, j, `
import sys
for i in range(100000): print('x' * 99)
print('done', file=sys.stderr)
`)
	if r.Verdict != sandbox.Exited || r.ExitCode != 0 {
		t.Errorf("the program died of its output: %s", r.Verdict)
	}
	if len(r.Stdout.Kept) != 1000 || r.Stdout.Total != 10_000_000 || !r.Stdout.Truncated() {
		t.Errorf("kept %d of %d", len(r.Stdout.Kept), r.Stdout.Total)
	}
	if string(r.Stderr.Kept) != "done\n" || r.Stderr.Truncated() {
		t.Errorf("stderr %q", r.Stderr.Kept)
	}
}

func TestLiveStreams(t *testing.T) { underEngines(t, testLiveStreams) }

func testLiveStreams(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Output = 1 })
	var stdout, stderr bytes.Buffer
	_, err := j.Run(t.Context(), sandbox.Program{Source: []byte(`
import sys
print('out')
print('err', file=sys.stderr)
`)}, jailtest.Live(&stdout, &stderr))
	if err != nil || stdout.String() != "out\n" || stderr.String() != "err\n" {
		t.Errorf("got %q and %q, %v", stdout.String(), stderr.String(), err)
	}
}

func TestCancelledRunIsKilledAtOnce(t *testing.T) { underEngines(t, testCancelledRunIsKilledAtOnce) }

func testCancelledRunIsKilledAtOnce(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := &notifyWriter{written: make(chan struct{})}
	var r *jail.Result
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		r, err = j.Run(ctx, sandbox.Program{Source: []byte(`
print('up')
while True: pass
`)}, jailtest.Live(started, nil))
	}()
	<-started.written
	begin := time.Now()
	cancel()
	<-done
	if err != nil || r.Verdict != sandbox.Cancelled {
		t.Errorf("%+v, %v", r, err)
	}
	if took := time.Since(begin); took > grace {
		t.Errorf("took %v", took)
	}
}

func TestCancelledBeforeItBegan(t *testing.T) { underEngines(t, testCancelledBeforeItBegan) }

func testCancelledBeforeItBegan(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := j.Run(ctx, sandbox.Program{Source: []byte("print(1)")}, nil)
	if err != nil || r.Verdict != sandbox.Cancelled || r.Stdout.Total != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCrashIsSignaled(t *testing.T) { underEngines(t, testCrashIsSignaled) }

func testCrashIsSignaled(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	r := jailtest.Run(t, j, `
import ctypes
ctypes.string_at(0)
`)
	if r.Verdict != sandbox.Signaled || r.Signal.String() != "segmentation fault" {
		t.Errorf("verdict %s, signal %v", r.Verdict, r.Signal)
	}
}

// A program that exceeds its memory limit is killed: by the kernel in the lab, by the watchdog elsewhere.
//
//lab:as user root
//lab:all own
func TestOutOfMemory(t *testing.T) { underEngines(t, testOutOfMemory, "exec", "fork") }

func testOutOfMemory(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Memory, c.Limits.Wall = 128<<20, 20*time.Second })
	for _, tt := range []struct{ name, source string }{
		{"one process, bit by bit", `
print('before')
keep = []
while True: keep.append(bytearray(1 << 20))
`},
		{"one process, at one blow", `
print('before')
x = bytearray(1 << 30)
`},
		{"thirty processes", `
import os, time
print('before')
for i in range(30):
    if os.fork() == 0: break
x = bytearray(16 << 20)
time.sleep(60)
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := jailtest.Run(t, j, tt.source)
			if r.Verdict != sandbox.OOM || string(r.Stdout.Kept) != "before\n" {
				t.Errorf("verdict %s, status %d, signal %v, stdout %q, stderr %q", r.Verdict, r.ExitCode, r.Signal, r.Stdout.Kept, r.Stderr.Kept)
			}
			if j.Enforced() && r.Usage.PeakMemory > 128<<20 {
				t.Errorf("peak %d bytes is over the limit", r.Usage.PeakMemory)
			}
		})
	}
}

// Programs cannot evade the watchdog's sum of resident sets. A memory controller does not use such a sum.
//
//lab:as user
//lab:all own root
func TestOutOfMemoryByDetour(t *testing.T) { underEngines(t, testOutOfMemoryByDetour, "exec", "fork") }

func testOutOfMemoryByDetour(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Memory, c.Limits.Wall = 128<<20, 20*time.Second })
	for _, tt := range []struct{ name, source string }{
		{"by a thread whose process has lost its first", `
import ctypes, threading, time
def work():
    keep = []
    while True: keep.append(bytearray(1 << 20))
threading.Thread(target=work).start()
ctypes.CDLL(None).pthread_exit(None)`},
		{"by page tables", `
import mmap
m = mmap.mmap(-1, 1 << 38, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE | 0x4000)  # MAP_NORESERVE
for at in range(0, 1 << 38, 2 << 20): m[at]
import time
time.sleep(60)`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if r := jailtest.Run(t, j, tt.source); r.Verdict != sandbox.OOM {
				t.Errorf("verdict %s, status %d, stderr %s", r.Verdict, r.ExitCode, r.Stderr.Kept)
			}
		})
	}
}

// A child between vfork and execve shares the memory of its parent, which the watchdog counts once.
func TestChildrenAreNotCountedTwice(t *testing.T) {
	underEngines(t, testChildrenAreNotCountedTwice, "exec", "fork")
}

func testChildrenAreNotCountedTwice(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
	got := jailtest.Output(t, j, `
import subprocess
x = bytearray(150 << 20)
for i in range(300): subprocess.run(["/bin/true"])
print("ok")`)
	if got != "ok\n" {
		t.Errorf("got %q", got)
	}
}

// Daemons that start at the same time do not remove each other's cgroups.
func TestJailsStartTogether(t *testing.T) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			j, err := jail.New(t.Context(), jailtest.Config(t))
			if err != nil {
				t.Error(err)
				return
			}
			defer j.Close()
			if r, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil); err != nil || string(r.Stdout.Kept) != "1\n" {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
	wg.Wait()
}

//lab:all own root
func TestUIDsRunOut(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root chooses host uids: the same suite runs as root")
	}
	j := jailtest.New(t, func(c *jail.Config) { c.UIDs.Count = 1 })
	up := &notifyWriter{written: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go j.Run(ctx, sandbox.Program{Source: []byte(`
print('up')
import time
time.sleep(60)
`)}, jailtest.Live(up, nil))
	<-up.written
	if _, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil); jailtest.SetupStage(err) != "clone" {
		t.Errorf("got %v", err)
	}
}

//lab:as user
func TestUsage(t *testing.T) { underEngines(t, testUsage) }

func testUsage(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	r := jailtest.Run(t, j, `
x = bytearray(50 << 20)
import time
end = time.process_time() + 0.3
while time.process_time() < end: pass
`)
	if r.Usage.CPU < 300*time.Millisecond || r.Usage.CPU > 5*time.Second {
		t.Errorf("CPU %v, want a little over 300ms", r.Usage.CPU)
	}
	if r.Usage.PeakMemory < 50<<20 || r.Usage.PeakMemory > 100<<20 {
		t.Errorf("peak %d, want a little over 50 MiB", r.Usage.PeakMemory)
	}
	if r.Timing.Program <= 0 || r.Timing.Setup <= 0 || r.Timing.Clone <= 0 || r.Timing.Teardown <= 0 {
		t.Errorf("%+v", r.Timing)
	}
}

//lab:all own root
func TestConcurrentRunsAreApart(t *testing.T) {
	underEngines(t, testConcurrentRunsAreApart, "exec", "fork")
}

func testConcurrentRunsAreApart(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
	const look = `
import json, os, time
while True:
    print(json.dumps({"files": os.listdir("/tmp"), "processes": [p for p in os.listdir("/proc") if p.isdigit()]}), flush=True)
    open("/tmp/%d", "w").close()
    os.unlink("/tmp/%d")
    time.sleep(0.05)`
	var all []*talker
	for i := range 8 {
		all = append(all, talk(t, j, fmt.Sprintf(look, i, i)))
	}
	for _, p := range all {
		p.line(t)
	}
	for _, p := range all { // each looks once more while all of them run
		if seen := p.news(t); seen["files"] != "[]" || seen["processes"] != `["1", "2"]` {
			t.Errorf("sees %v", seen)
		}
	}
}

// Concurrent runs have different host uids if the daemon may choose them.
//
//lab:as root
//lab:all own
func TestConcurrentRunsHaveDifferentUIDs(t *testing.T) {
	underEngines(t, testConcurrentRunsHaveDifferentUIDs, "exec", "fork")
}

func testConcurrentRunsHaveDifferentUIDs(t *testing.T, edit func(*jail.Config)) {
	if os.Geteuid() != 0 && os.Getenv(subordinate) == "" {
		t.Skip("it takes root or subordinate ids: the same suite runs as root, and see TestSubordinateIDs")
	}
	j := jailtest.New(t, edit)
	uids := map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			// In the jail, uid_map contains the uid in the parent namespace.
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(`
import time
print(open('/proc/self/uid_map').read().split()[1])
time.sleep(1)
`)}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			uids[strings.TrimSpace(string(r.Stdout.Kept))] = true
		})
	}
	wg.Wait()
	if len(uids) != 3 || uids[strconv.Itoa(os.Geteuid())] {
		t.Errorf("host uids %v", uids)
	}
}

//lab:as user
//lab:all own root
func TestNothingIsLeftBehind(t *testing.T) { underEngines(t, testNothingIsLeftBehind, "exec", "fork") }

func testNothingIsLeftBehind(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); short(c) })
	jailtest.Run(t, j, "pass")
	before := jailtest.Count(t, os.Getpid())
	for _, source := range []string{
		"print(1)",
		`
import os
for i in range(20):
    if os.fork() == 0: os.setsid(); import time; time.sleep(60)
`,
		"while True: pass",
		"open('/tmp/x', 'w').write('x'); open('/dev/shm/y', 'w').write('y')",
		`
import os
os.close(0); os.close(1); os.close(2)
while True: pass
`,
		"raise SystemExit(3)",
	} {
		jailtest.Run(t, j, source)
	}
	jailtest.Settled(t, os.Getpid(), before)
}

func TestSetupErrorNamesItsStage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		edit  func(*jail.Config)
		stage string
	}{
		{"a filter that the kernel refuses", func(c *jail.Config) { c.Filter = []unix.SockFilter{{Code: 0xffff}} }, "seccomp"},
		{"an execve that the filter forbids", func(c *jail.Config) { c.Filter = denyAllButReports }, "exec"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := jailtest.New(t, tt.edit)
			before := jailtest.Count(t, os.Getpid())
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
			if got := jailtest.SetupStage(err); got != tt.stage {
				t.Errorf("stage %q, want %q: %v, %+v", got, tt.stage, err, r)
			}
			jailtest.Settled(t, os.Getpid(), before)
		})
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*jail.Config)
		text string
	}{
		{"no python", func(c *jail.Config) { c.Python = "/usr/bin/python-that-is-not" }, "no such file"},
		{"a relative python", func(c *jail.Config) { c.Python = "python3" }, "not an absolute path"},
		{"another program than python", func(c *jail.Config) { c.Python = "/bin/echo" }, "is not a Python interpreter"},
		{"a python below /tmp", func(c *jail.Config) { c.Python = linkInTmp(t) }, "cannot be shown in a jail"},
		{"no filter", func(c *jail.Config) { c.Filter = nil }, "no seccomp filter"},
		{"no time", func(c *jail.Config) { c.Limits.Wall = 0 }, "wall"},
		{"no memory", func(c *jail.Config) { c.Limits.Memory = 1 }, "memory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := jailtest.Config(t)
			tt.edit(&config)
			if _, err := jail.New(t.Context(), config); err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
		})
	}
}

//lab:as user
func TestMissingControllersAreRefusedUnlessBestEffort(t *testing.T) {
	config := jailtest.Config(t)
	config.BestEffort = false
	j, err := jail.New(t.Context(), config)
	var missing *cgroup.MissingControllersError
	switch {
	case err == nil && j.Enforced():
		j.Close()
	case err == nil:
		t.Error("started without controllers")
	case testenv.InLab() || !errors.As(err, &missing):
		t.Error(err)
	}
}

// linkInTmp returns an interpreter in a directory that a jail cannot show.
func linkInTmp(t *testing.T) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "python3")
	if err := os.Symlink(jailtest.Python, link); err != nil {
		t.Fatal(err)
	}
	return link
}
