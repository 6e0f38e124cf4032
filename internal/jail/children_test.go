package jail_test

import (
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// look is a Python program for a child process: it prints what it finds in its directories of /proc.
const look = `
import os
me = os.getpid()
with open("/proc/self/statm") as f: assert int(f.read().split()[0]) > 0
for name in ("self", str(me)):
    with open(f"/proc/{name}/status") as f: status = dict(line.rstrip("\n").split(":\t", 1) for line in f)
    assert (int(status["Pid"]), status["Name"]) == (me, "python3"), status
with open("/proc/self/stat") as f: assert f.read().startswith(f"{me} (python3) ")
with open("/proc/self/maps") as f: assert "libc" in f.read()
with open("/proc/self/cmdline", "rb") as f: assert f.read().startswith(b"/usr/bin/python3\0"), 1
for name in ("auxv", "cgroup", "comm", "environ", "limits", "mountinfo", "mounts", "uid_map", "gid_map"):
    with open(f"/proc/self/{name}", "rb") as f: f.read()
assert os.readlink("/proc/self/exe").startswith("/usr/bin/python3"), 2
assert os.readlink("/proc/self/cwd") == os.getcwd(), 3
assert os.listdir("/proc/self/task") == [str(me)] and "0" in os.listdir("/proc/self/fd"), 4
opened = set()
for name in os.listdir(f"/proc/self/task/{me}"):
    for path in (f"/proc/self/{name}", f"/proc/self/task/{me}/{name}"):
        try: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
        except OSError: continue
        if os.path.isfile(path) and name != "exe": opened.add(path.removeprefix(f"/proc/self/"))
print("sees", *sorted(opened))
`

const saw = "sees auxv cgroup cmdline comm environ gid_map limits maps mountinfo mounts stat statm status uid_map\n"

// A child process reads the same files of /proc as the program, however it was started, and no others.
//
//lab:as user own
func TestChildrenSeeTheirOwnFiles(t *testing.T) {
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, edit)
		cases := []struct{ name, source string }{
			{"started by subprocess", `subprocess.run(command, check=True)`},
			{"by fork", `
if not os.fork():
    exec(look); sys.stdout.flush(); os._exit(0)
os.wait()`},
			{"by posix_spawn", `os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)`},
			{"by fork and exec", `
if not os.fork(): os.execv(command[0], command)
os.wait()`},
			{"by vfork in a thread", `
t = threading.Thread(target=subprocess.run, args=(command,)); t.start(); t.join()`},
			{"by a shell", `subprocess.run(["sh", "-c", 'true; /usr/bin/python3 -c "$1"; true', "sh", look], check=True)`},
			{"by a child", `subprocess.run([sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])", *command], check=True)`},
			{"after a call of exec", `subprocess.run(["sh", "-c", 'exec /usr/bin/python3 -c "$1"', "sh", look], check=True)`},
			{"by fork in a child of fork", `
if not os.fork():
    if not os.fork():
        exec(look); sys.stdout.flush(); os._exit(0)
    os.wait(); os._exit(0)
os.wait()`},
			{"by multiprocessing", `
p = multiprocessing.get_context("fork").Process(target=exec, args=(look,)); p.start(); p.join()`},
		}
		if testenv.Brief() {
			cases = cases[:2]
		}
		for _, tt := range cases {
			t.Run(tt.name, func(t *testing.T) {
				source := "import multiprocessing, os, subprocess, sys, threading\nlook = " + strconv.Quote(look) +
					"\ncommand = ['/usr/bin/python3', '-c', look]\n" + tt.source
				r := jailtest.Run(t, j, source)
				if got := string(r.Stdout.Kept); got != saw || len(r.Stderr.Kept) > 0 {
					t.Errorf("got %q, want %q\n%s", got, saw, r.Stderr.Kept)
				}
				if len(r.Denials) > 0 {
					t.Errorf("denials: %v", r.Denials)
				}
			})
		}
	})
}

// Each child process sees its own files, also if many are started at once, and nothing of it is left when it has ended. Child processes
// beyond a bound find their files closed, and the program goes on.
func TestFilesOfManyChildren(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall *= 10 })
	if got := jailtest.Output(t, j, `
import os, subprocess
def mounts():
    with open("/proc/self/mountinfo") as f: return len(f.readlines())
before = mounts()
own = "p=$$; read -r pid rest < /proc/self/stat && [ $pid = $p ] && echo own || echo closed"
several = [subprocess.Popen(["sh", "-c", own], stdout=subprocess.PIPE, text=True) for _ in range(20)]
print({p.communicate()[0] for p in several}, mounts() == before)
answers = []
for _ in range(200):
    r, w = os.pipe()
    if not os.fork():
        try: open("/proc/self/statm").close(); os.write(w, b"o")
        except PermissionError: os.write(w, b"c")
        os._exit(0)
    answers.append(os.read(r, 1)); os.close(r); os.close(w); os.wait()
print((b"".join(answers)).decode(), mounts() == before)
`); got != "{'own\\n'} True\n"+strings.Repeat("o", jail.MostGreeted-20)+strings.Repeat("c", 20)+" True\n" {
		t.Errorf("got %q", got)
	}
}

// Another process finds all files of a child process, or finds them closed. It never finds empty ones.
func TestFilesOfAChildAppearAtOnce(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall *= 10 })
	if got := jailtest.Output(t, j, `
import os
found = set()
for _ in range(100):
    r, w = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(r, 1); os._exit(0)
    while True:
        try:
            with open(f"/proc/{child}/uid_map") as f: size = len(f.read())
            found.add("own" if size else "empty")
            break
        except PermissionError: found.add("closed")
    os.write(w, b"x"); os.close(r); os.close(w); os.wait()
print("own" in found, "empty" in found)
`); got != "True False\n" {
		t.Errorf("got %q", got)
	}
}

// If the daemon cannot give child processes their files, they stay closed, the log says so once, and programs go on.
func TestFilesOfChildrenStayClosed(t *testing.T) {
	var log strings.Builder
	j := jailtest.New(t, func(c *jail.Config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Alter = func(o *inside.Order) { // nothing to mount over /proc/PID
			o.Plan = slices.DeleteFunc(slices.Clone(o.Plan), func(n inside.Node) bool { return strings.HasPrefix(n.Path, inside.Own) })
			o.Landlock.Rules = slices.DeleteFunc(slices.Clone(o.Landlock.Rules), func(r inside.Rule) bool { return strings.HasPrefix(r.Path, inside.Own) })
		}
	})
	jailtest.Output(t, j, "")
	log.Reset() // this machine may lack a layer, which is logged
	before := jailtest.Count(t, os.Getpid())
	for range 2 {
		got := jailtest.Output(t, j, `
import subprocess
for _ in range(2): print(subprocess.run(["cat", "/proc/self/statm"], capture_output=True, text=True).stderr, end="")
`)
		if got != strings.Repeat("cat: /proc/self/statm: Permission denied\n", 2) {
			t.Errorf("got %q", got)
		}
	}
	jailtest.Settled(t, os.Getpid(), before)
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "own-files") {
		t.Errorf("log: %q", got)
	}
}
