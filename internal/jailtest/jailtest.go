// Package jailtest helps tests that start jails.
package jailtest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// Python is the interpreter of all tests: the distribution's, with its packages.
const Python = "/usr/bin/python3"

// Without takes layers away from the runs of a jail, named by the init's stages. For a jail without
// the filter, set Config.Filter.
func Without(c *jail.Config, stages ...string) {
	alter(c, func(o *inside.Order) {
		for _, stage := range stages {
			fail(o, stage, inside.FaultSkip)
		}
	})
}

func fail(o *inside.Order, stage string, how int) {
	if o.Faults == nil {
		o.Faults = map[string]int{}
	}
	o.Faults[stage] = how
}

func alter(c *jail.Config, with func(*inside.Order)) {
	before := c.Alter
	c.Alter = func(o *inside.Order) {
		if before != nil {
			before(o)
		}
		with(o)
	}
}

// Fault makes the inits of a jail fail as it was last told.
type Fault struct{ now *atomic.Pointer[fault] }

// fault is one at a stage; none at "".
type fault struct {
	stage string
	how   int
}

// NewFault returns a fault of which nothing is seen yet.
func NewFault(c *jail.Config) Fault {
	f := Fault{new(atomic.Pointer[fault])}
	f.Clear()
	alter(c, func(o *inside.Order) { now := f.now.Load(); fail(o, now.stage, now.how) })
	return f
}

// Set makes every run from here on fail at a stage: with an errno, or as inside.FaultExit says.
func (f Fault) Set(stage string, how int) { f.now.Store(&fault{stage, how}) }

// Clear lets runs be.
func (f Fault) Clear() { f.now.Store(&fault{}) }

// InitAt waits for a jail of this process that is at a stage, and returns the id of the process there: the init, or
// from "split" on its child.
func InitAt(t testing.TB, stage string) int {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		children := Children(os.Getpid())
		for _, pid := range children {
			children = append(children, Children(pid)...)
		}
		for _, pid := range children {
			if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); string(comm) == stage+"\n" {
				return pid
			}
		}
	}
	t.Fatalf("no init came to %s", stage)
	return 0
}

// Children are the processes that the threads of a process have started and not yet waited for.
func Children(pid int) (children []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(task)
		for _, child := range strings.Fields(string(list)) {
			if n, err := strconv.Atoi(child); err == nil {
				children = append(children, n)
			}
		}
	}
	return children
}

// RequireControllers skips a test where no cgroup controllers are to be had.
func RequireControllers(t testing.TB) {
	t.Helper()
	controllers.Do(func() { enforced = New(t, nil).Enforced() })
	switch {
	case enforced:
	case testenv.InLab():
		t.Fatal("no cgroup controllers in the lab")
	default:
		t.Skip("no cgroup controllers on this machine: the lab runs this")
	}
}

// What RequireControllers has found out.
var (
	controllers sync.Once
	enforced    bool
)

// RequireModules skips a test where python3 lacks a package.
func RequireModules(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		found, _ := filepath.Glob("/usr/lib/python3*/dist-packages/" + name)
		if len(found) == 0 {
			testenv.Missing(t, "python3-%s", name)
		}
	}
}

// UIDs are this process's own, so that it can tell its runs from those of a test beside it.
func UIDs() jail.UIDRange {
	const count = 4096
	return jail.UIDRange{First: 1_900_000_000 + os.Getpid()%30_000*count, Count: count}
}

// Config is a configuration with the defaults of the daemon; best effort, so that it works with
// and without controllers.
func Config(t testing.TB) jail.Config {
	t.Helper()
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	return jail.Config{
		Python:     Python,
		Limits:     sandbox.DefaultLimits(),
		Filter:     filter.Program,
		BestEffort: true,
		UIDs:       UIDs(),
		Log:        slog.New(slog.DiscardHandler),
	}
}

// New makes a jail that lives as long as the test. edit may change its configuration.
func New(t testing.TB, edit func(*jail.Config)) *jail.Jail {
	t.Helper()
	config := Config(t)
	if edit != nil {
		edit(&config)
	}
	j, err := jail.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Errorf("close the jail: %v", err)
		}
	})
	return j
}

// Run runs a program, which must not fail for the sandbox's fault.
func Run(t testing.TB, j *jail.Jail, source string) *jail.Result {
	t.Helper()
	result, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Output runs a program that must end well and returns what it printed.
func Output(t testing.TB, j *jail.Jail, source string) string {
	t.Helper()
	r := Run(t, j, source)
	if r.Verdict != sandbox.Exited || r.ExitCode != 0 {
		t.Fatalf("verdict %s, exit status %d, signal %v, stderr:\n%s", r.Verdict, r.ExitCode, r.Signal, r.Stderr.Kept)
	}
	return string(r.Stdout.Kept)
}

// Host counts what a run could leave behind on the host.
type Host struct {
	Processes   int // of the range of uids that runs get, and zombies of ours
	Descriptors int // of this process
	Mounts      int
	Leaves      int // cgroups of runs
	Files       int // of theirs in the directories for temporary files
}

// Count takes stock. PID is the process that starts the runs, with the uids of this test.
func Count(t testing.TB, pid int) Host {
	t.Helper()
	uids := UIDs()
	theirs := func(uid int) bool { return uid >= uids.First && uid < uids.First+uids.Count }
	var h Host
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		status, err := os.ReadFile(filepath.Join(proc, "status"))
		if err != nil {
			continue // it ended meanwhile
		}
		var uid, parent int
		for line := range strings.Lines(string(status)) {
			fmt.Sscanf(line, "Uid: %d", &uid)
			fmt.Sscanf(line, "PPid: %d", &parent)
		}
		if theirs(uid) || parent == pid {
			h.Processes++
		}
	}
	h.Descriptors = entries(fmt.Sprintf("/proc/%d/fd", pid))
	mounts, _ := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	h.Mounts = strings.Count(string(mounts), "\n")
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && strings.Contains(filepath.Dir(path), fmt.Sprintf("/runs-%d-", pid)) {
			h.Leaves++
		}
		return nil
	})
	for _, dir := range []string{"/tmp", "/dev/shm", "/var/tmp"} {
		h.Files += owned(dir, func(uid int) bool { return theirs(uid) || (uid != 0 && uid == os.Geteuid()) })
	}
	return h
}

// owned counts the files of a directory by their owner: other programs make files there too.
func owned(dir string, by func(uid int) bool) (n int) {
	list, _ := os.ReadDir(dir)
	for _, entry := range list {
		info, err := entry.Info()
		if err != nil {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && by(int(stat.Uid)) {
			n++
		}
	}
	return n
}

func entries(dir string) int {
	list, _ := os.ReadDir(dir)
	return len(list)
}

// exceeds reports whether there is more of anything than before. Less is no leak: a connection of
// the test's own may have been open then.
func (h Host) exceeds(before Host) bool {
	return h.Processes > before.Processes || h.Descriptors > before.Descriptors || h.Mounts > before.Mounts ||
		h.Leaves > before.Leaves || h.Files > before.Files
}

// Settled waits until nothing is there that was not before, for what the kernel finishes in its
// own time, and fails the test when something stays.
func Settled(t testing.TB, pid int, before Host) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		now := Count(t, pid)
		if !now.exceeds(before) {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: before %+v, after %+v", before, now)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// SetupStage is the stage of a SetupError, "" for any other error.
func SetupStage(err error) string {
	var setup *sandbox.SetupError
	if errors.As(err, &setup) {
		return setup.Stage
	}
	return ""
}

// Live is a stream to writers of what a program writes, nil for nobody.
func Live(stdout, stderr io.Writer) *sandbox.Stream {
	return sandbox.NewStream(writers{stdout, stderr})
}

type writers struct{ stdout, stderr io.Writer }

func (w writers) Event(e sandbox.Event) {
	switch {
	case e.Kind == sandbox.Stdout && w.stdout != nil:
		_, _ = w.stdout.Write(e.Data)
	case e.Kind == sandbox.Stderr && w.stderr != nil:
		_, _ = w.stderr.Write(e.Data)
	}
}
