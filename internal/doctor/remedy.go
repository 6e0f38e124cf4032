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

// failure describes a layer that does not work, and its host.
type failure struct {
	layer string
	stage string // of the set-up; "" if the failure is not that of a jail
	err   error
	host  host
}

// cause is a known reason why layers do not work.
type cause struct {
	sign   string // how an operator recognizes it; docs/operations.md lists the signs
	holds  func(failure) bool
	remedy string // KIND stands for the kind of namespace
}

const (
	systempaths = "in a container, use --security-opt systempaths=unconfined (Podman: unmask=ALL; Kubernetes: procMount: Unmasked); " +
		"in a unit, remove ProtectKernelTunables=, ProtectKernelLogs= and ProcSubset="
	outerFilter = "the daemon is under a seccomp filter that denies it: in a container, use --security-opt seccomp=deploy/container/seccomp.json (or seccomp=unconfined); " +
		"in a unit, see SystemCallFilter= and RestrictNamespaces="
)

// causes lists the known causes in the order in which they are checked. A cause that a fact proves comes before causes that only an errno
// suggests.
var causes = []cause{
	{"`/proc` is not mounted, or shows the processes of another pid namespace",
		func(f failure) bool { return errors.Is(f.err, errNoProc) },
		"mount it: mount -t proc proc /proc (with unshare: --mount-proc). Container runtimes do this themselves"},
	{"`host-uid … do not exist in the daemon's user namespace`",
		func(f failure) bool { return errors.Is(f.err, hostid.ErrNotMapped) },
		"set --uid-first and --uid-count to uids from 100000 on that are mapped in /proc/self/uid_map; under systemd, set PrivateUsers=no. " +
			"Or remove CAP_SETUID (docker run --cap-drop=SETUID): then all runs share the daemon's uid"},
	{"`host-uid … newuidmap` and its message",
		func(f failure) bool { return f.layer == LayerHostUID && asType[*hostid.HelperError](f.err) },
		"newuidmap and newgidmap need the setuid bit (apt-get install --reinstall uidmap) and a file system without nosuid. " +
			"Or remove the daemon's user from /etc/subuid and /etc/subgid: then all runs share its uid"},
	{"`user-namespace … uid_map: operation not permitted` as root",
		func(f failure) bool {
			return f.host.root && !f.host.setfcap && errors.Is(f.err, unix.EPERM) && says(f, "uid_map")
		},
		"root can map uid 0 only with CAP_SETFCAP: add it (docker run --cap-add=SETFCAP), or run sandboxd as another user (docker run --user=1000)"},
	{"`landlock … function not implemented` under a filter",
		func(f failure) bool {
			return errors.Is(f.err, rootfs.ErrNoLandlock) && f.host.filtered && (refused(f) || errors.Is(f.err, unix.ENOSYS))
		},
		"the kernel has no Landlock (see lsm= on its command line), or the daemon is under a seccomp filter that hides it: " +
			"in a container, use --security-opt seccomp=deploy/container/seccomp.json (or seccomp=unconfined), or a profile that allows landlock_create_ruleset, landlock_add_rule and landlock_restrict_self"},
	{"`landlock … the kernel offers no Landlock`",
		func(f failure) bool { return errors.Is(f.err, rootfs.ErrNoLandlock) },
		"the kernel has no Landlock, or it is off: add landlock to the lsm= list of its command line (cat /sys/kernel/security/lsm shows the list)"},
	{"`make overlay: no such device`",
		func(f failure) bool { return says(f, "overlay") && errors.Is(f.err, unix.ENODEV) },
		"load the kernel module overlay: modprobe overlay"},
	{"`make overlay: invalid argument`",
		func(f failure) bool { return says(f, "overlay") && errors.Is(f.err, unix.EINVAL) },
		"the kernel stacks at most two overlays, and the file system of /usr is already two: run the daemon on a file system with fewer overlays, such as a volume"},
	{"controllers missing, and `/proc/self/cgroup` lists them on another line than `0::`",
		func(f failure) bool { return onV1(f) },
		"the controllers are attached to cgroup v1: boot with systemd.unified_cgroup_hierarchy=1, or accept weaker limits with --isolation=best-effort"},
	{"controllers missing, cgroup v2 in use",
		func(f failure) bool { return asType[*cgroup.MissingControllersError](f.err) },
		"let systemd delegate them: Delegate=yes in the unit, or systemd-run --user --scope -p Delegate=yes sandboxd; or run as root. " +
			"In a container, sandboxd must be the only process (start it without a shell)"},
	{"`cgroup-kill … no cgroup v2 hierarchy is mounted`",
		func(f failure) bool { return errors.Is(f.err, cgroup.ErrNotMounted) },
		"mount it: mount -t cgroup2 none /sys/fs/cgroup. On a machine with cgroup v1, boot with systemd.unified_cgroup_hierarchy=1"},
	{"`cgroup-kill … read-only file system`",
		func(f failure) bool { return f.layer == LayerCgroupKill && errors.Is(f.err, unix.EROFS) },
		"the cgroup file system is mounted read-only: mount -o remount,rw and its mount point; Docker 28: --security-opt writable-cgroups=true; " +
			"Podman: --security-opt unmask=/sys/fs/cgroup; under systemd, see ReadWritePaths= of the unit"},
	{"`cgroup-kill … no cgroup to divide`",
		func(f failure) bool { return f.layer == LayerCgroupKill && f.stage == "" },
		cgroupRemedy},
	{"`… namespace: no space left on device`",
		func(f failure) bool { return errors.Is(f.err, unix.ENOSPC) && kind(f) != "" },
		"raise the limit: sysctl -w user.max_KIND_namespaces=65536, in the daemon's user namespace and in all its parents"},
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
		"the kernel does not create a user namespace for a process in a chroot: change the root with pivot_root instead, as container runtimes do"},
	{"`user-namespace … setgroups: operation not permitted`",
		func(f failure) bool { return says(f, "setgroups") && f.host.setting("/proc/self/setgroups") == "deny" },
		"the daemon's user namespace has \"deny\" in /proc/self/setgroups: let newgidmap write its gid map, as Podman and unshare --map-auto do. " +
			"Or remove CAP_SETGID: then all runs share the daemon's uid"},
	{"`/proc/sys/…: read-only file system`, or `no such file`",
		func(f failure) bool { return says(f, "/proc/sys/") },
		"the init writes to /proc/sys, in its own namespaces, so /proc/sys must exist and be writable: " + systempaths},
	{"`fsmount proc: operation not permitted`: parts of every `/proc` are covered by mounts",
		func(f failure) bool { return says(f, "fsmount proc") && errors.Is(f.err, unix.EPERM) },
		"the kernel allows a new /proc only if a procfs is visible that no mount covers: " + systempaths +
			". Or mount a second procfs that nothing covers, as in sandboxd.service"},
	{"`open … permission denied` or `open_tree … no such file` for a directory of the host",
		func(f failure) bool {
			return f.stage == inside.StageRoot && says(f, "open") && (errors.Is(f.err, unix.EACCES) || errors.Is(f.err, unix.ENOENT))
		},
		"all directories on that path must exist and be searchable by others, because a run has another uid"},
	{"`operation not permitted` under an enforced AppArmor profile",
		func(f failure) bool {
			return refused(f) && strings.HasSuffix(f.host.setting("/proc/self/attr/current"), "(enforce)")
		},
		"the AppArmor profile of the daemon (cat /proc/self/attr/current) denies it: in a container, use --security-opt apparmor=unconfined; " +
			"otherwise journalctl -k shows which rule the profile lacks"},
	{"`operation not permitted` or `function not implemented` under a filter",
		func(f failure) bool {
			return f.host.filtered && f.stage != "" && (refused(f) || errors.Is(f.err, unix.ENOSYS))
		},
		outerFilter},
}

// remedy returns what the operator can do about a layer that does not work.
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
		return "the kernel or a security module denies it: see the audit log (journalctl -k)"
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL):
		return "the kernel is too old or was built without this feature; the oldest supported version is Linux 6.1"
	default:
		return "the cause is unknown: docs/operations.md, \"When the sandbox fails\", says what each stage needs"
	}
}

// refused reports whether a permission was missing. Security modules return EACCES, the kernel and seccomp filters EPERM.
func refused(f failure) bool { return errors.Is(f.err, unix.EPERM) || errors.Is(f.err, unix.EACCES) }

// says reports whether the error message contains a text.
func says(f failure, text string) bool { return strings.Contains(f.err.Error(), text) }

func asType[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// kind returns the kind of the namespace that could not be created, or "" if the failure is another one.
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
