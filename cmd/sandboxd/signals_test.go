package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// harmless are the signals that the daemon ignores.
var harmless = []syscall.Signal{unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2, unix.SIGPIPE}

// ends expects that a daemon ends by itself with status 0.
func (d *sandboxd) ends(t testing.TB) {
	t.Helper()
	select {
	case err := <-d.done:
		if err != nil {
			t.Errorf("exit: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

func (d *sandboxd) signal(t testing.TB, which syscall.Signal) {
	t.Helper()
	if err := d.cmd.Process.Signal(which); err != nil {
		t.Fatal(err)
	}
}

// pipe returns the path of a FIFO for use as configuration file. waited returns its other end when a program waits for it.
func pipe(t testing.TB) (path string, waited func() *os.File) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "config.yaml")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, func() (file *os.File) {
		waitFor(t, "a reader of the configuration", func() (opened bool) { // opening fails with ENXIO until then, fifo(7)
			var err error
			file, err = os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
			return err == nil
		})
		return file
	}
}

// Harmless signals have no effect while the daemon starts, serves and drains.
func TestHarmlessSignals(t *testing.T) {
	config, waited := pipe(t)
	d := launch(t, command(t, "serve", "--listen=127.0.0.1:0", isolation(), "--config="+config))
	file := waited()
	for _, which := range harmless {
		d.signal(t, which)
	}
	if _, err := io.WriteString(file, "policy: off\nwall: 20s\n"); err != nil {
		t.Fatal(err)
	}
	file.Close()
	d.serves(t)

	var running streams
	var wg sync.WaitGroup
	wg.Go(func() { running, _ = d.execute(t, "import time\ntime.sleep(2)\nprint('finished')") })
	waitFor(t, "a run", func() bool { return d.metric(t, "sandboxd_runs_in_flight") == "1" })
	ignored := func(which syscall.Signal) int {
		return strings.Count(d.log.String(), `msg="a signal was ignored: the settings are read once, when the daemon starts" signal=`+unix.SignalName(which)+" remedy=")
	}
	waitFor(t, "the log of those at the start", func() bool { return ignored(unix.SIGHUP)+ignored(unix.SIGUSR1)+ignored(unix.SIGUSR2) == 3 })
	for _, which := range harmless {
		d.signal(t, which)
	}
	waitFor(t, "the log of those while it serves", func() bool { return ignored(unix.SIGHUP)+ignored(unix.SIGUSR1)+ignored(unix.SIGUSR2) == 6 })
	d.signal(t, unix.SIGTERM)
	waitFor(t, "the drain", func() bool { return strings.Contains(d.log.String(), "msg=draining") })
	for _, which := range append(harmless, unix.SIGTERM) {
		d.signal(t, which)
	}
	wg.Wait()
	if running.Stdout != "finished\n" {
		t.Errorf("the run that was under way: %+v", running)
	}
	d.ends(t)
	for _, which := range harmless[:3] {
		if n := ignored(which); n != 3 {
			t.Errorf("%s was logged %d times, want 3", unix.SignalName(which), n)
		}
	}
	if lines := strings.Split(strings.TrimSpace(d.log.String()), "\n"); !strings.HasSuffix(lines[len(lines)-1], "level=INFO msg=stopped") {
		t.Errorf("the last line is not stopped:\n%s", d.log)
	}
}

// A daemon that is stopped while it starts ends at once with status 0, at whatever moment, and leaves nothing. Each try waits for
// three more processes than the one before.
func TestStopDuringStart(t *testing.T) {
	for _, which := range []syscall.Signal{unix.SIGTERM, unix.SIGINT} {
		t.Run("reading the configuration, "+unix.SignalName(which), func(t *testing.T) {
			config, waited := pipe(t)
			d := launch(t, command(t, "--config="+config))
			defer waited().Close()
			d.signal(t, which)
			d.ends(t)
		})
	}
	for _, engine := range []string{"exec", "fork"} {
		t.Run(engine, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			for most, serving := 1, false; !serving; most += 3 {
				d := launch(t, command(t, "serve", "--listen=unix:"+socket, isolation(), "--engine="+engine, "--warm=2"))
				pid := d.cmd.Process.Pid
				started := map[int]bool{}
				for len(started) < most && !serving {
					for _, child := range descendants(pid) {
						started[child] = true
					}
					serving = strings.Contains(d.log.String(), "msg=serving")
				}
				d.signal(t, unix.SIGTERM)
				d.ends(t)
				said := d.log.String()
				if strings.Contains(said, "level=ERROR") || !strings.HasSuffix(said, "msg=stopped\n") {
					t.Errorf("after %d processes it says:\n%s", len(started), said)
				}
				leavesNothing(t, pid, started)
				if _, err := os.Lstat(socket); !os.IsNotExist(err) {
					t.Errorf("the socket: %v", err)
				}
				if serving && most < 4 {
					t.Errorf("%d processes were started", len(started))
				}
			}
		})
	}
}

// leavesNothing expects that a daemon that has ended left no process and no cgroup.
func leavesNothing(t testing.TB, pid int, started map[int]bool) {
	t.Helper()
	waitFor(t, "its processes to be gone", func() bool {
		for child := range started {
			if unix.Kill(child, 0) != unix.ESRCH {
				return false
			}
		}
		return true
	})
	_ = filepath.WalkDir("/sys/fs/cgroup", func(path string, _ os.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(path), fmt.Sprintf("runs-%d-", pid)) {
			t.Errorf("%s is left", path)
		}
		return nil
	})
}

// A template may need a minute for its imports. A daemon that is stopped does not wait for it.
func TestStopDuringImports(t *testing.T) {
	python := pythonWith(t, "slow", "import ctypes, time\nctypes.CDLL(None).prctl(15, b'importing', 0, 0, 0)\ntime.sleep(600)")
	d := launch(t, command(t, "serve", "--listen=127.0.0.1:0", isolation(), "--engine=fork", "--templates=data=slow", "--python="+python))
	started := map[int]bool{}
	waitFor(t, "the import", func() (importing bool) {
		for _, child := range descendants(d.cmd.Process.Pid) {
			started[child] = true
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child))
			importing = importing || string(name) == "importing\n"
		}
		return importing
	})
	begin := time.Now()
	d.signal(t, unix.SIGTERM)
	d.ends(t)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if said := d.log.String(); strings.Contains(said, "level=ERROR") || !strings.HasSuffix(said, "msg=stopped\n") {
		t.Errorf("it says:\n%s", said)
	}
	leavesNothing(t, d.cmd.Process.Pid, started)
}

// pythonWith returns the interpreter of a virtual environment that has one additional module.
func pythonWith(t testing.TB, module, source string) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", jailtest.NamePrefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	version, err := exec.Command("/usr/bin/python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2], end='')").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := filepath.Join(dir, "lib", "python"+string(version), "site-packages")
	for _, err := range []error{
		os.MkdirAll(packages, 0o755), os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.Chmod(dir, 0o755),
		os.Symlink("/usr/bin/python3", filepath.Join(dir, "bin", "python3")),
		os.WriteFile(filepath.Join(dir, "pyvenv.cfg"), []byte("home = /usr/bin\n"), 0o644),
		os.WriteFile(filepath.Join(packages, module+".py"), []byte(source), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "bin", "python3")
}

// When `sandboxd run` ends, its program ends too, also if its terminal is closed. Under nohup it ignores SIGHUP.
func TestSignalsOfRunCommand(t *testing.T) {
	for _, tt := range []struct {
		name   string
		under  string
		signal syscall.Signal
		status int
		stdout string
	}{
		{"SIGINT", "", unix.SIGINT, 130, "first\n"},
		{"SIGTERM", "", unix.SIGTERM, 130, "first\n"},
		{"SIGHUP", "", unix.SIGHUP, 130, "first\n"},
		{"SIGHUP under nohup", "trap '' HUP; ", unix.SIGHUP, 0, "first\nlast\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd := command(t)
			cmd.Path = "/bin/sh"
			cmd.Args = []string{"sh", "-c", tt.under + `exec "$0" "$@"`, must(os.Executable()), "run", isolation(), "--wall=30s", "--log-level=error", "-"}
			cmd.Stdin = strings.NewReader("import time\nprint('first')\ntime.sleep(2)\nprint('last')")
			var stdout lockedBuffer
			var stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			waitFor(t, "the program", func() bool { return stdout.String() != "" })
			started := map[int]bool{}
			for _, child := range descendants(cmd.Process.Pid) {
				started[child] = true
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // the status is compared
			if got := cmd.ProcessState.ExitCode(); got != tt.status || stdout.String() != tt.stdout {
				t.Errorf("status %d, stdout %q, stderr %q", got, stdout.String(), stderr.String())
			}
			leavesNothing(t, cmd.Process.Pid, started)
		})
	}
}

// Signals end other commands with the default action.
func TestSignalsOfOtherCommands(t *testing.T) {
	for _, which := range []syscall.Signal{unix.SIGHUP, unix.SIGTERM} {
		t.Run(unix.SignalName(which), func(t *testing.T) {
			config, waited := pipe(t)
			d := launch(t, command(t, "check", "--config="+config))
			defer waited().Close()
			d.signal(t, which)
			<-d.done
			if status := d.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != which {
				t.Errorf("it ended with %v", d.cmd.ProcessState)
			}
		})
	}
}
