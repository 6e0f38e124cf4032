package jail_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// coreCookie returns the core scheduling cookie of a process (PR_SCHED_CORE_GET), or 0 if it has none.
func coreCookie(pid int) (cookie uint64, err error) {
	_, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_SCHED_CORE, unix.PR_SCHED_CORE_GET, uintptr(pid),
		unix.PR_SCHED_CORE_SCOPE_THREAD, uintptr(unsafe.Pointer(&cookie)), 0)
	if errno != 0 {
		return 0, errno
	}
	return cookie, nil
}

// With --core-scheduling each run has its own core scheduling cookie, so the kernel runs no other process on the hardware threads of its
// core. On a machine without core scheduling, no run starts.
//
//lab:as root
//lab:all own
func TestCoreScheduling(t *testing.T) {
	config := jailtest.Config(t)
	config.CPU.CoreScheduling = true
	if _, unable := coreCookie(os.Getpid()); unable != nil {
		j := jailtest.New(t, func(c *jail.Config) { c.CPU = config.CPU })
		_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		if jailtest.SetupStage(err) != inside.StageCPU {
			t.Errorf("got %v", err)
		}
		if missing := doctor.Missing(doctor.Probe(t.Context(), config)); len(missing) != 1 || missing[0].Name != doctor.LayerCoreScheduling {
			t.Errorf("missing: %+v", missing)
		}
		t.Logf("this machine has no core scheduling: %v", unable)
		return
	}
	seen := map[uint64]bool{}
	for _, asked := range []bool{false, true, true} {
		j := jailtest.New(t, func(c *jail.Config) { c.CPU.CoreScheduling = asked })
		before := jailtest.Children(os.Getpid())
		p := talk(t, j, `
import time
print('{}', flush=True)
time.sleep(60)
`)
		p.line(t)
		for _, pid := range jailtest.Children(os.Getpid()) {
			if slices.Contains(before, pid) {
				continue
			}
			cookie, err := coreCookie(pid)
			if err != nil || (cookie != 0) != asked || seen[cookie] && asked {
				t.Errorf("asked %v: cookie %#x, %v; seen before: %v", asked, cookie, err, seen)
			}
			seen[cookie] = true
		}
		if p.end(); p.err != nil {
			t.Error(p.err)
		}
	}
	if len(seen) != 3 {
		t.Errorf("cookies %v", seen)
	}
}

// With --restrict-speculation all speculation that a task can disable is disabled. If the kernel cannot disable it for a task, and the
// processor speculates, nothing starts.
func TestRestrictSpeculation(t *testing.T) {
	config := jailtest.Config(t)
	config.CPU.RestrictSpeculation = true
	j, err := jail.New(t.Context(), config)
	status, readErr := os.ReadFile("/proc/self/status")
	if readErr != nil {
		t.Fatal(readErr)
	}
	hopeless := bytes.Contains(status, []byte("Speculation_Store_Bypass:\tvulnerable")) ||
		bytes.Contains(status, []byte("SpeculationIndirectBranch:\talways enabled"))
	if (err != nil) != hopeless {
		t.Fatalf("the kernel says %s, and the jail %v", status, err)
	}
	if hopeless {
		if missing := doctor.Missing(doctor.Probe(t.Context(), config)); len(missing) != 1 || missing[0].Name != doctor.LayerSpeculation {
			t.Errorf("missing: %+v", missing)
		}
		t.Logf("refused on this machine: %v", err)
		return
	}
	defer j.Close()
	got := jailtest.Output(t, j, `print({l.split(":")[0]: l.split(":")[1].strip() for l in open("/proc/self/status") if l.startswith("Speculation")})`)
	for _, bad := range []string{"vulnerable", "enabled"} {
		if strings.Contains(strings.ReplaceAll(got, "not vulnerable", ""), bad) {
			t.Errorf("in the jail: %s", got)
		}
	}
	fmt.Fprint(t.Output(), got)
}
