package hostile

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// dice draws the random parts of an act. The arguments that it draws are Python expressions, which use names of prelude.py.
type dice struct {
	*rand.Rand
	calls Calls
}

// between draws a number from low to high, both included.
func (d dice) between(low, high int) int { return low + d.IntN(high-low+1) }

// chance returns true with a probability of 1/n.
func (d dice) chance(n int) bool { return d.IntN(n) == 0 }

// one draws one of the texts.
func (d dice) one(of ...string) string { return of[d.IntN(len(of))] }

// most is the highest system call number that is tried. The highest number of Linux 6.18 is 469.
const most = 600

// number draws the number of a system call. Half of the numbers are calls that the filter allows. Some numbers have a bit of another
// calling convention, or high bits that the kernel ignores.
func (d dice) number() uint64 {
	nr := uint64(d.IntN(most + 1))
	if len(d.calls) > 0 && d.chance(2) {
		nr = uint64(d.calls[d.IntN(len(d.calls))])
	}
	switch d.IntN(60) {
	case 0:
		nr |= 1 << 30 // __X32_SYSCALL_BIT
	case 1:
		nr |= 1 << (32 + d.IntN(32))
	case 2:
		nr |= d.Uint64() << 32
	case 3:
		nr = d.Uint64()
	}
	return nr
}

// argument draws one argument of a system call or of a function of libc.
func (d dice) argument() string {
	switch d.IntN(10) {
	case 0:
		return "0"
	case 1:
		return "-1"
	case 2, 3:
		return fmt.Sprint(d.between(-3, 16))
	case 4:
		return fmt.Sprintf("1 << %d", d.IntN(64))
	case 5, 6, 7: // an address in a buffer, rarely past its end
		return fmt.Sprintf("at(%d, %d)", d.IntN(16), d.IntN(64)*8*d.IntN(3))
	case 8:
		return fmt.Sprintf("%#x", d.Uint64())
	default:
		return d.one("-100", "0x7fffffff", "1 << 63", "(1 << 64) - 4096", "4096", "0x7fffffffe000", "PID", "CHILD", "FD", "1000", "0xffffffff81000000")
	}
}

// arguments draws n arguments, separated by commas.
func (d dice) arguments(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = d.argument()
	}
	return strings.Join(list, ", ")
}

// bytes returns a Python literal of n random bytes.
func (d dice) bytes(n int) string {
	var b strings.Builder
	b.WriteString("b'")
	for range n {
		fmt.Fprintf(&b, "\\x%02x", d.IntN(256))
	}
	b.WriteString("'")
	return b.String()
}

// flags returns a random number in which only some of the lowest bits are set.
func (d dice) flags(bits int) string {
	return fmt.Sprintf("%#x", d.Uint64()&d.Uint64()&(1<<bits-1))
}

// path returns a path that an attacker may be interested in.
func (d dice) path() string {
	return "'" + d.one("/", "/proc/self/mem", "/proc/1/root", "/proc/self/exe", "/proc/self/fd/1", "/proc/self/ns/user", "/proc/sys/kernel/core_pattern",
		"/proc/sysrq-trigger", "/proc/self/oom_score_adj", "/proc/self/uid_map", "/proc/self/attr/current", "/proc/self/timers", "/proc/self/coredump_filter",
		"/sys/kernel", "/sys/fs/cgroup", "/dev/null", "/dev/zero", "/dev/full", "/dev/shm", "/dev/ptmx", "/dev/tty", "/dev/mem", "/dev/kmsg", "/tmp", "/tmp/../../..",
		"/run", "/etc/passwd", "/etc/shadow", "/usr/bin/python3", "/usr/lib", "/home/sandbox", "/home/sandbox/main.py", linker,
		"/var/run/docker.sock", "/root/.ssh", strings.Repeat("../", 40)+"etc", strings.Repeat("x", 300), strings.Repeat("/tmp", 2000), "") + "'"
}
