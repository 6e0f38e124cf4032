package seccompprofiles

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/opencontainers/runtime-spec/specs-go"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// maxInstructions is BPF_MAXINSNS of linux/bpf_common.h. The kernel does not load a longer program.
const maxInstructions = 4096

// machine is an architecture with its names in different places.
type machine struct {
	goarch string
	oci    specs.Arch
	scmp   seccomp.ScmpArch
	audit  uint32
}

// machines are the architectures for which the rules were checked. Another one needs more than names: on s390x the flags of clone are
// another argument, and mips has other errnos.
var machines = []machine{
	{"amd64", specs.ArchX86_64, seccomp.ArchAMD64, unix.AUDIT_ARCH_X86_64},
	{"arm64", specs.ArchAARCH64, seccomp.ArchARM64, unix.AUDIT_ARCH_AARCH64},
}

var knownArches = []specs.Arch{
	specs.ArchX86, specs.ArchX86_64, specs.ArchX32, specs.ArchARM, specs.ArchAARCH64, specs.ArchMIPS,
	specs.ArchMIPS64, specs.ArchMIPS64N32, specs.ArchMIPSEL, specs.ArchMIPSEL64, specs.ArchMIPSEL64N32,
	specs.ArchPPC, specs.ArchPPC64, specs.ArchPPC64LE, specs.ArchS390, specs.ArchS390X, specs.ArchPARISC,
	specs.ArchPARISC64, specs.ArchRISCV64, specs.ArchLOONGARCH64, specs.ArchM68K, specs.ArchSH, specs.ArchSHEB,
}

var knownOperators = []specs.LinuxSeccompOperator{
	specs.OpEqualTo, specs.OpNotEqual, specs.OpLessThan, specs.OpLessEqual, specs.OpGreaterThan,
	specs.OpGreaterEqual, specs.OpMaskedEqual,
}

// Compile compiles a profile for the machine that it runs on. An error names the part of the profile that is wrong. It needs no
// privilege and does not change the process.
func Compile(text []byte) (*Filter, error) {
	m, err := native()
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	f, err := compileFor(text, m)
	if err != nil {
		return nil, fmt.Errorf("seccomp profile: %w", err)
	}
	return f, nil
}

func compileFor(text []byte, m machine) (*Filter, error) {
	p, err := parse(text, m)
	if err != nil {
		return nil, err
	}
	f := &Filter{Fallback: p.fallback}
	for _, name := range p.names() {
		nr, err := seccomp.GetSyscallFromNameByArch(name, m.scmp)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.Syscalls = append(f.Syscalls, Syscall{Name: name, Number: uint32(nr), Rules: p.syscalls[name]})
	}
	if f.Program, err = assemble(f, m); err != nil {
		return nil, fmt.Errorf("libseccomp: %w", err)
	}
	if n := len(f.Program) + announceInstructions; n > maxInstructions {
		return nil, fmt.Errorf("the filter has %d instructions, more than the kernel's %d", n, maxInstructions)
	}
	if err := verify(f, p); err != nil {
		return nil, err
	}
	f.Program = announce(f, m)
	return f, nil
}

// assemble lets libseccomp write the program.
func assemble(f *Filter, m machine) ([]unix.SockFilter, error) {
	ctx, err := newContext(f.Fallback.counted().scmp(), m.scmp)
	if err != nil {
		return nil, err
	}
	defer ctx.Release()
	for _, s := range f.Syscalls {
		for _, r := range irredundant(s.Rules) {
			if r.returns() == f.Fallback.counted() { // libseccomp returns an error for a rule with its default action
				continue
			}
			if err := addRule(ctx, s.Name, r); err != nil {
				return nil, fmt.Errorf("%s: %s: %w", s.Name, r, err)
			}
		}
	}
	program, err := export(ctx)
	if err != nil {
		return nil, err
	}
	unmark(program)
	return quietNew(program), nil
}

// newContext returns a libseccomp context with only the machine's own architecture. Calls of all others, including x32, return
// KILL_PROCESS.
func newContext(fallback seccomp.ScmpAction, arch seccomp.ScmpArch) (_ *seccomp.ScmpFilter, err error) {
	ctx, err := seccomp.NewFilter(fallback)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			ctx.Release()
		}
	}()
	if err := ctx.SetBadArchAction(seccomp.ActKillProcess); err != nil {
		return nil, fmt.Errorf("action for a foreign architecture: %w", err)
	}
	native, err := seccomp.GetNativeArch()
	if err != nil {
		return nil, err
	}
	if arch != native { // only in tests
		if err := ctx.AddArch(arch); err != nil {
			return nil, err
		}
		if err := ctx.RemoveArch(native); err != nil {
			return nil, err
		}
	}
	// Search the number in a binary tree instead of a list: 8 comparisons instead of up to 250. libseccomp before 2.5
	// does not support it.
	if err := ctx.SetOptimize(2); err != nil && !errors.As(err, new(seccomp.VersionError)) {
		return nil, fmt.Errorf("optimisation: %w", err)
	}
	return ctx, nil
}

func addRule(ctx *seccomp.ScmpFilter, name string, r Rule) error {
	// The number on the native machine. libseccomp translates it if ctx is for another one.
	nr, err := seccomp.GetSyscallFromName(name)
	if err != nil {
		return err
	}
	if len(r.Args) == 0 {
		return ctx.AddRuleExact(nr, r.returns().scmp())
	}
	conditions := make([]seccomp.ScmpCondition, 0, len(r.Args))
	for _, a := range r.Args {
		c := seccomp.ScmpCondition{Argument: a.Index, Op: operator(a.Op), Operand1: a.Value, Operand2: a.ValueTwo}
		conditions = append(conditions, c)
	}
	return ctx.AddRuleConditionalExact(nr, r.returns().scmp(), conditions)
}

// irredundant removes rules that have no effect, because libseccomp refuses some of them: repetitions, and all rules beside one
// without conditions. Such rules return the same action, because parse refuses contradictions.
func irredundant(rules []Rule) []Rule {
	if i := slices.IndexFunc(rules, func(r Rule) bool { return len(r.Args) == 0 }); i >= 0 {
		return rules[i : i+1]
	}
	var kept []Rule
	for _, r := range rules {
		r.Args = slices.Clone(r.Args)
		slices.SortFunc(r.Args, func(a, b specs.LinuxSeccompArg) int { return int(a.Index) - int(b.Index) })
		if !slices.ContainsFunc(kept, func(k Rule) bool { return slices.Equal(k.Args, r.Args) }) {
			kept = append(kept, r)
		}
	}
	return kept
}

func operator(op specs.LinuxSeccompOperator) seccomp.ScmpCompareOp {
	switch op {
	case specs.OpEqualTo:
		return seccomp.CompareEqual
	case specs.OpNotEqual:
		return seccomp.CompareNotEqual
	case specs.OpLessThan:
		return seccomp.CompareLess
	case specs.OpLessEqual:
		return seccomp.CompareLessOrEqual
	case specs.OpGreaterThan:
		return seccomp.CompareGreater
	case specs.OpGreaterEqual:
		return seccomp.CompareGreaterEqual
	case specs.OpMaskedEqual:
		return seccomp.CompareMaskedEqual
	}
	return seccomp.CompareInvalid
}

// export reads the program through a pipe, because libseccomp before 2.6 writes only to descriptors.
func export(ctx *seccomp.ScmpFilter) ([]unix.SockFilter, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // the pipe was only read
	written := make(chan error, 1)
	go func() {
		written <- errors.Join(ctx.ExportBPF(w), w.Close())
	}()
	raw, err := io.ReadAll(r)
	if err := errors.Join(<-written, err); err != nil {
		return nil, err
	}
	program := make([]unix.SockFilter, len(raw)/8) // struct sock_filter of linux/filter.h
	if err := binary.Read(bytes.NewReader(raw), binary.NativeEndian, program); err != nil {
		return nil, err
	}
	return program, nil
}
