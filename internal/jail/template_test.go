package jail_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// withTemplate returns an edit of a configuration after which the default template imports modules.
func withTemplate(modules ...string) func(*jail.Config) {
	return func(c *jail.Config) {
		c.Fork, c.Templates = true, map[string][]string{sandbox.DefaultTemplate: modules}
	}
}

func TestTemplates(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) {
		c.Fork, c.Templates = true, map[string][]string{"text": {"json", "xml.dom.minidom"}, "numbers": {"decimal"}}
	})
	const program = `
import sys
print([m for m in ('json', 'xml.dom.minidom', 'decimal') if m in sys.modules])
`
	for template, want := range map[string]string{
		"": "[]\n", sandbox.DefaultTemplate: "[]\n", "text": "['json', 'xml.dom.minidom']\n", "numbers": "['decimal']\n",
	} {
		t.Run("named "+template, func(t *testing.T) {
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(program), Template: template}, nil)
			if err != nil || string(r.Stdout.Kept) != want {
				t.Errorf("%+v, %v; want %s", r, err, want)
			}
		})
	}
	if _, err := j.Run(t.Context(), sandbox.Program{Template: "poems"}, nil); !errors.Is(err, jail.ErrNoSuchTemplate) {
		t.Errorf("of one that is not: %v", err)
	}
}

// If a template cannot start, the error of New contains python3's message.
func TestTemplatesThatCannotStart(t *testing.T) {
	python := virtualEnvironment(t, map[string]string{
		"broken": "1 / 0",
		"leaves": "raise SystemExit('enough')",
		"exits": `
import os
os._exit(7)
`,
		"threaded": `
import threading, time
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
`,

		"ends_a_thread": `
import threading
t = threading.Thread(target=print); t.start(); t.join()
`,
		"maps_anonymous": `
import mmap
m = mmap.mmap(-1, 4096)
`,
		"maps_a_file": `
import mmap
f = open('/tmp/mapped', 'w+b'); f.truncate(8192)
m = mmap.mmap(f.fileno(), 8192); f.close()
`,
		"maps_for_later": `
import mmap
m = mmap.mmap(-1, 4096, prot=mmap.PROT_READ)
`,
		"maps_read_only": `
import mmap, os
f = open(os.__file__, 'rb'); m = mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ); m.close(); f.close()
`,
		"maps_private": `
import mmap
m = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE)
`,
		"shares_a_value": `
import multiprocessing
v = multiprocessing.Value('i', 0)
`,
		"makes_a_semaphore": `
import multiprocessing
s = multiprocessing.Lock()
`,
		"opens_a_file": "f = open('/usr/bin/env', 'rb')",
		"locks_a_file": `
import fcntl
f = open('/tmp/locked', 'w'); fcntl.lockf(f, fcntl.LOCK_EX)
`,
		"opens_a_pipe": `
import os
ends = os.pipe()
`,
		"listens": `
import socket
s = socket.create_server(('127.0.0.1', 0))
`,
		"polls": `
import select
e = select.epoll()
`,
		"watches_a_signal": `
import signal
signal.signal(signal.SIGUSR1, print)
`,
		"ignores_a_signal": `
import signal
signal.signal(signal.SIGUSR2, signal.SIG_IGN)
`,
		"blocks_a_signal": `
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {15})
`,
		"sets_an_alarm": `
import signal
signal.alarm(3600)
`,
		"starts_a_child": `
import subprocess
p = subprocess.Popen(['sleep', '3600'])
`,
		"imports_another": "import opens_a_file",
	})
	before := jailtest.Count(t, os.Getpid())
	for _, tt := range []struct{ module, text string }{
		{"nonexistent", "ModuleNotFoundError: No module named 'nonexistent'"},
		{"broken", "ZeroDivisionError: division by zero"},
		{"leaves", "enough"},
		{"exits", "exit status 7"},
		{"threaded", "module 'threaded' leaves a thread"},
		{"ends_a_thread", ""},
		{"maps_anonymous", "module 'maps_anonymous' leaves a shared mapping of 4096 bytes (/dev/zero (deleted))"},
		{"maps_a_file", "module 'maps_a_file' leaves a shared mapping of 8192 bytes (/tmp/mapped)"},
		{"maps_for_later", "module 'maps_for_later' leaves a shared mapping of 4096 bytes"},
		{"maps_read_only", ""},
		{"maps_private", ""},
		{"shares_a_value", "a shared mapping of"},
		{"makes_a_semaphore", "module 'makes_a_semaphore' leaves a shared mapping of"},
		{"opens_a_file", "module 'opens_a_file' leaves descriptor "},
		{"locks_a_file", "(/tmp/locked)"},
		{"opens_a_pipe", "(pipe:["},
		{"listens", "(socket:["},
		{"polls", "(anon_inode:[eventpoll])"},
		{"watches_a_signal", "module 'watches_a_signal' leaves signal 10 handled"},
		{"ignores_a_signal", "leaves signal 12 ignored"},
		{"blocks_a_signal", "leaves signal 15 blocked"},
		{"sets_an_alarm", "leaves timer ITIMER_REAL"},
		{"starts_a_child", "module 'starts_a_child' leaves child process "},
		{"imports_another", "module 'imports_another' leaves descriptor "},
	} {
		t.Run(tt.module, func(t *testing.T) {
			config := jailtest.Config(t)
			config.Python = python
			config.Fork, config.Templates = true, map[string][]string{"of mine": {"json", tt.module}}
			j, err := jail.New(t.Context(), config)
			if err == nil {
				j.Close()
			}
			if tt.text == "" {
				if err != nil {
					t.Errorf("it should do: %v", err)
				}
				return
			}
			if jailtest.SetupStage(err) != "template" || !strings.Contains(err.Error(), `template "of mine"`) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v", err)
			}
		})
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// draws is a program that draws from every source of randomness from which a template may have drawn before.
const draws = `
import email.utils, hashlib, multiprocessing, os, random, secrets, ssl, tempfile, uuid
import multiprocessing.synchronize, numpy, numpy.random
def draw():
    one = uuid.uuid1()
    return {
        "random": random.random(),
        "random.Random()": random.Random().random(),
        "random.SystemRandom": random.SystemRandom().random(),
        "numpy.random, its legacy": numpy.random.random(),
        "numpy.random.RandomState": numpy.random.RandomState().random_sample(),
        "numpy.random.default_rng": numpy.random.default_rng().random(),
        "uuid1, but for its time": [one.clock_seq, one.node],
        "uuid.getnode": uuid.getnode(),
        "uuid4": str(uuid.uuid4()),
        "tempfile": os.path.basename(tempfile.mktemp()),
        "names of semaphores": multiprocessing.synchronize.SemLock._make_name().partition("-")[2],
        "key of multiprocessing": multiprocessing.current_process().authkey.hex(),
        "secrets": secrets.token_hex(8),
        "ssl.RAND_bytes": ssl.RAND_bytes(8).hex(),
        "os.urandom": os.urandom(8).hex(),
        "email.utils.make_msgid": email.utils.make_msgid(domain="x"),
    }
`

// Two children never draw the same values, although their template has already drawn from each source of randomness. Neither do children
// of different templates.
func TestChildrenDrawDifferentValues(t *testing.T) {
	jailtest.RequireModules(t, "numpy")
	python := virtualEnvironment(t, map[string]string{"drawn": draws + "draw()"})
	j := jailtest.New(t, func(c *jail.Config) { withTemplate("drawn")(c); c.Python, c.Limits.Wall = python, time.Minute })
	// The runs are concurrent, so that values do not differ only because of the time.
	const program = `
import json, time
from drawn import draw
print(json.dumps(draw()), flush=True)
time.sleep(60)
`
	seen := map[string]map[string]string{} // by aspect and drawn value: the run that drew it
	for i := range 6 {
		if i == 3 {
			renewed(t, j)
		}
		drew := talk(t, j, program).line(t)
		if len(drew) < 10 {
			t.Fatalf("it drew %v", drew)
		}
		for aspect, what := range drew {
			if seen[aspect] == nil {
				seen[aspect] = map[string]string{}
			}
			who := fmt.Sprintf("child %d", i)
			if before, ok := seen[aspect][what]; ok {
				t.Errorf("%s: %s and %s drew %s", aspect, before, who, what)
			}
			seen[aspect][what] = who
		}
	}
}

// renewed replaces the template.
func renewed(t *testing.T, j *jail.Runner) {
	t.Helper()
	old := j.TemplatePID(sandbox.DefaultTemplate)
	if err := j.RenewTemplates(); err != nil {
		t.Fatal(err)
	}
	if j.TemplatePID(sandbox.DefaultTemplate) == old {
		t.Fatal("the template is the same")
	}
}

// The children of one template have some values in common, which the threat model lists. Children of the next template have other values.
func TestValuesThatChildrenShare(t *testing.T) {
	const program = `
import ctypes, json
print(json.dumps({
    "hash": hash("x"), "object": id(object()), "stack": open("/proc/self/stat").read().split()[27],
    "libraries": sorted(l.split("-")[0] for l in open("/proc/self/maps") if "libc.so" in l),
    "random bytes of the kernel": ctypes.string_at(dict(zip(*[iter(__import__("struct").unpack("%dL" % (len(a) // 8), a))] * 2))[25], 16).hex(),
}))`
	of := func(edit func(*jail.Config), between func(*jail.Runner)) (same []string) {
		j := jailtest.New(t, edit)
		source := strings.Replace(program, "import ctypes, json\n", `
import ctypes, json
a = open('/proc/self/auxv', 'rb').read()
`, 1)
		first := talk(t, j, source+"\nimport time\ntime.sleep(60)").line(t)
		between(j)
		second := talk(t, j, source+"\nimport time\ntime.sleep(60)").line(t)
		for aspect, what := range first {
			if second[aspect] == what {
				same = append(same, aspect)
			}
		}
		slices.Sort(same)
		return same
	}
	nothing := func(*jail.Runner) {}
	if same := of(func(*jail.Config) {}, nothing); len(same) > 0 {
		t.Errorf("executed ones share %q", same)
	}
	if same := of(withTemplate(), func(j *jail.Runner) { renewed(t, j) }); len(same) > 0 {
		t.Errorf("those of two templates share %q", same)
	}
	if same := of(withTemplate(), nothing); len(same) == 0 {
		t.Error("those of one template share nothing any more: strike it from the threat model")
	}
}

// Packages with extension modules and internal state work in a child of a template that has imported them.
func TestScientificPackagesOfATemplate(t *testing.T) {
	jailtest.RequireModules(t, "numpy", "pandas", "matplotlib")
	j := jailtest.New(t, func(c *jail.Config) {
		withTemplate("numpy", "pandas", "matplotlib.pyplot")(c)
		c.Limits.Wall *= 12 // the lab computes slowly
	})
	for _, tt := range []struct{ name, source, want string }{
		{"linear algebra", `
import numpy as np
a = np.ones((600, 600))
print((a @ a)[0, 0], round(np.linalg.eigvalsh(np.diag([1.0, 2, 3]))[-1], 6), np.linalg.eigvals(np.eye(300)).sum().real)
`, "600.0 3.0 300.0\n"},
		{"linear algebra in threads", `
import numpy as np, threading
r = []
ts = [threading.Thread(target=lambda: r.append(float((np.ones((300, 300)) @ np.ones((300, 300)))[0, 0]))) for _ in range(4)]
[t.start() for t in ts]
[t.join() for t in ts]
print(r)
`, "[300.0, 300.0, 300.0, 300.0]\n"},
		{"a table", `
import pandas as pd, io
print(pd.read_csv(io.StringIO('k,v\na,1\na,2\nb,3')).groupby('k').v.sum().to_dict())
`, "{'a': 3, 'b': 3}\n"},
		{"a figure", `
import matplotlib.pyplot as plt, io
plt.plot([1, 2], label='ž'); plt.legend()
b = io.BytesIO(); plt.savefig(b)
print(b.getvalue()[:4], len(b.getvalue()) > 5000)
`, "b'\\x89PNG' True\n"},
		{"no words of theirs", `
import sys
print(len([m for m in ('numpy', 'pandas', 'matplotlib.pyplot') if m in sys.modules]))
`, "3\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := jailtest.Run(t, j, tt.source)
			if string(r.Stdout.Kept) != tt.want || len(r.Stderr.Kept) > 0 || len(r.Denials) > 0 {
				t.Errorf("got %q, stderr %q, denied %v; want %q", r.Stdout.Kept, r.Stderr.Kept, r.Denials, tt.want)
			}
		})
	}
}

// Changes that a child makes to modules of its template do not affect other children.
func TestChildrenShareNoState(t *testing.T) {
	python := virtualEnvironment(t, map[string]string{"state": `
import os, sys
number, items = 1, []
memory = bytearray(1 << 20)
open("/tmp/of the template", "w").close()
print("said at import", end="")
sys.stderr.write("complained at import")
os.environ["FROM_TEMPLATE"] = "1"
`})
	j := jailtest.New(t, func(c *jail.Config) { withTemplate("state")(c); c.Python = python })
	for range 3 {
		r := jailtest.Run(t, j, `
import json, os, state
print(state.number, state.items, max(state.memory), hasattr(json, "mark"), os.listdir("/tmp"), sorted(os.listdir("/proc/self/fd")), [p for p in os.listdir("/proc") if p.isdigit()])
state.number += 1; state.items.append(1); state.memory[:] = b"x" * len(state.memory); json.mark = True
open("/tmp/mine", "w").close()
`)
		if got, want := string(r.Stdout.Kept), "1 [] 0 False [] ['0', '1', '2', '3'] ['1', '2']\n"; got != want || len(r.Stderr.Kept) > 0 {
			t.Errorf("got %q, want %q; stderr %q", got, want, r.Stderr.Kept)
		}
	}
}

// The memory that a child has from its template contains no data of other runs. The test searches for their host uids, which were in the
// requests to fork them.
func TestTemplateMemoryHasNoDataOfOtherRuns(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only with host uids of their own there is something to know: the same suite runs as root")
	}
	j := jailtest.New(t, func(c *jail.Config) { c.Fork, c.Limits.Wall = true, time.Minute })
	const who = "print(open('/proc/self/uid_map').read().split()[1], flush=True)\n"
	uid := func() string { return strings.TrimSpace(jailtest.Output(t, j, who)) }
	flying := talk(t, j, who+"import time\ntime.sleep(60)")
	var others []string
	for range 20 {
		others = append(others, uid())
	}
	select {
	case line := <-flying.lines:
		others = append(others, line)
	case <-flying.ended:
		t.Fatal(flying.err)
	}
	// An id map contains the uid as text, and a request contains it as a binary number. The patterns do not match the program that
	// contains them.
	var patterns []string
	for _, other := range others {
		uid, err := strconv.ParseUint(other, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		pattern := "["
		for n, b := range binary32(inside.UID, uint32(uid)) {
			pattern += fmt.Sprintf("\\x%02x", b)
			if n == 0 {
				pattern += "]"
			}
		}
		patterns = append(patterns, "["+other[:1]+"]"+other[1:], pattern)
	}
	got := jailtest.Output(t, j, fmt.Sprintf(`
import ctypes, re
patterns = re.compile(%q.encode(), re.DOTALL)
own = open("/proc/self/uid_map").read().split()[1].encode()
found, seen = set(), False
for line in open("/proc/self/maps"):
    at, rights = line.split()[:2]
    if rights.startswith("rw"):
        low, high = (int(x, 16) for x in at.split("-"))
        memory = ctypes.string_at(low, high - low)
        found.update(patterns.findall(memory))
        seen = seen or own in memory
print(found, seen)
`, strings.Join(patterns, "|")))
	if got != "set() True\n" {
		t.Errorf("of %q it found %s", others, got)
	}
}

// binary32 encodes 32-bit numbers in the byte order of the machine.
func binary32(numbers ...uint32) (wire []byte) {
	for _, n := range numbers {
		wire = binary.NativeEndian.AppendUint32(wire, n)
	}
	return wire
}

// The namespaces and credentials of the daemon, a template and two of its children, as seen from outside.
func TestNamespacesAndCredentialsOfChildren(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Fork, c.Limits.Wall = true, time.Minute })
	template := j.TemplatePID(sandbox.DefaultTemplate)
	for range 2 {
		talk(t, j, `
import time
print('{}', flush=True)
time.sleep(60)
`).line(t)
	}
	var children []int
	for _, init := range jailtest.Children(template) {
		children = append(children, jailtest.Children(init)...)
	}
	if len(children) != 2 {
		t.Fatalf("the programs: %v", children)
	}
	all := append([]int{os.Getpid(), template}, children...)
	kinds := []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}
	if j.Leaves() != "" {
		kinds = append(kinds, "time")
	}
	for _, kind := range kinds {
		seen := map[string]int{}
		for _, pid := range all {
			link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, kind))
			if err != nil {
				t.Fatal(err)
			}
			meant := kind == "cgroup" && pid == template // a template stays in the cgroup namespace of the daemon, to create its children in their leaves
			if other, ok := seen[link]; ok && !meant {
				t.Errorf("%d and %d have the same %s namespace", pid, other, kind)
			}
			seen[link] = pid
		}
	}
	groups := map[string]bool{}
	for _, pid := range all {
		of, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		if err != nil {
			t.Fatal(err)
		}
		if j.Leaves() != "" && groups[string(of)] {
			t.Errorf("%d shares the cgroup %s", pid, of)
		}
		groups[string(of)] = true
	}
	uids := map[string]bool{}
	for _, pid := range all[1:] {
		uid := strings.Fields(status(t, pid)["Uid"])[0]
		if uids[uid] && os.Geteuid() == 0 {
			t.Errorf("%d shares the uid %s", pid, uid)
		}
		uids[uid] = true
	}
	for _, pid := range children {
		s := status(t, pid)
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if strings.Trim(s[set], "0") != "" {
				t.Errorf("%s of a child is %s", set, s[set])
			}
		}
		if s["NoNewPrivs"] != "1" || s["Seccomp"] != "2" || s["Name"] != "python3" || s["Threads"] != "1" {
			t.Errorf("no_new_privs %s, seccomp %s, name %s, threads %s", s["NoNewPrivs"], s["Seccomp"], s["Name"], s["Threads"])
		}
		if ids := strings.Fields(s["NSpid"]); len(ids) < 3 || ids[len(ids)-1] != "2" {
			t.Errorf("process ids %s", s["NSpid"])
		}
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
		var names []string
		for _, fd := range fds {
			names = append(names, fd.Name())
		}
		if err != nil || !slices.Equal(names, []string{"0", "1", "2"}) {
			t.Errorf("descriptors %v, %v", names, err)
		}
	}
}

// A template is in a jail too. It is weaker than that of a run, but shows no file of the host that is not in the plan.
//
//lab:as user
func TestTemplateIsInAJail(t *testing.T) {
	before, err := os.ReadDir("/usr")
	if err != nil {
		t.Fatal(err)
	}
	j := jailtest.New(t, func(c *jail.Config) { c.Fork = true })
	pid := j.TemplatePID(sandbox.DefaultTemplate)
	s := status(t, pid)
	uid, err := strconv.Atoi(strings.Fields(s["Uid"])[0])
	if uids := jailtest.UIDs(); err != nil || (os.Geteuid() == 0 && (uid < uids.First || uid >= uids.First+uids.Count)) {
		t.Errorf("its uid is %s, %v", s["Uid"], err)
	}
	// It has the capabilities that it needs to jail its children, over its own user namespace and not over the daemon's.
	var want uint64
	for _, capability := range []int{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN, unix.CAP_SETPCAP, unix.CAP_SYS_RESOURCE, unix.CAP_SETUID, unix.CAP_SETGID} {
		want |= 1 << capability
	}
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
		if s[set] != fmt.Sprintf("%016x", want) {
			t.Errorf("%s is %s, want %016x", set, s[set], want)
		}
	}
	ours, _ := os.Readlink("/proc/self/ns/user")
	if theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/user", pid)); err != nil || theirs == ours {
		t.Errorf("its user namespace is %s, %v", theirs, err)
	}
	root := fmt.Sprintf("/proc/%d/root", pid)
	for _, path := range []string{"/root", "/var", "/sys", "/boot", "/etc/shadow", "/etc/machine-id", "/etc/ssh", "/etc/ssl/private", "/opt", "/srv", "/mnt"} {
		if _, err := os.Lstat(root + path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", path, err)
		}
	}
	if here, err := os.ReadDir(root + "/usr"); err != nil || len(here) != len(before) {
		t.Errorf("/usr holds %v, %v", here, err)
	}
	network, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
	if lines := strings.Count(string(network), ":"); err != nil || lines != 1 || !strings.Contains(string(network), "lo:") {
		t.Errorf("its network: %s, %v", network, err)
	}
	routes, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/route", pid))
	if err != nil || strings.Count(string(routes), "\n") > 1 {
		t.Errorf("its routes: %s, %v", routes, err)
	}
	mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		options := strings.Split(f[5], ",")
		scratch := slices.Contains([]string{"/tmp", "/home/sandbox", "/dev/shm", "/run", "/proc"}, f[4])
		if !slices.Contains(options, "nosuid") || (!scratch && !slices.Contains(options, "ro")) || (scratch && !slices.Contains(options, "noexec")) {
			t.Errorf("mount %s", line)
		}
	}
}

// A template that is killed is replaced. Its runs fail with an error that names the cause.
func TestTemplateThatIsKilled(t *testing.T) {
	testTemplateThatFails(t, unix.SIGKILL, func(t *testing.T, flying *talker) {
		if jailtest.SetupStage(flying.err) != "template" || !strings.Contains(fmt.Sprint(flying.err), "the template died") {
			t.Errorf("the run that it had: %+v, %v", flying.result, flying.err)
		}
	})
}

// A template that is stopped is replaced too. Its runs go on and end normally.
//
//lab:as user
func TestTemplateThatIsStopped(t *testing.T) {
	testTemplateThatFails(t, unix.SIGSTOP, func(t *testing.T, flying *talker) {
		if flying.err != nil || flying.result.Verdict != sandbox.Exited || flying.result.ExitCode != 3 {
			t.Errorf("the run that it had: %+v, %v", flying.result, flying.err)
		}
	})
}

func testTemplateThatFails(t *testing.T, signal unix.Signal, ended func(*testing.T, *talker)) {
	j := jailtest.New(t, func(c *jail.Config) {
		c.Fork, c.Limits.Wall, c.SetUpPatience = true, time.Minute, 8*time.Second
	})
	before := jailtest.Count(t, os.Getpid())
	for range 2 {
		flying := talk(t, j, `
import time
print('{}', flush=True)
time.sleep(1)
raise SystemExit(3)
`)
		flying.line(t)
		old := j.TemplatePID(sandbox.DefaultTemplate)
		if err := unix.Kill(old, signal); err != nil {
			t.Fatal(err)
		}
		if got := jailtest.Output(t, j, "print(1)"); got != "1\n" {
			t.Errorf("the next run: %q", got)
		}
		if j.TemplatePID(sandbox.DefaultTemplate) == old {
			t.Error("the template is the same")
		}
		<-flying.ended
		ended(t, flying)
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// If a template can no longer be started, runs go on with the old one, and the failure is counted.
func TestTemplateThatCannotBeRenewed(t *testing.T) {
	python := virtualEnvironment(t, map[string]string{"upgraded": "x = 1"})
	j := jailtest.New(t, func(c *jail.Config) {
		c.Fork, c.Python, c.Templates = true, python, map[string][]string{sandbox.DefaultTemplate: {"upgraded"}}
	})
	if started, failed := j.TemplateStarts(); started != 1 || failed != 0 {
		t.Errorf("%d started, %d failed", started, failed)
	}
	modules, _ := filepath.Glob(filepath.Dir(python) + "/../lib/python3*/site-packages/upgraded.py")
	if err := os.WriteFile(modules[0], []byte("1 / 0"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := j.RenewTemplates(); err == nil {
		t.Error("the broken module was imported")
	}
	if started, failed := j.TemplateStarts(); started != 1 || failed != 1 {
		t.Errorf("%d started, %d failed", started, failed)
	}
	if got := jailtest.Output(t, j, "import upgraded; print(upgraded.x)"); got != "1\n" {
		t.Errorf("a run of the old template: %q", got)
	}
}

// Runner.Close returns even if a template stays stopped.
func TestCloseWithAStoppedTemplate(t *testing.T) {
	before := jailtest.Count(t, os.Getpid())
	config := jailtest.Config(t)
	config.Fork, config.KillPatience = true, time.Second
	j, err := jail.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(j.TemplatePID(sandbox.DefaultTemplate), unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// No run fails while templates are replaced.
func TestTemplatesAreRenewed(t *testing.T) {
	for _, warm := range []int{0, 2} {
		t.Run(fmt.Sprintf("%d warm", warm), func(t *testing.T) {
			before := jailtest.Count(t, os.Getpid())
			config := jailtest.Config(t)
			config.Fork, config.RenewTemplates, config.Warm, config.Limits.Wall = true, 300*time.Millisecond, warm, time.Minute
			j, err := jail.New(t.Context(), config)
			if err != nil {
				t.Fatal(err)
			}
			// This run is still in progress when its template is replaced.
			first := j.TemplatePID(sandbox.DefaultTemplate)
			long := talk(t, j, `
import time
print('{}', flush=True)
time.sleep(60)
`)
			long.line(t)
			templates := map[int]bool{first: true}
			var wg sync.WaitGroup
			var mu sync.Mutex
			for range 3 {
				wg.Go(func() {
					for enough := false; !enough; {
						r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(`
import time
time.sleep(0.05)
print(1)
`)}, nil)
						if err != nil || string(r.Stdout.Kept) != "1\n" {
							t.Errorf("%+v, %v", r, err)
						}
						mu.Lock()
						templates[j.TemplatePID(sandbox.DefaultTemplate)] = true
						enough = len(templates) > 5 || t.Failed()
						mu.Unlock()
					}
				})
			}
			wg.Wait()
			if !alive(first) {
				t.Error("the first template ended before its child")
			}
			long.end()
			if long.err != nil || long.result.Verdict != sandbox.Cancelled {
				t.Errorf("%+v, %v", long.result, long.err)
			}
			eventually(t, "no old template is left", func() bool {
				alone := len(jailtest.Children(os.Getpid())) <= len(j.Zygotes())+2 // the current template, and one that is about to replace it
				return alone && !alive(first)
			})
			if err := j.Close(); err != nil {
				t.Error(err)
			}
			jailtest.Settled(t, os.Getpid(), before)
		})
	}
}

// If a step of the child fails, the error names that step, and the template keeps working.
func TestStepsOfAChildFail(t *testing.T) {
	var fault jailtest.Fault
	j := jailtest.New(t, func(c *jail.Config) { c.Fork, c.SetUpPatience = true, 3*time.Second; fault = jailtest.NewFault(c) })
	template := j.TemplatePID(sandbox.DefaultTemplate)
	before := jailtest.Count(t, os.Getpid())
	for _, stage := range inside.Stages {
		if stage == inside.StageExec {
			continue // engine fork does not have this stage
		}
		fault.Set(stage, int(unix.EIO))
		_, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		if jailtest.SetupStage(err) != stage || !errors.Is(err, unix.EIO) {
			t.Errorf("%s fails: %v", stage, err)
		}
		// The template may have reaped the child before the daemon read its name.
		fault.Set(stage, inside.FaultExit)
		_, err = j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil)
		if got := jailtest.SetupStage(err); (got != stage && got != "hand-off") || !strings.Contains(err.Error(), "init died without a report") {
			t.Errorf("%s ends: %v", stage, err)
		}
	}
	fault.Set(inside.StageRoot, inside.FaultHang)
	if _, err := j.Run(t.Context(), sandbox.Program{Source: []byte("print(1)")}, nil); jailtest.SetupStage(err) != inside.StageRoot || !strings.Contains(fmt.Sprint(err), "init is stuck") {
		t.Errorf("stuck: %v", err)
	}
	fault.Clear()
	if got := jailtest.Output(t, j, "print(1)"); got != "1\n" {
		t.Errorf("the next run: %q", got)
	}
	if j.TemplatePID(sandbox.DefaultTemplate) != template {
		t.Error("the template was replaced")
	}
	jailtest.Settled(t, os.Getpid(), before)
}

// Imported modules and the state of the process are the same for all ways to start a run, except for the differences listed here.
func TestForkedLikeExecuted(t *testing.T) {
	const program = `
import sys
modules = sorted(sys.modules)
import gc, json, os, resource, signal, threading
say = {
    "modules": modules, "path": sys.path, "flags": str(sys.flags), "arguments": sys.argv, "importers": sorted(sys.path_importer_cache),
    "command": open("/proc/self/cmdline").read(), "name": open("/proc/self/comm").read(), "environment": open("/proc/self/environ").read(),
    "limits": open("/proc/self/limits").read(), "streams": [(f.fileno(), f.line_buffering, f.encoding, f.isatty()) for f in (sys.stdin, sys.stdout, sys.stderr)],
    "signals": [str(signal.getsignal(s)).split(" at ")[0] for s in sorted(signal.valid_signals())], "mask": sorted(signal.pthread_sigmask(0, [])),
    "threads": [t.name for t in threading.enumerate()], "thread": threading.main_thread().native_id == os.getpid(),
    "session": open("/proc/self/stat").read().split()[3:8], "directory": os.getcwd(), "umask": os.umask(0o22), "collector": [gc.isenabled(), gc.get_threshold()],
    "children's time": list(os.times()[2:4]), "main": sorted(vars(sys.modules["__main__"])), "frozen": gc.get_freeze_count() > 0,
    **{l.split(":")[0]: l.split(":")[1].split() for l in open("/proc/self/status") if not l.startswith(("Vm", "Rss", "FDSize", "voluntary", "nonvoluntary", "Cpus", "Mems", "HugetlbPages"))},
}
for key, value in say.items(): print(key, json.dumps(value), sep="\t")
`
	read := func(edit func(*jail.Config)) map[string]string {
		say := map[string]string{}
		for line := range strings.Lines(jailtest.Output(t, jailtest.New(t, edit), program)) {
			key, value, _ := strings.Cut(line, "\t")
			say[key] = value
		}
		return say
	}
	executed, forked := read(func(*jail.Config) {}), read(func(c *jail.Config) { c.Fork = true })
	var other []string
	for _, key := range slices.Sorted(maps.Keys(executed)) {
		if executed[key] != forked[key] {
			other = append(other, key)
			t.Logf("%s\nexecuted: %sforked:   %s", key, executed[key], forked[key])
		}
	}
	// Seccomp_filters: a child has the filter of the template and its own.
	want := []string{"Seccomp_filters"}
	if relics, _ := filepath.Glob("/usr/lib/python3/dist-packages/*-nspkg.pth"); len(relics) > 0 {
		want = append(want, "importers", "modules") // python3 executes these files when it starts, and they import modules
	}
	if !slices.Equal(other, want) || len(executed) < 40 {
		t.Errorf("different: %q, of %d; known: %q", other, len(executed), want)
	}
}

// A template has a pidfd for each child. Children do not inherit them.
func TestManyChildren(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Fork, c.Limits.Wall = true, time.Minute })
	for range 20 {
		talk(t, j, `
import time
print('{}', flush=True)
time.sleep(60)
`).line(t)
	}
	if n := len(jailtest.Children(j.TemplatePID(sandbox.DefaultTemplate))); n != 20 {
		t.Errorf("the template has %d children", n)
	}
}

// The executable of a child and the files that were mapped before the fork are inodes of the host, which other runs share. A program cannot
// open them through /proc: Landlock has no rule for /proc/self/exe, and /proc/self/map_files needs a capability.
func TestFilesOfATemplateAreOutOfReach(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Fork = true })
	got := jailtest.Output(t, j, `
import os
said = set()
def attempt(do, path):
    try: do(path); said.add(path + ": " + do.__name__)
    except OSError as e: said.add(e.strerror)
for path in ["/proc/self/exe", "/proc/1/task/1/exe"]:
    for way in (os.listdir, os.chdir, lambda p: os.open(p, os.O_RDONLY), lambda p: os.open(p, os.O_RDWR), lambda p: os.truncate(p, 0), lambda p: os.utime(p), lambda p: os.link(p, "/tmp/x", follow_symlinks=True), lambda p: os.execv(p, ["python3", "-c", "print('executed')"])):
        attempt(way, path)
for name in os.listdir("/proc/self/map_files"):
    attempt(lambda p: os.open(p, os.O_RDONLY), "/proc/self/map_files/" + name)
print(sorted(said))
`)
	for _, refusal := range strings.Split(strings.Trim(strings.TrimSpace(got), "[]"), ", ") {
		if !slices.Contains([]string{"'Permission denied'", "'Operation not permitted'", "'Not a directory'", "'Function not implemented'", "'Read-only file system'", "'Invalid cross-device link'"}, refusal) {
			t.Errorf("said %s", got)
		}
	}
}
