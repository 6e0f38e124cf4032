package inside

import (
	"os"

	"golang.org/x/sys/unix"
)

// loopbackUp switches on the only interface of the new network namespace, so that a program
// can talk to itself over 127.0.0.1. There is no way out of it and no way in.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return failed("socket", err)
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return failed("SIOCSIFFLAGS lo", err)
	}
	// What waits in TCP's buffers counts against a limit of the whole host (tcp_mem): these are
	// of this namespace, and small. "min default max" bytes for each socket (tcp(7)).
	for _, setting := range []string{"/proc/sys/net/ipv4/tcp_rmem", "/proc/sys/net/ipv4/tcp_wmem"} {
		if err := os.WriteFile(setting, []byte("4096 16384 32768"), 0); err != nil {
			return failed(setting, err)
		}
	}
	return nil
}
