package seccompprofiles

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write testdata/*.golden anew")

func TestDefaultProfileAllowsNoMoreThanTheGoldenFiles(t *testing.T) {
	for _, m := range machines {
		t.Run(m.goarch, func(t *testing.T) {
			f, err := compileFor(Default, m)
			if err != nil {
				t.Fatal(err)
			}
			allowed := f.Allowed()
			t.Logf("%d system calls allowed on %s, %d instructions", len(allowed), m.goarch, len(f.Program))
			compareGolden(t, "allowed."+m.goarch+".golden", describe(f))
		})
	}
}

// describe lists the calls that the filter allows: one line for each call, or for each of its conditions.
func describe(f *Filter) string {
	var b strings.Builder
	for _, s := range f.Syscalls {
		for _, r := range s.Rules {
			if r.Action.Allows() {
				fmt.Fprintf(&b, "%s: %s\n", s.Name, r)
			}
		}
	}
	return b.String()
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; if that is intended: go test -run %s -update\ngot:\n%s", path, t.Name(), got)
	}
}

// A number without a rule must get ENOSYS. A number of x32 or of another architecture must kill the process. The test runs the
// compiled programs of all machines, whatever the native one is.
func TestDefaultProfileForEveryNumberOfEveryMachine(t *testing.T) {
	for i, m := range machines {
		t.Run(m.goarch, func(t *testing.T) {
			f, err := compileFor(Default, m)
			if err != nil {
				t.Fatal(err)
			}
			decide := func(arch, nr uint32) Action {
				a, err := f.Decide(arch, nr, [6]uint64{})
				if err != nil {
					t.Fatal(err)
				}
				return a
			}
			named := make(map[uint32]bool)
			for _, s := range f.Syscalls {
				named[s.Number] = true
			}
			other := machines[1-i].audit
			for nr := range uint32(4096) {
				if a := decide(m.audit, nr); !named[nr] && a.Errno() != unix.ENOSYS {
					t.Errorf("number %d: %s, want ENOSYS", nr, a)
				}
				for _, arch := range []uint32{other, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, 0} {
					if a := decide(arch, nr); a != unix.SECCOMP_RET_KILL_PROCESS {
						t.Errorf("architecture %#x, number %d: %s, want kill process", arch, nr, a)
					}
				}
				if a := decide(m.audit, x32Bit|nr); m.goarch == "amd64" && a != unix.SECCOMP_RET_KILL_PROCESS {
					t.Errorf("x32 number %d: %s, want kill process", nr, a)
				}
			}
		})
	}
}

// Callers of these calls try an older call on ENOSYS, but report EPERM as an error.
func TestCallsWithAFallbackAreNeverEPERM(t *testing.T) {
	f := defaultFilter(t)
	for _, name := range []string{
		"statx", "clone3", "faccessat2", "openat2", "close_range", "rseq", "set_robust_list", "pidfd_open",
		"copy_file_range", "sendfile", "preadv2", "pwritev2", "renameat2", "epoll_pwait2", "futex_waitv", "getpeername",
		"membarrier", "landlock_create_ruleset", "timer_create", "signalfd4",
	} {
		for _, arch := range machines {
			if arch.goarch != runtime.GOARCH {
				continue
			}
			for args := range samples(nil) {
				a, err := f.Decide(arch.audit, number(t, name), args)
				if err != nil {
					t.Fatal(err)
				}
				if a.Errno() == unix.EPERM {
					t.Errorf("%s%#x: EPERM", name, args)
				}
			}
		}
	}
}

// An OCI runtime ignores our extensions. The rest must be a complete profile.
func TestDefaultProfileIsAnOCIProfile(t *testing.T) {
	var oci specs.LinuxSeccomp
	if err := json.Unmarshal(Default, &oci); err != nil {
		t.Fatal(err)
	}
	doc, err := decode(Default)
	if err != nil {
		t.Fatal(err)
	}
	if oci.DefaultAction != specs.ActErrno || *oci.DefaultErrnoRet != uint(unix.ENOSYS) || len(oci.Syscalls) != len(doc.Syscalls) {
		t.Errorf("read as OCI: default action %s, %d groups of %d", oci.DefaultAction, len(oci.Syscalls), len(doc.Syscalls))
	}
	// An OCI runtime ignores "includes" and applies the entry on all machines.
	for _, s := range doc.Syscalls {
		if s.Comment == "" {
			t.Errorf("%q has no comment", s.Names)
		}
		if len(s.Includes.Arches) > 0 && (s.Action != specs.ActAllow || !slices.Equal(s.Includes.Arches, []string{"arm64"})) {
			t.Errorf("%q: %s only for %q means something else to an OCI runtime", s.Names, s.Action, s.Includes.Arches)
		}
	}
}

func TestNoCallIsBothInAGroupThatAllowsAndInOneThatDenies(t *testing.T) {
	f := defaultFilter(t)
	for _, s := range f.Syscalls {
		for _, r := range s.Rules {
			if len(r.Args) == 0 && len(s.Rules) > 1 {
				t.Errorf("%s: a rule without conditions among %d", s.Name, len(s.Rules))
			}
		}
	}
}

// small is a format string for the smallest profile that Compile accepts, with room for more properties and more rules.
const small = `{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38%s,"syscalls":[
{"names":["execve","exit_group","sendmsg","write"],"action":"SCMP_ACT_ALLOW"}%s]}`

func TestCompileErrors(t *testing.T) {
	top := func(s string) string { return fmt.Sprintf(small, ","+s, "") }
	rule := func(s string) string { return fmt.Sprintf(small, "", ","+s) }
	args := func(s string) string { return rule(`{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[` + s + `]}`) }
	tests := []struct{ name, profile, want string }{
		{"nothing", ``, "EOF"},
		{"no object", `[]`, "cannot unmarshal array"},
		{"null", `null`, "defaultAction: missing"},
		{"broken off", `{"defaultAction":`, "unexpected EOF"},
		{"two documents", fmt.Sprintf(small, "", "") + "{}", "the file has more data after the profile"},
		{"too big", strings.Repeat(" ", maxProfileBytes+1), "1048577 bytes"},
		{"unknown field", top(`"archMap":[]`), `unknown field "archMap"`},
		{"unknown field of a rule", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","minKernel":"4.8"}`), `unknown field "minKernel"`},
		{"field in another case", top(`"DefaultErrnoRet":1`), `unknown field "DefaultErrnoRet"`},
		{"field twice", top(`"defaultAction":"SCMP_ACT_ALLOW"`), `duplicate field "defaultAction"`},
		{"field of a rule twice", rule(`{"names":["read"],"names":["ptrace"],"action":"SCMP_ACT_ALLOW"}`), `duplicate field "names"`},
		{"no default action", `{"syscalls":[]}`, "defaultAction: missing"},
		{"deny list", `{"defaultAction":"SCMP_ACT_ALLOW"}`, "SCMP_ACT_ALLOW would turn the profile into a deny list"},
		{"deny list with a log", `{"defaultAction":"SCMP_ACT_LOG"}`, "SCMP_ACT_LOG would turn the profile into a deny list"},
		{"empty", `{"defaultAction":"SCMP_ACT_ERRNO"}`, "nothing is allowed"},
		{"only denials", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["execve"],"action":"SCMP_ACT_KILL_PROCESS"}]}`, "nothing is allowed"},
		{"without execve", `{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}`, "execve is not allowed"},
		{"flags", top(`"flags":["SECCOMP_FILTER_FLAG_TSYNC"]`), "SECCOMP_FILTER_FLAG_TSYNC"},
		{"listener", top(`"listenerPath":"/x"`), "listenerPath"},
		{"unknown architecture", top(`"architectures":["SCMP_ARCH_Z80"]`), "SCMP_ARCH_Z80"},
		{"another architecture", top(`"architectures":["SCMP_ARCH_S390X"]`), "not made for this machine"},
		{"unknown default action", `{"defaultAction":"SCMP_ACT_NOPE"}`, "SCMP_ACT_NOPE"},
		{"no names", rule(`{"names":[],"action":"SCMP_ACT_ALLOW"}`), "syscalls[1]: names: empty"},
		{"no action", rule(`{"names":["read"]}`), `["read"]: action: missing`},
		{"unknown action", rule(`{"names":["read"],"action":"ALLOW"}`), `unknown action "ALLOW"`},
		{"kill thread", rule(`{"names":["read"],"action":"SCMP_ACT_KILL"}`), "the program hangs"},
		{"notify", rule(`{"names":["read"],"action":"SCMP_ACT_NOTIFY"}`), "no process would answer"},
		{"errno with allow", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","errnoRet":1}`), "SCMP_ACT_ALLOW does not return"},
		{"errno 0 is success", rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":0}`), "errno 0"},
		{"errno too big", rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":4096}`), "errno 4096"},
		{"unknown call", rule(`{"names":["raed"],"action":"SCMP_ACT_ALLOW"}`), `unknown system call "raed"`},
		{"empty name", rule(`{"names":[""],"action":"SCMP_ACT_ALLOW"}`), `unknown system call ""`},
		{"name with a NUL", rule(`{"names":["read\u0000x"],"action":"SCMP_ACT_ALLOW"}`), `unknown system call "read\x00x"`},
		{"unknown machine", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["z80"]}}`), `unknown architecture "z80"`},
		{"argument 6", args(`{"index":6,"value":1,"op":"SCMP_CMP_EQ"}`), "index 6"},
		{"unknown operator", args(`{"index":1,"value":1,"op":"SCMP_CMP_ISH"}`), `unknown operator "SCMP_CMP_ISH"`},
		{"no operator", args(`{"index":1,"value":1}`), `unknown operator ""`},
		{"negative value", args(`{"index":1,"value":-1,"op":"SCMP_CMP_EQ"}`), "number -1"},
		{"one argument twice", args(`{"index":1,"value":1,"op":"SCMP_CMP_EQ"},{"index":1,"value":2,"op":"SCMP_CMP_EQ"}`), "index 1 is compared twice"},
		{"value outside of the mask", args(`{"index":1,"value":1,"valueTwo":3,"op":"SCMP_CMP_MASKED_EQ"}`), "never matches"},
		{"mask of nothing", args(`{"index":1,"value":0,"op":"SCMP_CMP_MASKED_EQ"}`), "always matches"},
		{"second value of no use", args(`{"index":1,"value":1,"valueTwo":1,"op":"SCMP_CMP_EQ"}`), "valueTwo"},
		{"below zero", args(`{"index":1,"value":0,"op":"SCMP_CMP_LT"}`), "never matches"},
		{"not below zero", args(`{"index":1,"value":0,"op":"SCMP_CMP_GE"}`), "always matches"},
		{"both allowed and denied", rule(`{"names":["write"],"action":"SCMP_ACT_ERRNO"}`), "write: contradiction"},
		{"denied with two errnos", rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":1},{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":2}`), "read: contradiction"},
		{"allowed, and denied on a condition", rule(`{"names":["write"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}`), "write: contradiction"},
		{"overlapping masks", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ"}]},` +
			`{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":2,"valueTwo":2,"op":"SCMP_CMP_MASKED_EQ"}]}`), "args[0]&0x2 == 0x2"},
		{"conditions on different arguments", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]},` +
			`{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":1,"value":2,"op":"SCMP_CMP_EQ"}]}`), "read: contradiction"},
		{"overlapping ranges", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":5,"op":"SCMP_CMP_LE"}]},` +
			`{"names":["read"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":5,"op":"SCMP_CMP_GE"}]}`), "args[0] GE 0x5"},
		{"quiet and allowed", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","quiet":true}`), "quiet: no effect with SCMP_ACT_ALLOW"},
		{"quiet and killing", rule(`{"names":["read"],"action":"SCMP_ACT_KILL_PROCESS","quiet":true}`), "quiet: no effect with SCMP_ACT_KILL_PROCESS"},
		{"quiet and not", rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","quiet":true},{"names":["read"],"action":"SCMP_ACT_ERRNO"}`), "may match both EPERM (quiet) and EPERM"},
		{"quiet is no word", rule(`{"names":["read"],"action":"SCMP_ACT_ERRNO","quiet":"yes"}`), "quiet of type bool"},
		{"no sendmsg for the listener", strings.Replace(fmt.Sprintf(small, "", ""), `"sendmsg",`, "", 1), "sendmsg is not allowed"},
		{"sendmsg, but not as the jail does", strings.Replace(fmt.Sprintf(small, "", `,{"names":["sendmsg"],"action":"SCMP_ACT_ALLOW","args":[{"index":2,"value":1,"op":"SCMP_CMP_EQ"}]}`), `"sendmsg",`, "", 1), "sendmsg is not allowed"},
		{"extends nothing that is", `{"extends":"docker"}`, `extends: unknown profile "docker"`},
		{"extends in another case", `{"Extends":"default"}`, `unknown field "Extends"`},
		{"extends twice", `{"extends":"default","extends":"default"}`, `duplicate field "extends"`},
		{"extends with half a default action", `{"extends":"default","defaultErrnoRet":1}`, "defaultAction: an errno is given"},
		{"extends to a deny list", `{"extends":"default","defaultAction":"SCMP_ACT_ALLOW"}`, "would turn the profile into a deny list"},
		{"extends, and denies what the jail needs", `{"extends":"default","syscalls":[{"names":["execve"],"action":"SCMP_ACT_ERRNO"}]}`, "execve is not allowed"},
		{"extends, and contradicts itself", `{"extends":"default","syscalls":[{"names":["bpf"],"action":"SCMP_ACT_ERRNO"},{"names":["bpf"],"action":"SCMP_ACT_ALLOW"}]}`, "bpf: contradiction"},
		{"extends, and makes the conditions on clone void", `{"extends":"default","syscalls":[{"names":["clone3"],"action":"SCMP_ACT_ALLOW"}]}`, "clone3 is allowed, which makes"},
		{"clone3 makes a condition on clone void", rule(`{"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":268435456,"op":"SCMP_CMP_MASKED_EQ"}]},` +
			`{"names":["clone3"],"action":"SCMP_ACT_ALLOW"}`), "clone3 is allowed, which makes the conditions on clone useless"},
		{"more than the kernel loads", rule(`{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[` + strings.Join(pairs(1500),
			`]},{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[`) + `]}`), "more than the kernel's 4096"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Compile([]byte(tt.profile))
			if err == nil {
				t.Fatalf("compiled to %d instructions, want an error with %q", len(f.Program), tt.want)
			}
			if !strings.HasPrefix(err.Error(), "seccomp profile: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want it to contain %q", err, tt.want)
			}
		})
	}
}

func pairs(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"index":1,"value":%d,"op":"SCMP_CMP_EQ"},{"index":2,"value":%d,"op":"SCMP_CMP_EQ"}`, 3*i+1, 5*i+2))
	}
	return all
}

func TestCompileAccepts(t *testing.T) {
	rule := func(s string) string { return fmt.Sprintf(small, "", ","+s) }
	m := machines[slices.IndexFunc(machines, func(m machine) bool { return m.goarch == runtime.GOARCH })]
	tests := []struct {
		name, profile, call string
		args                [6]uint64
		want                string
	}{
		{"the default", string(Default), "read", [6]uint64{}, "allow"},
		{"the least", fmt.Sprintf(small, "", ""), "read", [6]uint64{}, "ENOSYS"},
		{"all architectures", fmt.Sprintf(small, `,"architectures":["SCMP_ARCH_X86","SCMP_ARCH_X86_64","SCMP_ARCH_X32","SCMP_ARCH_AARCH64","SCMP_ARCH_ARM"]`, ""), "write", [6]uint64{}, "allow"},
		{"killing by default", strings.Replace(fmt.Sprintf(small, "", ""), `"SCMP_ACT_ERRNO","defaultErrnoRet":38`, `"SCMP_ACT_KILL_PROCESS"`, 1), "read", [6]uint64{}, "kill process"},
		{"EPERM where no errno is given", strings.Replace(fmt.Sprintf(small, "", ""), `,"defaultErrnoRet":38`, "", 1), "read", [6]uint64{}, "EPERM"},
		{"a call that only others have", rule(`{"names":["socketcall","s390_pci_mmio_read"],"action":"SCMP_ACT_ALLOW"}`), "read", [6]uint64{}, "ENOSYS"},
		{"a rule for others", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["` + map[string]string{"amd64": "arm64", "arm64": "amd64"}[m.goarch] + `"]}}`), "read", [6]uint64{}, "ENOSYS"},
		{"a rule for this machine", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["` + m.goarch + `"]}}`), "read", [6]uint64{}, "allow"},
		{"log", rule(`{"names":["read"],"action":"SCMP_ACT_LOG"}`), "read", [6]uint64{}, "log"},
		{"trap", rule(`{"names":["read"],"action":"SCMP_ACT_TRAP"}`), "read", [6]uint64{}, "trap"},
		{"the same twice", rule(`{"names":["read","read"],"action":"SCMP_ACT_ALLOW"},{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":1,"op":"SCMP_CMP_EQ"}]}`), "read", [6]uint64{}, "allow"},
		{"two ranges", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":5,"op":"SCMP_CMP_LT"}]},` +
			`{"names":["read"],"action":"SCMP_ACT_ERRNO","errnoRet":9,"args":[{"index":0,"value":5,"op":"SCMP_CMP_GE"}]}`), "read", [6]uint64{5}, "EBADF"},
		{"equal and not equal", rule(`{"names":["read"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":5,"op":"SCMP_CMP_NE"}]},` +
			`{"names":["read"],"action":"SCMP_ACT_TRAP","args":[{"index":0,"value":5,"op":"SCMP_CMP_EQ"}]}`), "read", [6]uint64{5}, "trap"},
	}
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[m.goarch]
	extends := func(s string) string { return `{"extends":"default","syscalls":[` + s + `]}` }
	tests = append(tests, []struct {
		name, profile, call string
		args                [6]uint64
		want                string
	}{
		{"extends and changes nothing", `{"extends":"default"}`, "mincore", [6]uint64{}, "EPERM"},
		{"extends by a call", extends(`{"names":["mincore"],"action":"SCMP_ACT_ALLOW"}`), "mincore", [6]uint64{}, "allow"},
		{"and leaves the others", extends(`{"names":["mincore"],"action":"SCMP_ACT_ALLOW"}`), "bpf", [6]uint64{}, "EPERM"},
		{"extends by a denial", extends(`{"names":["linkat"],"action":"SCMP_ACT_ERRNO","errnoRet":2}`), "linkat", [6]uint64{}, "ENOENT"},
		{"an entry replaces all rules of the name", extends(`{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":4294967295,"valueTwo":7,"op":"SCMP_CMP_MASKED_EQ"}]}`), "ioctl", [6]uint64{0, unix.TCGETS}, "ENOSYS"},
		{"and gives its own", extends(`{"names":["ioctl"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":4294967295,"valueTwo":7,"op":"SCMP_CMP_MASKED_EQ"}]}`), "ioctl", [6]uint64{0, 7 | 1<<32}, "allow"},
		{"an entry for other machines replaces none", extends(`{"names":["linkat"],"action":"SCMP_ACT_ERRNO","includes":{"arches":["` + other + `"]}}`), "linkat", [6]uint64{}, "allow"},
		{"a default action of its own", `{"extends":"default","defaultAction":"SCMP_ACT_KILL_PROCESS"}`, "sync_file_range", [6]uint64{}, "kill process"},
		{"and the rules of the default stay", `{"extends":"default","defaultAction":"SCMP_ACT_KILL_PROCESS"}`, "rseq", [6]uint64{}, "ENOSYS"},
	}...)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := Compile([]byte(tt.profile))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Decide(m.audit, number(t, tt.call), tt.args)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != tt.want {
				t.Errorf("%s%d: %s, want %s", tt.call, tt.args, got, tt.want)
			}
		})
	}
}

// A program that differs from the profile in one instruction must be refused.
func TestVerifyFindsAWrongProgram(t *testing.T) {
	m := machines[0]
	p, err := parse(Default, m)
	if err != nil {
		t.Fatal(err)
	}
	f, err := compileFor(Default, m)
	if err != nil {
		t.Fatal(err)
	}
	f.Program = f.Program[announceInstructions:] // verify is for what libseccomp wrote
	found := 0
	reachable := reach(f.Program)
	for i, ins := range f.Program {
		if !reachable[i] { // libseccomp adds a return at the end that is never reached
			continue
		}
		if ins.Code != unix.BPF_RET|unix.BPF_K && ins.Code&7 != unix.BPF_JMP {
			continue
		}
		wrong := *f
		wrong.Program = slices.Clone(f.Program)
		if ins.Code == unix.BPF_RET|unix.BPF_K {
			wrong.Program[i].K ^= 0x00010000
		} else if ins.Jt != ins.Jf {
			wrong.Program[i].Jt, wrong.Program[i].Jf = ins.Jf, ins.Jt
		} else {
			continue
		}
		if err := verify(&wrong, p); err == nil {
			t.Errorf("verify does not notice a change of instruction %d", i)
		}
		found++
	}
	if found < 100 {
		t.Errorf("only %d instructions were changed", found)
	}
}

// reach marks the instructions that can be reached. All jumps of classic BPF go forward.
func reach(program []unix.SockFilter) []bool {
	reached := make([]bool, len(program)+1)
	reached[0] = true
	for i, ins := range program {
		switch {
		case !reached[i] || ins.Code == unix.BPF_RET|unix.BPF_K:
		case ins.Code == unix.BPF_JMP|unix.BPF_JA:
			reached[i+1+int(ins.K)] = true
		case ins.Code&7 == unix.BPF_JMP:
			reached[i+1+int(ins.Jt)], reached[i+1+int(ins.Jf)] = true, true
		default:
			reached[i+1] = true
		}
	}
	return reached
}

// libseccomp keeps its filters outside Go's heap, so the garbage collector does not free them.
func TestCompileLeaksNothing(t *testing.T) {
	compile := func(n int) {
		for range n {
			if _, err := compileFor([]byte(fmt.Sprintf(small, "", "")), machines[0]); err != nil {
				t.Fatal(err)
			}
		}
	}
	compile(50)
	files, memory := usage(t)
	compile(400)
	filesAfter, memoryAfter := usage(t)
	if filesAfter > files {
		t.Errorf("%d descriptors open, %d before", filesAfter, files)
	}
	if grown := memoryAfter - memory; grown > 32<<20 {
		t.Errorf("%d bytes more after 400 compilations", grown)
	}
}

// usage returns the number of open descriptors and the bytes of private memory.
func usage(t *testing.T) (files, memory int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	var size, resident, shared int
	if _, err := fmt.Sscan(string(statm), &size, &resident, &shared); err != nil {
		t.Fatal(err)
	}
	return len(fds), (resident - shared) * os.Getpagesize()
}

func FuzzCompile(f *testing.F) {
	// The corpus is in testdata/fuzz. It does not contain the default profile, because the fuzzer would spend its time on
	// minimizing 40 kB.
	f.Add([]byte(fmt.Sprintf(small, "", "")))
	f.Fuzz(func(t *testing.T, text []byte) {
		filter, err := Compile(text)
		if err != nil {
			if strings.Contains(err.Error(), "wrongly") {
				t.Log(err) // a bug in libseccomp that verify found
			}
			return
		}
		if n := len(filter.Program); n == 0 || n > maxInstructions {
			t.Errorf("%d instructions", n)
		}
		if filter.Fallback.Allows() {
			t.Error("a deny list")
		}
		for _, n := range needed {
			if !slices.Contains(filter.Allowed(), n.name) {
				t.Errorf("%s is not allowed", n.name)
			}
		}
		agrees(t, text, filter)
	})
}

func BenchmarkCompileDefault(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(Default); err != nil {
			b.Fatal(err)
		}
	}
}
