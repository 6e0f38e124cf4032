package inside

import (
	"encoding/binary"
	"runtime"

	"golang.org/x/sys/unix"
)

// From the step "split" on, a jail has two processes: the init is process 1, and its child becomes the program. The program ends when
// the init ends, and the init ends when the daemon ends:
//
//   - When process 1 of a pid namespace ends, the kernel kills all its processes (pid_namespaces(7)).
//   - The init has the parent death signal SIGKILL. The init has one thread, never calls execve and does not change its ids again, so
//     the kernel does not clear the signal (PR_SET_PDEATHSIG in prctl(2)).
//   - The program cannot end, stop or change the init. The init blocks all signals that can be blocked, because the init that a
//     template has forked has the signal handlers of python3. The kernel drops SIGKILL and SIGSTOP from inside the namespace
//     (pid_namespaces(7)). The init is not dumpable, so only a process with CAP_SYS_PTRACE in the daemon's user namespace may trace
//     it or open its memory and descriptors (ptrace(2)).

// split forks. The child becomes the program. It gets a new session, so that a signal to its process group reaches only the program and
// its children.
func (a *assembler) split() {
	a.program = a.cell()
	a.dumpable(false) // before the fork, so that the init is never dumpable while a program runs
	a.add("fork", callSplit).to(a.program).then = a.keeper
	a.dumpable(true) // otherwise root would own the program's files in /proc
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

// keeperCalls are the system calls of the init from callKeep on.
var keeperCalls = []int64{unix.SYS_WAIT4, unix.SYS_GETRUSAGE, unix.SYS_WRITE, unix.SYS_EXIT_GROUP}

// keepProgram adds the steps of the init after "split". The init closes the hand-off socket as its last step before it waits. The
// daemon takes the end of file on that socket as the start of the program, so the init is confined by then.
func (a *assembler) keepProgram() {
	a.mark(a.keeper)
	a.stage = StageSplit
	a.takeName(initName)
	a.call("block signals", unix.SYS_RT_SIGPROCMASK, num(unix.SIG_BLOCK), at(a.words(^uint64(0))), num(0), num(8))
	a.loadFilter(keeperFilter(), false, false)
	a.call("close_range", unix.SYS_CLOSE_RANGE, fd(0), fd(Channel), num(0))
	a.add("wait for the program", callKeep, a.program.value())
}

// keeperFilter returns the seccomp filter of the init. It allows close_range and keeperCalls, and kills the init at any other call.
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

// AuditArch is the architecture of the machine as a seccomp filter sees it (linux/audit.h).
var AuditArch = map[string]uint32{"amd64": unix.AUDIT_ARCH_X86_64, "arm64": unix.AUDIT_ARCH_AARCH64}[runtime.GOARCH]
