package jail_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// takers are the parts from which the attacks on the watchdog are built.
const takers = `
import ctypes, mmap, os, resource, signal, sys, threading, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.read.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
DONTNEED, NOHUGEPAGE, POPULATE_WRITE = 4, 15, 23
PAGE, MIB = 4096, 1 << 20

def reserve(size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, protection=3):
    return libc.mmap(None, size, protection, flags | 0x4000, -1, 0)  # MAP_NORESERVE

def populate(size):
    at = reserve(size)
    if libc.madvise(at, size, POPULATE_WRITE) != 0: raise OSError(ctypes.get_errno(), "madvise")
    return at

def splinter(size):
    "Memory in which every page is a mapping of its own."
    at = reserve(size)
    libc.madvise(at, size, NOHUGEPAGE)
    libc.madvise(at, size, POPULATE_WRITE)
    for offset in range(0, size, 2 * PAGE): libc.mprotect(at + offset, PAGE, 1)
    return at

def children(n, work):
    "Processes that share all memory with this one, and begin to work when it says so."
    r, w = os.pipe()
    for i in range(n):
        if os.fork() == 0:
            try:
                os.close(w)
                os.read(r, 1)
                work(i)
                time.sleep(60)
            finally:
                os._exit(1)
    os.close(r)
    return w

def ready():
    "From here on it takes memory."
    print("ready", flush=True)
    time.sleep(0.5)

def rest(i): pass
def end(): time.sleep(60)
`

// watched measures the memory of a run from outside, independently of the watchdog.
type watched struct {
	exact bool // measure proportional sets, which takes longer and so misses short peaks

	mu   sync.Mutex
	base map[int]int64 // memory of each process when the program was ready
	most int64         // the largest of these values, which the processes share
	peak int64
	quit chan struct{}
	done chan struct{}
}

func watchFromOutside(exact bool) *watched {
	w := &watched{exact: exact, quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		for {
			select {
			case <-w.quit:
				return
			case <-time.After(time.Millisecond):
				w.look()
			}
		}
	}()
	return w
}

func (w *watched) stop() { close(w.quit); <-w.done }

// Write notices that the program is ready.
func (w *watched) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("ready")) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.base = memoryBelow(os.Getpid())
		for _, held := range w.base {
			w.most = max(w.most, held)
		}
	}
	return len(p), nil
}

// look adds up the memory that the processes have taken since the program was ready, and the memory that they share.
func (w *watched) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.base == nil {
		return
	}
	now := w.most
	for pid, held := range memoryBelow(os.Getpid()) {
		base, old := w.base[pid]
		if !old {
			base = w.most // shared with its parent
		}
		now += max(0, held-base)
	}
	if w.exact {
		now = 0
		for pid := range memoryBelow(os.Getpid()) {
			now += linesOf(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss_Anon:", "Pss_Shmem:")
		}
	}
	w.peak = max(w.peak, now)
}

// memoryBelow returns the memory of each descendant of a process: private and shared memory, and page tables.
func memoryBelow(pid int) map[int]int64 {
	found := map[int]int64{}
	for next := jailtest.Children(pid); len(next) > 0; next = next[1:] {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", next[0]))
		for _, thread := range threads {
			if held := linesOf(thread, "RssAnon:", "RssShmem:", "VmPTE:"); held > 0 { // the first thread may have ended
				found[next[0]] = held
				break
			}
		}
		next = append(next, jailtest.Children(next[0])...)
	}
	return found
}

// linesOf adds up lines of a file such as "VmPTE:  12 kB", in bytes.
func linesOf(path string, names ...string) (sum int64) {
	file, _ := os.ReadFile(path) // empty if the process has ended
	for line := range strings.Lines(string(file)) {
		var name string
		var kib int64
		if n, _ := fmt.Sscanf(line, "%s %d kB", &name, &kib); n == 2 && slices.Contains(names, name) {
			sum += kib << 10
		}
	}
	return sum
}

// watchedLimit is the memory limit of the programs that try to evade the watchdog.
const watchedLimit = 256 << 20

// A program that makes its memory hard to measure is still stopped before it has twice its limit.
func TestWatchdogCannotBeEvaded(t *testing.T) {
	for _, engine := range []struct {
		name  string
		edit  func(*jail.Config)
		leaf  bool
		every int // one of so many attacks is tried
	}{
		{"", func(*jail.Config) {}, true, 1},
		{", without a cgroup", func(*jail.Config) {}, false, 2},
		{", forked", func(c *jail.Config) { c.Fork = true }, true, 4},
	} {
		j := jailtest.New(t, func(c *jail.Config) {
			engine.edit(c)
			c.Limits.Memory, c.Limits.Wall, c.Limits.Pids = watchedLimit, time.Minute, 64
		})
		if j.Enforced() {
			t.Skip("the kernel watches here")
		}
		if !engine.leaf {
			t.Cleanup(j.LeaveCgroup())
		}
		for n, tt := range []struct {
			name, source string
			exact        bool
		}{
			{"in one process of many that share thousands of mappings", `
splinter(32 * MIB)
children(30, rest)
ready()
for i in range(16): populate(100 * MIB)
end()`, false},
			{"in many processes, none of which has much", `
splinter(32 * MIB)
go = children(30, lambda i: [populate(4 * MIB) for _ in range(20)])
ready()
os.write(go, b"x" * 30)
end()`, false},
			{"by one system call for each process", `
splinter(32 * MIB)
go = children(16, lambda i: populate(120 * MIB))
ready()
os.write(go, b"x" * 16)
end()`, false},
			{"by reading into it", `
splinter(32 * MIB)
def fill(i):
    at, left = reserve(100 * MIB), 100 * MIB
    with open("/dev/zero", "rb", buffering=0) as zero:
        while left > 0:  # a read may end early
            n = libc.read(zero.fileno(), at, left)
            at, left = at + n, left - n
go = children(16, fill)
ready()
os.write(go, b"x" * 16)
end()`, false},
			{"for shared memory that is given back", `
at = splinter(32 * MIB)
def swap(i):
    for offset in range(0, 32 * MIB, 4 * MIB):
        libc.madvise(at + offset, 4 * MIB, DONTNEED)
        populate(4 * MIB)
go = children(30, swap)
ready()
os.write(go, b"x" * 30)
end()`, true},
			{"with the lock on its memory held all the time", `
splinter(32 * MIB)
def hold():
    while True: libc.munmap(reserve(MIB, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE), MIB)
def fill(i):
    for _ in range(3): threading.Thread(target=hold, daemon=True).start()
    for _ in range(20): populate(8 * MIB)
go = children(12, fill)
ready()
os.write(go, b"x" * 12)
end()`, false},
			{"as page tables", `
splinter(32 * MIB)
def tables(i):
    m = mmap.mmap(-1, 1 << 37, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE | 0x4000)
    for at in range(0, 1 << 37, 2 << 20): m[at]
go = children(12, tables)
ready()
os.write(go, b"x" * 12)
end()`, false},
			{"by threads whose process has lost its first", `
splinter(32 * MIB)
def work():
    for _ in range(20): populate(8 * MIB)
def fill(i):
    threading.Thread(target=work).start()
    libc.pthread_exit(None)
go = children(12, fill)
ready()
os.write(go, b"x" * 12)
end()`, false},
			{"as memory that is shared on purpose", `
splinter(32 * MIB)
common = [reserve(64 * MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS) for _ in range(16)]
go = children(16, lambda i: libc.madvise(common[i], 64 * MIB, POPULATE_WRITE))
ready()
os.write(go, b"x" * 16)
end()`, false},
			{"from one process to the next", `
splinter(32 * MIB)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def pass_on(i):
    for _ in range(8):
        populate(8 * MIB)
        if os.fork(): os._exit(0)
    end()
go = children(6, pass_on)
ready()
os.write(go, b"x" * 6)
end()`, true},
		} {
			if n%engine.every > 0 {
				continue
			}
			t.Run(tt.name+engine.name, func(t *testing.T) {
				outside := watchFromOutside(tt.exact)
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(takers + tt.source)}, jailtest.Live(outside, nil))
				outside.stop()
				if err != nil {
					t.Fatal(err)
				}
				t.Logf("%d MiB, after %v", outside.peak>>20, r.Timing.Program)
				if r.Verdict != sandbox.OOM || outside.peak == 0 {
					t.Errorf("verdict %s, status %d, stdout %q, stderr %s", r.Verdict, r.ExitCode, r.Stdout.Kept, r.Stderr.Kept)
				}
				if outside.peak > 2*watchedLimit { // without a watchdog, the programs take at least four times the limit
					t.Errorf("it had %d MiB of %d", outside.peak>>20, watchedLimit>>20)
				}
			})
		}
	}
}

// Memory that processes share counts once, even while they take and release memory, start and end.
func TestSharedMemoryIsCountedOnce(t *testing.T) {
	underEngines(t, testSharedMemoryIsCountedOnce, "exec", "fork")
}

func testSharedMemoryIsCountedOnce(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
	for _, tt := range []struct{ name, source string }{
		{"of eight children that sleep", `
populate(150 * MIB)
children(8, rest)
time.sleep(1)
print("ok")`},
		{"of many, in thousands of mappings", `
splinter(32 * MIB)
children(30, rest)
time.sleep(1)
print("ok")`},
		{"of children that take and give back", `
populate(150 * MIB)
def churn(i):
    while True: libc.munmap(populate(4 * MIB), 4 * MIB)
os.write(children(4, churn), b"xxxx")
time.sleep(2)
print("ok")`},
		{"of children that write on some of it", `
at = populate(100 * MIB)
def write(i): ctypes.memset(at + i * 10 * MIB, 1, 10 * MIB)
os.write(children(8, write), b"x" * 8)
time.sleep(1)
print("ok")`},
		{"of children that come and go", `
populate(150 * MIB)
for i in range(20):
    for _ in range(5):
        if os.fork() == 0: populate(MIB); os._exit(0)
    for _ in range(5): os.wait()
print("ok")`},
		{"that is shared on purpose", `
at = reserve(120 * MIB, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
go = children(6, lambda i: ctypes.memset(at, 1, 120 * MIB))
os.write(go, b"x" * 6)
time.sleep(2)
print("ok")`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := jailtest.Output(t, j, takers+tt.source); got != "ok\n" {
				t.Errorf("got %q", got)
			}
		})
	}
}
