package seccompprofiles

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// x32Bit is set in the numbers of x32 calls on amd64 (__X32_SYSCALL_BIT of asm/unistd.h).
const x32Bit = 0x40000000

// maxSamples is the maximum number of calls that verify tries for one system call.
const maxSamples = 1 << 12

// verify runs the program on calls with arguments around every value in the profile, and compares the results with the rules. libseccomp
// has had bugs with several conditions on one call, and a wrong filter must not be loaded.
func verify(f *Filter, p *profile) error {
	expect := func(arch, nr uint32, args [6]uint64, want Action, what string) error {
		want = want.answerTo(nr)
		got, err := run(f.Program, arch, nr, args)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("libseccomp compiled %s%#x wrongly: the profile returns %s (%#x), the program %s (%#x); try another order or form of its rules",
				what, args, want, uint32(want), got, uint32(got))
		}
		return nil
	}

	for _, m := range machines {
		if m == p.machine {
			continue
		}
		if err := expect(m.audit, 0, [6]uint64{}, unix.SECCOMP_RET_KILL_PROCESS, "a call of "+string(m.oci)); err != nil {
			return err
		}
	}
	// Numbers without a rule. They include numbers that the kernel may use in the coming years.
	ruled := make(map[uint32]bool, len(f.Syscalls))
	for _, s := range f.Syscalls {
		ruled[s.Number] = true
	}
	for nr := range uint32(1024) {
		if !ruled[nr] {
			if err := expect(p.machine.audit, nr, [6]uint64{}, p.fallback.counted(), fmt.Sprintf("number %d", nr)); err != nil {
				return err
			}
		}
		if p.machine.scmp == seccomp.ArchAMD64 {
			if err := expect(p.machine.audit, x32Bit|nr, [6]uint64{}, unix.SECCOMP_RET_KILL_PROCESS, fmt.Sprintf("x32 number %d", nr)); err != nil {
				return err
			}
		}
	}
	for _, s := range f.Syscalls {
		for args := range samples(s.Rules) {
			if err := expect(p.machine.audit, s.Number, args, p.decide(s.Name, args), s.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// samples yields argument lists around all values in the rules. First comes one that meets each rule. Then come all combinations, or a
// repeatable random choice if there are too many. The program compares 32 bits at a time, and libseccomp once confused the upper half of
// one rule with the lower half of another. So each half of a value is combined with each half of the others.
func samples(rules []Rule) func(yield func([6]uint64) bool) {
	var halves [6][]uint64
	for _, r := range rules {
		for _, a := range r.Args {
			near := []uint64{a.Value}
			if mask, value, ok := masked(a); ok {
				near = []uint64{value, value | ^mask, value ^ (mask & -mask)}
			}
			for _, v := range near {
				for _, half := range []uint64{v >> 32, v & math.MaxUint32} {
					halves[a.Index] = append(halves[a.Index], half, (half-1)&math.MaxUint32, (half+1)&math.MaxUint32)
				}
			}
		}
	}
	var values [6][]uint64
	total := 1
	for i, of := range halves {
		if len(of) == 0 { // no rule has a condition on this argument
			values[i] = []uint64{0, math.MaxUint64}
			total *= 2
			continue
		}
		of = append(of, 0, math.MaxUint32)
		slices.Sort(of)
		of = slices.Compact(of)
		for _, upper := range of {
			for _, lower := range of {
				values[i] = append(values[i], upper<<32|lower)
			}
		}
		if total <= maxSamples {
			total *= len(values[i])
		}
	}
	return func(yield func([6]uint64) bool) {
		for _, r := range rules {
			var args [6]uint64
			for _, a := range r.Args {
				args[a.Index] = witness(a)
			}
			if !yield(args) {
				return
			}
		}
		random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // it must be repeatable
		for n := range min(total, maxSamples) {
			var args [6]uint64
			for i, of := range values {
				if total > maxSamples {
					args[i] = of[random.IntN(len(of))]
				} else {
					args[i], n = of[n%len(of)], n/len(of)
				}
			}
			if !yield(args) {
				return
			}
		}
	}
}

// witness returns a value that meets the condition.
func witness(a specs.LinuxSeccompArg) uint64 {
	switch a.Op {
	case specs.OpMaskedEqual:
		return a.ValueTwo
	case specs.OpLessThan:
		return a.Value - 1
	case specs.OpGreaterThan, specs.OpNotEqual:
		return a.Value + 1
	}
	return a.Value
}

// run interprets the part of classic BPF that libseccomp uses, on a struct seccomp_data (linux/seccomp.h).
func run(program []unix.SockFilter, arch, number uint32, args [6]uint64) (Action, error) {
	data := [16]uint32{number, arch} // the instruction pointer follows; no rule uses it
	for i, a := range args {
		data[4+2*i], data[5+2*i] = uint32(a), uint32(a>>32) // all machines are little endian
	}
	var acc uint32
	for pc := uint64(0); pc < uint64(len(program)); pc++ {
		ins := program[pc]
		var met bool
		switch ins.Code {
		case unix.BPF_RET | unix.BPF_K:
			return Action(ins.K), nil
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			if ins.K%4 != 0 || ins.K/4 >= uint32(len(data)) {
				return 0, fmt.Errorf("instruction %d loads from offset %d", pc, ins.K)
			}
			acc = data[ins.K/4]
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= ins.K
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			pc += uint64(ins.K)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			met = acc == ins.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			met = acc > ins.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			met = acc >= ins.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			met = acc&ins.K != 0
		default:
			return 0, fmt.Errorf("instruction %d has code %#x", pc, ins.Code)
		}
		if met {
			pc += uint64(ins.Jt)
		} else {
			pc += uint64(ins.Jf)
		}
	}
	return 0, fmt.Errorf("the program of %d instructions does not return", len(program))
}

// outcomes returns all actions that a program may return for a number, whatever the arguments. At a branch on an argument it follows both
// ways, even if an earlier branch has decided it.
func outcomes(program []unix.SockFilter, arch, number uint32) map[Action]bool {
	type state struct {
		pc    int
		known bool // acc does not depend on an argument
		acc   uint32
	}
	found := make(map[Action]bool)
	seen := make(map[state]bool)
	for todo := []state{{}}; len(todo) > 0; {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[s] || s.pc >= len(program) {
			continue
		}
		seen[s] = true
		ins := program[s.pc]
		next := state{s.pc + 1, s.known, s.acc}
		var met bool
		switch ins.Code {
		case unix.BPF_RET | unix.BPF_K:
			found[Action(ins.K)] = true
			continue
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			switch ins.K {
			case 0:
				next.known, next.acc = true, number
			case 4:
				next.known, next.acc = true, arch
			default:
				next.known, next.acc = false, 0
			}
			todo = append(todo, next)
			continue
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			next.acc &= ins.K
			todo = append(todo, next)
			continue
		case unix.BPF_JMP | unix.BPF_JA:
			next.pc += int(ins.K)
			todo = append(todo, next)
			continue
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			met = s.acc == ins.K
		case unix.BPF_JMP | unix.BPF_JGT | unix.BPF_K:
			met = s.acc > ins.K
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			met = s.acc >= ins.K
		case unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K:
			met = s.acc&ins.K != 0
		}
		if met || !s.known {
			todo = append(todo, state{next.pc + int(ins.Jt), s.known, s.acc})
		}
		if !met || !s.known {
			todo = append(todo, state{next.pc + int(ins.Jf), s.known, s.acc})
		}
	}
	return found
}
