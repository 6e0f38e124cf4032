package seccompprofiles

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// A filter cannot be removed, so each attempt runs in a child process: the test binary with childEnv set and an order on its standard
// input.
const childEnv = "SECCOMP_PROFILES_CHILD"

// order tells a child process to load the program, and then to make one system call or one execve.
type order struct {
	Program []unix.SockFilter // nil for no filter
	Number  uintptr
	Args    [6]uint64
	Exec    []string
	Env     []string
	Dir     string
}

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		runtime.LockOSThread() // credentials and the filter belong to the thread
		fmt.Fprintln(os.Stderr, "child:", obey())
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// obey carries out an order. It returns only if that failed.
func obey() error {
	var o order
	if err := gob.NewDecoder(os.Stdin).Decode(&o); err != nil {
		return err
	}
	if len(o.Exec) > 0 {
		if err := os.Chdir(o.Dir); err != nil {
			return err
		}
		if err := dropRoot(); err != nil {
			return err
		}
	}
	if len(o.Program) > 0 {
		if err := load(o.Program); err != nil {
			return fmt.Errorf("seccomp: %w", err)
		}
	}
	if len(o.Exec) > 0 {
		return unix.Exec(o.Exec[0], o.Exec, o.Env)
	}
	a := o.Args
	_, _, errno := unix.RawSyscall6(o.Number, uintptr(a[0]), uintptr(a[1]), uintptr(a[2]), uintptr(a[3]), uintptr(a[4]), uintptr(a[5]))
	fmt.Fprint(os.Stdout, unix.ErrnoName(errno))
	unix.Exit(0)
	return nil
}

// dropRoot changes root to nobody. It makes raw system calls, which affect only the calling thread.
func dropRoot() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, call := range [][4]uintptr{{unix.SYS_SETGROUPS}, {unix.SYS_SETRESGID, nobody, nobody, nobody}, {unix.SYS_SETRESUID, nobody, nobody, nobody}} {
		if _, _, errno := unix.RawSyscall(call[0], call[1], call[2], call[3]); errno != 0 {
			return errno
		}
	}
	return nil
}

const nobody = 65534

func start(t *testing.T, o order) (stdout, stderr string, status unix.WaitStatus) {
	t.Helper()
	var in, out, errs bytes.Buffer
	if err := gob.NewEncoder(&in).Encode(o); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), unix.WaitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus))
}

// try makes one system call under the program. It returns the name of the errno, "" for success, or the signal that killed the process.
func try(t *testing.T, program []unix.SockFilter, number uint32, args ...uint64) string {
	t.Helper()
	o := order{Program: program, Number: uintptr(number)}
	copy(o.Args[:], args)
	stdout, stderr, status := start(t, o)
	if status.Signaled() {
		return unix.SignalName(status.Signal())
	}
	if status.ExitStatus() != 0 {
		t.Fatalf("status %d, stderr %q", status.ExitStatus(), stderr)
	}
	return stdout
}

// number returns the number of a system call on this machine.
func number(t *testing.T, name string) uint32 {
	t.Helper()
	nr, err := seccomp.GetSyscallFromName(name)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return uint32(nr)
}

func defaultFilter(t testing.TB) *Filter {
	t.Helper()
	f, err := Compile(Default)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
