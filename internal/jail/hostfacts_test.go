package jail_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// everything is a program that prints the names and the contents of all files that it can read in the jail, except the system tree.
const everything = `
import os, resource, socket, sys
seen = set()
def say(name, what):
    out = what if isinstance(what, bytes) else str(what).encode(errors="replace")
    sys.stdout.buffer.write(b"\x1e" + name.encode() + b"\x1f" + out)
def walk(path, depth=0):
    try:
        if os.path.islink(path): return say(path, os.readlink(path))
        if os.path.isdir(path):
            # map_files, cwd, root lead elsewhere; tasks are like the process.
            if depth < 9 and not path.endswith("/task/1/task"):
                for name in sorted(os.listdir(path)): walk(path.rstrip("/") + "/" + name, depth + 1)
            return
        if path.endswith(("/pagemap", "/mem", "/clear_refs")): return
        with open(path, "rb") as f: say(path, f.read(1 << 20))
    except OSError as e: say(path, e.strerror)
for path in ("/etc", "/home", "/proc", "/run", "/sandbox", "/tmp"): walk(path)
def call(f, *args):
    try: say(f.__name__, f(*args))
    except OSError as e: say(f.__name__, e.strerror)
for f in (os.uname, os.getlogin, socket.gethostname, socket.getfqdn, socket.if_nameindex, os.getcwd): call(f)
call(socket.getaddrinfo, "localhost", 0)
for path in ("/", "/usr", "/etc/alternatives", "/etc/ld.so.cache"):
    call(os.statvfs, path)
    say("identity of " + path, os.statvfs(path).f_fsid)
for fd in range(3): call(os.ttyname, fd)
say("environment", os.environ)
say("arguments", sys.argv)
say("modules", [m.__file__ for m in sys.modules.values() if getattr(m, "__file__", "") and not m.__file__.startswith("/usr/")])
`

// No file in the jail contains a name of the host, its users, its files or its network, with the filter and without it.
func TestHostIsNotShown(t *testing.T) { underEngines(t, testHostIsNotShown, "exec", "fork") }

func testHostIsNotShown(t *testing.T, edit func(*jail.Config)) {
	for _, mode := range []struct {
		name   string
		filter []unix.SockFilter
	}{{"with the filter", nil}, {"by the namespaces alone", allowAll}} {
		t.Run(mode.name, func(t *testing.T) {
			j := jailtest.New(t, func(c *jail.Config) {
				edit(c)
				c.Limits.Output = 64 << 20
				if mode.filter != nil {
					c.Filter = mode.filter
				}
			})
			names := hostNames(t)
			entries := strings.Split(jailtest.Output(t, j, everything), "\x1e")
			if len(entries) < 200 {
				t.Fatalf("only %d things could be looked at", len(entries))
			}
			for kind, words := range names {
				t.Run(kind, func(t *testing.T) {
					for _, entry := range entries[1:] {
						name, content, _ := strings.Cut(entry, "\x1f")
						if kind == "directory" && !strings.HasPrefix(name, "/proc/") {
							continue // files of /etc name directories that every system has
						}
						if found := words.in(content); found != "" {
							t.Errorf("%s holds %q", name, found)
						}
					}
				})
			}
		})
	}
}

// The search finds names: if one layer is removed, it finds the host's name.
func TestHostIsShownWithoutALayer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives the tests a host name: the same suite runs as root")
	}
	j := jailtest.New(t, func(c *jail.Config) { jailtest.Without(c, inside.StageHostname) })
	if hostNames(t)["host name"].in(jailtest.Output(t, j, everything)) == "" {
		t.Error("the host name was not found")
	}
}

// words are the names to search for.
type words []string

// in returns the first of the words that a text contains as a whole word, or "". A regular expression for all words is twenty times
// slower.
func (w words) in(text string) string {
	partOfWord := func(b byte) bool {
		return b == '_' || '0' <= b && b <= '9' || 'A' <= b && b <= 'Z' || 'a' <= b && b <= 'z'
	}
	for _, word := range w {
		for at := 0; ; at++ {
			found := strings.Index(text[at:], word)
			if found < 0 {
				break
			}
			at += found
			end := at + len(word)
			if (at == 0 || !partOfWord(text[at-1])) && (end == len(text) || !partOfWord(text[end])) {
				return word
			}
		}
	}
	return ""
}

func TestWordsInText(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string
	}{
		{"host", "host"}, {"a host.", "host"}, {"ghost hosts", ""}, {"ghost host", "host"}, {"hosthost", ""},
		{"_host host_", ""}, {"at /a/path", "/a/path"}, {"at /a/paths", ""}, {"", ""},
	} {
		if got := (words{"host", "/a/path"}).in(tt.text); got != tt.want {
			t.Errorf("in %q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

// hostNames returns the names of this host, by kind. Kinds without a name are left out.
func hostNames(t *testing.T) map[string]words {
	t.Helper()
	names := map[string]words{}
	add := func(kind string, candidates ...string) {
		for _, w := range candidates {
			if w = strings.TrimSpace(w); len(w) > 3 { // shorter words occur everywhere by chance
				names[kind] = append(names[kind], w)
			}
		}
	}
	read := func(path string) string { data, _ := os.ReadFile(path); return string(data) }

	add("host name", hostName())
	add("boot id", read("/proc/sys/kernel/random/boot_id"))
	add("machine id", read("/etc/machine-id"), read("/var/lib/dbus/machine-id"))
	settings := slices.DeleteFunc(strings.Fields(read("/proc/cmdline")), func(s string) bool { return !strings.Contains(s, "=") })
	add("kernel command line", append(settings, read("/proc/cmdline"))...)
	var fs unix.Statfs_t
	if err := unix.Statfs("/usr", &fs); err != nil {
		t.Fatal(err)
	}
	if fs.Fsid.Val != [2]int32{} && !overlayTellsIdentity() {
		add("identity of a file system", strconv.FormatUint(uint64(uint32(fs.Fsid.Val[0]))|uint64(uint32(fs.Fsid.Val[1]))<<32, 10))
	}
	executable, _ := os.Executable()
	directory, _ := os.Getwd()
	add("daemon's path", executable, directory, filepath.Base(executable))
	add("daemon's process id", fmt.Sprintf("/proc/%d", os.Getpid()), fmt.Sprintf("PPid:\t%d", os.Getpid()))

	var users []string
	for line := range strings.Lines(read("/etc/passwd")) {
		f := strings.Split(line, ":")
		if uid, err := strconv.Atoi(f[2]); err == nil && uid >= 1000 && uid != 65534 {
			users = append(users, f[0], f[5])
		}
	}
	add("user", append(users, "sandboxd")...)

	var groups []string
	for line := range strings.Lines(read("/proc/self/cgroup")) {
		_, path, _ := strings.Cut(strings.TrimSpace(line), ":/")
		groups = append(groups, path)
	}
	add("cgroup path", groups...)

	var addresses, interfaces []string
	list, err := net.Interfaces()
	if err != nil { // a unit may forbid netlink
		list = nil
	}
	for _, i := range list {
		if i.Flags&net.FlagLoopback != 0 {
			continue
		}
		interfaces = append(interfaces, i.Name)
		addresses = append(addresses, i.HardwareAddr.String())
		of, _ := i.Addrs()
		for _, a := range of {
			if ip, _, err := net.ParseCIDR(a.String()); err == nil {
				addresses = append(addresses, ip.String())
			}
		}
	}
	add("network interface", interfaces...)
	add("network address", addresses...)

	var directories []string
	here, err := os.ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	inside := []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "dev", "etc", "home", "proc", "run", "sandbox", "tmp"}
	for _, entry := range here {
		if !slices.Contains(inside, entry.Name()) {
			directories = append(directories, "/"+entry.Name())
		}
	}
	add("directory", directories...)
	return names
}

// overlayTellsIdentity reports whether statvfs of an overlay returns f_fsid of the file system below it, as Linux does before 6.6. The
// threat model lists it.
func overlayTellsIdentity() bool {
	var name unix.Utsname
	var major, minor int
	_ = unix.Uname(&name)
	_, _ = fmt.Sscanf(unix.ByteSliceToString(name.Release[:]), "%d.%d", &major, &minor)
	return major < 6 || major == 6 && minor < 6
}

// hostName returns the host's name, or "" if it is a common word, which the search would find by chance.
func hostName() string {
	name, _ := os.Hostname()
	if len(name) < 6 {
		return ""
	}
	return name
}

// These parts of the host do not exist in the jail.
func TestPartsOfTheHostThatDoNotExist(t *testing.T) {
	underEngines(t, testPartsOfTheHostThatDoNotExist, "exec", "fork")
}

func testPartsOfTheHostThatDoNotExist(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	for _, path := range []string{
		"/proc/version", "/proc/cmdline",
		"/proc/partitions", "/proc/diskstats", "/proc/devices", "/proc/interrupts", "/proc/filesystems", "/proc/modules",
		"/proc/mounts", "/proc/net", "/proc/swaps", "/proc/vmstat", "/proc/zoneinfo", "/proc/buddyinfo", "/proc/slabinfo",
		"/proc/timer_list", "/proc/sched_debug", "/proc/locks", "/proc/keys", "/proc/key-users", "/proc/kallsyms", "/proc/kcore",
		"/proc/config.gz", "/proc/sysvipc", "/proc/pressure", "/proc/sys", "/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/hostname",
		"/proc/sys/fs/file-nr", "/proc/sys/fs/inode-nr", "/sys", "/sys/block", "/sys/class/net", "/sys/devices/system/cpu", "/sys/class/dmi/id/product_uuid",
		"/sys/fs/cgroup", "/sys/kernel/debug", "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/ssl/private", "/etc/fstab", "/etc/shadow",
		"/etc/ssh", "/run/utmp", "/run/systemd", "/var", "/var/log", "/boot", "/root",
		"/dev/kmsg", "/dev/mem", "/dev/sda", "/dev/vda", "/dev/tty", "/dev/console", "/dev/pts", "/dev/mqueue", "/dev/disk", "/dev/log",
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			got := jailtest.Output(t, j, fmt.Sprintf(`
import os
print(os.path.lexists(%q))
`, path))
			if got != "False\n" {
				t.Error("it is there")
			}
		})
	}
}

// shown lists the facts about the host that a program can see. For each of them there is a program that prints the same inside and
// outside, or that prints inside a number between those that it prints outside before and after. docs/threat-model.md has the same list.
var shown = []struct {
	fact, program string
	between       bool
}{
	{fact: "kernel", program: `print(os.uname().release, os.uname().version, os.uname().machine)`},
	{fact: "CPUs", program: `
data = open("/proc/self/auxv", "rb").read()
vector = dict(struct.iter_unpack("LL", data))
print(len(os.sched_getaffinity(0)), vector.get(16), vector.get(26))  # AT_HWCAP, AT_HWCAP2`},
	{fact: "clocks", program: `print(time.clock_gettime_ns(time.CLOCK_BOOTTIME))`, between: true},
	{fact: "memory, load, number of tasks", program: `
info = (ctypes.c_ulong * 32)()
ctypes.CDLL(None).sysinfo(info)
print(info[4])  # totalram; the others are next to it`},
	{fact: "size and fill of the disk", program: `s = os.statvfs("/usr"); print(s.f_blocks, s.f_files)`},
	{fact: "sources and options of mounts", program: `
mounts = [l.split(" - ")[1].split() for l in open("/proc/self/mountinfo")]
print(sorted({tuple(m) for m in mounts if m[0] == "devtmpfs"})[:1])`},
	{fact: "times of installed files", program: `
s = os.stat(os.__file__)
print(s.st_ino, s.st_size, s.st_ctime_ns, s.st_mtime_ns)`},
	{fact: "last reading of installed files", program: `print(os.stat(os.path.dirname(os.__file__) + "/` + quietFile + `").st_atime_ns)`},
	{fact: "cgroup hierarchies", program: `print([l.split(":")[:2] for l in open("/proc/self/cgroup")])`},
	{fact: "limits that the daemon was started with", program: `
import resource
print([resource.getrlimit(r) for r in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_RSS)])`},
}

func TestVisibleFactsOfTheHost(t *testing.T) {
	underEngines(t, testVisibleFactsOfTheHost, "exec", "fork")
}

func testVisibleFactsOfTheHost(t *testing.T, edit func(*jail.Config)) {
	j := jailtest.New(t, edit)
	for _, tt := range shown {
		t.Run(tt.fact, func(t *testing.T) {
			program := "import ctypes, os, struct, time\n" + tt.program
			outside := func() string {
				python := exec.Command(jailtest.Python, "-I", "-c", program)
				python.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
				out, err := python.CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				return string(out)
			}
			before, got, after := outside(), jailtest.Output(t, j, program), outside()
			if !tt.between {
				if got != before && got != after {
					t.Errorf("no longer shown: %q inside, %q outside", got, before)
				}
				return
			}
			number := func(s string) (n int64) {
				n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			if number(got) < number(before) || number(got) > number(after) {
				t.Errorf("no longer shown: %q inside, between %q and %q outside", got, before, after)
			}
		})
	}
	// Numbers that the kernel assigns for the whole machine, so they are the same on both sides.
	const numbers = "numbers of pipes, sockets, namespaces, mounts, devices, processes"
	t.Run(numbers, func(t *testing.T) {
		p := talk(t, j, `
import json, os, time
print(json.dumps({'pipe': os.readlink('/proc/self/fd/1')}), flush=True)
time.sleep(60)
`)
		number := strings.Trim(p.line(t)["pipe"], `"`)
		ours, _ := filepath.Glob("/proc/self/fd/*")
		if !slices.ContainsFunc(ours, func(fd string) bool { link, _ := os.Readlink(fd); return link == number }) {
			t.Errorf("%s is no number of a pipe outside", number)
		}
	})
	const attributes = "extended attributes of installed files"
	t.Run(attributes, func(t *testing.T) {
		python := virtualEnvironment(t, map[string]string{"mine": ""})
		installed, err := filepath.Glob(filepath.Dir(filepath.Dir(python)) + "/lib/python3*/site-packages/mine.py")
		if err != nil || len(installed) != 1 {
			t.Fatal(installed, err)
		}
		if err := unix.Setxattr(installed[0], "user.note", []byte("of mine"), 0); err != nil {
			t.Skipf("/var/tmp has no attributes: %v", err)
		}
		j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Python = python })
		if got := jailtest.Output(t, j, `
import mine, os
print(os.getxattr(mine.__file__, 'user.note'))
`); got != "b'of mine'\n" {
			t.Errorf("no longer shown: %q", got)
		}
	})
	const uid = "host uid of the run"
	t.Run(uid, func(t *testing.T) {
		got, err := strconv.Atoi(strings.TrimSpace(jailtest.Output(t, j, "print(open('/proc/self/uid_map').read().split()[1])")))
		uids := jailtest.UIDs()
		if err != nil || (got != os.Geteuid() && (got < uids.First || got >= uids.First+uids.Count)) {
			t.Errorf("got %d, %v", got, err)
		}
	})
	t.Run("documented", func(t *testing.T) {
		facts := []string{numbers, attributes, uid}
		for _, tt := range shown {
			facts = append(facts, tt.fact)
		}
		var written []string
		for _, row := range documented(t, "What can be learned of the host", 2) {
			written = append(written, row[0])
		}
		slices.Sort(facts)
		slices.Sort(written)
		if !slices.Equal(facts, written) {
			t.Errorf("documented: %q\nshown: %q", written, facts)
		}
	})
}
