package jail

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// encodeFilter encodes a seccomp program as struct sock_filter[], which the init passes to the kernel.
func encodeFilter(program []unix.SockFilter) []byte {
	out := make([]byte, 0, len(program)*8)
	for _, i := range program {
		out = binary.NativeEndian.AppendUint16(out, i.Code)
		out = append(out, i.Jt, i.Jf)
		out = binary.NativeEndian.AppendUint32(out, i.K)
	}
	return out
}

// templateFilter returns the filter of a template. It is the filter of the runs, but also allows the calls that jail a child, and
// getitimer, by which template.py sees what an import has left behind. The children stay under this filter and add that of the runs.
// It denies everything else that a run's filter denies, because the C library tries some calls at start-up and remembers the result,
// which must be the same as in a run.
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
	// Other architectures have other system call numbers: for them, only the filter of the runs applies.
	whole := []unix.SockFilter{load(arch), equal(inside.AuditArch), {Code: unix.BPF_JMP | unix.BPF_JA, K: 1},
		{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(ours))}}
	return slices.Concat(whole, ours, program)
}
