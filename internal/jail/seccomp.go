package jail

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
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

// notifies reports whether a seccomp program leaves any answer to a listener.
func notifies(program []unix.SockFilter) bool {
	return slices.ContainsFunc(program, func(i unix.SockFilter) bool {
		return i.Code == unix.BPF_RET|unix.BPF_K && i.K&unix.SECCOMP_RET_ACTION_FULL == unix.SECCOMP_RET_USER_NOTIF
	})
}
