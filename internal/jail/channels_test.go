package jail_test

import (
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// Each channel is a pair of programs: a sender and a receiver. They run at the same time and one after the other. The receiver must see
// the same, whether the sender has acted or not. Each channel is tried with the filter, and without it, where only the namespaces
// separate the runs. Channels that are open are listed here and in docs/threat-model.md.
var channels = []struct {
	name string
	send string // the sender: acts; it then prints a line and waits until it is killed
	look string // the receiver: body of look(), which returns a dictionary from aspects to what was seen

	filtered []string // aspects that are open with the filter
	bare     []string // aspects that are open without the filter
	perUID   bool     // the aspects are open only if all runs have the daemon's uid
}{
	{
		name: "keyring",
		send: `
for ring in range(-5, 0): call("add_key", b"user", b"mark", b"secret", 6, ring)`,
		look: `
found = {}
for ring in range(-5, 0):
    found["search %d" % ring] = call("keyctl", 10, ring, b"user", b"mark", 0)[1]
found["request"] = call("request_key", b"user", b"mark", None, 0)[1]
persistent = call("keyctl", 22, -1, -2)[0]
found["persistent"] = call("keyctl", 10, persistent, b"user", b"mark", 0)[1]
return found`,
	},
	{
		name: "quota of keys",
		send: `
for i in range(150): call("add_key", b"user", b"%d" % i, b"x" * 60, 60, -2)`,
		// Only at the first look, because removed keys count towards the quota for some time. At most sixty, because a run that starts
		// needs a key too.
		look: `
global looks
if looks == 0:
    while looks < 60 and call("add_key", b"user", b"%d" % looks, b"x" * 60, 60, -2)[1] == "ok": looks += 1
    call("keyctl", 7, -2)  # KEYCTL_CLEAR
return {"sixty more keys": looks}`,
		bare:   []string{"sixty more keys"},
		perUID: true,
	},
	{
		name: "System V IPC",
		send: `
call("shmget", 0x5a, 4096, 0o1666)
call("semget", 0x5a, 1, 0o1666)
call("msgget", 0x5a, 0o1666)`,
		look: `
info = ctypes.create_string_buffer(128)
return {
    "shm by key": call("shmget", 0x5a, 1, 0)[1], "sem by key": call("semget", 0x5a, 1, 0)[1], "msg by key": call("msgget", 0x5a, 0)[1],
    "shm by id": call("shmctl", 0, 2, info)[1], "number of segments": call("shmctl", 0, 14, info),
    "number of semaphores": call("semctl", 0, 0, 19, info), "number of queues": call("msgctl", 0, 12, info),
}`,
	},
	{
		name: "POSIX message queues",
		send: `call("mq_open", b"mark", os.O_CREAT | os.O_RDWR, 0o666, None)`,
		look: `return {"queue": call("mq_open", b"mark", os.O_RDWR, 0, None)[1]}`,
	},
	{
		name: "names in scratch space",
		send: `
for d in SCRATCH:
    open(d + "/mark", "w").write("x" * 100000)
    os.mkdir(d + "/mark.d")
libc.sem_open(b"/mark", os.O_CREAT, 0o666, 1)
libc.shm_open(b"/mark-shm", os.O_CREAT | os.O_RDWR, 0o666)`,
		look: `
found = {d: [n for n in os.listdir(d) if "mark" in n] for d in SCRATCH}
s = os.statvfs("/tmp")
found["space"], found["inodes"] = s.f_bfree, s.f_ffree
return found`,
	},
	{
		name: "tmpfs inode numbers",
		send: `
for i in range(200):
    for d in SCRATCH: open(d + "/%d" % i, "w").close()`,
		look: `
global looks
looks += 1
open("/tmp/new", "w").close()
number = os.stat("/tmp/new").st_ino
os.unlink("/tmp/new")
return {"next": number - looks, "directories": [os.stat(d).st_ino for d in SCRATCH + ("/", "/etc/passwd")]}`,
	},
	{
		name: "sockets",
		send: `
keep = []
for family, address in SERVERS:
    if family == socket.AF_UNIX and address[0] != "\0" and os.path.exists(address): os.unlink(address)
    s = socket.socket(family, socket.SOCK_STREAM)
    s.bind(address); s.listen(); keep.append(s)
    if family != socket.AF_UNIX:
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.bind(address); keep.append(s)`,
		look: `
found = {}
for family, address in SERVERS:
    found["connect %r" % (address,)] = attempt(socket.socket(family, socket.SOCK_STREAM).connect, address)
    s = socket.socket(family, socket.SOCK_STREAM)
    if address[0] == "/": continue
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found["bind %r" % (address,)] = attempt(s.bind, address)
for name in ("unix", "tcp", "tcp6", "udp", "udp6"):
    found["/proc/self/net/" + name] = attempt(open, "/proc/self/net/" + name)
return found`,
	},
	{
		name: "counters of the network",
		send: `
r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); r.bind(("127.0.0.1", 0))
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(500): s.sendto(b"x", r.getsockname())
try: s.sendto(b"x", ("192.0.2.1", 9))
except OSError: pass`,
		look: `
found = {}
for name in ("dev", "snmp", "snmp6", "netstat", "route", "arp", "softnet_stat"):  # the last is one for all networks
    try: found[name] = open("/proc/self/net/" + name).read()
    except OSError as e: found[name] = errno.errorcode[e.errno]
return found`,
	},
	{
		name: "processes",
		send: `
for i in range(20):
    if os.fork() == 0:
        os.setsid()
        os.fork()
        signal.pause()
call("setpriority", 2, 0, 7)`,
		look: `
pids = []
for i in range(2):
    pid = os.fork()
    if pid == 0: os._exit(0)
    os.waitpid(pid, 0); pids.append(pid)
return {
    "list": [p for p in os.listdir("/proc") if p.isdigit()], "next pid": pids[1] - pids[0],
    "priority of the user's": call("getpriority", 2, 0), "kill": attempt(os.kill, -1, 0),
}`,
	},
	{
		name: "number of processes",
		send: `
for i in range(50):
    if os.fork() == 0: signal.pause()`,
		look: `
children = []
for i in range(20):
    pid = os.fork()
    if pid == 0: signal.pause()
    children.append(pid)
for pid in children: os.kill(pid, 9); os.waitpid(pid, 0)
return {"twenty more": len(children)}`,
	},
	{
		name: "text in /proc",
		send: `
libc.prctl(15, b"markmark")
open("/tmp/markmark", "w").close()
keep = [open("/tmp/markmark"), socket.socket(socket.AF_UNIX)]
keep[1].bind("\0markmark")
if os.fork() == 0: os.execve("/usr/bin/sleep", ["markmark", "60"], {"markmark": "markmark"})`,
		look: `
found = []
def walk(at, depth):
    for name in sorted(os.listdir(at)):
        path = at + "/" + name
        if "markmark" in name: found.append(path)
        if name in ("cwd", "root", "exe", "fd", "map_files", "task", "mem", "pagemap", "clear_refs", "kmsg"): continue
        try:
            if os.path.isdir(path) and not os.path.islink(path): walk(path, depth + 1)
            elif "mark" + "mark" in open(path, errors="replace").read(100000): found.append(path)
        except OSError: pass
walk("/proc/1", 0)
walk("/proc/self", 0)
return {"mark": found}`,
	},
	{
		name: "record locks",
		send: `
keep = []
for key, path in FILES.items():
    fd = opened(key, path); keep.append(fd)
    attempt(fcntl.fcntl, fd, fcntl.F_SETLK, struct.pack("@hhqqii", kind(fd), 0, 0, 0, 0, 0))`,
		look: lookAtLocks("fcntl.F_GETLK"),
	},
	{
		name: "locks of open files",
		send: `
keep = []
for key, path in FILES.items():
    fd = opened(key, path); keep.append(fd)
    attempt(fcntl.fcntl, fd, 37, struct.pack("@hhqqii", kind(fd), 0, 0, 0, 0, 0))  # F_OFD_SETLK`,
		look: lookAtLocks("36"), // F_OFD_GETLK
	},
	{
		name: "flock",
		send: `
keep = []
for key, path in FILES.items():
    fd = opened(key, path); keep.append(fd)
    for again in range(100):  # the receiver may have it just now
        if call("flock", fd, 2 | 4)[1] == "EAGAIN": time.sleep(0.001)`,
		look: `
found = {}
for key, path in FILES.items():
    fd = opened(key, path)
    found[key] = call("flock", fd, 2 | 4)[1]  # LOCK_EX | LOCK_NB
    call("flock", fd, 8)
    if fd > 2: os.close(fd)
return found`,
	},
	{
		name: "leases",
		send: `
keep = []
for key, path in FILES.items():
    fd = opened(key, path); keep.append(fd)
    attempt(fcntl.fcntl, fd, 1024, 0)  # F_SETLEASE, F_RDLCK`,
		look: `
found = {}
for key, path in FILES.items():
    fd = opened(key, path)
    found[key] = attempt(fcntl.fcntl, fd, 1025), attempt(fcntl.fcntl, fd, 1024, 1)  # F_GETLEASE; F_SETLEASE, F_WRLCK
    attempt(fcntl.fcntl, fd, 1024, 2)
    if fd > 2: os.close(fd)
return found`,
	},
	{
		name: "watches",
		send: `
for i in range(3): open(QUIET).read(); os.listdir(os.path.dirname(QUIET))`,
		look: `
global notify, seen
if notify is None:
    def sigio(*_): seen["dnotify"] = True
    signal.signal(signal.SIGIO, sigio)
    notify = [call("inotify_init1", os.O_NONBLOCK)[0], call("fanotify_init", 0x200 | 2, 0)[0], os.open(os.path.dirname(QUIET), os.O_RDONLY)]
    call("inotify_add_watch", notify[0], QUIET.encode(), 0xfff)
    call("fanotify_mark", notify[1], 1, 0x20 | 1, -100, QUIET.encode())  # FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS
    attempt(fcntl.fcntl, notify[2], 1026, 0x80000001 - (1 << 32))  # F_NOTIFY, DN_MULTISHOT | DN_ACCESS
for name, fd in zip(("inotify", "fanotify"), notify):
    try: seen[name] = seen[name] or len(os.read(fd, 4096)) > 0
    except OSError: pass
return dict(seen)`,
	},
	{
		name: "times of shared files",
		send: `
for key, path in SHARED.items():
    if os.path.isdir(path): os.listdir(path)
    else:
        with open(path, "rb") as f: f.read(10)
    if path.startswith("/dev"):
        with open(path, "r+b", buffering=0) as f:
            try: f.write(b"x")
            except OSError: pass
    attempt(os.utime, path, (1, 1))`,
		look: `
return {key: [(s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns, s.st_mode, s.st_nlink) for s in [os.stat(path)]]
    for key, path in SHARED.items() if os.stat(path).st_dev != os.stat("/etc").st_dev}  # copies are as old as the run`,
	},
	{
		name: "standard input",
		send: `
fcntl.fcntl(0, fcntl.F_SETFL, os.O_NONBLOCK | os.O_APPEND)
attempt(fcntl.fcntl, 0, 8, os.getpid())
attempt(fcntl.fcntl, 0, 10, 12)
attempt(os.lseek, 0, 7, 0)
for fd in (1, 2): fcntl.fcntl(fd, fcntl.F_SETFL, os.O_APPEND)`,
		look: `
return {"flags": [oct(fcntl.fcntl(fd, fcntl.F_GETFL)) for fd in range(3)], "offset": attempt(os.lseek, 0, 0, 1),
    "owner": attempt(fcntl.fcntl, 0, 9), "signal": attempt(fcntl.fcntl, 0, 11)}`,
	},
	{
		name: "what is open for one uid",
		send: `
keep = []
for i in range(14):  # 1,400 pipes of 16 pages: over pipe-user-pages-soft, 16384
    r, w = os.pipe()
    if os.fork() == 0:
        for j in range(100): keep.append(os.pipe())
        os.write(w, b"x")
        signal.pause()
    os.read(r, 1); os.close(r); os.close(w)
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
try:
    for i in range(5): socket.send_fds(a, [b"x"], [0] * 100)
except OSError: pass`,
		look: `
r, w = os.pipe()
size = fcntl.fcntl(r, 1032)  # F_GETPIPE_SZ
os.close(r); os.close(w)
a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
return {"size of a pipe": size, "descriptors in flight": attempt(socket.send_fds, a, [b"x"], [0])}`,
		filtered: []string{"size of a pipe", "descriptors in flight"},
		bare:     []string{"size of a pipe", "descriptors in flight"},
		perUID:   true,
	},
	{
		name: "futexes",
		send: `
import threading
def wait(path):
    address, value = mapped(path)
    while True: call("futex", address, 0, value, None)  # FUTEX_WAIT
for path in (QUIET, "/dev/shm/mine"): threading.Thread(target=wait, args=(path,), daemon=True).start()`,
		look: `return {name: call("futex", mapped(path)[0], 1, 1)[0] for name, path in (("file of the tree", QUIET), ("file of its own", "/dev/shm/mine"))}  # FUTEX_WAKE`,
		// No filter can tell the futexes of files from those of a program's own semaphores.
		filtered: []string{"file of the tree"},
		bare:     []string{"file of the tree"},
	},
	{
		name: "pages in the memory of others",
		send: `
address, _ = mapped(QUIET)`,
		look: `
address, _ = mapped(QUIET)
found, at = {}, False
try:
    for line in open("/proc/self/smaps"):
        if line[:1] in "0123456789abcdef" and "-" in line.split()[0]: at = int(line.split("-")[0], 16) == address
        elif at and line.startswith(("Pss:", "Shared_Clean:")): found[line.split(":")[0]] = line.split()[1]
except OSError as e: found["smaps"] = errno.errorcode[e.errno]
try:
    with open("/proc/self/pagemap", "rb") as f:
        f.seek(address // 4096 * 8)
        found["pagemap"] = struct.unpack("Q", f.read(8))[0] >> 55
except OSError as e: found["pagemap"] = errno.errorcode[e.errno]
libc.munmap(ctypes.c_void_p(address), ctypes.c_size_t(4096))
return found`,
	},
}

// quietFile is a file of the system tree that no other process reads or maps.
const quietFile = "this.py"

// lookAtLocks returns a receiver that asks, for each file, which lock conflicts with a lock on the whole file.
func lookAtLocks(get string) string {
	return `
found = {}
for key, path in FILES.items():
    fd = opened(key, path)
    try: found[key] = struct.unpack("@hhqqii", fcntl.fcntl(fd, ` + get + `, struct.pack("@hhqqii", fcntl.F_WRLCK, 0, 0, 0, 0, 0)))[0]
    except OSError as e: found[key] = errno.errorcode[e.errno]
    if fd > 2: os.close(fd)
return found`
}

// common is the beginning of both programs.
var common = `
import ctypes, errno, fcntl, json, os, signal, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
NUMBERS = ` + numbers() + `
def call(name, *args):
    "A system call: its result, or the name of its error."
    r = libc.syscall(ctypes.c_long(NUMBERS[name]), *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    return (r, "ok") if r >= 0 else (-1, errno.errorcode[ctypes.get_errno()])
def attempt(do, *args):
    try: do(*args)
    except OSError as e: return errno.errorcode[e.errno]
    return "ok"
SCRATCH = ("/tmp", "/dev/shm", "/run", "/home/sandbox")
SERVERS = ((socket.AF_UNIX, "\0mark"), (socket.AF_UNIX, "/tmp/mark"), (socket.AF_INET, ("127.0.0.1", 4711)), (socket.AF_INET6, ("::1", 4712)))
QUIET = os.path.dirname(os.__file__) + "/` + quietFile + `"
SHARED = {"file of the tree": QUIET, "directory of the tree": os.path.dirname(QUIET), "standard input": "/dev/null"}
for path in ("/etc/alternatives", "/etc/ld.so.cache", "/etc/fonts", "/etc/matplotlibrc", "/etc/mime.types", *("/dev/" + n for n in os.listdir("/dev"))):
    if os.path.exists(path) and not os.path.islink(path) and path != "/dev/shm": SHARED[path] = path
FILES = dict(SHARED)
FILES.update({p: p for p in ("/usr", "/etc", "/etc/passwd", "/sandbox/sitecustomize.pyc", "/proc", "/proc/self/status", "/proc/self/ns", "/tmp/mine", "/dev/shm")})
for path in ("/tmp/mine", "/dev/shm/mine"): open(path, "wb").write(bytes(4096))
# Descriptors without a path. Most of them share one inode, which the kernel has once for all processes (fs/anon_inodes.c).
PATHLESS = {"pipe": lambda: os.pipe()[1], "socket": lambda: socket.socket().detach(), "standard output": lambda: os.dup(1)}
PATHLESS.update({name: lambda name=name, args=args: call(name, *args)[0] for name, args in
    {"epoll_create1": (0,), "eventfd2": (0, 0), "timerfd_create": (1, 0), "signalfd4": (-1, b"\0" * 8, 8, 0), "inotify_init1": (0,), "pidfd_open": (os.getpid(), 0)}.items()})
for name, make in PATHLESS.items():
    if make() >= 0: FILES[name] = name
def opened(key, path):
    if key == "standard input": return 0
    if key in PATHLESS: return PATHLESS[key]()
    if path.startswith("/dev/") and not os.path.isdir(path): return os.open(path, os.O_RDWR)
    return os.open(path, os.O_RDONLY)
def kind(fd): return fcntl.F_RDLCK if fcntl.fcntl(fd, fcntl.F_GETFL) & 3 == os.O_RDONLY else fcntl.F_WRLCK
def mapped(path):
    "Maps the first page of a file, shared, and touches it: its address, and its first word."
    fd = os.open(path, os.O_RDONLY)
    address = libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
    os.close(fd)
    return address, struct.unpack("i", ctypes.string_at(address, 4))[0]
looks, notify, seen = 0, None, {"inotify": False, "fanotify": False, "dnotify": False}
`

// numbers returns the system call numbers of this architecture that the programs use, as JSON.
func numbers() string {
	list, err := json.Marshal(map[string]int{
		"add_key": unix.SYS_ADD_KEY, "keyctl": unix.SYS_KEYCTL, "request_key": unix.SYS_REQUEST_KEY,
		"shmget": unix.SYS_SHMGET, "shmctl": unix.SYS_SHMCTL, "semget": unix.SYS_SEMGET, "semctl": unix.SYS_SEMCTL,
		"msgget": unix.SYS_MSGGET, "msgctl": unix.SYS_MSGCTL, "mq_open": unix.SYS_MQ_OPEN,
		"setpriority": unix.SYS_SETPRIORITY, "getpriority": unix.SYS_GETPRIORITY, "flock": unix.SYS_FLOCK,
		"inotify_init1": unix.SYS_INOTIFY_INIT1, "inotify_add_watch": unix.SYS_INOTIFY_ADD_WATCH,
		"fanotify_init": unix.SYS_FANOTIFY_INIT, "fanotify_mark": unix.SYS_FANOTIFY_MARK, "futex": unix.SYS_FUTEX,
		"epoll_create1": unix.SYS_EPOLL_CREATE1, "eventfd2": unix.SYS_EVENTFD2, "timerfd_create": unix.SYS_TIMERFD_CREATE,
		"signalfd4": unix.SYS_SIGNALFD4, "pidfd_open": unix.SYS_PIDFD_OPEN,
	})
	if err != nil {
		panic(err)
	}
	return string(list)
}

func TestChannels(t *testing.T) { underEngines(t, testChannels, "exec", "fork") }

// Unless testenv.All, each channel is tried with the filter under one engine, and without the filter under the other.
func testChannels(t *testing.T, edit func(*jail.Config)) {
	var engine jail.Config
	edit(&engine)
	for way, mode := range []struct {
		name     string
		filtered bool
	}{{"with the filter", true}, {"by the namespaces alone", false}} {
		t.Run(mode.name, func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) {
				edit(c)
				c.Limits.Wall = 30 * time.Second
				if !mode.filtered {
					c.Filter = allowAll
				}
			})
			// The locks of another daemon on this machine protect this jail too, until that daemon ends. So wait until this one
			// holds them all. Each run tries to take them. In the lab the service holds them throughout.
			for begin := time.Now(); !testenv.InLab() && !j.HoldsLocks(); time.Sleep(10 * time.Millisecond) {
				if time.Since(begin) > time.Minute {
					t.Fatal("another process holds locks on inodes that runs share")
				}
				jailtest.Output(t, j, "pass")
			}
			uid := strings.TrimSpace(jailtest.Output(t, j, "print(open('/proc/self/uid_map').read().split()[1])"))
			oneUID := uid == strconv.Itoa(os.Geteuid())
			for n, tt := range channels {
				if engine.Fork {
					n++
				}
				if !testenv.All() && way != n%2 {
					continue
				}
				t.Run(tt.name, func(t *testing.T) {
					open := tt.bare
					if mode.filtered {
						open = tt.filtered
					}
					if tt.perUID && !oneUID {
						open = nil
					}
					tryChannel(t, j, tt.send, tt.look, open)
				})
			}
		})
	}
}

// The open channels of the table and those of docs/threat-model.md are the same.
func TestChannelsAreDocumented(t *testing.T) {
	var want [][]string
	for _, tt := range channels {
		state := func(open []string) string {
			switch {
			case len(open) == 0:
				return "closed"
			case tt.perUID:
				return "open between runs of one uid"
			default:
				return "open"
			}
		}
		if filtered, bare := state(tt.filtered), state(tt.bare); filtered != "closed" || bare != "closed" {
			want = append(want, []string{tt.name, filtered, bare})
		}
	}
	got := documented(t, "What two runs can tell each other", 3)
	byName := func(a, b []string) int { return strings.Compare(a[0], b[0]) }
	slices.SortFunc(want, byName)
	slices.SortFunc(got, byName)
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("documented: %q\nin the table: %q", got, want)
	}
}

// tryChannel compares what a receiver sees before, while and after a sender acts.
func tryChannel(t *testing.T, j *jail.Runner, send, look string, open []string) {
	receive := common + "def look():\n    " + strings.ReplaceAll(strings.TrimSpace(look), "\n", "\n    ") + `
while True:
    begin = time.monotonic()
    print(json.dumps(look()), flush=True)
    time.sleep(max(0.01, time.monotonic() - begin))
`
	receiver := talk(t, j, receive)
	alone := receiver.line(t)
	sender := talk(t, j, common+send+`
print('sent', flush=True)
while True: signal.pause()
`)
	sender.line(t)
	together := receiver.news(t)
	late := talk(t, j, receive)
	arrived := late.line(t)
	late.end()
	for aspect := range alone {
		if slices.Contains(open, aspect) {
			// The effect may become visible some time after the sender has printed its line.
			for range 500 {
				if together[aspect] != alone[aspect] || arrived[aspect] != alone[aspect] {
					break
				}
				together = receiver.line(t)
			}
		}
	}
	sender.end()
	parted := receiver.news(t)
	receiver.end()
	after := talk(t, j, receive)
	later := after.line(t)
	after.end()

	for aspect, before := range alone {
		t.Run(aspect, func(t *testing.T) {
			if slices.Contains(open, aspect) {
				if together[aspect] == before && arrived[aspect] == before {
					t.Errorf("this channel is listed as open but is closed: the receiver always sees %s", before)
				}
				return
			}
			for _, saw := range []struct{ when, what string }{
				{"while the sender runs", together[aspect]}, {"a receiver that starts while the sender runs", arrived[aspect]},
				{"after the sender has ended", parted[aspect]}, {"a receiver that starts after the sender has ended", later[aspect]},
			} {
				if saw.what != before {
					t.Errorf("%s: saw %s, but %s without a sender", saw.when, saw.what, before)
				}
			}
		})
	}
}
