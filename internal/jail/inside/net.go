package inside

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// loopbackUp brings up the loopback, the only interface of the new network namespace, so that the processes of a run can connect to each
// other over 127.0.0.1.
func (a *assembler) loopbackUp() {
	socket := a.cell()
	a.call("socket", unix.SYS_SOCKET, num(unix.AF_INET), num(unix.SOCK_DGRAM|unix.SOCK_CLOEXEC)).to(socket)
	request := make([]byte, 40) // struct ifreq: a name, and its flags
	copy(request, "lo")
	binary.NativeEndian.PutUint16(request[unix.IFNAMSIZ:], unix.IFF_UP|unix.IFF_RUNNING)
	a.call("SIOCSIFFLAGS lo", unix.SYS_IOCTL, socket.value(), num(unix.SIOCSIFFLAGS), at(a.put(request)))
	a.close(socket)
	// Data in TCP buffers counts towards a limit of the whole host (tcp_mem), so the buffers of this namespace are small. The values are
	// the minimum, the default and the maximum for each socket, in bytes (tcp(7)).
	a.set("/proc/sys/net/ipv4/tcp_rmem", "4096 16384 32768")
	a.set("/proc/sys/net/ipv4/tcp_wmem", "4096 16384 32768")
}

// set writes a value to an existing file.
func (a *assembler) set(path, value string) {
	file := a.cell()
	a.call(path, unix.SYS_OPENAT, num(unix.AT_FDCWD), a.text(path), num(unix.O_WRONLY|unix.O_CLOEXEC)).to(file)
	a.call(path, unix.SYS_WRITE, file.value(), a.text(value), num(len(value))).wants(len(value))
	a.close(file)
}

func (a *assembler) close(file cell) { a.call("close", unix.SYS_CLOSE, file.value()) }
