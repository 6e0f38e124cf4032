package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/hostile"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// Environment variables of TestSoak. `make soak` sets them.
const (
	soakFor   = "SANDBOXD_TEST_SOAK"  // duration; without it a fixed number of programs runs
	soakSeed  = "SANDBOXD_TEST_SEED"  // seed, instead of 1
	soakIndex = "SANDBOXD_TEST_INDEX" // run only the program with this index
)

const (
	soakLanes = 4  // concurrent programs
	soakBatch = 50 // programs between two checks of the host
)

// soakWall is the wall clock of a run. It is long enough for a well-behaved program beside hostile ones.
var soakWall = time.Second

// soak is a daemon under random hostile programs.
type soak struct {
	*sandboxd
	seed  uint64
	calls hostile.Calls

	mu     sync.Mutex
	ends   map[string]int // number of runs by verdict, and of requests by other results
	probes int
	failed int
	slow   time.Duration // time of the slowest answer
	slowOf int           // index of its program
}

// Random hostile programs, posted with the scan off, several at a time; some clients close the connection. Every answer keeps
// the contract, well-behaved programs are served at the same time, and after each batch the host is as before.
func TestSoak(t *testing.T) {
	programs, lasts := 2*soakBatch, time.Duration(0)
	if testenv.All() {
		programs = 3 * soakBatch
	}
	if testenv.InLab() { // the lab is many times slower
		programs, soakWall = 25, 5*time.Second
	}
	s := &soak{seed: 1, calls: allowedCalls(t), ends: map[string]int{}}
	if asked := os.Getenv(soakSeed); asked != "" {
		s.seed = must(strconv.ParseUint(asked, 10, 64))
	}
	if asked := os.Getenv(soakFor); asked != "" {
		programs, lasts = 1<<40, must(time.ParseDuration(asked))
	}
	s.sandboxd = start(t, "--policy=off", "--wall="+soakWall.String())
	s.probe(t)
	before := s.look(t)

	if asked := os.Getenv(soakIndex); asked != "" {
		p := hostile.New(s.seed, must(strconv.Atoi(asked)), s.calls)
		t.Logf("%v\n%s", p, p.Source)
		s.batch(t, p.Index, p.Index+1)
		s.unchanged(t, before)
		return
	}
	begin, index := time.Now(), 0
	var memory int64
	for !t.Failed() && index < programs && (lasts == 0 || time.Since(begin) < lasts) {
		first := index
		index = min(first+soakBatch, programs)
		s.batch(t, first, index)
		if !s.unchanged(t, before) {
			s.blame(t, first, index)
		}
		switch now := residentMemory(t, s.sandboxd); {
		case memory == 0:
			memory = now
		case now > memory*3/2+(16<<20):
			t.Errorf("the daemon grew from %d to %d bytes", memory, now)
		}
	}
	t.Logf("seed %d: %d programs in %v, %d at a time: %d held, %d failed", s.seed, index, time.Since(begin).Round(time.Second), soakLanes, index-s.failed, s.failed)
	for _, end := range slices.Sorted(maps.Keys(s.ends)) {
		t.Logf("%8d %s", s.ends[end], end)
	}
	t.Logf("%8d well-behaved programs served meanwhile; the slowest answer, to program %d, took %v of a wall clock of %v", s.probes, s.slowOf, s.slow.Round(time.Millisecond), soakWall)
}

// allowedCalls returns the system calls that the default filter allows, at least with some arguments.
func allowedCalls(t testing.TB) hostile.Calls {
	t.Helper()
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	var calls hostile.Calls
	for _, s := range filter.Syscalls {
		if slices.ContainsFunc(s.Rules, func(r seccompprofiles.Rule) bool { return r.Action.Allows() }) {
			calls = append(calls, s.Number)
		}
	}
	return calls
}

// batch runs the programs from index first up to, but not including, end, and some well-behaved ones.
func (s *soak) batch(t testing.TB, first, end int) {
	t.Helper()
	var lanes sync.WaitGroup
	next := make(chan int)
	for range soakLanes {
		lanes.Go(func() {
			for index := range next {
				s.attack(t, hostile.New(s.seed, index, s.calls))
				if index%5 == 0 {
					s.probe(t)
				}
			}
		})
	}
	for index := first; index < end; index++ {
		next <- index
	}
	close(next)
	lanes.Wait()
	closeIdle()
	if health := s.get(t, "/healthz"); health.status != http.StatusOK {
		t.Errorf("/healthz: %d %s", health.status, health.body)
	}
	closeIdle()
}

// attack posts a program and checks the answer.
func (s *soak) attack(t testing.TB, p hostile.Program) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	leaves := p.Index%12 == 11 // the client closes the connection, before the program's end or just after it
	if leaves {
		random := rand.New(rand.NewPCG(p.Seed, uint64(p.Index))) //nolint:gosec // it must be repeatable
		defer time.AfterFunc(time.Duration(random.Int64N(int64(soakWall))), cancel).Stop()
	}
	a, err := s.post1(ctx, p.Source)
	end := a.header.Get("X-Sandboxd-Verdict")
	switch {
	case leaves && errors.Is(err, context.Canceled):
		end, err = "client went away", nil
	case err == nil && a.status == http.StatusServiceUnavailable && a.header.Get("Retry-After") != "":
		end = "queue full"
	case err == nil:
		err = keepsContract(a)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		t.Errorf("%v: %v\n%s", p, err, p.Acts())
		return
	}
	s.ends[end]++
	if a.took > s.slow {
		s.slow, s.slowOf = a.took, p.Index
	}
}

// post1 posts a program. Any goroutine may call it.
func (s *soak) post1(ctx context.Context, source string) (answer, error) {
	body, err := json.Marshal(map[string]string{"code": source})
	if err != nil {
		return answer{}, err
	}
	return s.do(ctx, "POST", "/playground/execute", strings.NewReader(string(body)), "Content-Type", "application/json")
}

// An uncaught KeyboardInterrupt ends a program by SIGINT, and keeps the contract.
func TestInterruptedProgramKeepsTheContract(t *testing.T) {
	s := &soak{sandboxd: start(t, "--policy=off", "--wall="+soakWall.String(), "--memory=256MiB")}
	a, err := s.post1(t.Context(), "raise KeyboardInterrupt")
	if err != nil {
		t.Fatal(err)
	}
	if err := keepsContract(a); err != nil || a.header.Get("X-Sandboxd-Signal") != "SIGINT" {
		t.Errorf("%v; signal %q", err, a.header.Get("X-Sandboxd-Signal"))
	}
}

// aftermath is how late after the wall clock an answer may come: the kernel has to end 64 processes with all of their memory, on
// a machine that ends others at the same time.
const aftermath = 20 * time.Second

// keepsContract returns an error if the answer to a program that ran breaks the contract.
func keepsContract(a answer) error {
	var body map[string]string
	if err := json.Unmarshal([]byte(a.body), &body); a.status != http.StatusOK || err != nil {
		return fmt.Errorf("status %d, %v: %.500s", a.status, err, a.body)
	}
	stderr, two := body["stderr"]
	if _, one := body["stdout"]; !one || !two || len(body) != 2 {
		return fmt.Errorf("fields %q", slices.Sorted(maps.Keys(body)))
	}
	for stream, text := range body { // an invalid byte becomes three bytes of UTF-8, and the daemon adds up to two notes
		if len(text) > 3<<20+500 {
			return fmt.Errorf("%d bytes of %s", len(text), stream)
		}
	}
	header := a.header.Get
	_, err := strconv.ParseUint(header("X-Sandboxd-Exit-Code"), 10, 8)
	last := map[string]string{
		"timeout":  fmt.Sprintf("Error: Code execution timed out (%v second limit).", soakWall.Seconds()),
		"oom":      "Error: Memory limit exceeded (256 MiB limit).",
		"signaled": "Error: Program was killed by signal " + header("X-Sandboxd-Signal"),
	}
	verdict := header("X-Sandboxd-Verdict")
	interrupted := header("X-Sandboxd-Signal") == "SIGINT" // by an uncaught KeyboardInterrupt, for which the daemon adds no line
	line := stderr[strings.LastIndex(stderr, "\n")+1:]
	switch {
	case verdict == "exited" && err == nil && header("X-Sandboxd-Signal") == "":
	case last[verdict] != "" && header("X-Sandboxd-Exit-Code") == "" && strings.HasPrefix(line, last[verdict]) != interrupted:
	default:
		return fmt.Errorf("verdict %q with %v and the last line %.200q", verdict, a.header, line)
	}
	if a.took > soakWall+aftermath {
		return fmt.Errorf("took %v", a.took)
	}
	return nil
}

// calm is a small, well-behaved program. It prints facts about its surroundings, which must not contain anything of other runs.
const calm = `
import os, sys, threading
print(6 * 7, os.getpid(), os.uname().nodename, os.getuid(), os.getcwd(), threading.active_count())
for d in "/", "/tmp", "/run", "/dev", "/dev/shm", "/home/sandbox", "/proc/self/fd": print(sorted(os.listdir(d)))
print([p for p in os.listdir("/proc") if p.isdigit()], sorted(os.environ.items()), open("/proc/self/limits").read())
print(open("/proc/sysvipc/shm").read() if os.path.exists("/proc/sysvipc") else "")
`

// probe expects that the well-behaved program prints the same as the first time. In best effort CPU is not divided between runs, so
// a program may time out beside hostile ones. Then it is tried again.
func (s *soak) probe(t testing.TB) {
	for range 20 {
		a, err := s.post1(t.Context(), calm)
		switch verdict := a.header.Get("X-Sandboxd-Verdict"); {
		case err != nil || a.status != http.StatusOK:
			t.Errorf("a well-behaved program: %v, status %d: %s", err, a.status, a.body)
			return
		case verdict == "timeout" && isolation() == "--isolation=best-effort":
			continue
		case verdict != "exited" || !strings.Contains(a.body, "42 2 sandbox 1000"):
			t.Errorf("a well-behaved program: %s: %s", verdict, a.body)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.probes++
		calmSays = cmp.Or(calmSays, a.body)
		if a.body != calmSays {
			t.Errorf("a well-behaved program finds\n%s\nand at first found\n%s", a.body, calmSays)
		}
		return
	}
	t.Error("a well-behaved program timed out 20 times")
}

var calmSays string

// host has the facts about the host that must not change.
type host struct {
	count   jailtest.Host
	facts   map[string]string
	stepped time.Duration // offset of the wall clock from the monotonic clock
	kmsg    *os.File      // the kernel's log from now on; nil if it cannot be read
}

// look records the state of the host.
func (s *soak) look(t testing.TB) host {
	t.Helper()
	closeIdle()
	h := host{count: jailtest.Count(t, s.cmd.Process.Pid), facts: facts(), stepped: clockOffset()}
	// With O_NONBLOCK a read at the end returns EAGAIN instead of waiting.
	if fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); err == nil {
		h.kmsg = os.NewFile(uintptr(fd), "/dev/kmsg")
		t.Cleanup(func() { h.kmsg.Close() })
		if _, err := h.kmsg.Seek(0, io.SeekEnd); err != nil {
			t.Error(err)
		}
	}
	return h
}

// kernelTrouble matches lines of the kernel's log that no program may cause. Lines about a fault of the program itself
// ("python3[1]: segfault at 0") are expected.
var kernelTrouble = regexp.MustCompile(`BUG:|kernel BUG|WARNING: |Oops|general protection fault, |refcount_t|KASAN|KFENCE|UBSAN|lockup|blocked for more than|double fault|waiting for \S+ to become free`)

// unchanged reports whether the host is as before, and fails the test if not.
func (s *soak) unchanged(t testing.TB, before host) bool {
	t.Helper()
	ok := true
	fail := func(format string, args ...any) {
		ok = false
		t.Errorf(format, args...)
	}
	select {
	case err := <-s.done:
		t.Fatalf("the daemon ended: %v", err)
	default:
	}
	waitFor(t, "no run in flight", func() bool { return s.metric(t, "sandboxd_runs_in_flight") == "0" })
	closeIdle()
	if leak := (&recorder{TB: t}); !leak.settled(s.cmd.Process.Pid, before.count) {
		fail("%s", leak.said)
	}
	now := facts()
	for key := range maps.Keys(now) {
		if _, was := before.facts[key]; !was {
			fail("%s is new: %.300q", key, now[key])
		}
	}
	for key, was := range before.facts {
		if now[key] != was {
			fail("%s was %.1000q and is %.1000q", key, was, now[key])
		}
	}
	if step := clockOffset() - before.stepped; step.Abs() > time.Second {
		fail("the clock was stepped by %v", step)
	}
	for record := make([]byte, 8<<10); before.kmsg != nil; {
		n, err := unix.Read(int(before.kmsg.Fd()), record)
		if err == unix.EPIPE { // older records were overwritten
			continue
		}
		if err != nil {
			break
		}
		if kernelTrouble.Match(record[:n]) {
			fail("the kernel says: %s", record[:n])
		}
	}
	if !ok {
		s.failed++
	}
	return ok
}

// recorder records the failures that jailtest.Settled reports.
type recorder struct {
	testing.TB
	said string
}

func (r *recorder) Errorf(format string, args ...any) { r.said = fmt.Sprintf(format, args...) }

func (r *recorder) settled(pid int, before jailtest.Host) bool {
	jailtest.Settled(r, pid, before)
	return r.said == ""
}

// blame runs each program of a batch alone, and reports those that change the host.
func (s *soak) blame(t testing.TB, first, end int) {
	t.Helper()
	for index := first; index < end; index++ {
		before := s.look(t)
		s.batch(t, index, index+1)
		if !s.unchanged(t, before) {
			p := hostile.New(s.seed, index, s.calls)
			t.Errorf("it was %v\n%s", p, p.Acts())
			return
		}
	}
	t.Logf("none of seed %d, %d to %d alone", s.seed, first, end-1)
}

// clockOffset returns the offset of the wall clock from the monotonic clock. A step of the clock changes it; slewing does not.
func clockOffset() time.Duration {
	var wall, monotonic unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_REALTIME, &wall)
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &monotonic)
	return time.Duration(wall.Nano() - monotonic.Nano())
}

// restless are sysctls that count something and change by themselves.
var restless = []string{
	"kernel/random/uuid", "kernel/random/entropy_avail", "kernel/ns_last_pid", "kernel/pty/nr", "kernel/perf_event_max_sample_rate",
	"fs/dentry-state", "fs/inode-nr", "fs/inode-state", "fs/file-nr", "fs/aio-nr", "fs/quota",
}

// facts returns settings of the host, and the state of files that many programs depend on.
func facts() map[string]string {
	f := map[string]string{}
	for _, root := range []string{"kernel", "vm", "fs", "user", "net/core", "net/ipv4"} {
		_ = filepath.WalkDir("/proc/sys/"+root, func(path string, d os.DirEntry, err error) error {
			name := strings.TrimPrefix(path, "/proc/sys/")
			switch {
			case err != nil || slices.Contains(restless, name):
			case d.IsDir() && (name == "net/ipv4/conf" || name == "net/ipv4/neigh"):
				return filepath.SkipDir
			case !d.IsDir() && !strings.HasPrefix(name, "fs/quota/"):
				if value, err := os.ReadFile(path); err == nil {
					f["sysctl "+name] = string(value)
				}
			}
			return nil
		})
	}
	for _, path := range []string{"/proc/self/mounts", "/etc/passwd", "/etc/hosts", "/etc/resolv.conf"} {
		if content, err := os.ReadFile(path); err == nil {
			f[path] = string(content)
		}
	}
	uids := jailtest.UIDs()
	for _, path := range []string{"/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg"} {
		content, _ := os.ReadFile(path)
		for line := range strings.Lines(string(content)) {
			for _, field := range strings.Fields(line) { // one of the fields is the owner
				if uid, err := strconv.Atoi(field); err == nil && uid >= uids.First && uid < uids.First+uids.Count {
					f[path+" has"] += line
				}
			}
		}
	}
	for _, path := range []string{"/", "/etc", "/usr", "/usr/bin", "/usr/lib", "/dev", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom",
		"/etc/passwd", "/etc/shadow", jailtest.Python, "/bin/sh", "/tmp", "/var/tmp", "/dev/shm"} {
		if info, err := os.Stat(path); err == nil {
			stat := info.Sys().(*syscall.Stat_t)
			f["owner and mode of "+path] = fmt.Sprint(stat.Uid, stat.Gid, info.Mode(), stat.Rdev)
		}
	}
	for _, dir := range []string{"/", "/dev", "/etc", "/usr", "/usr/lib/python3/dist-packages"} {
		if list, err := os.ReadDir(dir); err == nil {
			var names []string
			for _, entry := range list {
				if !strings.HasPrefix(entry.Name(), jailtest.NamePrefix) { // tests of another package run meanwhile
					names = append(names, entry.Name())
				}
			}
			f["files in "+dir] = strings.Join(names, " ")
		}
	}
	return f
}

// An act must do what it intends: its Python must be correct. Acts that destroy the interpreter are left out.
func TestHostileActsAreCorrectPython(t *testing.T) {
	mistake := regexp.MustCompile(`(?m)^(NameError|UnboundLocalError|AttributeError|TypeError|ImportError|ModuleNotFoundError|IndexError|ctypes\.ArgumentError)\b.*`)
	d := start(t, "--policy=off", "--wall=300ms")
	for _, name := range hostile.Names() {
		if slices.Contains([]string{"interpreter", "libc", "machine code", "mappings", "proc"}, name) || strings.HasPrefix(name, "system calls") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			seeds := uint64(1)
			if testenv.All() {
				seeds = 3
			}
			for seed := range seeds {
				p, err := hostile.Only(seed, name, nil)
				if err != nil {
					t.Fatal(err)
				}
				r, _ := d.execute(t, p.Source)
				if m := mistake.FindString(r.Stderr); m != "" {
					t.Errorf("%s, in:\n%s", m, p.Source)
				}
			}
		})
	}
}
