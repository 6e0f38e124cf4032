package inside

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"
)

// A jail has two processes from the step "split" on. Process 1 is the init. Its child is the program.
// The program's lifetime hangs on process 1, and process 1's on the daemon:
//
//   - When process 1 ends, the kernel kills all processes of its pid namespace (pid_namespaces(7)).
//   - Process 1 has a parent death signal, SIGKILL. It has one thread, never calls execve and never changes its
//     ids again, so nothing takes the signal away (PR_SET_PDEATHSIG in prctl(2)).
//   - The program cannot end, stop or change process 1. No signal from inside the namespace reaches it: it blocks
//     all that can be blocked, since a child of a template has the handlers of its python3, and the kernel drops the
//     others (pid_namespaces(7)). It is not dumpable, so nobody without privilege over the daemon's own user
//     namespace may trace it or open its memory and descriptors (ptrace(2)).

// split forks. The child becomes the program, in a session of its own: a signal to its process
// group is for the program and its children alone.
func (a *assembler) split() {
	a.program = a.cell()
	// Before there is a program, so that process 1 is never dumpable while one runs.
	a.dumpable(false)
	a.add("fork", callSplit).to(a.program).then = a.keeper
	a.dumpable(true) // the program's own files in /proc would be root's otherwise
	a.call("setsid", unix.SYS_SETSID)
	a.call("close", unix.SYS_CLOSE, fd(Status))
}

func (a *assembler) dumpable(yes bool) {
	value := 0
	if yes {
		value = 1
	}
	a.call("PR_SET_DUMPABLE", unix.SYS_PRCTL, num(unix.PR_SET_DUMPABLE), num(value))
}

// keeperCalls are the system calls that process 1 makes once it waits for the program.
var keeperCalls = []int64{unix.SYS_WAIT4, unix.SYS_GETRUSAGE, unix.SYS_WRITE, unix.SYS_EXIT_GROUP}

// keepProgram is what process 1 does from "split" on. It closes the hand-off socket last: the daemon takes the end
// of that socket for the sign that the program runs, so process 1 is complete by then.
func (a *assembler) keepProgram() {
	a.mark(a.keeper)
	a.stage = StageSplit
	a.takeName(initName)
	a.call("block signals", unix.SYS_RT_SIGPROCMASK, num(unix.SIG_BLOCK), at(a.words(^uint64(0))), num(0), num(8))
	a.loadFilter(keeperFilter(), false, false)
	a.call("close_range", unix.SYS_CLOSE_RANGE, fd(0), fd(Channel), num(0))
	a.add("wait for the program", callKeep, a.program.value())
}

// keeperFilter allows process 1 its few calls, and kills it at any other.
func keeperFilter() []byte {
	const number, arch = 0, 4 // offsets in struct seccomp_data
	type instruction struct {
		code   uint16
		jt, jf uint8
		k      uint32
	}
	load := func(offset uint32) instruction {
		return instruction{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, offset}
	}
	result := func(action uint32) instruction { return instruction{unix.BPF_RET | unix.BPF_K, 0, 0, action} }
	const equal = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	program := []instruction{
		load(arch), {equal, 1, 0, AuditArch}, result(unix.SECCOMP_RET_KILL_PROCESS), load(number),
	}
	for _, call := range append([]int64{unix.SYS_CLOSE_RANGE}, keeperCalls...) {
		program = append(program, instruction{equal, 0, 1, uint32(call)}, result(unix.SECCOMP_RET_ALLOW))
	}
	program = append(program, result(unix.SECCOMP_RET_KILL_PROCESS))
	var wire []byte
	for _, i := range program {
		wire = binary.NativeEndian.AppendUint16(wire, i.code)
		wire = append(wire, i.jt, i.jf)
		wire = binary.NativeEndian.AppendUint32(wire, i.k)
	}
	return wire
}

// AuditArch is the machine's own architecture, as a seccomp filter sees it (linux/audit.h).
var AuditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
