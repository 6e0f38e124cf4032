package inside

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// initBinary opens the embedded init.
const initBinary = "../initbinary/sandboxd-init"

// zygote is the embedded init, running as a zygote.
func zygote(t *testing.T) (cmd *exec.Cmd, socket int) {
	t.Helper()
	if _, err := os.Stat(initBinary); err != nil {
		testenv.Missing(t, "the embedded init: run make init")
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "theirs")
	defer theirs.Close()
	cmd = exec.Command(initBinary)
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); _ = cmd.Wait() })
	return cmd, pair[0]
}

// ask sends a request to a zygote and returns its answer.
func ask(t *testing.T, socket int, flags uint64, fds ...int) int {
	t.Helper()
	if err := unix.Sendmsg(socket, wordBytes(flags), unix.UnixRights(fds...), nil, 0); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if n, _, _, _, err := unix.Recvmsg(socket, answer, nil, 0); err != nil || n != len(answer) {
		t.Fatalf("answer of %d bytes: %v", n, err)
	}
	return int(int32(binary.NativeEndian.Uint32(answer)))
}

const plain = 0 // flags: no namespaces

// replay makes an init replay a script. It returns the standard output, the reports on the hand-off socket, and the exit status.
func replay(t *testing.T, a *assembler, cut int) (out string, said []byte, status int) {
	t.Helper()
	_, socket := zygote(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "ours"), os.NewFile(uintptr(pair[1]), "theirs")
	defer ours.Close()
	stdout, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	pid := ask(t, socket, plain, int(theirOut.Fd()), int(theirOut.Fd()), int(theirs.Fd()), 0)
	theirs.Close()
	theirOut.Close()
	image := a.script().Image()
	if _, err := ours.Write(image[:len(image)-cut]); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(pair[0], unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	said, _ = io.ReadAll(ours)
	wrote, _ := io.ReadAll(stdout)
	var ended unix.WaitStatus
	if _, err := unix.Wait4(pid, &ended, 0, nil); err != nil {
		t.Fatal(err)
	}
	return string(wrote), said, ended.ExitStatus()
}

// A zygote ends when it receives a malformed request. The daemon then starts another one.
//
//lab:arm64 user
func TestZygoteIsAskedForNonsense(t *testing.T) {
	for _, tt := range []struct {
		name string
		body []byte
		fds  int
	}{
		{"a short request", make([]byte, 7), 4},
		{"no descriptors", make([]byte, 8), 0},
		{"one descriptor too few", make([]byte, 8), 3},
		{"one descriptor too many", make([]byte, 8), 5},
		{"CLONE_INTO_CGROUP without a cgroup", wordBytes(unix.CLONE_INTO_CGROUP), 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cmd, socket := zygote(t)
			var rights []byte
			if tt.fds > 0 {
				rights = unix.UnixRights(make([]int, tt.fds)...)
			}
			if err := unix.Sendmsg(socket, tt.body, rights, nil, 0); err != nil {
				t.Fatal(err)
			}
			if n, _, _, _, err := unix.Recvmsg(socket, make([]byte, 4), nil, 0); err != nil || n != 0 {
				t.Errorf("it answered with %d bytes, %v", n, err)
			}
			if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
				t.Errorf("it ended with %v", cmd.ProcessState)
			}
		})
	}
}

// An init has only the descriptors that came with the request: none of the zygote, and none that the parent of the daemon left open.
func TestInitHoldsNothingElse(t *testing.T) {
	stray, err := unix.FcntlInt(0, unix.F_DUPFD, 100) // without close-on-exec, so that a new process inherits it
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(stray)
	cmd, socket := zygote(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	pid := ask(t, socket, plain, 0, 0, pair[1], 0)
	unix.Close(pair[1])
	if _, err := unix.Write(pair[0], []byte{1}); err != nil { // one byte, so that the init waits for the rest of the script
		t.Fatal(err)
	}
	for _, of := range []int{cmd.Process.Pid, pid} {
		var names []string
		deadline := time.Now().Add(10 * time.Second) // the init needs some time until it has closed the others
		for names == nil || len(names) > 5 && time.Now().Before(deadline) {
			fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", of))
			if err != nil {
				t.Fatal(err)
			}
			names = nil
			for _, fd := range fds {
				names = append(names, fd.Name())
			}
		}
		if slices.Sort(names); !slices.Equal(names, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("process %d has the descriptors %v", of, names)
		}
	}
	unix.Close(pair[0]) // ends the init
	var ended unix.WaitStatus
	if _, err := unix.Wait4(pid, &ended, 0, nil); err != nil || ended.ExitStatus() != 1 {
		t.Errorf("it ended with %v, %v", ended, err)
	}
}

// If clone3 fails, the zygote answers with the errno and serves further requests.
func TestZygoteIsRefused(t *testing.T) {
	_, socket := zygote(t)
	for range 2 {
		const contradiction = unix.CLONE_NEWUSER | unix.CLONE_FS
		if got := ask(t, socket, contradiction, 0, 0, 0, 0); got != -int(unix.EINVAL) {
			t.Errorf("it answered %d", got)
		}
	}
}

func (a *assembler) say(text string) *call {
	return a.call("say "+text, unix.SYS_WRITE, fd(1), a.text(text), num(len(text)))
}

func (a *assembler) exit(status int) { a.call("exit", unix.SYS_EXIT_GROUP, num(status)) }

// The init executes each element of a script as the assembler defines it.
//
//lab:arm64 user
func TestReplay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		write  func(a *assembler)
		out    string
		call   uint32 // number of the call that failed
		errno  unix.Errno
		status int
	}{
		{"calls, in order", func(a *assembler) { a.say("a"); a.say("b"); a.exit(7) }, "ab", 0, 0, 7},
		{"a jump", func(a *assembler) {
			over := &label{}
			a.say("a")
			a.jump(over)
			a.say("b")
			a.mark(over)
			a.say("c")
			a.exit(0)
		}, "ac", 0, 0, 0},
		{"a call that fails", func(a *assembler) { a.say("a"); a.close(a.cell()); a.call("", unix.SYS_CLOSE, fd(999)); a.say("b") },
			"a", 2, unix.EBADF, 1},
		{"a call that may fail", func(a *assembler) {
			a.call("", unix.SYS_CLOSE, fd(999))
			a.tolerate(unix.EBADF)
			a.say("a")
			a.exit(0)
		}, "a", 0, 0, 0},
		{"a call that may fail with another errno", func(a *assembler) {
			a.call("", unix.SYS_CLOSE, fd(999))
			a.tolerate(unix.EPERM)
			a.say("a")
		}, "", 0, unix.EBADF, 1},
		{"a jump after a failure", func(a *assembler) {
			around := &label{}
			a.call("", unix.SYS_CLOSE, fd(999)).unless(unix.EBADF, around)
			a.say("not taken")
			a.mark(around)
			a.say("taken")
			a.exit(0)
		}, "taken", 0, 0, 0},
		{"a smaller result than wanted", func(a *assembler) { a.say("abc").wants(4) }, "abc", 0, unix.ENOSPC, 1},
		{"the wanted result", func(a *assembler) { a.say("abc").wants(3); a.exit(0) }, "abc", 0, 0, 0},
		{"a result that is used", func(a *assembler) {
			c := a.cell()
			a.call("", unix.SYS_DUP3, fd(1), fd(77), num(0)).to(c)
			a.call("", unix.SYS_WRITE, c.value(), a.text("seventy-seven"), num(13))
			a.exit(0)
		}, "seventy-seven", 0, 0, 0},
		{"a pointer in the data", func(a *assembler) {
			part := a.words(0, 5)
			a.link(part, a.put([]byte("hello")))
			a.call("", unix.SYS_WRITEV, fd(1), at(part), num(1))
			a.exit(0)
		}, "hello", 0, 0, 0},
		{"a fault", func(a *assembler) { a.fail("", unix.EIO) }, "", 0, unix.EIO, 1},
		{"execve", func(a *assembler) { a.execve([]string{"/bin/echo", "a b", ""}, []string{"A=B"}) }, "a b \n", 0, 0, 0},
		{"an end without execve", func(a *assembler) { a.execve(nil, nil) }, "", 0, 0, 1},
		{"no callDone at the end", func(a *assembler) { a.say("a") }, "a", 0, 0, 1},
		{"an empty script", func(*assembler) {}, "", 0, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &assembler{}
			tt.write(a)
			out, said, status := replay(t, a, 0)
			if out != tt.out || status != tt.status {
				t.Errorf("wrote %q and ended with %d; want %q and %d", out, status, tt.out, tt.status)
			}
			var want []byte
			if tt.errno != 0 {
				want = Report{Kind: Failure, Call: tt.call, Err: tt.errno}.Encode()
			}
			if !bytes.Equal(said, want) {
				t.Errorf("said %v, want %v", said, want)
			}
		})
	}
}

// The init executes no call of a truncated script.
func TestReplayOfAPart(t *testing.T) {
	whole := func() *assembler {
		a := &assembler{}
		a.say("begun")
		a.exit(0)
		return a
	}
	size := len(whole().script().Image())
	for cut := 1; cut <= size; cut += 13 {
		if out, said, status := replay(t, whole(), cut); out != "" || len(said) > 0 || status != 1 {
			t.Fatalf("%d bytes less: wrote %q, said %v, status %d", cut, out, said, status)
		}
	}
}

// Every call of a compiled script belongs to a known stage, and the stages are in the order of Stages.
func TestCompile(t *testing.T) {
	s := Compile(&Order{
		Plan:     []Node{{Op: Dir, Path: "/usr", Mode: 0o755}, {Op: Tree, Path: "/usr", Source: "/usr"}, {Op: Link, Path: "/bin", Source: "usr/bin"}},
		Landlock: Ruleset{Handled: 1, Rules: []Rule{{Path: "/usr", Rights: 1}}},
		CPU:      []Prctl{{Name: "PR_X"}},
		Rlimits:  []Rlimit{{unix.RLIMIT_CPU, 1}},
		Filter:   make([]byte, 16),
		Listen:   true,
		Argv:     []string{"/usr/bin/python3"},
	})
	program := uint32(0) // number of the last call of the program
	for call := range uint32(len(s.steps)) {
		if stage, _, _ := s.Step(call); stage == StageExec {
			program = call
		}
	}
	for call := program + 1; call < uint32(len(s.steps)); call++ {
		if stage, _, _ := s.Step(call); stage != StageSplit {
			t.Errorf("call %d, after the last of the program, is of %q", call, stage)
		}
	}
	next := 0
	for call := range program {
		stage, _, ok := s.Step(call)
		for ok && next < len(Stages) && Stages[next] != stage && (next == 0 || Stages[next-1] != stage) {
			next++
		}
		if !ok || next == len(Stages) {
			t.Fatalf("call %d is of %q", call, stage)
		}
	}
	if next == 0 || program == 0 {
		t.Errorf("the stages end with number %d, and the program's calls with number %d", next, program)
	}
	if _, _, ok := s.Step(uint32(len(s.steps))); ok {
		t.Error("there is a call after the last")
	}
}

func TestReportSurvivesTheSocket(t *testing.T) {
	for _, want := range []Report{{Kind: Go}, {Kind: Failure, Call: 1 << 31, Err: unix.EPERM}} {
		got, err := ReadReport(iotest.OneByteReader(bytes.NewReader(want.Encode())))
		if err != nil || got != want {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if _, err := ReadReport(strings.NewReader("")); err != io.EOF {
		t.Errorf("an empty script: %v", err)
	}
}
