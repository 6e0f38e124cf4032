package jail_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// waiting waits until the pool is full.
func waiting(t *testing.T, j *jail.Runner, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d jails wait", n), func() bool { return j.Waiting() == n })
}

// identity is a program that prints its ids, and writes a mark to every place that it can.
const identity = `
import json, os, time
print(json.dumps({
    "uid": open("/proc/self/uid_map").read().split()[1],
    "marks": [d for d in ("/tmp", "/home/sandbox", "/dev/shm", "/run") if os.path.exists(d + "/mark")] + [m for m in ("mark",) if hasattr(os, m)],
    "processes": [p for p in os.listdir("/proc") if p.isdigit()],
    **{kind: os.readlink("/proc/self/ns/" + kind) for kind in ("ipc", "mnt", "net", "pid", "user", "uts", "cgroup")},
}), flush=True)
for d in ("/tmp", "/home/sandbox", "/dev/shm", "/run"): open(d + "/mark", "w").write("x")
os.mark = True
`

// A waiting jail serves one run and ends with it.
func TestWaitingJailServesOneRun(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm, c.Limits.Wall = 1, time.Minute })
		waiting(t, j, 1)
		pid := j.WaitingPIDs()[0]
		first := talk(t, j, identity+"time.sleep(60)")
		seen := first.line(t)
		if slices.Contains(j.WaitingPIDs(), pid) {
			t.Fatal("it waits, and runs a program")
		}
		waiting(t, j, 1)
		second := talk(t, j, identity+"time.sleep(60)")
		saw := second.line(t)
		for aspect, what := range saw {
			switch aspect {
			case "marks":
				if what != "[]" {
					t.Errorf("marks of another run: %s", what)
				}
			case "processes":
				if what != `["1", "2"]` {
					t.Errorf("processes %s", what)
				}
			case "uid":
				if what == seen[aspect] && os.Geteuid() == 0 {
					t.Errorf("both had the host uid %s", what)
				}
			default:
				if what == seen[aspect] {
					t.Errorf("both had the %s namespace %s", aspect, what)
				}
			}
		}
		if !alive(pid) {
			t.Errorf("process %d did not run the program", pid)
		}
		for _, p := range []*talker{first, second} {
			p.end()
			if p.err != nil || !p.result.Warm || p.result.Timing.Clone != 0 {
				t.Errorf("warm %v, timing %+v, %v", p.result.Warm, p.result.Timing, p.err)
			}
		}
		if alive(pid) {
			t.Error("the first outlives its run")
		}
		waiting(t, j, 1)
		if slices.Contains(j.WaitingPIDs(), pid) {
			t.Error("the first waits again")
		}
	}, "exec", "fork")
}

// The time and CPU time of a waiting jail before its run are not counted for the run.
func TestWaitingIsNotCounted(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm, c.Limits.Wall = 1, time.Second })
		waiting(t, j, 1)
		time.Sleep(j.Parts().Limits.Wall) // the jail waits as long as a program may run
		r := jailtest.Run(t, j, `
import time
time.sleep(0.5)
print('whole')
`)
		if !r.Warm || r.Verdict != sandbox.Exited || string(r.Stdout.Kept) != "whole\n" {
			t.Errorf("warm %v, verdict %s, %q", r.Warm, r.Verdict, r.Stdout.Kept)
		}
		if r.Timing.Program < 500*time.Millisecond || r.Timing.Program > time.Second || r.Timing.Setup > 500*time.Millisecond {
			t.Errorf("timing %+v", r.Timing)
		}
		waiting(t, j, 1)
		if r := jailtest.Run(t, j, "while True: pass"); r.Verdict != sandbox.Timeout || r.Timing.Program < time.Second {
			t.Errorf("warm %v, verdict %s after %v", r.Warm, r.Verdict, r.Timing.Program)
		}
	}, "exec", "fork")
}

// The CPU time of the start of python3, which takes long in this test, is not counted for the program.
func TestStartOfTheInterpreterIsNotCounted(t *testing.T) {
	const start = 300 * time.Millisecond
	python := virtualEnvironment(t, map[string]string{
		"slow.pth": "import slow",
		"slow":     fmt.Sprintf("import time\nwhile time.process_time() < %g: pass", start.Seconds()),
	})
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Python, c.Limits.Wall = python, time.Minute })
		eventually(t, "one waits", func() bool { return j.Waiting() > 0 || j.Warm() == 0 })
		r := jailtest.Run(t, j, `
import sys
print('slow' in sys.modules)
`)
		if string(r.Stdout.Kept) != "True\n" || r.Usage.CPU > start/2 || r.Warm != (j.Warm() > 0) {
			t.Errorf("%q, warm %v, CPU %v", r.Stdout.Kept, r.Warm, r.Usage.CPU)
		}
	})
}

// If waiting jails are killed, all runs succeed.
func TestWaitingJailIsKilled(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		before := jailtest.Count(t, os.Getpid())
		t.Run("and replaced", func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm = 1 })
			waiting(t, j, 1)
			pid := j.WaitingPIDs()[0]
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, "another waits", func() bool { pids := j.WaitingPIDs(); return len(pids) == 1 && pids[0] != pid })
			if r := jailtest.Run(t, j, "print(1)"); !r.Warm || string(r.Stdout.Kept) != "1\n" {
				t.Errorf("%+v", r)
			}
		})
		t.Run("when it is taken", func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm = 1 })
			for range 20 {
				eventually(t, "one waits and is killed", func() bool { return j.KillWaiting() > 0 })
				if r := jailtest.Run(t, j, "print(1)"); r.Verdict != sandbox.Exited || string(r.Stdout.Kept) != "1\n" {
					t.Fatalf("verdict %s, signal %v, %q", r.Verdict, r.Signal, r.Stdout.Kept)
				}
			}
		})
		t.Run("all the time", func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm = 2 })
			quit, killed := make(chan struct{}), 0
			var killer sync.WaitGroup
			killer.Go(func() {
				for {
					select {
					case <-quit:
						return
					case <-time.After(2 * time.Millisecond):
						killed += j.KillWaiting()
					}
				}
			})
			for range 20 {
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
				if err != nil || r.Verdict != sandbox.Exited || string(r.Stdout.Kept) != "1\n" {
					t.Errorf("%+v, %v", r, err)
				}
			}
			close(quit)
			killer.Wait()
			if killed == 0 {
				t.Error("none was killed")
			}
		})
		jailtest.Settled(t, os.Getpid(), before)
	}, "exec", "fork")
}

// If a waiting jail dies after a run has taken it and before it has the program, the run succeeds.
func TestWaitingJailDiesAtTheHandOver(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm, c.Limits.Wall = 1, time.Minute })
		waiting(t, j, 1)
		before := jailtest.Count(t, os.Getpid())
		pid := j.WaitingPIDs()[0]
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil { // so that it does not read the program from its socket
			t.Fatal(err)
		}
		done := make(chan struct{})
		var r *jail.Result
		var err error
		go func() {
			defer close(done)
			r, err = j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		}()
		eventually(t, "it is taken", func() bool { return !slices.Contains(j.WaitingPIDs(), pid) })
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-done
		if err != nil || r.Verdict != sandbox.Exited || string(r.Stdout.Kept) != "1\n" {
			t.Errorf("%+v, %v", r, err)
		}
		waiting(t, j, 1)
		jailtest.Settled(t, os.Getpid(), before)
	}, "exec", "fork")
}

func TestRunsWithoutWaitingJails(t *testing.T) {
	j := jailtest.New(t, nil)
	before := jailtest.Count(t, os.Getpid())
	for range 3 {
		if r := jailtest.Run(t, j, "print(1)"); r.Warm || j.Waiting() != 0 {
			t.Errorf("warm %v, %d wait", r.Warm, j.Waiting())
		}
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// The number of waiting jails follows demand, up to the configured maximum.
func TestPoolFollowsDemand(t *testing.T) {
	const most = 3
	j := jailtest.New(t, func(c *jail.Config) { c.Warm = most })
	waiting(t, j, 1)
	if n := j.WantWaiting(false); n != 0 {
		t.Errorf("idle, it wants %d more", n)
	}
	var wg sync.WaitGroup
	for range 2 * most {
		wg.Go(func() { _, _ = j.Run(t.Context(), sandbox.Program{Source: []byte("pass")}, nil) })
	}
	wg.Wait()
	waiting(t, j, most)
	if n := j.WantWaiting(false); n != 0 {
		t.Errorf("with as many as there may be, it wants %d more", n)
	}
	if n := j.WantWaiting(true); n != 0 || j.Waiting() != 0 {
		t.Errorf("on a host that is short of memory it wants %d more, and %d wait", n, j.Waiting())
	}
}

// Runner.Close ends all waiting jails, also those that are starting.
func TestCloseWhileJailsWait(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		before := jailtest.Count(t, os.Getpid())
		for _, wait := range []bool{true, false} {
			config := jailtest.Config(t)
			edit(&config)
			config.Warm = 4
			j, err := jail.New(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			jailtest.Run(t, j, "pass")
			if wait {
				waiting(t, j, 2)
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
			if n := j.Waiting(); n != 0 {
				t.Errorf("%d wait", n)
			}
			jailtest.Settled(t, os.Getpid(), before)
		}
	}, "exec", "fork")
}

// If jails do not start, the pool tries again every second.
func TestPoolOfJailsThatDoNotStart(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		var fault jailtest.Fault
		var starts atomic.Int64
		j := jailtest.New(t, func(c *jail.Config) {
			edit(c)
			c.Warm = 4
			fault = jailtest.NewFault(c)
			alter := c.Alter
			c.Alter = func(o *inside.Order) { starts.Add(1); alter(o) }
			fault.Set(inside.StageHostname, int(unix.EIO))
		})
		before := jailtest.Count(t, os.Getpid())
		begin, first := time.Now(), starts.Load()
		eventually(t, "the third start", func() bool { return starts.Load() >= first+3 })
		if took := time.Since(begin); took < time.Second {
			t.Errorf("three starts within %v", took)
		}
		if _, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil); jailtest.SetupStage(err) != inside.StageHostname || !errors.Is(err, unix.EIO) {
			t.Errorf("a run: %v", err)
		}
		if n := j.Waiting(); n != 0 {
			t.Errorf("%d wait", n)
		}
		jailtest.Settled(t, os.Getpid(), before)
		fault.Clear()
		eventually(t, "one waits", func() bool { return j.Waiting() > 0 })
		if r := jailtest.Run(t, j, "print(1)"); !r.Warm || string(r.Stdout.Kept) != "1\n" {
			t.Errorf("%+v", r)
		}
	}, "exec", "fork")
}

// If the daemon is killed, waiting jails, zygotes and templates end too.
//
//lab:as user
func TestWaitingJailsDieWithTheDaemon(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		const child = "SANDBOXD_TEST_WAITING"
		if os.Getenv(child) != "" {
			j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Warm = 1 })
			waiting(t, j, 1)
			pids := append(jailtest.Children(os.Getpid()), j.WaitingPIDs()...) // the children include zygotes and templates
			for _, pid := range pids {
				_ = unix.Kill(pid, unix.SIGSTOP) // so that the process cannot notice the end of the daemon itself
			}
			fmt.Println("PIDS", strings.Trim(fmt.Sprint(pids), "[]"))
			select {}
		}
		cmd, out := self(t, child+"=1")
		var pids []int
		for line := range out {
			if list, ok := strings.CutPrefix(line, "PIDS "); ok {
				for _, number := range strings.Fields(list) {
					pid, _ := strconv.Atoi(number)
					pids = append(pids, pid)
				}
				break
			}
		}
		if len(pids) < 2 { // at least a zygote, and a template or a waiting jail
			t.Errorf("processes %v", pids)
		}
		for _, pid := range pids {
			if !alive(pid) {
				t.Errorf("process %d is not there", pid)
			}
		}
		begin := time.Now()
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for range out { // until it has ended
		}
		for _, pid := range pids {
			eventually(t, fmt.Sprintf("process %d is dead", pid), func() bool {
				state, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
				return !alive(pid) || strings.Contains(string(state), ") Z ") // a zombie, if process 1 of this host has not reaped it yet
			})
		}
		if took := time.Since(begin); took > 6*time.Second { // a later end may be the work of another daemon's sweep
			t.Errorf("that took %v", took)
		}
		jailtest.New(t, nil) // removes the leaves of the killed daemon
		leaves, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/runs-%d-*", cmd.Process.Pid))
		if len(leaves) > 0 {
			t.Errorf("left behind: %q", leaves)
		}
	}, "exec", "fork")
}
