package jail

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// encodeFilter lays out a seccomp program as struct sock_filter[], the form in which it goes to
// the init and from there to the kernel.
func encodeFilter(program []unix.SockFilter) []byte {
	out := make([]byte, 0, len(program)*8)
	for _, i := range program {
		out = binary.NativeEndian.AppendUint16(out, i.Code)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out
}

// templateFilter is the filter of a template: that of the runs, which its children stay under, but for
// the calls that it takes to jail these, and to see what an import has left behind (getitimer). The C library asks for
// what it can have when a program starts: so it learns the same there as it would in a run.
func templateFilter(program []unix.SockFilter, script *inside.Script) []unix.SockFilter {
	const number, arch = 0, 4 // offsets in struct seccomp_data
	calls := append(script.Calls(), unix.SYS_CLONE3, unix.SYS_GETITIMER)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	equal := func(k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: k}
	}
	ours := []unix.SockFilter{load(number)}
	for _, call := range calls {
		ours = append(ours, equal(uint32(call)), unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
	}
	// Another architecture has other numbers: on with the filter of the runs.
	whole := []unix.SockFilter{load(arch), equal(inside.AuditArch), {Code: unix.BPF_JMP | unix.BPF_JA, K: 1},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(ours))}}
	return slices.Concat(whole, ours, program)
}
