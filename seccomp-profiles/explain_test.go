package seccompprofiles

import (
	"slices"
	"strings"
	"testing"
)

func TestExplain(t *testing.T) {
	extends := func(s string) string { return `{"extends":"default","syscalls":[` + s + `]}` }
	for _, tt := range []struct {
		name, profile               string
		adds, takesAway, otherwise  []string
		warnings                    []string // the beginning of each warning
		allowed, conditional, eperm int      // difference from the counts of the default
	}{
		{name: "the default", profile: string(Default)},
		{name: "a harmless call", profile: extends(`{"names":["readahead"],"action":"SCMP_ACT_ALLOW"}`), adds: []string{"readahead"}, allowed: 1},
		{name: "a dangerous call", profile: extends(`{"names":["bpf"],"action":"SCMP_ACT_ALLOW"}`), adds: []string{"bpf"}, warnings: []string{"bpf: BPF"}, allowed: 1, eperm: -1},
		{name: "a dangerous use of an allowed call", profile: extends(`{"names":["ioctl"],"action":"SCMP_ACT_LOG"}`),
			adds: []string{"ioctl with any arguments"}, allowed: 1, conditional: -1,
			warnings: []string{"ioctl of TIOCSTI:", "ioctl of TIOCLINUX:", "ioctl of TIOCSTI with high bits:", "ioctl of TIOCSETD:"}},
		{name: "64 bits where the kernel takes 32", profile: extends(`{"names":["inotify_init1"],"action":"SCMP_ACT_ALLOW","args":[{"index":1,"value":2,"op":"SCMP_CMP_LT"}]}`),
			adds: []string{"inotify_init1 if args[1] LT 0x2"}, warnings: []string{"inotify_init1:"}, conditional: 1, eperm: -1},
		{name: "one call less", profile: extends(`{"names":["link"],"action":"SCMP_ACT_ERRNO"}`), takesAway: []string{"link"}, allowed: -1, eperm: 1},
		{name: "another errno", profile: extends(`{"names":["mincore"],"action":"SCMP_ACT_ERRNO","errnoRet":38}`), otherwise: []string{"mincore: ENOSYS instead of EPERM"}, eperm: -1},
		{name: "killed", profile: extends(`{"names":["mincore"],"action":"SCMP_ACT_KILL_PROCESS"}`), otherwise: []string{"mincore: kill process instead of EPERM"}, eperm: -1},
		{name: "noise", profile: extends(`{"names":["rseq","membarrier"],"action":"SCMP_ACT_ERRNO","errnoRet":38}`),
			otherwise: []string{"membarrier: ENOSYS instead of ENOSYS (quiet)", "rseq: ENOSYS instead of ENOSYS (quiet)"},
			warnings:  []string{"denied but not quiet, although common programs try them: membarrier, rseq"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := Explain(mustCompile(t, tt.profile))
			if err != nil {
				t.Fatal(err)
			}
			base, err := Explain(defaultFilter(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, list := range []struct {
				what      string
				got, want []string
			}{{"adds", e.Adds, tt.adds}, {"takes away", e.TakesAway, tt.takesAway}, {"otherwise", e.Otherwise, tt.otherwise}} {
				if !slices.Equal(list.got, list.want) {
					t.Errorf("%s %q, want %q", list.what, list.got, list.want)
				}
			}
			if !slices.EqualFunc(e.Warnings, tt.warnings, strings.HasPrefix) {
				t.Errorf("warnings %q, want %q", e.Warnings, tt.warnings)
			}
			total := 0
			for i, c := range e.Counts {
				total += c.Calls
				more := map[string]int{kindAllowed: tt.allowed, kindConditional: tt.conditional, kindEPERM: tt.eperm}
				if want, ok := more[c.Kind]; ok && c.Calls-base.Counts[i].Calls != want {
					t.Errorf("%s: %d, want %d more than %d", c.Kind, c.Calls, want, base.Counts[i].Calls)
				}
			}
			if total < 300 || e.Instructions == 0 {
				t.Errorf("%d calls, %d instructions", total, e.Instructions)
			}
		})
	}
	e, err := Explain(defaultFilter(t))
	if err != nil {
		t.Fatal(err)
	}
	if allowed := len(defaultFilter(t).Allowed()); e.Counts[0].Calls+e.Counts[1].Calls != allowed {
		t.Errorf("%v do not add up to %d", e.Counts, allowed)
	}
}

// Each danger is a call that libseccomp knows and that the default profile denies.
func TestDangersAreDenied(t *testing.T) {
	f := defaultFilter(t)
	m, err := native()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dangers {
		name, _, _ := strings.Cut(d.call, " ")
		if _, err := m.has(name); err != nil {
			t.Errorf("%s: %v", d.call, err)
		}
		if d.open(f, m) {
			t.Errorf("%s is allowed", d.call)
		}
	}
}
