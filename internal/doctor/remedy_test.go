package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Each failure gets the remedy of its cause, even if the signs of a later cause hold too. TestDoctorNamesTheCause in cmd/sandboxd creates
// most of these failures; the others need another machine.
func TestRemedies(t *testing.T) {
	step := func(stage, object string, err error) error {
		return &sandbox.SetupError{Stage: stage, Err: fmt.Errorf("%s: %w", object, err)}
	}
	noClone := &cloneError{"user", os.NewSyscallError("clone", unix.EPERM)}
	uidMap := &fs.PathError{Op: "write", Path: "/proc/7/uid_map", Err: unix.EPERM}
	missing := &cgroup.MissingControllersError{Controllers: []string{"cpu"}, Base: "/sys/fs/cgroup/x"}
	noLandlock := func(err error) error { return fmt.Errorf("%w: %w", rootfs.ErrNoLandlock, err) }
	const (
		apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns=1"
		debian   = "/proc/sys/kernel/unprivileged_userns_clone=0"
		docker   = "/proc/self/attr/current=docker-default (enforce)"
	)
	for _, tt := range []struct {
		name     string
		layer    string
		err      error
		host     host
		settings []string // path=content
		want     string   // a part of the remedy
	}{
		{"no /proc comes before all other causes", LayerUserNS, fmt.Errorf("%w: %w", errNoProc, unix.EPERM), host{root: true, filtered: true, noClone3: true}, nil, "mount -t proc"},
		{"no interpreter", LayerPython, unix.ENOENT, host{}, nil, "install python3"},
		{"uids that are not mapped in a container", LayerHostUID, fmt.Errorf("uids 1 to 2 %w", hostid.ErrNotMapped), host{root: true}, nil, "--uid-first"},
		{"newuidmap fails", LayerHostUID, &hostid.HelperError{Helper: "newuidmap", Err: unix.EPERM}, host{}, nil, "setuid bit"},
		{"a shared uid", LayerHostUID, errors.New("all runs share the daemon's uid 7"), host{}, nil, "works without it"},

		{"root without CAP_SETFCAP", LayerUserNS, uidMap, host{root: true}, nil, "CAP_SETFCAP"},
		{"root without CAP_SETFCAP, under a filter", LayerUserNS, uidMap, host{root: true, filtered: true}, nil, "CAP_SETFCAP"},
		{"root with CAP_SETFCAP", LayerUserNS, uidMap, host{root: true, setfcap: true}, nil, "security module"},
		{"not root", LayerUserNS, uidMap, host{}, nil, "security module"},
		{"a limit on network namespaces", LayerNetNS, &cloneError{"net", unix.ENOSPC}, host{root: true}, nil, "user.max_net_namespaces=65536"},
		{"a limit on cgroup namespaces", LayerCgroupNS, step(inside.StageCgroupNS, "unshare(CLONE_NEWCGROUP)", unix.ENOSPC), host{}, nil, "user.max_cgroup_namespaces=65536"},
		{"a limit on user namespaces", LayerUserNS, step(jail.StageClone, "clone", unix.ENOSPC), host{}, nil, "user.max_user_namespaces=65536"},
		{"a full scratch space is not a limit on namespaces", LayerRoot, step(inside.StageRoot, "mkdir /usr", unix.ENOSPC), host{}, nil, "When the sandbox fails"},

		{"a filter that denies clone3", LayerUserNS, &cloneError{"user", unix.ENOSYS}, host{filtered: true, noClone3: true}, nil, "seccomp=unconfined"},
		{"a filter comes before AppArmor", LayerUserNS, noClone, host{filtered: true, noClone3: true}, []string{apparmor, debian}, "seccomp=unconfined"},
		{"a filter that allows clone3 comes after AppArmor", LayerUserNS, noClone, host{filtered: true}, []string{apparmor}, "AppArmor restricts"},
		{"Debian's switch", LayerUserNS, noClone, host{}, []string{debian}, "unprivileged_userns_clone=1"},
		{"Debian's switch does not explain another errno", LayerUserNS, &cloneError{"user", unix.ENOMEM}, host{}, []string{debian}, "the cause is unknown"},
		{"AppArmor denies the user namespace", LayerUserNS, noClone, host{}, []string{apparmor}, "\"userns,\""},
		{"AppArmor denies the use of the user namespace", LayerMountNS, &cloneError{"mnt", unix.EPERM}, host{}, []string{apparmor}, "\"userns,\""},
		{"AppArmor does not restrict root", LayerUserNS, noClone, host{root: true, setfcap: true}, []string{apparmor}, "security module"},
		{"a chroot", LayerUserNS, noClone, host{root: true, chrooted: true}, nil, "pivot_root"},

		{"a read-only /proc/sys", LayerUserNS, step(inside.StageUserNS, "/proc/sys/user/max_user_namespaces", unix.EROFS), host{filtered: true}, []string{docker}, "systempaths=unconfined"},
		{"a read-only /proc/sys/net", LayerNetwork, step(inside.StageNetwork, "/proc/sys/net/ipv4/tcp_rmem", unix.EACCES), host{}, nil, "systempaths=unconfined"},
		{"a /proc with covered files", LayerRoot, step(inside.StageRoot, "fsmount proc", unix.EPERM), host{filtered: true}, []string{docker}, "systempaths=unconfined"},
		{"setgroups is denied", LayerUserNS, step(inside.StageIDs, "setgroups", unix.EPERM), host{root: true}, []string{"/proc/self/setgroups=deny"}, "newgidmap"},
		{"a directory that others may not search", LayerRoot, step(inside.StageRoot, "open /opt/python", unix.EACCES), host{}, nil, "searchable by others"},
		{"the AppArmor profile of a container", LayerRoot, step(inside.StageRoot, "private mounts", unix.EACCES), host{filtered: true}, []string{docker}, "apparmor=unconfined"},
		{"an AppArmor profile in complain mode", LayerRoot, step(inside.StageRoot, "private mounts", unix.EACCES), host{}, []string{"/proc/self/attr/current=x (complain)"}, "security module"},
		{"a filter that denies mounts", LayerRoot, step(inside.StageRoot, "fsopen tmpfs", unix.EPERM), host{filtered: true}, nil, "seccomp=unconfined"},
		{"mounts are denied without a filter", LayerRoot, step(inside.StageRoot, "fsopen tmpfs", unix.EPERM), host{}, nil, "security module"},
		{"an old kernel", LayerRoot, step(inside.StageRoot, "fsopen tmpfs", unix.ENOSYS), host{}, nil, "Linux 6.1"},
		{"no overlay module", LayerRoot, step(inside.StageRoot, "/usr through make overlay", unix.ENODEV), host{filtered: true}, nil, "modprobe overlay"},
		{"too many overlays", LayerRoot, step(inside.StageRoot, "/usr through make overlay", unix.EINVAL), host{}, nil, "at most two overlays"},

		{"Landlock off", LayerLandlock, noLandlock(unix.EOPNOTSUPP), host{filtered: true}, nil, "add landlock to the lsm="},
		{"Landlock not built", LayerLandlock, noLandlock(unix.ENOSYS), host{}, nil, "add landlock to the lsm="},
		{"Landlock hidden by a filter", LayerLandlock, noLandlock(unix.ENOSYS), host{filtered: true}, nil, "landlock_restrict_self"},

		{"controllers on cgroup v1", LayerCPU, missing, host{}, []string{"/proc/self/cgroup=2:cpu,cpuacct:/\n0::/"}, "unified_cgroup_hierarchy=1"},
		{"another controller on cgroup v1", LayerCPU, missing, host{}, []string{"/proc/self/cgroup=3:cpuset:/\n2:cpuacct:/\n0::/"}, "Delegate=yes"},
		{"controllers not delegated", LayerCPU, missing, host{root: true}, []string{"/proc/self/cgroup=0::/"}, "the only process"},
		{"no cgroup v2", LayerCgroupKill, cgroup.ErrNotMounted, host{}, nil, "mount -t cgroup2"},
		{"read-only cgroups", LayerCgroupKill, &fs.PathError{Op: "mkdir", Path: "/sys/fs/cgroup/x", Err: unix.EROFS}, host{}, []string{docker}, "writable-cgroups=true"},
		{"no right to make cgroups", LayerCgroupKill, &fs.PathError{Op: "mkdir", Path: "/sys/fs/cgroup/x", Err: unix.EACCES}, host{}, []string{docker, apparmor}, "Delegate=yes"},
		{"a limit that had no effect", LayerMemory, errors.New("the limit was written to memory.max, but the file contains \"max\""), host{}, nil, "run as root"},

		{"no core scheduling", LayerCoreScheduling, step(inside.StageCPU, "PR_SCHED_CORE", unix.EINVAL), host{}, nil, "CONFIG_SCHED_CORE"},
		{"no control of speculation", LayerSpeculation, unix.EINVAL, host{}, nil, "spectre_v2_user="},
		{"mounts below a tree", LayerOwnInodes, errors.New("something is mounted below /usr"), host{}, nil, "mounted below"},
		{"an unknown cause", LayerSeccomp, step(inside.StageSeccomp, "seccomp", unix.ENOMEM), host{}, nil, "the cause is unknown"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.host.setting = func(path string) string {
				for _, s := range tt.settings {
					if name, content, _ := strings.Cut(s, "="); name == path {
						return content
					}
				}
				return ""
			}
			got := remedy(row(tt.layer), tt.err, tt.host)
			if !strings.Contains(got, tt.want) || strings.Contains(got, "KIND") {
				t.Errorf("want %q in the remedy, got %q", tt.want, got)
			}
		})
	}
}

// The facts about this machine agree with /proc/self/status.
func TestFactsOfTheHost(t *testing.T) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		fields[name] = strings.TrimSpace(value)
	}
	effective, err := strconv.ParseUint(fields["CapEff"], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	h := thisHost()
	if want := effective&(1<<unix.CAP_SETFCAP) != 0; h.setfcap != want {
		t.Errorf("CAP_SETFCAP: %v, want %v", h.setfcap, want)
	}
	for capability := range 64 {
		if want := effective&(1<<capability) != 0; hostid.Capable(capability) != want {
			t.Errorf("capability %d: %v, want %v", capability, !want, want)
		}
	}
	if want := fields["Seccomp"] == "2"; h.filtered != want {
		t.Errorf("under a filter: %v, want %v", h.filtered, want)
	}
	if h.root != (os.Geteuid() == 0) || h.chrooted {
		t.Errorf("root %v, chroot %v", h.root, h.chrooted)
	}
	if !h.filtered && h.noClone3 {
		t.Error("clone3 is denied, but there is no filter")
	}
	if err := procMounted(); err != nil {
		t.Error(err)
	}
}

// If several layers have the same cause, it is explained once. A layer that was not tried refers to the layer that it needs.
func TestReportExplainsEachCauseOnce(t *testing.T) {
	h := host{setting: func(string) string { return "" }}
	p := prober{cfg: jail.Config{HostConfig: jail.HostConfig{BestEffort: true}}, found: map[string]Layer{}}
	p.works(LayerPython, "/usr/bin/python3")
	p.fails(LayerUserNS, &cloneError{"user", unix.EPERM})
	p.skips(LayerUserNS, LayerUserNS, LayerMountNS)
	for _, name := range []string{LayerMemory, LayerCPU} {
		p.fails(name, &cgroup.MissingControllersError{Controllers: []string{name}, Base: "/x"})
	}
	got := map[string]Layer{}
	for _, l := range p.report(h) {
		got[l.Name] = l
	}
	for _, tt := range []struct {
		name, cause       string
		untried, required bool
	}{
		{LayerPython, "", false, true},
		{LayerUserNS, "", false, true}, // skips does not replace the earlier failure
		{LayerMountNS, LayerUserNS, true, true},
		{LayerMemory, "", false, false},
		{LayerCPU, LayerMemory, false, false},
	} {
		l := got[tt.name]
		if l.Cause != tt.cause || l.Untried() != tt.untried || l.Required != tt.required || (tt.cause != "") != (l.Remedy == "see "+tt.cause) {
			t.Errorf("%s: %+v", tt.name, l)
		}
	}
	if len(got) != 5 {
		t.Errorf("got %d layers", len(got))
	}
}

// If a jail does not start, the layer that owns the failed stage is reported, even if that layer worked before.
func TestFailedStageIsReportedForItsLayer(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&sandbox.SetupError{Stage: inside.StageUserNS, Err: unix.EROFS}, LayerUserNS},
		{&sandbox.SetupError{Stage: inside.StageRoot, Err: unix.EPERM}, LayerRoot},
		{&sandbox.SetupError{Stage: inside.StageHostname, Err: unix.EPERM}, LayerUTSNS},
		{errors.Join(&sandbox.SetupError{Stage: inside.StageNetwork, Err: unix.EPERM}, unix.EBUSY), LayerNetwork},
		{fmt.Errorf("%w: %w", rootfs.ErrNoLandlock, unix.ENOSYS), LayerLandlock},
		{errors.New("the probe's program ended as oom"), LayerRoot},
	} {
		p := prober{found: map[string]Layer{}}
		p.works(tt.want, "made by clone")
		if got := p.blame(tt.err); got != tt.want || p.found[got].Works() || !p.found[got].Required {
			t.Errorf("%v: blamed on %s: %+v", tt.err, got, p.found[got])
		}
	}
}
