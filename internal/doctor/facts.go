package doctor

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/hostid"
)

// host holds the facts about the machine that distinguish causes with the same error.
type host struct {
	root     bool                     // the daemon's uid is 0
	setfcap  bool                     // the daemon has CAP_SETFCAP
	chrooted bool                     // the daemon's root is not the root of its mount namespace
	filtered bool                     // the daemon is under a seccomp filter
	noClone3 bool                     // clone3 fails for all arguments
	setting  func(path string) string // returns the content of a small file of the kernel; "" if it does not exist
}

// errNoProc means that /proc cannot be used. The daemon maps the ids of runs and watches their processes by files of /proc.
var errNoProc = errors.New("/proc does not show this process")

// procMounted returns an error if /proc is not mounted, or shows another pid namespace than the daemon's.
func procMounted() error {
	const self = "/proc/self"
	switch pid, err := os.Readlink(self); {
	case err != nil:
		return fmt.Errorf("%w: %w", errNoProc, err)
	case pid != strconv.Itoa(os.Getpid()):
		return fmt.Errorf("%w: %s is %s, but the process id is %d", errNoProc, self, pid, os.Getpid())
	}
	return nil
}

// thisHost returns the facts about this machine.
func thisHost() host {
	return host{
		root: os.Geteuid() == 0, setfcap: hostid.Capable(unix.CAP_SETFCAP),
		chrooted: chrooted(), filtered: filtered(), noClone3: noClone3(),
		setting: setting,
	}
}

// chrooted reports whether the daemon is in a chroot: whether its root differs from that of process 1. It returns false if process 1 is
// in another mount namespace, where the roots always differ, or cannot be seen.
func chrooted() bool {
	ours, err := os.Readlink("/proc/self/ns/mnt")
	first, firstErr := os.Readlink("/proc/1/ns/mnt")
	if err != nil || firstErr != nil || ours != first {
		return false
	}
	var here, there unix.Statx_t
	err = unix.Statx(unix.AT_FDCWD, "/", 0, unix.STATX_MNT_ID|unix.STATX_INO, &here)
	firstErr = unix.Statx(unix.AT_FDCWD, "/proc/1/root/", 0, unix.STATX_MNT_ID|unix.STATX_INO, &there)
	return err == nil && firstErr == nil && (here.Mnt_id != there.Mnt_id || here.Ino != there.Ino)
}

// filtered reports whether this process is under a seccomp filter (mode 2 in proc_pid_status(5)).
func filtered() bool { return strings.Contains(setting("/proc/self/status"), "\nSeccomp:\t2") }

// noClone3 reports whether a filter denies clone3. It calls clone3 with the size 0, for which the kernel returns EINVAL. A filter cannot
// read the arguments, which are in memory, so it denies the call with all arguments or with none.
func noClone3() bool {
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	return errno != unix.EINVAL
}

// setting returns the content of a small file, or "" if it cannot be read.
func setting(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
