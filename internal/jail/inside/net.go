package inside

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// loopbackUp switches on the only interface of the new network namespace, so that a program
// can talk to itself over 127.0.0.1. There is no way out of it and no way in.
func (a *assembler) loopbackUp() {
	socket := a.cell()
	a.call("socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC)).to(socket)
	request := make([]byte, 40) // struct ifreq: a name, and its flags
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP|unix.IFF_RUNNING)
	a.call("SIOCSIFFLAGS lo", unix.SYS_IOCTL, socket.value(), num(unix.SIOCSIFFLAGS), at(a.put(request)))
	a.close(socket)
	// What waits in TCP's buffers counts against a limit of the whole host (tcp_mem): these are
	// of this namespace, and small. "min default max" bytes for each socket (tcp(7)).
	a.set("/proc/sys/net/ipv4/tcp_rmem", "4096 16384 32768")
	a.set("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 32768")
}

// set writes a file that is there.
func (a *assembler) set(path, value string) {
	file := a.cell()
	a.call(path, unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text(path), num(unix.O_WRONLY|unix.O_CLOEXEC)).to(file)
	a.call(path, unix.SYS_WRITE, file.value(), a.text(value), num(len(value))).wants(len(value))
	a.close(file)
}

func (a *assembler) close(file cell) { a.call("close", unix.SYS_CLOSE, file.value()) }
