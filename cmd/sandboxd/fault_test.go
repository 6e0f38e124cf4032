package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// startFaulty serves in this process. The returned Fault makes inits fail.
func startFaulty(t *testing.T) (*sandboxd, jailtest.Fault) {
	t.Helper()
	c, err := parse([]string{"--listen=127.0.0.1:0", "--policy=off", "--concurrency=16", isolation()})
	if err != nil {
		t.Fatal(err)
	}
	d := &sandboxd{log: &lockedBuffer{}}
	log := slog.New(slog.NewTextHandler(d.log, nil))
	config, err := c.jail(log)
	if err != nil {
		t.Fatal(err)
	}
	fault := jailtest.NewFault(&config)
	j, err := jail.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	endpoints, err := openEndpoints(c, passedSockets{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	server, err := newServer(c, parts{
		jail: j, gate: admission.New(c.Concurrency, c.Queue), endpoints: endpoints,
		metrics: metrics.New(version, jail.Stages(), scan.Rules(), nil),
	}, log)
	if err != nil {
		t.Fatal(err)
	}
	d.url = endpoints.main().address()
	httpServer := server.HTTPServer()
	served := make(chan error, 1)
	go func() { served <- endpoints.main().serve(httpServer) }()
	t.Cleanup(func() {
		httpServer.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, fault
}

// failures returns the samples of the metric of failed set-ups that are not 0.
func (d *sandboxd) failures(t testing.TB) map[string]int {
	t.Helper()
	found := map[string]int{}
	for line := range strings.Lines(d.get(t, "/metrics").body) {
		rest, ok := strings.CutPrefix(line, `sandboxd_setup_errors_total{stage="`)
		stage, value, _ := strings.Cut(rest, `"} `)
		if n, err := strconv.Atoi(strings.TrimSpace(value)); ok && err == nil && n > 0 {
			found[stage] = n
		}
	}
	return found
}

// failsAt expects the next run to fail at a stage: the answer contains only the stage, the log has the reason, and the metric
// counts only this stage.
func (d *sandboxd) failsAt(t testing.TB, stage, reason string, run func() answer) {
	t.Helper()
	before, logged := d.failures(t), len(d.log.String())
	a := run()
	if want := fmt.Sprintf(`{"detail":"The sandbox could not be set up (%s)"}`, stage); a.status != 500 || a.body != want {
		t.Errorf("status %d, %s; want 500, %s", a.status, a.body, want)
	}
	after := d.failures(t)
	before[stage]++
	if fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("the metric says %v, want %v", after, before)
	}
	said := func() string { return d.log.String()[logged:] }
	waitFor(t, "the log record", func() bool { return strings.Contains(said(), "msg=run") })
	for _, want := range []string{"level=ERROR", "verdict=error", "stage=" + stage, reason} {
		if !strings.Contains(said(), want) {
			t.Errorf("no %q in the log:\n%s", want, said())
		}
	}
}

// works expects the next run to succeed.
func (d *sandboxd) works(t testing.TB) {
	t.Helper()
	if s, _ := d.execute(t, "print(1)"); s.Stdout != "1\n" {
		t.Errorf("the next run: %+v", s)
	}
}

// settled expects that the process with this id has nothing left of its runs.
func (d *sandboxd) settled(t testing.TB, pid int, before jailtest.Host) {
	t.Helper()
	closeIdle()
	jailtest.Settled(t, pid, before)
}

// Each step of the init fails in each way: with an errno, by dying without a report, by SIGKILL from outside, and with a client
// that closes the connection.
func TestFaultOfEachStep(t *testing.T) {
	d, fault := startFaulty(t)
	d.works(t)
	closeIdle()
	before := jailtest.Count(t, os.Getpid())
	const program = `{"code":"print(1)"}`
	for _, stage := range inside.Stages {
		t.Run(stage, func(t *testing.T) {
			named := stage // the step after which the init's process is named
			if stage == inside.StageExec {
				named = inside.StageSeccomp // the last step that sets a name
			}
			post := func() answer { return d.post(t, program) }
			for _, errno := range []unix.Errno{unix.EPERM, unix.ENOMEM, unix.EMFILE} {
				fault.Set(stage, int(errno))
				d.failsAt(t, stage, "injected fault: "+errno.Error(), post)
			}
			fault.Set(stage, inside.FaultExit)
			d.failsAt(t, stage, "init died without a report (exit status 0)", post)

			fault.Set(stage, inside.FaultHang)
			killed := func() answer {
				answered := make(chan answer, 1)
				go func() { answered <- d.post(t, program) }()
				if err := unix.Kill(jailtest.InitAt(t, named), unix.SIGKILL); err != nil {
					t.Error(err)
				}
				return <-answered
			}
			if named == stage { // otherwise the process may be at either step when it is killed
				d.failsAt(t, stage, "init died without a report (signal: killed)", killed)
			}

			gone, leave := context.WithCancel(t.Context())
			left := make(chan error, 1)
			cancelled := d.metric(t, `sandboxd_runs_total{verdict="cancelled"}`)
			go func() {
				_, err := d.do(gone, "POST", "/playground/execute", strings.NewReader(program), "Content-Type", "application/json")
				left <- err
			}()
			jailtest.InitAt(t, named)
			leave()
			<-left
			waitFor(t, "the end of a run that nobody waits for", func() bool {
				return d.metric(t, `sandboxd_runs_total{verdict="cancelled"}`) != cancelled && d.metric(t, "sandboxd_runs_in_flight") == "0"
			})

			fault.Clear()
			d.works(t)
			d.settled(t, os.Getpid(), before)
		})
	}
	t.Run("readiness", func(t *testing.T) {
		fault.Set(inside.StagePivot, int(unix.EPERM))
		waitFor(t, "a 503", func() bool {
			a := d.get(t, "/readyz")
			return a.status == 503 && strings.Contains(a.body, "(pivot)") && a.header.Get("Retry-After") != ""
		})
		fault.Clear()
		waitFor(t, "ready again", func() bool { return d.get(t, "/readyz").status == 200 })
	})
}

// The daemon reaches its limit on descriptors at each of the descriptors that it opens for a run.
func TestDescriptorsRunOut(t *testing.T) {
	d := start(t, "--policy=off")
	pid := d.cmd.Process.Pid
	d.works(t)
	before := jailtest.Count(t, pid)
	var usual unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &usual); err != nil {
		t.Fatal(err)
	}
	limit := func(most uint64) {
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: most, Max: usual.Max}, nil); err != nil {
			t.Fatal(err)
		}
	}
	highest := 0
	open, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	for _, entry := range open {
		n, _ := strconv.Atoi(entry.Name())
		highest = max(highest, n)
	}
	failed, worked := 0, 0
	for most := uint64(3); worked < 3 && most < uint64(highest)+64; most++ {
		limit(most)
		a := d.post(t, `{"code":"print(1)"}`)
		limit(usual.Cur)
		switch {
		case a.status == 200 && strings.Contains(a.body, `"stdout":"1\n"`):
			worked++
		case a.status == 500 && strings.Contains(a.body, "could not be set up (c"): // cgroup or clone
			worked = 0
			failed++
		default:
			t.Errorf("with descriptors below %d: status %d, %s", most, a.status, a.body)
		}
	}
	if worked < 3 || failed < 8 {
		t.Errorf("%d failed and %d worked at last: the limit was not met at each descriptor", failed, worked)
	}
	total := 0
	for _, n := range d.failures(t) {
		total += n
	}
	if total != failed || strings.Count(d.log.String(), "too many open files") < failed {
		t.Errorf("%d failed, the metric says %d, the log:\n%s", failed, total, d.log)
	}
	d.works(t)
	d.settled(t, pid, before)
}

// Faults of the machine that appear and disappear while the daemon runs.
func TestFaultsOfTheMachine(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root has a user namespace with several uids: the same suite runs as root")
	}
	// The limits on namespaces and the mounts can be changed in a separate user namespace without an effect on the machine.
	uids := jailtest.UIDs()
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: uids.First, HostID: uids.First, Size: uids.Count}}
	cmd := command(t, "serve", "--listen=127.0.0.1:0", isolation(), "--policy=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS,
		UidMappings: ids, GidMappings: ids, GidMappingsEnableSetgroups: true,
	}
	d := startCommand(t, cmd)
	pid := cmd.Process.Pid
	d.works(t)
	before := jailtest.Count(t, pid)
	inNamespaces := func(script string) {
		t.Helper()
		out, err := exec.Command("nsenter", "--target", strconv.Itoa(pid), "--user", "--mount", "sh", "-c", script).CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	limit := func(kind, most string) string {
		return fmt.Sprintf("echo %s >/proc/sys/user/max_%s_namespaces", most, kind)
	}
	leaves, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/*/sandboxd/runs-%d-*", pid))
	more, _ := filepath.Glob(fmt.Sprintf("/sys/fs/cgroup/sandboxd/runs-%d-*", pid))
	place := strings.Join(append(leaves, more...), " ")
	for _, tt := range []struct {
		name         string
		fault, mend  string
		stage, error string
	}{
		{"no user namespace", limit("user", "0"), limit("user", "1000"), "clone", unix.ENOSPC.Error()},
		{"no network namespace", limit("net", "0"), limit("net", "1000"), "clone", unix.ENOSPC.Error()},
		{"no mount namespace", limit("mnt", "1"), limit("mnt", "1000"), "clone", unix.ENOSPC.Error()},
		{"no cgroup namespace", limit("cgroup", "0"), limit("cgroup", "1000"), inside.StageCgroupNS, "unshare(CLONE_NEWCGROUP): " + unix.ENOSPC.Error()},
		{"no /dev", "mount -t tmpfs none /dev", "umount /dev", inside.StageRoot, "open_tree /dev/null: " + unix.ENOENT.Error()},
		{"no /proc", "mount -t tmpfs none /proc", "umount /proc", "clone", unix.ENOENT.Error()},
		{"no leaf", "echo 0 >" + place + "/cgroup.max.descendants", "echo max >" + place + "/cgroup.max.descendants", "cgroup", "mkdir " + place},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.stage == "cgroup" && place == "" {
				testenv.Missing(t, "a cgroup v2 hierarchy")
			}
			inNamespaces(tt.fault)
			d.failsAt(t, tt.stage, tt.error, func() answer { return d.post(t, `{"code":"print(1)"}`) })
			waitFor(t, "a 503", func() bool {
				a := d.get(t, "/readyz")
				return a.status == 503 && strings.Contains(a.body, "("+tt.stage+")")
			})
			inNamespaces(tt.mend)
			d.works(t)
			waitFor(t, "ready again", func() bool { return d.get(t, "/readyz").status == 200 })
			d.settled(t, pid, before)
		})
	}
}

// The daemon is stopped for longer than the wall clock. A program that ended in the meantime counts as ended in time. A program
// that still runs is killed.
func TestStoppedDaemon(t *testing.T) {
	const wall = 4 * time.Second
	d := start(t, "--policy=off", "--wall=4s", "--concurrency=8")
	pid := d.cmd.Process.Pid
	d.works(t)
	closeIdle()
	before := jailtest.Count(t, pid)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, a := d.execute(t, "import time\ntime.sleep(2)\nprint('done')")
			if verdict := a.header.Get("X-Sandboxd-Verdict"); verdict != "exited" || s.Stdout != "done\n" {
				t.Errorf("ended in time: verdict %s, %+v", verdict, s)
			}
		})
	}
	wg.Go(func() {
		if _, a := d.execute(t, "while True: pass"); a.header.Get("X-Sandboxd-Verdict") != "timeout" {
			t.Errorf("without end: verdict %s", a.header.Get("X-Sandboxd-Verdict"))
		}
	})
	waitFor(t, "all runs", func() bool { return programsOf(t, pid) == 7 })
	if err := d.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	waitFor(t, "the programs' ends", func() bool { return programsOf(t, pid) == 1 })
	<-time.After(wall - time.Since(stopped) + 100*time.Millisecond) // the fault: its clock has run out
	if err := d.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	d.works(t)
	d.settled(t, pid, before)
}

// programsOf counts the living processes of a daemon that already run their program: python3 has closed the hand-off socket.
func programsOf(t testing.TB, daemon int) (n int) {
	t.Helper()
	for _, child := range descendants(daemon) {
		// The file is empty for a zombie.
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
		_, waiting := os.Lstat(fmt.Sprintf("/proc/%d/fd/%d", child, inside.Channel))
		if strings.Contains(string(line), inside.Home+"/main.py") && waiting != nil {
			n++
		}
	}
	return n
}

// Runs continue, whatever happens to the log.
func TestRunsDoNotWaitForTheLog(t *testing.T) {
	// The test cannot read the address from these log files, so it chooses the address.
	serving := func(t *testing.T, stderr *os.File) (*sandboxd, *exec.Cmd) {
		t.Helper()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		address := listener.Addr().String()
		listener.Close()
		cmd := command(t, "serve", "--listen="+address, isolation(), "--policy=off", "--drain-timeout=2s")
		cmd.Stderr = stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			cmd.Wait()
		}()
		t.Cleanup(func() {
			cmd.Process.Signal(unix.SIGTERM)
			select {
			case <-ended:
			case <-time.After(20 * time.Second):
				t.Error("it does not end")
				cmd.Process.Kill()
				<-ended
			}
			if !cmd.ProcessState.Success() {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
		})
		d := &sandboxd{url: "http://" + address}
		waitFor(t, "the daemon", func() bool {
			a, err := d.do(t.Context(), "GET", "/healthz", nil)
			return err == nil && a.status == 200
		})
		return d, cmd
	}
	t.Run("a full disk", func(t *testing.T) {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer full.Close()
		d, _ := serving(t, full)
		d.works(t)
	})
	t.Run("closed", func(t *testing.T) {
		d, _ := serving(t, os.NewFile(^uintptr(0), "none"))
		d.works(t)
	})
	t.Run("a reader that has gone away", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		d, _ := serving(t, w)
		w.Close()
		r.Close()
		d.works(t)
		d.works(t)
	})
	t.Run("a reader that does not read", func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
			t.Fatal(err)
		}
		d, cmd := serving(t, w)
		w.Close()
		before := jailtest.Count(t, cmd.Process.Pid)
		for range 30 { // a record has about 300 bytes
			d.works(t)
		}
		if n, err := unix.IoctlGetInt(int(r.Fd()), unix.TIOCINQ); err != nil || n < 3000 {
			t.Errorf("the pipe is not full: %d bytes, %v", n, err)
		}
		d.settled(t, cmd.Process.Pid, before)
	})
}

func TestLogWriter(t *testing.T) {
	r, w := io.Pipe()
	lines := bufio.NewScanner(r)
	var direct lockedBuffer
	writer := newLogWriter(w, slog.New(slog.NewTextHandler(&direct, nil)))
	const more = 7
	fmt.Fprintf(writer, "first\n")
	waitFor(t, "the first record to be taken", func() bool { return len(writer.records) == 0 })
	for i := range logBuffer + more {
		fmt.Fprintf(writer, "%d\n", i)
	}
	for i := -1; i < logBuffer && lines.Scan(); i++ {
		if want := strconv.Itoa(i); i >= 0 && lines.Text() != want {
			t.Fatalf("got %q, want %s", lines.Text(), want)
		}
	}
	writer.flush()
	if got := direct.String(); strings.Count(got, "log records were lost") != 1 || !strings.Contains(got, fmt.Sprintf("records=%d", more)) {
		t.Errorf("%d were lost; it says %q", more, got)
	}
}

// The daemon writes no file, so it also serves while the disk below it is full.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root mounts a small disk: the same suite runs as root")
	}
	disk := t.TempDir()
	if err := unix.Mount("none", disk, "tmpfs", 0, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		waitFor(t, "those that clone to leave the disk, and the unmount", func() bool { return unix.Unmount(disk, 0) == nil })
	})
	if err := os.WriteFile(filepath.Join(disk, "x"), make([]byte, 1<<16), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
	cmd := command(t, "serve", "--listen=127.0.0.1:0", isolation(), "--policy=off")
	cmd.Dir = disk
	cmd.Env = append(cmd.Env, "TMPDIR="+disk, "HOME="+disk)
	d := startCommand(t, cmd)
	t.Cleanup(func() { // before the unmount
		cmd.Process.Kill()
		<-d.done
	})
	s, _ := d.execute(t, "open('/tmp/x', 'w').write('x' * 100_000)\nprint(len(open('/tmp/x').read()))")
	if s.Stdout != "100000\n" {
		t.Errorf("%+v", s)
	}
	d.works(t)
}
