package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	seccomp "github.com/seccomp/libseccomp-golang"

	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// lifetimes returns the attacks of the family lifetime, as programs. Attacks whose program ends by itself are left out: they
// cannot outlive the daemon.
func lifetimes(t *testing.T) map[string]string {
	t.Helper()
	const dir = "../../internal/jail/testdata/escape/"
	prelude, err := os.ReadFile(dir + "prelude.py")
	if err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, name := range []string{"clone", "vfork", "tgkill", "prlimit64", "process_vm_readv", "process_vm_writev"} {
		if nr, err := seccomp.GetSyscallFromName(name); err == nil && nr >= 0 {
			numbers = append(numbers, fmt.Sprintf("%q: %d", name, nr))
		}
	}
	programs := map[string]string{}
	files, _ := filepath.Glob(dir + "lifetime/*.py")
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(source), acted) {
			programs[strings.TrimSuffix(filepath.Base(file), ".py")] =
				fmt.Sprintf("ARCH = %q\nNR = {%s}\n%s%s", runtime.GOARCH, strings.Join(numbers, ", "), prelude, source)
		}
	}
	if len(programs) < 10 {
		t.Fatalf("%d attacks on the lifetime", len(programs))
	}
	return programs
}

// acted is a file in the scratch space. An attack creates it when it has done all it can.
const acted = "/tmp/acted"

// Nothing of a killed daemon stays alive: no program, whatever it has done, no waiting jail, no template and no zygote. The test
// runs as root, and as a user without a cgroup to divide, whose next daemon would clean up nothing.
//
//lab:all user
func TestNothingOutlivesTheDaemon(t *testing.T) {
	programs := lifetimes(t)
	atOnce := len(programs)
	if testenv.InLab() {
		atOnce = 4 // the lab has 2 GiB of memory
	}
	for _, user := range daemonUsers() {
		for _, flags := range [][]string{{"--engine=exec"}, {"--engine=exec", "--warm=2"}, {"--engine=fork"}, {"--engine=fork", "--warm=2"}} {
			t.Run(user.name+" "+strings.Join(flags, " "), func(t *testing.T) {
				for names := range slices.Chunk(slices.Sorted(maps.Keys(programs)), atOnce) {
					d := user.start(t, append(flags, "--policy=off", "--wall=10m", "--drain-timeout=0s", fmt.Sprint("--concurrency=", len(names)))...)
					for _, name := range names {
						body, _ := json.Marshal(map[string]string{"code": programs[name]}) // strings
						go func() {
							if answer, err := d.do(t.Context(), "POST", "/playground/execute", strings.NewReader(string(body)), "Content-Type", "application/json"); err == nil {
								t.Errorf("%s has ended: %v", name, answer)
							}
						}()
					}
					waitFor(t, "these attacks to have acted: "+strings.Join(names, " "), func() bool { return havingActed(d) == len(names) || t.Failed() })
					dies(t, d)
				}
			})
		}
	}
}

// A daemon that is killed while it starts leaves nothing, at whatever moment. The first try kills it after one process was started;
// each further try waits for six processes more.
func TestNothingOutlivesAStartThatIsKilled(t *testing.T) {
	for _, user := range daemonUsers() {
		for _, engine := range []string{"exec", "fork"} {
			t.Run(user.name+" "+engine, func(t *testing.T) {
				for most := 1; ; most += 6 {
					cmd := user.command(t, "--engine="+engine, "--warm=4")
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					d := &sandboxd{cmd: cmd, done: make(chan error, 1)}
					go func() { d.done <- cmd.Wait() }()
					started := map[int]bool{} // every process that was seen
					full := false
					for deadline := time.Now().Add(3 * time.Second); len(started) < most && !full; full = time.Now().After(deadline) {
						for _, pid := range descendants(cmd.Process.Pid) {
							started[pid] = true
						}
					}
					dies(t, d)
					if full { // the start is complete
						if most < 4 {
							t.Errorf("%d processes were started", most-1)
						}
						return
					}
				}
			})
		}
	}
}

// dies kills a daemon and waits for the end of every process that it had started. It stops the daemon first, so that it cannot
// start another one meanwhile.
func dies(t *testing.T, d *sandboxd) {
	t.Helper()
	daemon := d.cmd.Process.Pid
	if err := unix.Kill(daemon, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "it to be stopped", func() bool { return strings.Contains(statOf(daemon), ") T ") })
	living := map[int]string{} // start time of each process
	spaces := map[string]bool{}
	own, _ := os.Readlink("/proc/self/ns/pid")
	for _, pid := range programsNear(daemon) {
		living[pid] = startOf(pid)
		if space, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid)); err == nil && space != own {
			spaces[space] = true
		}
	}
	if err := unix.Kill(daemon, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-d.done
	var survivors []string
	waitFor(t, "all to be gone", func() bool {
		survivors = nil
		all, _ := filepath.Glob("/proc/[0-9]*")
		for _, proc := range all {
			var pid int
			fmt.Sscanf(filepath.Base(proc), "%d", &pid)
			space, _ := os.Readlink(proc + "/ns/pid")
			if started, ours := living[pid]; spaces[space] || ours && started != "" && started == startOf(pid) {
				survivors = append(survivors, statOf(pid))
			}
		}
		return len(survivors) == 0
	})
	if len(survivors) > 0 {
		t.Errorf("alive:\n%s", strings.Join(survivors, ""))
	}
}

// havingActed counts the runs of a daemon whose attack has created the file acted in its scratch space.
func havingActed(d *sandboxd) int {
	runs := map[string]bool{}
	for _, pid := range programsNear(d.cmd.Process.Pid) {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/root%s", pid, acted)); err == nil {
			space, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
			runs[space] = true
		}
	}
	return len(runs)
}

// programsNear returns the processes below a daemon. The unit hides the init, which is not dumpable, also from its own user
// (ProtectProc=invisible), so the program cannot be found through the init. In the lab, where no other daemon runs, it returns
// the processes of other pid namespaces instead.
func programsNear(daemon int) (pids []int) {
	if !testenv.InLab() {
		return descendants(daemon)
	}
	own, _ := os.Readlink("/proc/self/ns/pid")
	spaces, _ := filepath.Glob("/proc/[0-9]*/ns/pid")
	for _, path := range spaces {
		pid, err := strconv.Atoi(strings.Split(path, "/")[2])
		if space, _ := os.Readlink(path); err == nil && space != "" && space != own {
			pids = append(pids, pid)
		}
	}
	return pids
}

func statOf(pid int) string {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return string(stat)
}

// startOf returns the start time of a process, which identifies it together with its pid. It is "" for a process that has ended.
func startOf(pid int) string {
	_, rest, _ := strings.Cut(statOf(pid), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 20 || slices.Contains([]string{"Z", "X"}, fields[0]) {
		return ""
	}
	return fields[19] // starttime, proc_pid_stat(5)
}

// daemonUser is a user who starts daemons.
type daemonUser struct {
	name       string
	credential *syscall.Credential // nil for the user of this test
	flags      []string
}

// daemonUsers returns the user of this test and, if it is root, nobody.
func daemonUsers() []daemonUser {
	users := []daemonUser{{name: fmt.Sprint("uid ", os.Geteuid())}}
	if os.Geteuid() == 0 {
		users = append(users, daemonUser{"nobody", &syscall.Credential{Uid: 65534, Gid: 65534}, []string{"--isolation=best-effort"}})
	}
	return users
}

func (u daemonUser) command(t *testing.T, flags ...string) *exec.Cmd {
	t.Helper()
	cmd := command(t, slices.Concat([]string{"serve", "--listen=127.0.0.1:0", isolation()}, flags, u.flags)...)
	if u.credential != nil {
		cmd.Path = readableSelf(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
		cmd.Dir = "/"
	}
	return cmd
}

func (u daemonUser) start(t *testing.T, flags ...string) *sandboxd {
	t.Helper()
	return startCommand(t, u.command(t, flags...))
}

// readableSelf returns a copy of the test binary that everybody may execute. go test keeps it in a private directory.
func readableSelf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", jailtest.NamePrefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	program, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(dir+"/sandboxd", program, 0o755)
	}
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir + "/sandboxd"
}
