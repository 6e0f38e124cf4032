package jail

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// remedy tells the operator what to do about a layer that does not work. It looks at the host's
// settings to say which of the known reasons it is.
func remedy(layer string, err error) string {
	var missing *MissingControllersError
	var needs *needsError
	switch {
	case errors.As(err, &needs):
		return "see " + needs.layer
	case layer == LayerPython:
		return "install python3 (apt-get install python3), or name another interpreter with --python"
	case layer == LayerHostUID:
		return "nothing is wrong; to give each run a host uid of its own the daemon needs CAP_SETUID and CAP_SETGID, " +
			"or subordinate ids: apt-get install uidmap, and usermod --add-subuids and --add-subgids for its user"
	case layer == LayerOwnInodes:
		return "where that matters, have nothing mounted below the directories that programs see"
	case layer == LayerCoreScheduling:
		return "it takes a kernel with CONFIG_SCHED_CORE and a processor with SMT switched on; without SMT there is nothing to share: leave --core-scheduling out"
	case layer == LayerSpeculation:
		return "the kernel wants spectre_v2_user= and spec_store_bypass_disable= of prctl or seccomp on its command line, " +
			"and a processor with the controls; a virtual machine may hide them. Else leave --restrict-speculation out"
	case errors.Is(err, errNoLandlock):
		return "the kernel has no Landlock, or it is off: add landlock to the lsm= list of its command line " +
			"(cat /sys/kernel/security/lsm shows the list)"
	case strings.Contains(err.Error(), "overlay"):
		return "load the module overlay (modprobe overlay); in a container, the file system below may already be as many overlays as the kernel stacks (two)"
	case errors.As(err, &missing):
		return controllersRemedy(missing)
	case layer == LayerMemory || layer == LayerCPU || layer == LayerPids || layer == LayerCgroupKill:
		return "run as root, or under systemd with Delegate=yes (systemd-run --user --scope -p Delegate=yes sandboxd)"
	case errors.Is(err, unix.ENOSPC):
		return "raise the limit on namespaces: sysctl -w user.max_user_namespaces=65536 (and its siblings in /proc/sys/user)"
	case setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return "allow user namespaces: sysctl -w kernel.unprivileged_userns_clone=1"
	case setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "AppArmor restricts user namespaces here (Ubuntu 23.10 and later): give sandboxd a profile with " +
			"\"userns,\" or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
	case strings.Contains(err.Error(), "open_tree") || strings.Contains(err.Error(), "open /"):
		return "every directory down to that path must be there and searchable by others: a run has a uid of its own"
	case inContainer() && permission(err):
		return "the container lacks the rights: run it with --security-opt seccomp=unconfined " +
			"--security-opt apparmor=unconfined --security-opt systempaths=unconfined and its own cgroup namespace"
	case strings.Contains(err.Error(), "proc") && errors.Is(err, unix.EPERM):
		return "something is mounted over parts of /proc, so that a new one is refused: start the daemon without " +
			"ProtectKernelTunables=, ProtectKernelLogs= and ProcSubset="
	case layer == LayerUserNS && permission(err):
		return "the kernel or a security module refuses it (a process in a chroot may make none): see journalctl -k"
	case permission(err):
		return "the kernel or a security module refuses it: see the audit log (journalctl -k)"
	case errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL):
		return "the kernel is too old or was built without it; Linux 6.1 is the oldest that is supported"
	default:
		return "see the error; docs/operations.md lists the known causes"
	}
}

func controllersRemedy(missing *MissingControllersError) string {
	if setting("/sys/fs/cgroup/cgroup.controllers") == "" {
		return "the controllers are on cgroup v1 here: boot with systemd.unified_cgroup_hierarchy=1, " +
			"or accept less with --isolation=best-effort"
	}
	return "have them delegated: systemd's Delegate=yes, or for a login session systemd-run --user --scope " +
		"-p Delegate=yes sandboxd; or run as root"
}

func permission(err error) bool {
	return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES)
}

func inContainer() bool {
	return setting("/run/systemd/container") != "" || exists("/.dockerenv") || exists("/run/.containerenv")
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// setting reads a one-line file; "" where it is not there.
func setting(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
