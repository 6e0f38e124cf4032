package jail

import (
	"encoding/binary"

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
