// Package jailtest has helpers for tests that start jails.
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
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// Python is the interpreter of all tests: that of the distribution, with its packages.
const Python = "/usr/bin/python3"

// NamePrefix starts the name of everything that a test makes in a shared directory of the host. A test that looks for changes of the
// host leaves these names out.
const NamePrefix = "sandboxd-test-"

// Without removes stages of the init from the runs of a jail, and with them the layers that they set up. To remove the filter, set
// Config.Filter instead.
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

// Fault makes the inits of a jail fail as set by its last call of Set.
type Fault struct{ now *atomic.Pointer[fault] }

// fault is a failure at a stage; the stage "" is no failure.
type fault struct {
	stage string
	how   int
}

// NewFault returns a Fault for jails of the configuration c. At first no init fails.
func NewFault(c *jail.Config) Fault {
	f := Fault{new(atomic.Pointer[fault])}
	f.Clear()
	alter(c, func(o *inside.Order) { now := f.now.Load(); fail(o, now.stage, now.how) })
	return f
}

// Set makes every later run fail at a stage: with the errno how, or as inside.FaultExit and its siblings say.
func (f Fault) Set(stage string, how int) { f.now.Store(&fault{stage, how}) }

// Clear lets later runs succeed.
func (f Fault) Clear() { f.now.Store(&fault{}) }

// InitAt waits for a jail of this process that has reached a stage. It returns the pid of the process there: the init, or from the
// stage "split" on the init's child.
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

// Children returns the children of a process that it has not waited for.
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

// RequireControllers skips a test if the machine has no cgroup controllers. In the lab the test fails instead.
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

// Result of RequireControllers.
var (
	controllers sync.Once
	enforced    bool
)

// RequireModules skips a test if python3 does not have a package.
func RequireModules(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		found, _ := filepath.Glob("/usr/lib/python3*/dist-packages/" + name)
		if len(found) == 0 {
			testenv.Missing(t, "python3-%s", name)
		}
	}
}

// UIDs returns host uids that only this process uses, so that its runs can be distinguished from those of another test process.
func UIDs() hostid.Range {
	const count = 4096
	return hostid.Range{First: 1_900_000_000 + os.Getpid()%30_000*count, Count: count}
}

// Config returns a configuration with the defaults of the daemon. The isolation is best effort, so that it works with and without
// controllers.
func Config(t testing.TB) jail.Config {
	t.Helper()
	filter, err := seccompprofiles.Compile(seccompprofiles.Default)
	if err != nil {
		t.Fatal(err)
	}
	return jail.Config{
		HostConfig: jail.HostConfig{
			BestEffort: true,
			UIDs:       UIDs(),
			Log:        slog.New(slog.DiscardHandler),
		},
		EnvironmentConfig: jail.EnvironmentConfig{
			Python: Python,
			Limits: sandbox.DefaultLimits(),
			Filter: filter.Program,
		},
	}
}

// New makes a jail that is closed at the end of the test. edit may change its configuration.
func New(t testing.TB, edit func(*jail.Config)) *jail.Runner {
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

// Run runs a program. The test fails if the sandbox fails.
func Run(t testing.TB, j *jail.Runner, source string) *jail.Result {
	t.Helper()
	result, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Output runs a program, which must exit with status 0, and returns its standard output.
func Output(t testing.TB, j *jail.Runner, source string) string {
	t.Helper()
	r := Run(t, j, source)
	if r.Verdict != sandbox.Exited || r.ExitCode != 0 {
		t.Fatalf("verdict %s, exit status %d, signal %v, stderr:\n%s", r.Verdict, r.ExitCode, r.Signal, r.Stderr.Kept)
	}
	return string(r.Stdout.Kept)
}

// Host counts things that a run may leave behind on the host.
type Host struct {
	Processes   int // with uids of runs, and children of the process that starts the runs
	Descriptors int // of this process
	Mounts      int
	Leaves      int // cgroups of runs
	Files       int // with uids of runs, in the directories for temporary files
}

// Count counts for the process pid, which starts the runs with the uids of this test.
func Count(t testing.TB, pid int) Host {
	t.Helper()
	uids := UIDs()
	theirs := func(uid int) bool { return uid >= uids.First && uid < uids.First+uids.Count }
	var h Host
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		status, err := os.ReadFile(filepath.Join(proc, "status"))
		if err != nil {
			continue // the process has ended
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

// owned counts the files in a directory whose owner matches. Other programs make files there too.
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

// exceeds reports whether any count is higher than before. A lower count is not a leak: for example, a connection of the test may
// have been open before.
func (h Host) exceeds(before Host) bool {
	return h.Processes > before.Processes || h.Descriptors > before.Descriptors || h.Mounts > before.Mounts ||
		h.Leaves > before.Leaves || h.Files > before.Files
}

// Settled waits until no count is higher than before, because the kernel removes some things later. The test fails if something
// stays for 10 seconds.
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

// SetupStage returns the stage of a SetupError, and "" for any other error.
func SetupStage(err error) string {
	var setup *sandbox.SetupError
	if errors.As(err, &setup) {
		return setup.Stage
	}
	return ""
}

// Live returns a stream that copies the program's output to writers. A writer may be nil.
func Live(stdout, stderr io.Writer) *sandbox.Stream {
	return sandbox.NewStream(writers{stdout, stderr})
}

type writers struct{ stdout, stderr io.Writer }

// Event writes the data of an output event. The test of the run notices lost output, so errors of a writer are ignored.
func (w writers) Event(e sandbox.Event) {
	switch {
	case e.Kind == sandbox.Stdout && w.stdout != nil:
		_, _ = w.stdout.Write(e.Data)
	case e.Kind == sandbox.Stderr && w.stderr != nil:
		_, _ = w.stderr.Write(e.Data)
	}
}
