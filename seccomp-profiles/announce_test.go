package seccompprofiles

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A profile has announcements only if it allows the call by which processes announce themselves.
func TestAnnouncements(t *testing.T) {
	m, err := native()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, profile string
		want          Action
	}{
		{"the default", `{"extends":"default"}`, announcement},
		{"a profile that denies the call",
			`{"extends":"default","syscalls":[{"names":["prlimit64"],"action":"SCMP_ACT_ERRNO","errnoRet":1}]}`,
			Action(unix.EPERM) | unix.SECCOMP_RET_USER_NOTIF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := mustCompile(t, tt.profile)
			got, err := run(f.Program, m.audit, unix.SYS_PRLIMIT64, [6]uint64{1: unix.RLIMIT_STACK})
			if err != nil || got != tt.want {
				t.Errorf("got %#x, want %#x, %v", uint32(got), uint32(tt.want), err)
			}
			foreign := m.audit ^ 1
			if got, err := run(f.Program, foreign, unix.SYS_PRLIMIT64, [6]uint64{1: unix.RLIMIT_STACK}); err != nil || got != unix.SECCOMP_RET_KILL_PROCESS {
				t.Errorf("another architecture: %#x, %v", uint32(got), err)
			}
			if slices.ContainsFunc(f.Silent(), func(i unix.SockFilter) bool { return i.K == uint32(announcement) && i.Code == unix.BPF_RET|unix.BPF_K }) {
				t.Error("the silent program notifies")
			}
		})
	}
}
