package jail_test

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/units"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The attacks are testdata/escape/FAMILY/NAME.py, one each, with a head of comments:
//
//	# expect: held [END|END...]   how the run may end: exit=N, signal=SIGNAME, timeout, oom, any; exit=0 by default
//	# a description: the action of the program, its purpose if that is not obvious, what must happen if the output does not show it, and
//	# the CVE or the project from which the attack comes
//	# weakened: oom               another end that is allowed in a jail without some layers (optional)
//	# layers: mounts seccomp      the layers, each of which stops it alone; see layers_test.go
//	# arch: amd64                 the only architecture on which it exists (optional)
//	# limits: wall=1s memory=64MiB cpu=0.5 pids=20 scratch=4MiB inodes=100 output=1KiB   (optional)
//
// prelude.py is put before each attack. An attack checks what it achieved, and prints "held: why", "ESCAPED: what", "UNCLEAR: what" if it
// could not be carried out, or "absent: why" if this kernel or host does not have its target. An attack that ends by itself must have
// printed "held" at least once.
const escapeDir = "testdata/escape"

// engines are the ways in which a jail can be started.
var engines = []struct {
	name string
	edit func(*jail.Config)
}{
	{"exec", func(*jail.Config) {}},
	{"exec, warm", func(c *jail.Config) { c.Warm = 2 }},
	{"fork", func(c *jail.Config) { c.Fork = true }},
	{"fork, warm", func(c *jail.Config) { c.Fork, c.Warm = true, 2 }},
}

type attack struct {
	family, name string
	source       string
	ends         []string // allowed ends
	weakened     []string // further allowed ends in a jail without some layers
	layers       []string
	arch         string
	limits       string
}

func (a attack) String() string { return a.family + "/" + a.name }

func loadAttacks(t *testing.T) (attacks []attack) {
	t.Helper()
	files, err := filepath.Glob(escapeDir + "/*/*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("no attacks: %v", err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		a := attack{
			family: filepath.Base(filepath.Dir(file)),
			name:   strings.TrimSuffix(filepath.Base(file), ".py"),
			source: string(source),
			ends:   []string{"exit=0"},
		}
		if !strings.HasPrefix(a.source, "# expect: held") {
			t.Fatalf("%s: the first line does not begin with \"# expect: held\"", file)
		}
		for line := range strings.Lines(a.source) {
			comment, is := strings.CutPrefix(line, "# ")
			if !is {
				break
			}
			key, value, _ := strings.Cut(strings.TrimSpace(comment), ": ")
			switch key {
			case "expect":
				words := strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(" ,|", r) })
				words = slices.DeleteFunc(words, func(w string) bool { return w == "held" })
				if len(words) > 0 {
					a.ends = words
				}
			case "weakened":
				a.weakened = strings.Fields(value)
			case "layers":
				a.layers = strings.Fields(value)
			case "arch":
				a.arch = value
			case "limits":
				a.limits = value
			}
		}
		if len(a.layers) == 0 {
			t.Fatalf("%s: the head names no layer", file)
		}
		for _, name := range a.layers {
			if layerNamed(name) == nil {
				t.Fatalf("%s: there is no layer %q", file, name)
			}
		}
		if a.arch == "" || a.arch == runtime.GOARCH {
			attacks = append(attacks, a)
		}
	}
	return attacks
}

// limit sets the limits from the head of an attack.
func (a attack) limit(t *testing.T, l *sandbox.Limits) {
	t.Helper()
	l.Wall = time.Minute // the lab computes slowly
	for _, setting := range strings.Fields(a.limits) {
		key, value, _ := strings.Cut(setting, "=")
		var err error
		size := func(to *int64) { *to, err = units.ParseStrictBytes(value) }
		switch key {
		case "wall":
			l.Wall, err = time.ParseDuration(value)
		case "memory":
			size(&l.Memory)
		case "scratch":
			size(&l.Scratch)
		case "output":
			size(&l.Output)
		case "inodes":
			l.Inodes, err = strconv.ParseInt(value, 10, 64)
		case "pids":
			l.Pids, err = strconv.Atoi(value)
		case "cpu":
			l.CPU, err = strconv.ParseFloat(value, 64)
		default:
			err = fmt.Errorf("no such limit")
		}
		if err != nil {
			t.Fatalf("%s: %s: %v", a, setting, err)
		}
	}
}

// judgeWeakened does the same as judge for a jail without some layers. There an attack may end in another way, and only its output counts.
func (a attack) judgeWeakened(r *jail.Result) string {
	a.ends = slices.Concat(a.ends, a.weakened, []string{"exit=0"})
	return a.judge(r)
}

// judge returns why a run does not prove that the attack was stopped, or "" if it does.
func (a attack) judge(r *jail.Result) string {
	if said := bad.Find(r.Stdout.Kept); said != nil {
		return string(said)
	}
	ended := end(r)
	if !slices.Contains(a.ends, ended) && !slices.Contains(a.ends, "any") {
		return fmt.Sprintf("ended with %s, not %s: %s%s", ended, strings.Join(a.ends, " or "), r.Stdout.Kept, r.Stderr.Kept)
	}
	if ended == "exit=0" && !strings.Contains(string(r.Stdout.Kept), "held: ") {
		return fmt.Sprintf("does not say what held: %s%s", r.Stdout.Kept, r.Stderr.Kept)
	}
	return ""
}

// jails makes a Runner for each set of limits in the heads of the attacks.
func jails(t *testing.T, attacks []attack, edit func(*jail.Config)) map[string]*jail.Runner {
	t.Helper()
	made := map[string]*jail.Runner{}
	for _, a := range attacks {
		if made[a.limits] == nil {
			made[a.limits] = jailtest.New(t, func(c *jail.Config) { a.limit(t, &c.Limits); edit(c) })
		}
	}
	return made
}

//lab:as user
func TestEscape(t *testing.T) {
	attacks := loadAttacks(t)
	host := newHost(t)
	before := jailtest.Count(t, os.Getpid())
	var score score
	for way, engine := range engines {
		t.Run(engine.name, func(t *testing.T) {
			attacks := chosen(attacks, way)
			jails := jails(t, attacks, engine.edit)
			for _, a := range attacks {
				t.Run(a.String(), func(t *testing.T) {
					t.Parallel()
					// On the Runner that the previous attack has used: this also shows that the previous attack did not damage it.
					why := a.judge(host.attack(t, jails[a.limits], a))
					if why != "" {
						t.Error(why)
					}
					host.unharmed(t)
					score.add(a.family, why == "")
				})
			}
		})
	}
	host.unharmed(t)
	jailtest.Settled(t, os.Getpid(), before)
	if got := jailtest.Output(t, jailtest.New(t, nil), "print(6 * 7)"); got != "42\n" {
		t.Errorf("the next run printed %q", got)
	}
	score.print("Attacks held, of those tried, over all ways to start a jail")
}

// chosen returns the attacks for one of the four ways to start a jail. Outside of the lab each attack is tried in one way. The ways
// alternate along the list, so each family is tried in all four. The lab tries one attack of each family under both engines. With
// SANDBOXD_TEST_ALL=1, testenv.Tries chooses.
func chosen(attacks []attack, way int) (picked []attack) {
	if testenv.Brief() {
		attacks = firstOfEachFamily(attacks)
	}
	for n, a := range attacks {
		if !testenv.InLab() && !testenv.All() {
			if n%len(engines) == way {
				picked = append(picked, a)
			}
		} else if testenv.Tries(way, n) {
			picked = append(picked, a)
		}
	}
	return picked
}

// firstOfEachFamily returns the first attack of each family.
func firstOfEachFamily(attacks []attack) (first []attack) {
	for _, a := range attacks {
		if !slices.ContainsFunc(first, func(b attack) bool { return b.family == a.family }) {
			first = append(first, a)
		}
	}
	return first
}

// chosen leaves no attack out. Outside of the lab each attack is tried once, and each family in all four ways; with SANDBOXD_TEST_ALL=1
// each attack is tried in all four. In the lab one attack of each family, or each attack with SANDBOXD_TEST_ALL=1, is tried once under
// each engine.
func TestChosenAttacks(t *testing.T) {
	attacks := loadAttacks(t)
	families := firstOfEachFamily(attacks)
	for _, tt := range []struct {
		name, lab, all string
		attacks        int // number of different attacks
		times          int // how often each attack is tried
		everyFamily    int // number of ways to start a jail in which every family is tried
	}{
		{"natively", "", "", len(attacks), 1, 4},
		{"natively, all", "", "1", len(attacks), 4, 4},
		{"in the lab", "1", "", len(families), 2, 0},
		{"in the lab, all", "1", "1", len(attacks), 2, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SANDBOXD_TEST_LAB", tt.lab)
			t.Setenv("SANDBOXD_TEST_ALL", tt.all)
			times := map[string]int{}
			everyFamily := 0
			for way := range engines {
				picked := chosen(attacks, way)
				if len(firstOfEachFamily(picked)) == len(families) {
					everyFamily++
				}
				for _, a := range picked {
					times[a.String()]++
				}
			}
			if len(times) != tt.attacks || everyFamily < tt.everyFamily {
				t.Errorf("%d attacks, want %d; all families in %d ways, want %d", len(times), tt.attacks, everyFamily, tt.everyFamily)
			}
			for engine := range 2 {
				picked := append(chosen(attacks, 2*engine), chosen(attacks, 2*engine+1)...)
				if n := len(firstOfEachFamily(picked)); n != len(families) {
					t.Errorf("engine %d: %d families, want %d", engine, n, len(families))
				}
			}
			for name, n := range times {
				if n != tt.times {
					t.Errorf("%s is tried %d times, want %d", name, n, tt.times)
				}
			}
		})
	}
}

// score counts attacks.
type score struct {
	mu          sync.Mutex
	held, tried map[string]int
}

func (s *score) add(name string, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried == nil {
		s.held, s.tried = map[string]int{}, map[string]int{}
	}
	s.tried[name]++
	if held {
		s.held[name]++
	}
}

// print prints the score for `make escape`.
func (s *score) print(title string) {
	if !testing.Verbose() {
		return
	}
	fmt.Printf("\n%s\n", title)
	var held, tried int
	for _, name := range slices.Sorted(maps.Keys(s.tried)) {
		fmt.Printf("  %-14s %4d of %d\n", name, s.held[name], s.tried[name])
		held, tried = held+s.held[name], tried+s.tried[name]
	}
	fmt.Printf("  %-14s %4d of %d\n", "all", held, tried)
}

// host holds the targets outside of the jail: each of them contains the secret, or counts accesses.
type host struct {
	secret    string
	file      string // readable by everybody; its directory also contains private and a link
	private   string // readable by its owner only
	process   *exec.Cmd
	visitors  atomic.Int64 // connections and datagrams that came from inside
	constants string       // the targets as Python constants
}

// The constants of prelude.py are paths, numbers and addresses, and a digest of the secret. They never contain the secret itself.
func newHost(t *testing.T) *host {
	t.Helper()
	runtime.LockOSThread() // without an unlock: the target process dies with this thread
	random := make([]byte, 16)
	_, _ = rand.Read(random)
	h := &host{secret: "sandboxd-secret-" + hex.EncodeToString(random)}
	digest := sha256.Sum256([]byte(h.secret))
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	// Not below /tmp, because the init mounts over /tmp, so a weakened jail would not show it.
	dir, err := os.MkdirTemp("/var/tmp", "sandboxd-escape-")
	must(err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(os.Chmod(dir, 0o755))
	h.file, h.private = dir+"/secret", dir+"/private"
	must(os.WriteFile(h.file, []byte(h.secret), 0o644))
	must(os.Chmod(h.file, 0o644)) // independent of the umask
	must(os.WriteFile(h.private, []byte(h.secret), 0o600))
	shared := fmt.Sprintf("/dev/shm/sandboxd-escape-%d", os.Getpid())
	must(os.WriteFile(shared, []byte(h.secret), 0o666))
	t.Cleanup(func() { _ = os.Remove(shared) })
	var stat unix.Stat_t
	must(unix.Stat(h.file, &stat))
	handle, mount, err := unix.NameToHandleAt(unix.AT_FDCWD, h.file, 0)
	kind, bytes := int32(0), []byte(nil) // a file system without handles
	if err == nil {
		kind, bytes = handle.Type(), handle.Bytes()
	}

	h.process = exec.Command("/bin/sleep", "3600")
	h.process.Env = []string{"SECRET=" + h.secret}
	h.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(h.process.Start())
	t.Cleanup(func() { _ = h.process.Process.Kill(); _ = h.process.Wait() })

	listen := func(network, address string) net.Addr {
		l, err := net.Listen(network, address)
		must(err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				h.visitors.Add(1)
				_, _ = c.Write([]byte(h.secret))
				c.Close()
			}
		}()
		return l.Addr()
	}
	receive := func(network, address string) net.Addr {
		l, err := net.ListenPacket(network, address)
		must(err)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				if _, _, err := l.ReadFrom(make([]byte, 1)); err != nil {
					return
				}
				h.visitors.Add(1)
			}
		}()
		return l.LocalAddr()
	}
	abstract := fmt.Sprintf("sandboxd-escape-%d", os.Getpid())
	tcp := listen("tcp4", "127.0.0.1:0").(*net.TCPAddr).Port
	tcp6 := 0 // a host without IPv6
	if l, err := net.Listen("tcp6", "[::1]:0"); err == nil {
		l.Close()
		tcp6 = listen("tcp6", "[::1]:0").(*net.TCPAddr).Port
	}
	udp := receive("udp4", "127.0.0.1:0").(*net.UDPAddr).Port
	listen("unix", "@"+abstract)
	receive("unixgram", "@"+abstract+"-datagram")
	listen("unix", dir+"/socket")
	must(os.Chmod(dir+"/socket", 0o777))
	shm, key := hostShm(t), h.key(t)
	segment, err := unix.SysvShmGet(shm, 1, 0)
	must(err)
	memory, err := unix.SysvShmAttach(segment, 0, 0)
	must(err)
	copy(memory, h.secret)
	must(unix.SysvShmDetach(memory))
	name, err := os.Hostname()
	must(err)
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	must(err)

	// Not by t.Setenv, which parallel tests may not use.
	must(os.Setenv("SANDBOXD_ESCAPE_SECRET", h.secret))
	t.Cleanup(func() { _ = os.Unsetenv("SANDBOXD_ESCAPE_SECRET") })

	var facts strings.Builder
	fact := func(name, format string, value any) { fmt.Fprintf(&facts, "%s = "+format+"\n", name, value) }
	fact("ARCH", "%q", runtime.GOARCH)
	fact("SECRET_DIGEST", "%q", hex.EncodeToString(digest[:]))
	fact("SECRET_FILE", "%q", h.file)
	fact("PRIVATE_FILE", "%q", h.private)
	fact("SHM_FILE", "%q", shared)
	fact("SECRET_INODE", "%d", stat.Ino)
	fact("HANDLE_TYPE", "%d", kind)
	fact("HANDLE_BYTES", "bytes.fromhex(%q)", hex.EncodeToString(bytes))
	fact("HANDLE_MOUNT", "%d", mount)
	fact("HOST_PID", "%d", h.process.Process.Pid)
	fact("DAEMON_PID", "%d", os.Getpid())
	fact("TCP_PORT", "%d", tcp)
	fact("TCP6_PORT", "%d", tcp6)
	fact("UDP_PORT", "%d", udp)
	fact("ABSTRACT", "%q", abstract)
	fact("ABSTRACT_DATAGRAM", "%q", abstract+"-datagram")
	fact("SOCKET_PATH", "%q", dir+"/socket")
	fact("SYSV_KEY", "%d", shm)
	fact("SYSV_SEM", "%d", semaphore(t, shm))
	fact("SYSV_QUEUE", "%d", queue(t, shm))
	fact("KEY_SERIAL", "%d", key)
	fact("HOST_INTERFACES", "%s", interfaces(t))
	fact("ROUTED", "%s", routed("udp4", "192.0.2.1:53"))
	fact("ROUTED6", "%s", routed("udp6", "[2001:db8::1]:53"))
	for _, name := range []string{"kernel/io_uring_disabled", "kernel/perf_event_paranoid", "kernel/unprivileged_bpf_disabled", "kernel/dmesg_restrict"} {
		value, _ := os.ReadFile("/proc/sys/" + name)
		fact(strings.ToUpper(filepath.Base(name)), "int(%q or 0)", strings.TrimSpace(string(value)))
	}
	for _, name := range []string{"wmem_max", "rmem_max"} {
		value, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil { // under a unit with a network of its own: Linux 6.11 shows it in all of them
			value = []byte("212992") // the kernel's own default
		}
		fact(strings.ToUpper(name), "%s", strings.TrimSpace(string(value)))
	}
	fact("HOST_NAMESPACES", "%s", namespaces(t))
	fact("HOST_NAME", "%q", name)
	fact("BOOT_ID", "%q", strings.TrimSpace(string(boot)))
	h.constants = facts.String()
	return h
}

// interfaces, namespaces and routed return facts about the host's network, as Python constants.
func interfaces(t *testing.T) string {
	list, err := net.Interfaces()
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return `["lo"]` // a systemd unit denies netlink, and has no other interface
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, i := range list {
		names = append(names, strconv.Quote(i.Name))
	}
	return "[" + strings.Join(names, ", ") + "]"
}

func namespaces(t *testing.T) string {
	var links []string
	for _, kind := range []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"} {
		link, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, fmt.Sprintf("%q: %q", kind, link))
	}
	return "{" + strings.Join(links, ", ") + "}"
}

// routed reports whether the host has a route to an address. It sends nothing.
func routed(network, address string) string {
	c, err := net.Dial(network, address)
	if err != nil {
		return "False"
	}
	c.Close()
	return "True"
}

// key adds a key to the session keyring, which all processes inherit. Everybody who knows its number may read it.
func (h *host) key(t *testing.T) int {
	t.Helper()
	serial, err := unix.AddKey("user", "sandboxd-escape", []byte(h.secret), unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.KeyctlSetperm(serial, 0x3f3f3f3f); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.KeyctlInt(unix.KEYCTL_INVALIDATE, serial, 0, 0, 0) })
	return serial
}

// semaphore and queue create System V objects that everybody may read and change.
func semaphore(t *testing.T, key int) int {
	t.Helper()
	id, _, errno := unix.Syscall(unix.SYS_SEMGET, uintptr(key), 1, unix.IPC_CREAT|0o666)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { _, _, _ = unix.Syscall(unix.SYS_SEMCTL, id, 0, unix.IPC_RMID) })
	return int(id)
}

func queue(t *testing.T, key int) int {
	t.Helper()
	id, _, errno := unix.Syscall(unix.SYS_MSGGET, uintptr(key), unix.IPC_CREAT|0o666, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	t.Cleanup(func() { _, _, _ = unix.Syscall(unix.SYS_MSGCTL, id, unix.IPC_RMID, 0) })
	return int(id)
}

// attack runs an attack.
func (h *host) attack(t *testing.T, j *jail.Runner, a attack) *jail.Result {
	t.Helper()
	return jailtest.Run(t, j, h.program(a))
}

// names matches words of an attack that may be names of system calls.
var names = regexp.MustCompile(`"([a-z][a-z0-9_]+)"`)

// program returns the source of an attack, with the constants and prelude.py before it.
func (h *host) program(a attack) string {
	prelude, err := os.ReadFile(escapeDir + "/prelude.py")
	if err != nil {
		panic(err)
	}
	var numbers strings.Builder
	for _, found := range names.FindAllStringSubmatch(a.source, -1) {
		if nr, err := seccomp.GetSyscallFromName(found[1]); err == nil && nr >= 0 {
			fmt.Fprintf(&numbers, "%q: %d, ", found[1], nr)
		}
	}
	return fmt.Sprintf("%sNR = {%s}\n%s%s", h.constants, numbers.String(), prelude, a.source)
}

// unharmed checks from outside that an attack has not changed or accessed a target.
func (h *host) unharmed(t *testing.T) {
	t.Helper()
	for _, file := range []string{h.file, h.private} {
		if got, err := os.ReadFile(file); err != nil || string(got) != h.secret {
			t.Errorf("%s is now %q, %v", file, got, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(h.file)); err != nil || len(entries) != 3 {
		t.Errorf("the directory of the secret now holds %v, %v", entries, err)
	}
	if info, err := os.Stat(h.file); err != nil || info.Mode() != fs.FileMode(0o644) {
		t.Errorf("the secret is now %v, %v", info, err)
	}
	if n := h.visitors.Load(); n > 0 {
		t.Errorf("%d visitors came from inside", n)
	}
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", h.process.Process.Pid))
	if fields := strings.Fields(string(state)); err != nil || len(fields) < 3 || strings.Contains("TtXZ", fields[2]) {
		t.Errorf("the host's process: %q, %v", state, err)
	}
}
