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

// host is what is asked of the machine to tell one cause from another.
type host struct {
	root     bool                     // the daemon's uid is 0
	setfcap  bool                     // it has CAP_SETFCAP
	chrooted bool                     // its root is not that of its mount namespace
	filtered bool                     // a seccomp filter is around it
	noClone3 bool                     // clone3 is refused whatever its arguments
	setting  func(path string) string // a small file of the kernel's; "" where it is not there
}

// errNoProc is what is said where /proc cannot be used: runs are watched, and their ids are mapped, by files in there.
var errNoProc = errors.New("/proc does not show this process")

// procMounted reports whether /proc is there, and of our own pid namespace.
func procMounted() error {
	const self = "/proc/self"
	switch pid, err := os.Readlink(self); {
	case err != nil:
		return fmt.Errorf("%w: %w", errNoProc, err)
	case pid != strconv.Itoa(os.Getpid()):
		return fmt.Errorf("%w: %s is %s, and our process id %d", errNoProc, self, pid, os.Getpid())
	}
	return nil
}

// thisHost looks at the machine.
func thisHost() host {
	return host{
		root: os.Geteuid() == 0, setfcap: hostid.Capable(unix.CAP_SETFCAP),
		chrooted: chrooted(), filtered: filtered(), noClone3: noClone3(),
		setting: setting,
	}
}

// chrooted compares our root with that of process 1, as far as it can be seen. In another mount namespace that one has
// another root in any case.
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

// filtered reports whether a seccomp filter is around this process (mode 2 in proc_pid_status(5)).
func filtered() bool { return strings.Contains(setting("/proc/self/status"), "\nSeccomp:\t2") }

// noClone3 calls clone3 in vain. The kernel says EINVAL to a size of 0. A filter that sees no more of the call than a pointer refuses it
// whatever the arguments are.
func noClone3() bool {
	_, _, errno := unix.RawSyscall(unix.SYS_CLONE3, 0, 0, 0)
	return errno != unix.EINVAL
}

// setting reads a small file; "" where it is not there.
func setting(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
