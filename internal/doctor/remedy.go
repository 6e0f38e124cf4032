package doctor

import (
	"errors"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// failure is a layer that does not work, on its host.
type failure struct {
	layer string
	stage string // of the set-up, "" where it was not a jail that failed
	err   error
	host  host
}

// cause is a reason for which layers are known not to work.
type cause struct {
	sign   string // by which an operator knows it: docs/operations.md lists them
	holds  func(failure) bool
	remedy string // KIND stands for the kind of namespace
}

const (
	systempaths = "in a container --security-opt systempaths=unconfined (Podman: unmask=ALL; Kubernetes: procMount: Unmasked); " +
		"in a unit without ProtectKernelTunables=, ProtectKernelLogs= and ProcSubset="
	outerFilter = "a seccomp filter around the daemon refuses it: in a container --security-opt seccomp=unconfined, " +
		"or a profile that allows what the init calls; in a unit see SystemCallFilter= and RestrictNamespaces="
)

// causes are tried in this order. A cause that is told by a fact comes before those that are told by an errno alone.
var causes = []cause{
	{"`/proc` is not mounted, or shows the processes of another pid namespace",
		func(f failure) bool { return errors.Is(f.err, errNoProc) },
		"mount one: mount -t proc proc /proc (unshare: --mount-proc); container runtimes do that by themselves"},
	{"`host-uid … do not exist in the daemon's user namespace`",
		func(f failure) bool { return errors.Is(f.err, hostid.ErrNotMapped) },
		"name uids from 100000 on that /proc/self/uid_map has, with --uid-first and --uid-count; under systemd, PrivateUsers=no. " +
			"Or take CAP_SETUID away (docker run --cap-drop=SETUID), and all runs share the daemon's uid"},
	{"`host-uid … newuidmap`, and what it says",
		func(f failure) bool { return f.layer == LayerHostUID && asType[*hostid.HelperError](f.err) },
		"newuidmap and newgidmap want the setuid bit (apt-get install --reinstall uidmap) and a file system without nosuid; " +
			"or take the daemon's user out of /etc/subuid and /etc/subgid, and all runs share its uid"},
	{"`user-namespace … uid_map: operation not permitted` as root",
		func(f failure) bool {
			return f.host.root && !f.host.setfcap && errors.Is(f.err, unix.EPERM) && says(f, "uid_map")
		},
		"uid 0 can be mapped only with CAP_SETFCAP: add it (docker run --cap-add=SETFCAP), or run sandboxd as another user than root (docker run --user=1000)"},
	{"`landlock … function not implemented` under a filter",
		func(f failure) bool {
			return errors.Is(f.err, rootfs.ErrNoLandlock) && f.host.filtered && (refused(f) || errors.Is(f.err, unix.ENOSYS))
		},
		"the kernel has no Landlock (see lsm= on its command line), or a seccomp filter around the daemon hides it: " +
			"in a container --security-opt seccomp=unconfined, or a profile that allows landlock_create_ruleset, landlock_add_rule and landlock_restrict_self"},
	{"`landlock … the kernel offers no Landlock`",
		func(f failure) bool { return errors.Is(f.err, rootfs.ErrNoLandlock) },
		"the kernel has no Landlock, or it is off: add landlock to the lsm= list of its command line (cat /sys/kernel/security/lsm shows the list)"},
	{"`make overlay: no such device`",
		func(f failure) bool { return says(f, "overlay") && errors.Is(f.err, unix.ENODEV) },
		"load the module overlay: modprobe overlay"},
	{"`make overlay: invalid argument`",
		func(f failure) bool { return says(f, "overlay") && errors.Is(f.err, unix.EINVAL) },
		"the file system below /usr is as many overlays already as the kernel stacks, which is two: start the daemon from one that is fewer, such as a volume"},
	{"controllers missing, and `/proc/self/cgroup` has them on a line of their own",
		func(f failure) bool { return onV1(f) },
		"the controllers are on cgroup v1 here: boot with systemd.unified_cgroup_hierarchy=1, or accept less with --isolation=best-effort"},
	{"controllers missing, cgroup v2 in use",
		func(f failure) bool { return asType[*cgroup.MissingControllersError](f.err) },
		"let systemd delegate them: Delegate=yes in the unit, or systemd-run --user --scope -p Delegate=yes sandboxd; or run as root. " +
			"In a container sandboxd must be the first process, and alone (no shell around it)"},
	{"`cgroup-kill … no cgroup v2 hierarchy is mounted`",
		func(f failure) bool { return errors.Is(f.err, cgroup.ErrNotMounted) },
		"mount it: mount -t cgroup2 none /sys/fs/cgroup; a machine that uses cgroup v1 wants systemd.unified_cgroup_hierarchy=1 at boot"},
	{"`cgroup-kill … read-only file system`",
		func(f failure) bool { return f.layer == LayerCgroupKill && errors.Is(f.err, unix.EROFS) },
		"the cgroup file system is read-only here: mount -o remount,rw, and its mount point; Docker 28: --security-opt writable-cgroups=true; " +
			"Podman: --security-opt unmask=/sys/fs/cgroup; under systemd see ReadWritePaths= of the unit"},
	{"`cgroup-kill … no cgroup to divide`",
		func(f failure) bool { return f.layer == LayerCgroupKill && f.stage == "" },
		cgroupRemedy},
	{"`… namespace: no space left on device`",
		func(f failure) bool { return errors.Is(f.err, unix.ENOSPC) && kind(f) != "" },
		"raise the limit: sysctl -w user.max_KIND_namespaces=65536, here and in the user namespaces around"},
	{"`user-namespace … function not implemented`, or `operation not permitted` under a filter",
		func(f failure) bool { return f.layer == LayerUserNS && f.host.noClone3 },
		outerFilter},
	{"`kernel.unprivileged_userns_clone` is 0",
		func(f failure) bool {
			return f.layer == LayerUserNS && refused(f) && f.host.setting("/proc/sys/kernel/unprivileged_userns_clone") == "0"
		},
		"allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1, or run as root"},
	{"`operation not permitted` on Ubuntu 23.10 and later, not as root",
		func(f failure) bool {
			return refused(f) && !f.host.root && f.host.setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
		},
		"AppArmor restricts user namespaces here: give sandboxd a profile with \"userns,\" or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
	{"`user-namespace … operation not permitted` in a chroot",
		func(f failure) bool { return f.layer == LayerUserNS && refused(f) && f.host.chrooted },
		"the kernel makes no user namespace for a process in a chroot: make the directory the root, as container runtimes do (pivot_root)"},
	{"`user-namespace … setgroups: operation not permitted`",
		func(f failure) bool { return says(f, "setgroups") && f.host.setting("/proc/self/setgroups") == "deny" },
		"the user namespace around the daemon has \"deny\" in /proc/self/setgroups: let newgidmap make its maps, as Podman and unshare --map-auto do; " +
			"or take CAP_SETGID away, and all runs share the daemon's uid"},
	{"`/proc/sys/…: read-only file system`, or `no such file`",
		func(f failure) bool { return says(f, "/proc/sys/") },
		"the init writes to /proc/sys, in namespaces of its own. Let it be there and writable: " + systempaths},
	{"`fsmount proc: operation not permitted`: something is mounted over parts of `/proc`, and there is no other",
		func(f failure) bool { return says(f, "fsmount proc") && errors.Is(f.err, unix.EPERM) },
		"the kernel refuses a new /proc where parts of the old one are mounted over. Let nothing be: " + systempaths +
			". A second procfs that shows everything will do as well, as in sandboxd.service"},
	{"`open … permission denied`, `open_tree … no such file` for a directory of the host",
		func(f failure) bool {
			return f.stage == inside.StageRoot && says(f, "open") && (errors.Is(f.err, unix.EACCES) || errors.Is(f.err, unix.ENOENT))
		},
		"every directory down to that path must be there and searchable by others: a run has a uid of its own"},
	{"`operation not permitted` where an AppArmor profile is enforced",
		func(f failure) bool {
			return refused(f) && strings.HasSuffix(f.host.setting("/proc/self/attr/current"), "(enforce)")
		},
		"the AppArmor profile of the daemon (cat /proc/self/attr/current) refuses it: in a container --security-opt apparmor=unconfined; " +
			"else see journalctl -k for the rule that the profile lacks"},
	{"`operation not permitted`, `function not implemented` under a filter",
		func(f failure) bool {
			return f.host.filtered && f.stage != "" && (refused(f) || errors.Is(f.err, unix.ENOSYS))
		},
		outerFilter},
}

// remedy tells the operator what to do about a layer that does not work.
func remedy(l layer, err error, h host) string {
	f := failure{layer: l.name, err: err, host: h}
	var failed *sandbox.SetupError
	if errors.As(err, &failed) {
		f.stage = failed.Stage
	}
	for _, c := range causes {
		if c.holds(f) {
			return strings.ReplaceAll(c.remedy, "KIND", kind(f))
		}
	}
	switch {
	case l.remedy != "":
		return l.remedy
	case refused(f):
		return "the kernel or a security module refuses it: see the audit log (journalctl -k)"
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL):
		return "the kernel is too old or was built without it; Linux 6.1 is the oldest that is supported"
	default:
		return "the cause is not a known one: docs/operations.md, \"When the sandbox fails\", says what each stage needs"
	}
}

// refused reports whether somebody said no. A security module says EACCES, the kernel and its filters EPERM.
func refused(f failure) bool { return errors.Is(f.err, unix.EPERM) || errors.Is(f.err, unix.EACCES) }

func says(f failure, text string) bool { return strings.Contains(f.err.Error(), text) }

func asType[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// kind is the kind of namespace that could not be made, "" if it was none.
func kind(f failure) string {
	var failed *cloneError
	switch {
	case errors.As(f.err, &failed):
		return failed.kind
	case f.stage == inside.StageCgroupNS:
		return "cgroup"
	case f.stage == jail.StageClone:
		return "user"
	}
	return ""
}

// onV1 reports whether a missing controller is attached to a hierarchy of cgroup v1. Each has a line
// "number:controllers:path" in /proc/self/cgroup, and cgroup v2 has the number 0 (cgroups(7)).
func onV1(f failure) bool {
	var missing *cgroup.MissingControllersError
	if !errors.As(f.err, &missing) {
		return false
	}
	for line := range strings.Lines(f.host.setting("/proc/self/cgroup")) {
		if fields := strings.SplitN(line, ":", 3); len(fields) == 3 {
			for _, c := range missing.Controllers {
				if strings.Contains(","+fields[1]+",", ","+c+",") {
					return true
				}
			}
		}
	}
	return false
}
