package jail_test

import (
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

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
