package jail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

func TestWithoutALayer(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { jailtest.Without(c, inside.StageHostname) })
	if got := jailtest.Output(t, j, "import os; print(os.uname().nodename)"); got == inside.Hostname+"\n" {
		t.Error("the host name was set all the same")
	}
}

// Each case creates a real fault of the host or of its configuration. The SetupError must name the stage, the object and the errno. No
// process or leaf may be left, and the next run must work. Faults that are injected into the steps of the init are tested in
// cmd/sandboxd.
func TestFaultsOfTheHost(t *testing.T) {
	j := jailtest.New(t, nil)
	parts := j.Parts()
	add := func(nodes ...inside.Node) func() {
		return func() { *parts.Plan = append(slices.Clip(*parts.Plan), nodes...) }
	}
	without := func(path string) func() {
		return func() {
			*parts.Plan = slices.DeleteFunc(slices.Clone(*parts.Plan), func(n inside.Node) bool { return n.Path == path })
		}
	}
	zygote := func(path string) func() {
		return func() {
			*parts.Init = path
			signalZygotes(t, j, unix.SIGKILL)
		}
	}
	many := make([]inside.Node, 600)
	for i := range many {
		many[i] = inside.Node{Op: inside.Dir, Path: fmt.Sprintf("/%d", i), Mode: 0o755}
	}
	jailtest.Run(t, j, "pass")
	before := jailtest.Count(t, os.Getpid())
	for _, tt := range []struct {
		name   string
		fault  func()
		stage  string
		errno  unix.Errno // 0 if the error has none
		object string     // part of the error
	}{
		{"a directory of the host is gone", add(inside.Node{Op: inside.Dir, Path: "/x", Mode: 0o755}, inside.Node{Op: inside.Tree, Path: "/x", Source: "/nonexistent"}),
			inside.StageRoot, unix.ENOENT, "open /nonexistent"},
		{"a device of the host is gone", add(inside.Node{Op: inside.Device, Path: "/dev/x", Source: "/dev/nonexistent"}),
			inside.StageRoot, unix.ENOENT, "open_tree /dev/nonexistent"},
		{"something is in the way", add(inside.Node{Op: inside.Link, Path: "/etc", Source: "/usr"}),
			inside.StageRoot, unix.EEXIST, "symlink /etc"},
		{"a mount is refused", add(inside.Node{Op: inside.Tree, Path: "/etc/passwd", Source: "/usr"}),
			inside.StageRoot, unix.EINVAL, "move_mount /etc/passwd"},
		{"a plan that is not understood", add(inside.Node{Op: "lunch"}),
			inside.StageRoot, unix.EINVAL, "plan lunch"},
		{"the root is full", add(inside.Node{Op: inside.File, Path: "/x", Data: strings.Repeat("x", 5<<20)}),
			inside.StageRoot, unix.ENOSPC, "write /x"},
		{"the root is out of inodes", add(many...), inside.StageRoot, unix.ENOSPC, "mkdir /"},
		{"the scratch space is too small for the source", func() { parts.Limits.Scratch = 4096 },
			"interpreter", 0, "python3 died without a report (exit status 1: OSError: [Errno 27] File too large"},
		{"the scratch space is out of inodes", func() { parts.Limits.Inodes = 2 },
			inside.StageRoot, unix.ENOSPC, "mkdir scratch/"},
		{"an option that tmpfs refuses", func() { parts.Limits.Inodes = -1 },
			inside.StageRoot, unix.EINVAL, "tmpfs nr_inodes=-1"},
		{"no home", without("/home/sandbox"), inside.StagePivot, unix.ENOENT, "chdir /home/sandbox"},
		{"no /dev/null inside", without("/dev/null"), inside.StageLandlock, unix.ENOENT, "open /dev/null"},
		{"no filter", func() { *parts.Filter = nil }, inside.StageSeccomp, unix.EINVAL, "seccomp filter"},
		{"a filter that the kernel refuses", func() { *parts.Filter = make([]byte, 8) },
			inside.StageSeccomp, unix.EINVAL, "seccomp(SET_MODE_FILTER)"},
		{"no interpreter", func() { *parts.Python = "/usr/bin/nonexistent" }, inside.StageExec, unix.ENOENT, "execve /usr/bin/nonexistent"},
		{"an interpreter that is no program", func() { *parts.Python = "/etc/passwd" }, inside.StageExec, unix.EACCES, "execve /etc/passwd"},
		{"a zygote that only ends", zygote("/usr/bin/true"), "clone", 0, "died, or is stuck"},
		{"no zygote", zygote("/proc/self/fd/4000"), "clone", unix.ENOENT, "/proc/self/fd/4000"},
		{"a zygote that is no program", zygote("/dev/null"), "clone", unix.EACCES, "/dev/null"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan, filter, python, init, limits := *parts.Plan, *parts.Filter, *parts.Python, *parts.Init, *parts.Limits
			tt.fault()
			j.Recompile()
			_, err := j.Run(t.Context(), sandbox.Program{Source: fmt.Appendf(nil, `
print(1)
# %s
`, bytes.Repeat([]byte("x"), 1<<16))}, nil)
			if jailtest.SetupStage(err) != tt.stage || (tt.errno != 0 && !errors.Is(err, tt.errno)) || !strings.Contains(fmt.Sprint(err), tt.object) {
				t.Errorf("got %v; want stage %s, %q, %v", err, tt.stage, tt.object, tt.errno)
			}
			*parts.Plan, *parts.Filter, *parts.Python, *parts.Init, *parts.Limits = plan, filter, python, init, limits
			j.Recompile()
			if got := jailtest.Output(t, j, "print(1)"); got != "1\n" {
				t.Errorf("the next run: %q", got)
			}
			jailtest.Settled(t, os.Getpid(), before)
		})
	}
}

// requireLeaves skips the test if runs have no cgroup.
func requireLeaves(t *testing.T, j *jail.Runner) {
	t.Helper()
	if j.Leaves() == "" {
		t.Skip("no cgroup to divide for this user: the same suite runs as root")
	}
}

//lab:as user
func TestLeafCannotBeMade(t *testing.T) {
	j := jailtest.New(t, nil)
	requireLeaves(t, j)
	before := jailtest.Count(t, os.Getpid())
	limit := filepath.Join(j.Leaves(), "cgroup.max.descendants")
	for _, tt := range []struct {
		most  string
		stage string
	}{{"0", "cgroup"}, {"max", ""}} {
		if err := os.WriteFile(limit, []byte(tt.most), 0); err != nil {
			t.Fatal(err)
		}
		_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		if jailtest.SetupStage(err) != tt.stage || (tt.stage != "" && !errors.Is(err, unix.EAGAIN)) {
			t.Errorf("%s leaves: %v", tt.most, err)
		}
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// A process in the leaf that does not belong to the run prevents the removal of the leaf. Runner.Close removes it.
func TestLeafThatCannotBeRemoved(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root moves a process to another's cgroup: the same suite runs as root")
	}
	before := jailtest.Count(t, os.Getpid())
	config := jailtest.Config(t)
	config.KillPatience = 300 * time.Millisecond
	j, err := jail.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	requireLeaves(t, j)
	stranger := exec.Command("sleep", "3600")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	moved := make(chan error, 1)
	intrude := writerFunc(func(p []byte) (int, error) {
		leaves, _ := filepath.Glob(filepath.Join(j.Leaves(), "*", "cgroup.procs"))
		if len(leaves) != 1 {
			moved <- fmt.Errorf("leaves %q", leaves)
			return len(p), nil
		}
		moved <- os.WriteFile(leaves[0], []byte(strconv.Itoa(stranger.Process.Pid)), 0)
		return len(p), nil
	})
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, jailtest.Live(intrude, nil))
	if moveErr := <-moved; moveErr != nil || err != nil {
		t.Fatal(moveErr, err)
	}
	if err := r.Wait(); jailtest.SetupStage(err) != "teardown" || !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "rmdir "+j.Leaves()) {
		t.Errorf("got %v", err)
	}
	if got := jailtest.Output(t, j, "print(1)"); got != "1\n" {
		t.Errorf("the next run: %q", got)
	}
	if err := j.Close(); err != nil { // kills all processes in the tree
		t.Error(err)
	}
	if err := stranger.Wait(); err == nil {
		t.Error("what was in the leaf was not killed")
	}
	jailtest.Settled(t, os.Getpid(), before)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// If a process survives SIGKILL, its leaf and its uid are not released, and no run gets that uid before the process has ended. In this
// test a tracer outside of the jail prevents that a dead child is reaped, and the end of the pid namespace waits for that.
func TestProcessThatSurvivesSIGKILL(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root traces what is in a jail: the same suite runs as root")
	}
	j := jailtest.New(t, func(c *jail.Config) {
		c.UIDs.Count = 1
		c.Limits.Wall = time.Minute
		c.KillPatience = 300 * time.Millisecond
	})
	before := jailtest.Count(t, os.Getpid())
	runtime.LockOSThread() // the kernel identifies a tracer by its thread
	defer runtime.UnlockOSThread()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	up := &notifyWriter{written: make(chan struct{})}
	failed := make(chan error, 1)
	go func() {
		r, err := j.Run(ctx, sandbox.Program{Source: []byte(`
import os, time
if os.fork() == 0: time.sleep(3600)
print('up', flush=True)
time.sleep(3600)
`)}, jailtest.Live(up, nil))
		if err != nil || r.Verdict != sandbox.Cancelled {
			t.Errorf("the answer, which need not wait: %+v, %v", r, err)
		}
		failed <- r.Wait()
	}()
	<-up.written
	child := childOfTheProgram(t)
	if err := unix.PtraceSeize(child); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-failed; jailtest.SetupStage(err) != "kill" || !strings.Contains(err.Error(), "survives SIGKILL") {
		t.Errorf("got %v", err)
	}
	if _, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil); jailtest.SetupStage(err) != "clone" || !strings.Contains(err.Error(), "uids are taken") {
		t.Errorf("a run under the survivor's uid: %v", err)
	}
	if _, err := unix.Wait4(child, nil, unix.WALL, nil); err != nil {
		t.Fatal(err)
	}
	jailtest.Settled(t, os.Getpid(), before)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the next run: %v", err)
		}
	}
}

// childOfTheProgram returns the process id of the only child of the only program that runs.
func childOfTheProgram(t *testing.T) int {
	t.Helper()
	for _, init := range jailtest.Children(os.Getpid()) {
		for _, program := range jailtest.Children(init) {
			if children := jailtest.Children(program); len(children) > 0 {
				return children[0]
			}
		}
	}
	t.Fatal("no program with a child")
	return 0
}

// If the memory limit of the leaf is too small for the init, the kernel kills it.
//
//lab:as user
func TestInitOutOfMemory(t *testing.T) {
	jailtest.RequireControllers(t)
	var fault jailtest.Fault
	j := jailtest.New(t, func(c *jail.Config) { fault = jailtest.NewFault(c) })
	jailtest.Run(t, j, "pass")
	before := jailtest.Count(t, os.Getpid())
	fault.Set(inside.StageRoot, inside.FaultHang)
	failed := make(chan error, 1)
	go func() {
		_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		failed <- err
	}()
	jailtest.InitAt(t, inside.StageRoot)
	limits, _ := filepath.Glob(filepath.Join(j.Leaves(), "*", "memory.max"))
	if len(limits) != 1 {
		t.Fatalf("leaves with a limit: %q", limits)
	}
	// os.WriteFile would open the file with O_NONBLOCK. With this flag, Linux 6.16 and later only set the limit, and the process is not
	// killed before it allocates memory again.
	file, err := unix.Open(limits[0], unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(file, []byte("0")); err != nil {
		t.Error(err)
	}
	unix.Close(file)
	if err := <-failed; jailtest.SetupStage(err) != inside.StageRoot || !strings.Contains(err.Error(), "out of memory in its cgroup") {
		t.Errorf("got %v", err)
	}
	fault.Clear()
	jailtest.Run(t, j, "pass")
	jailtest.Settled(t, os.Getpid(), before)
}

// An init that hangs at any step is given up after SetUpPatience. All steps are tested at the same time.
func TestStuckInit(t *testing.T) {
	patience := 3 * time.Second
	if testenv.InLab() {
		patience = 20 * time.Second
	}
	var fault jailtest.Fault
	j := jailtest.New(t, func(c *jail.Config) {
		c.SetUpPatience = patience
		fault = jailtest.NewFault(c)
	})
	jailtest.Run(t, j, "pass")
	before := jailtest.Count(t, os.Getpid())
	failed := make(map[string]chan error)
	for _, stage := range inside.Stages {
		if stage == inside.StageExec {
			continue // at this step the process still has the name of the step before
		}
		fault.Set(stage, inside.FaultHang)
		done := make(chan error, 1)
		failed[stage] = done
		go func() {
			_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
			done <- err
		}()
		jailtest.InitAt(t, stage)
	}
	for stage, done := range failed {
		if err := <-done; jailtest.SetupStage(err) != stage || !strings.Contains(err.Error(), "init is stuck: no answer within") {
			t.Errorf("got %v, want stage %s", err, stage)
		}
	}
	fault.Clear()
	jailtest.Run(t, j, "pass")
	jailtest.Settled(t, os.Getpid(), before)
}
