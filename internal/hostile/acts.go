package hostile

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// Numbers of system calls, and the dynamic linker of the C library, on this architecture.
var (
	clone     = strconv.Itoa(syscall.SYS_CLONE)
	addKey    = strconv.Itoa(syscall.SYS_ADD_KEY)
	keyctl    = strconv.Itoa(syscall.SYS_KEYCTL)
	exitGroup = strconv.Itoa(syscall.SYS_EXIT_GROUP)
	linker    = map[string]string{"amd64": "/lib64/ld-linux-x86-64.so.2", "arm64": "/lib/ld-linux-aarch64.so.1"}[runtime.GOARCH]
)

// act is one action of a program. how names the place of the action: "inline" (in the first thread), "thread", "child", or "orphan" (in
// an orphan that has its own session). If how is "", one of these is drawn.
type act struct {
	name, how string
	code      func(d dice) string
}

// code returns a function that returns the code of an act: text, with a random number from 0 to bound-1 for the %d of each bound.
func code(text string, bounds ...int) func(dice) string {
	return func(d dice) string {
		numbers := make([]any, len(bounds))
		for i, bound := range bounds {
			numbers[i] = d.IntN(bound)
		}
		return fmt.Sprintf(text, numbers...)
	}
}

// either returns a function that returns the code of one of several ways, drawn at random.
func either(ways ...func(dice) string) func(dice) string {
	return func(d dice) string { return ways[d.IntN(len(ways))](d) }
}

var acts = []act{
	{"system calls", "", systemCalls},
	{"system calls in a child", "child", systemCalls},
	{"system calls at once", "inline", func(d dice) string {
		return "def work():\n" + indent(systemCalls(d)) +
			"for _ in range(8): threading.Thread(target=work, daemon=True).start()\ntime.sleep(0.05)\n"
	}},
	{"one system call", "child", func(d dice) string {
		return fmt.Sprintf("for _ in range(%d): call(%#x, %s)\n", d.between(1, 3000), d.number(), d.arguments(6))
	}},
	{"libc", "child", func(d dice) string {
		var b strings.Builder
		for range d.between(1, 30) {
			fmt.Fprintf(&b, "function('%s', %s)\n", d.one(functions...), d.arguments(d.between(0, 6)))
		}
		return b.String()
	}},
	{"machine code", "child", func(d dice) string {
		text := d.bytes(d.between(1, 64))
		if d.chance(2) { // mov eax, number; a 32-bit call, a 64-bit call, sysenter or the vsyscall; ret
			nr := d.number()
			text = fmt.Sprintf(`b'\xb8\x%02x\x%02x\x%02x\x%02x`, byte(nr), byte(nr>>8), byte(nr>>16), byte(nr>>24)) +
				d.one(`\xcd\x80`, `\x0f\x05`, `\x0f\x34`, `\x65\xff\x14\x25\x10\0\0\0`) + `\xc3'`
		}
		return "import mmap\nm = mmap.mmap(-1, 4096, prot=7)\nm.write(" + text + ")\n" +
			"ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()\n"
	}},

	{"forks", "", either(
		code("for _ in range(%d):\n    if os.fork() == 0: time.sleep(30)\n", 100),
		code("while True: attempt(os.fork)\n"),
		code("while True:\n    if attempt(os.fork) == 0: os._exit(0)\n"),
		code("until_refused(lambda: os.fork() or (os.setsid(), time.sleep(30)), 500)\n"),
		code("for _ in range(%d):\n    if os.fork() == 0:\n        if os.fork() == 0: time.sleep(30)\n        os._exit(0)\n", 60),
		code("until_refused(lambda: os.posix_spawn('/bin/sleep', ['sleep', '30'], {}), %d)\n", 100),
		code("import subprocess\nfor _ in range(%d): subprocess.Popen(['/bin/sh', '-c', 'sleep 30 & sleep 30 & exec sleep 30'])\n", 30),
		func(d dice) string {
			return fmt.Sprintf("for _ in range(20):\n    if call(%s, %s | 17, 0, 0, 0, 0) == 0: time.sleep(30)\n", clone, d.flags(32))
		},
	)},
	{"threads", "", either(
		code("until_refused(lambda: threading.Thread(target=time.sleep, args=(30,), daemon=True).start(), %d)\n", 1000),
		code("def spin():\n    while True: pass\nuntil_refused(lambda: threading.Thread(target=spin, daemon=True).start(), %d)\n", 30),
		code("threading.stack_size(1 << 26)\nuntil_refused(lambda: threading.Thread(target=time.sleep, args=(30,), daemon=True).start(), %d)\n", 100),
	)},
	{"memory", "", either(
		code("until_refused(lambda: bytearray(1 << %d), 2000)\n", 28),
		code("bytearray(10 ** %d)\n", 16),
		code("import mmap\nuntil_refused(lambda: mmap.mmap(-1, %d << 12).write(b'x'), 5000)\n", 4096),
		code("import mmap\nm = mmap.mmap(-1, 1 << 36, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)\nfor i in range(0, 1 << 36, %d * 4096 + (1 << 21)): m[i] = 1\n", 100),
		code("import mmap\nm = mmap.mmap(-1, %d << 20)\nfor i in range(0, len(m), 4096): m[i] = 1\nfor _ in range(10):\n    if os.fork() == 0: m[0] = 2; time.sleep(30)\n", 128),
		code("x = bytearray(%d << 20)\nfor _ in range(20):\n    if os.fork() == 0:\n        for i in range(0, len(x), 4096): x[i] = 1\n        time.sleep(30)\n", 60),
		code("function('mlockall', %d)\nuntil_refused(lambda: bytearray(1 << 20), 500)\n", 8),
		code("import mmap\nm = mmap.mmap(-1, 1 << 24)\nfor advice in range(%d): attempt(lambda: m.madvise(advice))\nm[:] = bytes(1 << 24)\n", 110),
		code("f = open('/dev/shm/x', 'wb+')\nf.truncate(1 << 30)\nimport mmap\nm = mmap.mmap(f.fileno(), 1 << 30)\nfor i in range(0, 1 << 30, 4096): m[i] = %d\n", 256),
		code("x = []\nwhile True: x = [x, bytearray(%d)]\n", 1<<16),
	)},
	{"memory of many", "inline", either( // no process alone exceeds the limit; the first one waits until the timeout of the run
		code("signal.setitimer(signal.ITIMER_REAL, 0)\nfor _ in range(30):\n    if attempt(os.fork) == 0:\n        x = bytearray(%d << 20)\n        time.sleep(30)\nos.wait()\n", 60),
		code("signal.setitimer(signal.ITIMER_REAL, 0)\nimport mmap\nm = mmap.mmap(-1, 200 << 20)\nfor i in range(40):\n    if attempt(os.fork) == 0:\n        for n in range(0, %d << 20, 4096): m[n] = i\n        time.sleep(30)\nos.wait()\n", 200),
		code("signal.setitimer(signal.ITIMER_REAL, 0)\nimport socket\nwhile True:\n    if attempt(os.fork) == 0:\n        kept = until_refused(socket.socketpair, 100)\n        for a, _ in kept:\n            a.setblocking(False)\n            attempt(lambda: a.send(bytes(%d)))\n        time.sleep(30)\n", 1<<18),
		code("signal.setitimer(signal.ITIMER_REAL, 0)\nfor i in range(60):\n    if attempt(os.fork) == 0:\n        with open('/dev/shm/%%d' %% i, 'wb') as f: attempt(lambda: f.write(bytes(%d)))\n        x = bytearray(8 << 20)\n        time.sleep(30)\nos.wait()\n", 4<<20),
	)},
	{"mappings", "child", func(d dice) string {
		var b strings.Builder
		b.WriteString("import mmap\nm = mmap.mmap(-1, 1 << 20)\nbase = ctypes.addressof(ctypes.c_char.from_buffer(m))\n")
		for range d.between(1, 40) {
			where := fmt.Sprintf("base + %#x", d.IntN(256)<<12)
			switch d.IntN(6) {
			case 0:
				fmt.Fprintf(&b, "function('mprotect', %s, %#x, %s)\n", where, d.IntN(1<<18), d.flags(5))
			case 1:
				fmt.Fprintf(&b, "function('munmap', %s, %#x)\n", where, d.IntN(1<<18))
			case 2:
				fmt.Fprintf(&b, "function('mmap', %s, %#x, %s, %s, %s, 0)\n", where, d.IntN(1<<18), d.flags(5), d.flags(22), d.one("-1", "FD", "1"))
			case 3:
				fmt.Fprintf(&b, "function('mremap', %s, %#x, %#x, %s, %s)\n", where, d.IntN(1<<18), d.IntN(1<<22), d.flags(3), d.argument())
			case 4:
				fmt.Fprintf(&b, "function('madvise', %s, %#x, %d)\n", where, d.IntN(1<<18), d.IntN(110))
			case 5:
				b.WriteString("for i in range(3000): function('mmap', 0, 4096, 1 + i % 2, 0x22, -1, 0)\n") // the kernel does not merge neighbouring mappings with different protections
			}
		}
		return b.String()
	}},

	{"descriptors", "", either(
		func(d dice) string { return fmt.Sprintf("until_refused(lambda: os.open(%s, os.O_RDONLY))\n", d.path()) },
		code("until_refused(os.pipe)\n"),
		code("for r, w in until_refused(os.pipe, %d):\n    os.set_blocking(w, False)\n    attempt(lambda: os.write(w, bytes(1 << 20)))\n", 300),
		code("for i in range(%d, 5000): attempt(lambda: os.dup2(1, i))\n", 3000),
		code("os.closerange(%d, 1000)\n", 5),
		code("import select\nuntil_refused(select.epoll, %d)\n", 2000),
		code("import select\nlast = None\nfor _ in range(%d):\n    e = select.epoll()\n    if last: attempt(lambda: e.register(last))\n    last = e\n", 20),
		code("until_refused(lambda: os.eventfd(0), %d)\n", 2000),
		code("until_refused(lambda: os.memfd_create('x', %d))\n", 16),
		code("import select\nfor n in range(%d): function('inotify_init1', n); function('timerfd_create', n, n); function('signalfd', -1, at(1), n)\n", 500),
	)},
	{"sockets", "", either(
		code("import socket\nuntil_refused(socket.socketpair)\n"),
		code("import socket\nfor family in range(50):\n    for kind in range(1, 11):\n        s = attempt(lambda: socket.socket(family, kind, %d))\n        if s: print(family, kind); function('bind', s.fileno(), at(14), 16); function('connect', s.fileno(), at(14), 16)\n", 20),
		code("import array, socket\na, b = socket.socketpair()\nfds = array.array('i', [a.fileno(), b.fileno()] * %d)\nfor _ in range(500): attempt(lambda: a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)], socket.MSG_DONTWAIT))\n", 120),
		code("import socket\nfor _ in range(100):\n    a, b = socket.socketpair()\n    a.setblocking(False)\n    for n in (7, 8, 32, 33): attempt(lambda: a.setsockopt(socket.SOL_SOCKET, n, 1 << %d))\n    until_refused(lambda: a.send(bytes(1 << 16)))\n", 31),
		code("import socket\ns = socket.socket()\ns.bind(('', 0))\ns.listen()\nc = until_refused(lambda: socket.create_connection(s.getsockname()), %d)\n", 300),
		func(d dice) string {
			return fmt.Sprintf("import socket\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\nfor level in range(300):\n    for name in range(0, 80, %d): attempt(lambda: s.setsockopt(level, name, %s))\n", d.between(1, 7), d.bytes(d.IntN(32)))
		},
	)},

	{"files", "", either(
		code("for i in range(10 ** 5): attempt(lambda: open('/tmp/%%d' %% i, 'w').write('x' * %d)) is None and time.sleep(0.001)\n", 5000),
		code("f = open('/tmp/big', 'wb', buffering=0)\nwhile attempt(lambda: f.write(bytes(1 << %d))): pass\n", 22),
		code("f = open('/tmp/hole', 'wb')\nfor n in range(0, 63, 3): attempt(lambda: f.truncate(1 << n)); attempt(lambda: os.posix_fallocate(f.fileno(), 0, 1 << n))\nf.write(b'x' * %d)\n", 1<<20),
		code("for _ in range(%d): os.mkdir('d'); os.chdir('d')\nuntil_refused(lambda: (os.mkdir('d' * 255), os.chdir('d' * 255)))\n", 3000),
		code("os.chdir('/tmp')\nfor i in range(%d): attempt(lambda: os.symlink(str(i + 1), str(i))); attempt(lambda: open(str(i)))\nos.symlink('.', 'loop'); attempt(lambda: os.stat('loop/' * 1000))\n", 3000),
		code("os.chdir('/tmp')\nfor i in range(%d): attempt(lambda: os.link('file', 'link%%d' %% i)); attempt(lambda: os.chmod('file', i & 0o7777))\n", 3000),
		code("os.chdir('/tmp')\nfor i in range(256): attempt(lambda: open(bytes([i]) * %d, 'w')); attempt(lambda: os.mkfifo('p%%d' %% i)); attempt(lambda: os.mknod('n%%d' %% i, 0o20666 + (i & 1) * 0o40000, os.makedev(1, i)))\n", 300),
		code("import fcntl\nkept = until_refused(lambda: open('/tmp/file', 'rb+'), 500)\nfor i, f in enumerate(kept):\n    attempt(lambda: fcntl.flock(f, fcntl.LOCK_SH | 4)); attempt(lambda: fcntl.lockf(f, fcntl.LOCK_EX | 4, 1, i * 2))\n    attempt(lambda: fcntl.fcntl(f, fcntl.F_SETLEASE, %d)); attempt(lambda: fcntl.fcntl(f, fcntl.F_SETOWN, -1)); attempt(lambda: fcntl.fcntl(f, fcntl.F_SETSIG, 9))\n", 3),
		code("import fcntl\nf = open('/usr/bin/python3')\nfor i in range(%d): attempt(lambda: fcntl.flock(f, i & 15))\n", 100),
		code("for f in list(os.walk('/', topdown=True))[:%d]: [attempt(lambda: os.open(os.path.join(f[0], n), os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)) for n in f[2][:20]]\n", 2000),
		code("import shutil\nfor d in ('/tmp', '/dev/shm', '/run', '/home', '/etc', '/usr', '/proc', '/'): shutil.rmtree(d, ignore_errors=True)\nprint(os.listdir('/')[:%d])\n", 20),
	)},
	{"extended attributes", "", func(d dice) string {
		return fmt.Sprintf("for n in ('user.x', 'security.capability', 'trusted.x', 'system.posix_acl_access', 'security.selinux'):\n"+
			"    for v in (b'', %s, bytes(1 << 16)): attempt(lambda: os.setxattr(%s, n, v)); attempt(lambda: os.setxattr('/tmp/file', n, v))\n", d.bytes(20), d.path())
	}},
	{"paths", "", func(d dice) string {
		var b strings.Builder
		for range d.between(1, 20) {
			fmt.Fprintf(&b, "p = %s\n", d.path())
			switch d.IntN(8) {
			case 0:
				b.WriteString("attempt(lambda: print(len(open(p, 'rb', buffering=0).read(1 << 16))))\n")
			case 1:
				fmt.Fprintf(&b, "attempt(lambda: open(p, 'r+b', buffering=0).write(%s))\n", d.bytes(d.IntN(40)))
			case 2:
				fmt.Fprintf(&b, "f = attempt(lambda: os.open(p, %s))\nif f: attempt(lambda: os.listdir(f)); function('ioctl', f, %#x, at(0)); function('fchdir', f)\n", d.flags(23), d.Uint32())
			case 3:
				b.WriteString("for x in attempt(lambda: os.listdir(p)) or []: attempt(lambda: os.unlink(os.path.join(p, x)))\n")
			case 4:
				b.WriteString("attempt(lambda: os.chroot(p)); attempt(lambda: os.chdir(p)); attempt(lambda: os.chmod(p, 0o6777)); attempt(lambda: os.chown(p, 0, 0))\n")
			case 5:
				b.WriteString("attempt(lambda: os.rename(p, '/tmp/stolen')); attempt(lambda: os.link(p, '/tmp/linked')); attempt(lambda: os.symlink(p, '/tmp/symlinked'))\n")
			case 6:
				fmt.Fprintf(&b, "function('mount', at(2), %s)\nfunction('umount2', at(4), %s)\n", d.arguments(4), d.flags(4))
				b.WriteString("libc.mount(p.encode(), b'/tmp', b'bind', 4096, None)\n")
			case 7:
				b.WriteString("attempt(lambda: os.utime(p, (0, 0))); attempt(lambda: os.truncate(p, 0)); attempt(lambda: os.mkdir(p + '/x')); attempt(lambda: os.rmdir(p))\n")
			}
		}
		return b.String()
	}},
	{"proc", "", either(
		code("for r, _, fs in os.walk('/proc'):\n    for f in fs[::%d + 1]: attempt(lambda: os.read(os.open(os.path.join(r, f), os.O_RDONLY | os.O_NONBLOCK), 4096))\n", 3),
		code("for r, _, fs in os.walk('/proc/self'):\n    for f in fs: attempt(lambda: os.write(os.open(os.path.join(r, f), os.O_WRONLY | os.O_NONBLOCK), b'%d\\n'))\n", 2000),
		code("for r, _, fs in os.walk('/proc/sys'):\n    for f in fs: attempt(lambda: os.write(os.open(os.path.join(r, f), os.O_WRONLY | os.O_NONBLOCK), b'%d\\n'))\n", 10),
		code("for r, _, fs in os.walk('/sys'):\n    for f in fs[:%d]: attempt(lambda: os.write(os.open(os.path.join(r, f), os.O_RDWR | os.O_NONBLOCK), b'1\\n'))\n", 50),
		code("f = os.open('/proc/self/mem', os.O_RDWR)\nfor n in range(0, 1 << 47, (%d + 1) << 34): attempt(lambda: os.pwrite(f, bytes(4096), n))\n", 64),
	)},

	{"signals", "", either(
		code("for n in range(1, 65):\n    if n not in (9, 19): attempt(lambda: signal.signal(n, %d))\n", 2),
		code("for n in range(%d): attempt(lambda: os.kill(n - 5, n %% 65))\n", 200),
		code("for n in range(1, 65): attempt(lambda: os.kill(-1, n)); attempt(lambda: os.killpg(0, 0 * %d))\n", 2),
		code("signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nfor n in range(%d): function('sigqueue', PID, 34 + n %% 30, n)\n", 5000),
		code("for n in range(%d): function('timer_create', n %% 3, 0, at(0, n %% 100 * 8)); function('timer_settime', n, 0, at(11), 0)\n", 2000),
		code("signal.signal(signal.SIGPROF, lambda *_: None)\nsignal.setitimer(signal.ITIMER_PROF, 0.0001, 0.0001)\nfor _ in range(%d): pass\n", 10000000),
		code("child = os.fork()\nif not child:\n    while True: pass\nfor n in (19, 18) * %d: os.kill(child, n)\n", 1000),
		code("os.kill(PID, signal.SIGSTOP)\nfor _ in range(%d): os.kill(os.getpid(), signal.SIGKILL)\n", 100),
		code("import fcntl\nfcntl.fcntl(1, fcntl.F_SETOWN, %d - 1)\nfcntl.fcntl(1, fcntl.F_SETSIG, 9)\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)\n", 3),
	)},
	{"other processes", "child", either(
		code("for n in range(%d): function('ptrace', n %% 40, n - 2, at(0), at(8)); function('ptrace', 0x4206, n, 0, at(1))\n", 100),
		code("child = os.fork()\nif not child: time.sleep(30)\nfunction('ptrace', 16, child, 0, 0)\nfor n in range(%d): function('ptrace', n, child, at(0), at(8))\n", 60),
		func(d dice) string {
			return fmt.Sprintf("for n in range(-2, 60):\n    function('process_vm_writev', n, at(9, 512), %d, at(9, 520), 1, 0)\n    function('kill', n, %d)\n    call(434, n, 0); call(438, 3, 1, 0); call(424, 3, 9, 0, 0)\n", d.between(1, 1024), d.between(0, 64))
		},
		code("for n in range(%d): attempt(lambda: os.sched_setaffinity(n, [0])); attempt(lambda: os.setpriority(n %% 3, n, -20)); attempt(lambda: os.sched_setscheduler(n, n %% 8, os.sched_param(n)))\n", 100),
	)},
	{"limits", "", func(d dice) string {
		var b strings.Builder
		b.WriteString("import resource\n")
		for range d.between(1, 20) {
			soft := d.one("0", "1", "-1", "1 << 20", fmt.Sprint(d.IntN(1000)))
			fmt.Fprintf(&b, "attempt(lambda: resource.setrlimit(%d, (%s, %s)))\n", d.IntN(16), soft, d.one("-1", soft, "1 << 40"))
			fmt.Fprintf(&b, "attempt(lambda: resource.prlimit(%d, %d, (-1, -1)))\n", d.IntN(5), d.IntN(16))
		}
		b.WriteString("attempt(lambda: os.nice(-20)); attempt(lambda: os.nice(19))\n")
		return b.String()
	}},
	{"identities", "", func(d dice) string {
		return fmt.Sprintf("for n in (0, 1, 1000, 65534, %d, -1):\n"+
			"    for f in 'setuid', 'setgid', 'seteuid', 'setegid', 'setfsuid', 'setfsgid': function(f, n)\n"+
			"    function('setresuid', n, n, n); function('setresgid', n, n, n); function('setgroups', n & 31, at(11))\n"+
			"for n in range(80): function('prctl', n, %s)\nfunction('capset', at(0), at(1)); function('personality', %s)\n",
			d.Uint32(), d.arguments(4), d.flags(32))
	}},
	{"namespaces", "", func(d dice) string {
		return fmt.Sprintf("for n in range(33): function('unshare', 1 << n)\nfunction('unshare', %s)\n"+
			"for n in os.listdir('/proc/self/ns'):\n    f = attempt(lambda: os.open('/proc/self/ns/' + n, 0))\n    if f: function('setns', f, 0)\n"+
			"function('sethostname', at(2), 9); function('setdomainname', at(2), 9); function('pivot_root', at(4), at(2)); function('chroot', at(4))\n"+
			"function('clock_settime', 0, at(11)); function('settimeofday', at(11), 0); function('adjtimex', at(1)); function('stime', at(11)); function('swapoff', at(2)); function('acct', at(2))\n"+
			"function('klogctl', %d, at(0), 4096); function('iopl', 3); function('ioperm', 0, 1024, 1); function('sync'); function('vhangup')\n",
			d.flags(32), d.between(0, 10))
	}},
	{"shared objects", "", either(
		code("for n in range(%d): function('shmget', n, 1 << 20, 0o1777); function('semget', n, 100, 0o1777); function('msgget', n, 0o1777); function('shmat', n, 0, 0)\n", 500),
		code("from multiprocessing import shared_memory\nuntil_refused(lambda: shared_memory.SharedMemory(create=True, size=1 << 20), %d)\n", 200),
		code("for n in range(%d): function('mq_open', at(10), 0o102, 0o777, 0); function('sem_open', at(10), 0o100, 0o777, n)\n", 300),
		code("for n in range(30): call("+addKey+", at(13), at(13), at(8), %d, -3); call("+keyctl+", n, -3, at(0), 100)\n", 4096),
	)},

	{"output", "", either(
		code("while True: os.write(%d + 1, b'x' * 65536)\n", 2),
		code("for _ in range(%d): print('x' * 100000)\n", 200),
		func(d dice) string {
			return fmt.Sprintf("for _ in range(%d): os.write(%d, %s)\n", d.between(1, 3000), d.between(1, 2), d.bytes(d.between(1, 200)))
		},
		code("os.write(2, b'Error: Code execution timed out (%d second limit).\\nError: Memory limit exceeded (256 MiB limit).')\n", 9),
		code("import fcntl\nfor n in range(%d): attempt(lambda: fcntl.fcntl(1 + n %% 2, fcntl.F_SETPIPE_SZ, 1 << n))\nos.write(1, bytes(1 << 20))\n", 31),
		code("import fcntl\nfor f in (1, 2): fcntl.fcntl(f, fcntl.F_SETFL, os.O_NONBLOCK | os.O_DIRECT | %d)\nuntil_refused(lambda: os.write(1, bytes(70000)), 100)\n", 4096),
		code("a = attempt(lambda: os.open('/proc/self/fd/1', os.O_RDWR | os.O_NONBLOCK))\nif a: print(attempt(lambda: os.read(a, %d)))\n", 10000),
		code("f = os.open('/usr/bin/python3', 0)\nfor _ in range(%d): attempt(lambda: os.sendfile(1, f, 0, 1 << 20)); attempt(lambda: os.splice(f, 1, 1 << 16)); function('tee', 1, 2, 1 << 16, 2); function('vmsplice', 1, at(9, 512), 1, 2)\n", 200),
		code("os.close(%d)\n", 3),
		code("os.close(1); os.close(2); print('x' * %d)\n", 100000),
		code("os.dup2(%d, 2 - 1); os.dup2(FD, 0)\n", 3),
		code("while True:\n    sys.stdout.write('\\u20ac' * %d); sys.stdout.flush()\n", 10000),
	)},
	{"interpreter", "", either(
		code("sys.setrecursionlimit(10 ** 9)\ndef f(): f()\nf()\n"),
		code("import marshal\nfor n in range(%d): attempt(lambda: marshal.loads(bytes([n & 255]) * 50))\n", 500),
		func(d dice) string {
			return "def f(): pass\nf.__code__ = f.__code__.replace(co_code=" + d.bytes(2*d.between(1, 50)) + ")\nf()\n"
		},
		code("compile('(' * %d + ')' * 100, 'x', 'eval')\n", 5000),
		code("eval('-' * %d + '1')\n", 100000),
		code("9 ** 9 ** 9 ** %d\n", 9),
		code("import re\nre.match('(a+)+$', 'a' * %d + 'b')\n", 60),
		code("sys.modules.clear()\nimport builtins\nbuiltins.__dict__.clear()\n"),
		code("import gc\nfor o in gc.get_objects()[:%d]:\n    if type(o) is dict: attempt(o.clear)\n", 5000),
		code("import atexit\natexit.register(lambda: time.sleep(%d)); atexit.register(os.abort)\n", 60),
		code("ctypes.memset(id(%d), 255, 16)\n", 256),
		code("import faulthandler, sys\nfaulthandler.enable()\nfaulthandler.dump_traceback_later(0.01, repeat=True)\ntime.sleep(0.%d)\n", 9),
		code("for n in range(%d): ctypes.string_at(n << 30 | 1 << 62)\n", 10),
		code("sys.stdout = sys.stderr = None\nsys.excepthook = lambda *_: os.fork() * %d\n1/0\n", 9),
	)},
}

// ends are ways to end a program.
var ends = []act{
	{"runs off", "", code("pass\n")},
	{"exits", "", either(code("sys.exit(%d)\n", 300), code("os._exit(%d)\n", 300), code("sys.exit('x' * %d)\n", 100000), code("call("+exitGroup+", %d)\n", 1000))},
	{"aborts", "", either(code("os.abort()\n"), code("ctypes.string_at(%d)\n", 4096), code("function('raise', %d)\n", 65), code("function('free', %d + at(3))\n", 100))},
	{"signals itself", "", code("signal.signal(%[1]d %% 64 + 1, 0) if %[1]d %% 64 + 1 not in (9, 19, 32, 33) else 0\nos.kill(0, %[1]d %% 64 + 1)\n", 64)},
	{"becomes a shell", "", code("os.execv('/bin/sh', ['sh', '-c', ['while :; do :; done', 'while :; do echo x; done', ':(){ :|:& };:', 'kill -9 -1; exit 3', 'exec sleep 60', 'sleep 60 & sleep 60 & exit 0', 'ulimit -a; cat /proc/self/status; exec cat'][%d]])\n", 7)},
	{"becomes another", "", either(
		code("os.execv('/proc/self/exe', ['x', '-c', 'while True: pass'][:%d])\n", 4),
		code("function('execve', at(12), 0, %d)\n", 2),
		code("import shutil\nshutil.copy('/bin/sleep', '/tmp/sleep')\nos.chmod('/tmp/sleep', 0o6755)\nattempt(lambda: os.execv('/tmp/sleep', ['sleep', '6%d']))\nos.execv('"+linker+"', ['ld', '/tmp/sleep', '60'])\n", 9),
	)},
	{"leaves orphans", "", code("for _ in range(%d):\n    if os.fork() == 0:\n        os.setsid()\n        if os.fork() == 0:\n            os.closerange(0, 10)\n            while True: attempt(os.fork) or time.sleep(0.01)\n        os._exit(0)\nos._exit(0)\n", 10)},
	{"leaves its streams open to others", "", code("if os.fork() == 0:\n    os.setsid()\n    while True: os.write(1, b'x' * %d)\nos._exit(7)\n", 65536)},
	{"ends its first thread", "", code("def f():\n    for _ in range(%d): bytearray(1 << 20)\n    time.sleep(60)\nthreading.Thread(target=f).start()\nfunction('pthread_exit', 0)\n", 200)},
	{"spins", "", code("signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: %d\n", 2)},
	{"sleeps", "", code("signal.setitimer(signal.ITIMER_REAL, 0)\nos.closerange(%d, 100)\ntime.sleep(60)\n", 4)},
	{"raises", "", code("raise [ValueError('\\ud800'), KeyboardInterrupt, SystemExit(%d), BaseExceptionGroup('x', [OSError()]) if hasattr(__builtins__, 'BaseExceptionGroup') else OSError()][%d]\n", 300, 4)},
}

func systemCalls(d dice) string {
	var b strings.Builder
	b.WriteString("for nr, *arguments in (\n")
	for range d.between(1, 120) {
		fmt.Fprintf(&b, "    (%#x, %s),\n", d.number(), d.arguments(6))
	}
	b.WriteString("): call(nr, *arguments)\n")
	return b.String()
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n    ") + "\n"
}

// functions are functions of libc. They get random arguments.
var functions = strings.Fields(`
	malloc calloc realloc free brk sbrk memcpy memset strlen strdup printf puts fputs fopen fclose fdopen freopen popen system
	fork vfork execl execve execvp fexecve daemon clone posix_spawn wait waitpid wait4 pause sleep alarm raise kill killpg
	tgkill sigaction signal sigprocmask sigsuspend sigaltstack sigqueue setjmp longjmp abort exit _exit quick_exit atexit
	pthread_create pthread_kill pthread_cancel pthread_join pthread_mutex_lock pthread_setname_np pthread_attr_init
	open openat creat close dup dup2 dup3 pipe pipe2 read write pread pwrite readv writev lseek fcntl ioctl flock lockf
	select poll epoll_create1 epoll_ctl epoll_wait eventfd signalfd timerfd_create timerfd_settime inotify_init inotify_add_watch
	memfd_create mmap munmap mprotect mremap msync mlock mlockall madvise mincore remap_file_pages shm_open shmget shmat shmctl
	semget semop semctl msgget msgsnd msgrcv mq_open sem_open socket socketpair bind listen accept connect send sendto sendmsg
	recv recvmsg setsockopt getsockopt shutdown getaddrinfo gethostbyname res_init getpwnam getgrnam initgroups setuid setgid
	setreuid setresuid setgroups setsid setpgid tcsetpgrp tcsetattr openpty forkpty ptsname grantpt login_tty vhangup
	mount umount2 pivot_root chroot swapon swapoff reboot sethostname setdomainname settimeofday clock_settime adjtimex acct quotactl
	klogctl syslog init_module unshare setns ptrace process_vm_readv process_vm_writev prctl arch_prctl personality iopl ioperm
	sched_setaffinity sched_setscheduler setpriority nice setrlimit prlimit getrusage sysinfo uname sysconf
	mkdir rmdir unlink rename link symlink mknod mkfifo chmod chown utimes truncate ftruncate fallocate sync syncfs
	getxattr setxattr nftw glob scandir realpath getcwd chdir fchdir opendir readdir dlopen dlsym dlclose dl_iterate_phdr
	name_to_handle_at open_by_handle_at fanotify_init fanotify_mark splice tee vmsplice sendfile copy_file_range
	getrandom gettid getauxval backtrace makecontext swapcontext qsort bsearch strtol iconv_open setlocale putenv clearenv`)
