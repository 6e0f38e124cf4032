package jail_test

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// denyAllButReports is a filter under which the init can only report and leave.
var denyAllButReports = assemble(
	bpf.LoadAbsolute{Off: 0, Size: 4}, // the number of the system call
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_EXECVE, SkipTrue: 0, SkipFalse: 1},
	bpf.RetConstant{Val: 0x0005_0000 | uint32(unix.EACCES)}, // SECCOMP_RET_ERRNO
	bpf.RetConstant{Val: 0x7fff_0000},                       // SECCOMP_RET_ALLOW
)

// allowAll is no filter, in the form of one.
var allowAll = assemble(bpf.RetConstant{Val: 0x7fff_0000})

func assemble(program ...bpf.Instruction) []unix.SockFilter {
	raw, err := bpf.Assemble(program)
	if err != nil {
		panic(err)
	}
	var out []unix.SockFilter
	for _, i := range raw {
		out = append(out, unix.SockFilter{Code: i.Op, Jt: i.Jt, Jf: i.Jf, K: i.K})
	}
	return out
}
