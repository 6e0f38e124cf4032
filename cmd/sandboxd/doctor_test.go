package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// hindrance is an environment in which no jail can be started, or only one without all layers.
type hindrance struct {
	name     string
	needs    string                 // a program that the script needs; optional
	users    []syscall.SysProcIDMap // the uid map of a user namespace for the script; optional
	noGroups bool                   // setgroups(2) is forbidden in that namespace
	hinder   string                 // a shell script that executes "$@", in its own mount namespace; DIR is an empty directory
	remedied []string               // the same script with the remedy applied. Without SANDBOXD_TEST_ALL only the first is tried
	weaker   bool                   // best effort does not need the layer
	kin      bool                   // similar to another hindrance: only tried with SANDBOXD_TEST_ALL
	serve    bool                   // also check that serve reports the same; one of each kind is enough

	layer  string // the only layer for which doctor prints a remedy
	error  string
	remedy string // a part of the remedy
}

const (
	asNobody  = `exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"`
	unchanged = `exec "$@"`
)

var (
	allUsers = []syscall.SysProcIDMap{{Size: 1<<32 - 1}}
	fewUsers = []syscall.SysProcIDMap{{Size: 65536}, {ContainerID: 200000, HostID: 1_700_000_000, Size: 65536}}
)

var hindrances = []hindrance{
	{name: "root without capabilities", serve: true,
		hinder: `exec setpriv --bounding-set=-all --inh-caps=-all "$@"`,
		remedied: []string{
			`exec setpriv --bounding-set=-all,+setfcap --inh-caps=-all "$@"`,
			`exec setpriv --reuid=nobody --regid=nogroup --clear-groups --bounding-set=-all --inh-caps=-all "$@"`,
		},
		layer: "user-namespace", error: "uid_map: operation not permitted", remedy: "CAP_SETFCAP"},
	{name: "read-only proc sys",
		hinder:   `mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; exec "$@"`,
		remedied: []string{`mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys; umount /proc/sys; exec "$@"`},
		layer:    "user-namespace", error: "/proc/sys/user/max_user_namespaces: read-only file system", remedy: "systempaths=unconfined"},
	{name: "proc without sys", kin: true,
		hinder:   `mount -t proc -o subset=pid proc /proc; exec "$@"`,
		remedied: []string{`mount -t proc proc /proc; exec "$@"`},
		layer:    "user-namespace", error: "/proc/sys/user/max_user_namespaces: no such file", remedy: "ProcSubset="},
	{name: "no proc",
		hinder:   `umount -R /proc; exec "$@"`,
		remedied: []string{`umount -R /proc; mount -t proc proc /proc; exec "$@"`},
		layer:    "user-namespace", error: "/proc does not show this process", remedy: "mount -t proc proc /proc"},
	{name: "empty proc", kin: true,
		hinder:   `mount -t tmpfs none /proc; exec "$@"`,
		remedied: []string{`mount -t tmpfs none /proc; mount -t proc proc /proc; exec "$@"`},
		layer:    "user-namespace", error: "/proc does not show this process", remedy: "mount -t proc proc /proc"},
	{name: "proc of another pid namespace",
		hinder:   `exec unshare --pid --fork "$@"`,
		remedied: []string{`exec unshare --pid --fork --mount-proc "$@"`},
		layer:    "user-namespace", error: "but the process id is 1", remedy: "--mount-proc"},
	{name: "masked proc", serve: true,
		hinder: maskProc + unchanged,
		remedied: []string{
			maskProc + `umount /proc/version; exec "$@"`,
			maskProc + `mount -t proc proc "$DIR"; exec "$@"`,
		},
		layer: "root-file-system", error: "fsmount proc: operation not permitted", remedy: "systempaths=unconfined"},
	{name: "masked proc, as nobody", kin: true,
		hinder:   maskProc + asNobody,
		remedied: []string{asNobody},
		layer:    "root-file-system", error: "fsmount proc: operation not permitted", remedy: "systempaths=unconfined"},
	limitOn("user", "user-namespace", "new user namespace: clone: no space left on device"),
	limitOn("net", "network-namespace", "new net namespace: clone: no space left on device"),
	limitOn("time", "user-namespace", "new time namespace: clone: no space left on device"),
	limitOn("cgroup", "cgroup-namespace", "unshare(CLONE_NEWCGROUP): no space left on device"),
	{name: "few uids", users: fewUsers,
		hinder: unchanged,
		remedied: []string{
			`exec setpriv --bounding-set=-setuid --inh-caps=-setuid "$@"`,
			`SANDBOXD_UID_FIRST=200000 SANDBOXD_UID_COUNT=65536 exec "$@"`,
		},
		layer: "host-uid", error: "do not exist in the daemon's user namespace", remedy: "--uid-first"},
	{name: "no setgroups", kin: true, users: allUsers, noGroups: true,
		hinder:   unchanged,
		remedied: []string{`exec setpriv --bounding-set=-setgid --inh-caps=-setgid "$@"`},
		layer:    "user-namespace", error: "setgroups: operation not permitted", remedy: "/proc/self/setgroups"},
	{name: "newuidmap without privilege", kin: true, needs: "newuidmap",
		hinder: `echo nobody:1800000000:65536 >"$DIR/ids"; mount --bind "$DIR/ids" /etc/subuid; mount --bind "$DIR/ids" /etc/subgid
			mount --bind /usr/bin /usr/bin; mount -o remount,bind,nosuid /usr/bin; ` + asNobody,
		remedied: []string{
			`echo nobody:1800000000:65536 >"$DIR/ids"; mount --bind "$DIR/ids" /etc/subuid; mount --bind "$DIR/ids" /etc/subgid; ` + asNobody,
			`mount --bind /usr/bin /usr/bin; mount -o remount,bind,nosuid /usr/bin; ` + asNobody,
		},
		layer: "host-uid", error: "newuidmap: exit status 1", remedy: "without nosuid"},
	{name: "chroot",
		hinder:   `exec unshare --pid --fork --mount-proc sh -ec 'mount --rbind / "$DIR"; chroot "$DIR" "$@"; exit' sh "$@"`,
		remedied: []string{`exec unshare --pid --fork --mount-proc sh -ec 'mount --rbind / "$DIR"; cd "$DIR"; pivot_root . .; umount -l .; "$@"; exit' sh "$@"`},
		layer:    "user-namespace", error: "clone: operation not permitted", remedy: "pivot_root"},
	{name: "two overlays", kin: true,
		hinder:   overlayUsr + overlayUsr + unchanged,
		remedied: []string{overlayUsr + unchanged},
		layer:    "root-file-system", error: "make overlay: invalid argument", remedy: "the kernel stacks at most two overlays"},
	{name: "an interpreter that others cannot reach", kin: true,
		hinder:   `export SANDBOXD_PYTHON=/srv/closed/env/bin/python; ` + python + `chmod 700 /srv/closed; exec "$@"`,
		remedied: []string{`export SANDBOXD_PYTHON=/srv/closed/env/bin/python; ` + python + `exec "$@"`},
		layer:    "root-file-system", error: "open /srv/closed/env: permission denied", remedy: "searchable by others"},
	{name: "no python3", kin: true,
		hinder:   `SANDBOXD_PYTHON=/nonexistent exec "$@"`,
		remedied: []string{`SANDBOXD_PYTHON=/usr/bin/python3 exec "$@"`},
		layer:    "python", error: "/nonexistent: no such file or directory", remedy: "--python"},
	{name: "a container's filter", serve: true,
		hinder:   underFilter + `=container exec "$@"`,
		remedied: []string{underFilter + `=harmless exec "$@"`},
		layer:    "user-namespace", error: "clone: function not implemented", remedy: "seccomp=unconfined"},
	{name: "a filter of mounts", kin: true,
		hinder:   underFilter + `=mounts exec "$@"`,
		remedied: []string{unchanged},
		layer:    "root-file-system", error: "fsopen tmpfs: operation not permitted", remedy: "seccomp=unconfined"},
	{name: "a filter of Landlock",
		hinder:   underFilter + `=landlock exec "$@"`,
		remedied: []string{unchanged},
		layer:    "landlock", error: "the kernel offers no Landlock: landlock_create_ruleset: function not implemented", remedy: "allows landlock_create_ruleset"},
	{name: "Landlock switched off", kin: true, // simulated by a filter, because only the kernel's command line can do it
		hinder:   underFilter + `=no-landlock exec "$@"`,
		remedied: []string{unchanged},
		layer:    "landlock", error: "the kernel offers no Landlock: landlock_create_ruleset: operation not supported", remedy: "add landlock to the lsm= list"},
	{name: "read-only cgroups", weaker: true,
		hinder:   `mount -o remount,bind,ro "$CGROUP"; exec "$@"`,
		remedied: []string{`mount -o remount,bind,ro "$CGROUP"; mount -o remount,bind,rw "$CGROUP"; exec "$@"`},
		layer:    "cgroup-kill", error: "read-only file system", remedy: "remount,rw"},
	{name: "no cgroup v2", weaker: true,
		hinder:   `umount -R "$CGROUP"; exec "$@"`,
		remedied: []string{`umount -R "$CGROUP"; mount -t cgroup2 none "$CGROUP"; exec "$@"`},
		layer:    "cgroup-kill", error: "no cgroup v2 hierarchy is mounted", remedy: "mount -t cgroup2"},
	{name: "no right to make cgroups", kin: true, weaker: true,
		hinder:   asNobody,
		remedied: []string{unchanged},
		layer:    "cgroup-kill", error: "no cgroup to divide", remedy: "run as root"},
}

const (
	// The script masks every procfs, because one unmasked procfs is enough for the kernel.
	maskProc   = `for proc in $(awk '/ - proc /{print $5}' /proc/self/mountinfo); do mount --bind /dev/null "$proc/version"; done; `
	overlayUsr = `mount -t tmpfs none "$DIR"; mount -t overlay -o "lowerdir=/usr:$DIR" none /usr; `
	python     = `mount -t tmpfs none /srv; mkdir /srv/closed; /usr/bin/python3 -m venv --without-pip /srv/closed/env; `
)

// limitOn returns a hindrance that forbids namespaces of a kind. A process may do so in its own user namespace.
func limitOn(kind, layer, message string) hindrance {
	file := "/proc/sys/user/max_" + kind + "_namespaces"
	return hindrance{name: "no " + kind + " namespaces", users: allUsers, kin: kind == "net" || kind == "time",
		hinder:   "echo 0 >" + file + `; exec "$@"`,
		remedied: []string{"echo 0 >" + file + "; echo 65536 >" + file + `; exec "$@"`},
		layer:    layer, error: message, remedy: "sysctl -w user.max_" + kind + "_namespaces=65536"}
}

// doctor names one cause and one remedy, and that remedy helps. The daemon refuses to start with the same message.
func TestDoctorNamesTheCause(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can create these environments: the same suite runs as root")
	}
	here := hindered(t, hindrance{}, unchanged, "doctor")
	if here.status != 0 {
		t.Skipf("a jail cannot be started on this machine without a hindrance: %s", here.text)
	}
	for _, h := range hindrances {
		if h.kin && !testenv.All() {
			continue
		}
		t.Run(h.name, func(t *testing.T) {
			if _, err := exec.LookPath(cmp.Or(h.needs, "sh")); err != nil {
				testenv.Missing(t, "%s", h.needs)
			}
			found := hindered(t, h, h.hinder, "doctor")
			state, status := "MISSING", 1
			if h.weaker {
				state, status = "weaker", 0
			}
			if explained := found.explained("MISSING"); found.status != status || !h.weaker && !slices.Equal(explained, []string{h.layer}) || h.weaker && explained != nil {
				t.Errorf("status %d, and a remedy for each of %v:\n%s", found.status, explained, found.text)
			}
			cause := found.explanation(state, h.layer)
			if !strings.Contains(cause, h.error) || !strings.Contains(cause, "remedy: ") || !strings.Contains(cause, h.remedy) {
				t.Errorf("want %q with a remedy %q, got %q in:\n%s", h.error, h.remedy, cause, found.text)
			}
			for _, name := range here.layers {
				if !strings.Contains(found.text, name) {
					t.Errorf("nothing is said of %s:\n%s", name, found.text)
				}
			}
			remedied := h.remedied
			if !testenv.All() {
				remedied = remedied[:1]
			}
			for _, script := range remedied {
				if cured := hindered(t, h, script, "doctor"); cured.status != 0 || strings.Contains(cured.explanation(state, h.layer), h.error) {
					t.Errorf("with the remedy applied by %q: status %d\n%s", script, cured.status, cured.text)
				}
			}
			if !h.serve {
				return
			}
			refusal := hindered(t, h, h.hinder, "serve", "--listen=127.0.0.1:0")
			if refusal.status != 1 || !strings.Contains(refusal.text, "this machine cannot enforce the isolation") {
				t.Errorf("the daemon: status %d\n%s", refusal.status, refusal.text)
			}
			said := processIDs.ReplaceAllString(refusal.text, "/proc/N/")
			for line := range strings.Lines(cause) { // each line is an attribute of the log record
				line = processIDs.ReplaceAllString(strings.TrimSpace(line), "/proc/N/")
				for prefix, attribute := range map[string]string{"remedy: ": "remedy=", "likewise: ": "likewise=", "not tried without it: ": "not_tried="} {
					if rest, found := strings.CutPrefix(line, prefix); found {
						line = attribute + strconv.Quote(rest)
					}
				}
				if !strings.Contains(said, line) && !strings.Contains(said, strings.Trim(strconv.Quote(line), `"`)) {
					t.Errorf("the daemon does not say %q:\n%s", line, refusal.text)
				}
			}
		})
	}
}

var processIDs = regexp.MustCompile(`/proc/\d+/|/proc/self is \d+`)

// report is the output of a command in a hindered environment.
type report struct {
	text   string
	status int
	layers []string
}

// hindered runs the program in an environment that a script creates.
func hindered(t *testing.T, h hindrance, script string, args ...string) report {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a daemon that does start would never end
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-ec", script, "sh", binary(t)}, append(args, "--isolation=best-effort")...)...)
	cmd.WaitDelay = time.Second
	cmd.Env = append(daemonEnvironment(), "DIR="+dir, "CGROUP="+cgroupMount(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, UidMappings: h.users, GidMappings: h.users,
		GidMappingsEnableSetgroups: !h.noGroups}
	if h.users != nil {
		cmd.SysProcAttr.Unshareflags = 0
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS
	}
	out, err := cmd.CombinedOutput()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	r := report{text: string(out), status: cmd.ProcessState.ExitCode()}
	for line := range strings.Lines(r.text) {
		if fields := strings.Fields(line); len(fields) > 1 && slices.Contains([]string{"works", "weaker", "MISSING"}, fields[0]) {
			r.layers = append(r.layers, fields[1])
		}
	}
	return r
}

// explained returns the layers of a state that have their own line.
func (r report) explained(state string) (layers []string) {
	for line := range strings.Lines(r.text) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == state {
			layers = append(layers, fields[1])
		}
	}
	return layers
}

// explanation returns the text about a layer that does not work: its error and the indented lines below it, without the indent.
func (r report) explanation(state, layer string) string {
	_, rest, _ := strings.Cut("\n"+r.text, fmt.Sprintf("\n%-8s %-18s ", state, layer))
	var text strings.Builder
	for line := range strings.Lines(rest) {
		if text.Len() > 0 && !strings.HasPrefix(line, "    ") {
			break
		}
		text.WriteString(line)
	}
	return text.String()
}

// binary returns a copy of the test binary that every user can execute.
func binary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if os.Chmod(filepath.Dir(self), 0o755) != nil || os.Chmod(filepath.Dir(filepath.Dir(self)), 0o755) != nil {
		t.Fatalf("%s is not to be executed by others", self)
	}
	return self
}

func cgroupMount(t *testing.T) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if strings.Contains(line, " - cgroup2 ") {
			return strings.Fields(line)[4]
		}
	}
	return ""
}

// The JSON output has an entry for each layer, which names the layer that explains it.
func TestDoctorInJSON(t *testing.T) {
	out, err := command(t, "doctor", "--json", "--python=/nonexistent", isolation()).Output()
	var findings []finding
	if jsonErr := json.Unmarshal(out, &findings); err == nil || jsonErr != nil {
		t.Fatalf("%v, %v: %s", err, jsonErr, out)
	}
	for _, f := range findings {
		switch f.Layer {
		case "python":
			if f.Works || !f.Required || f.Cause != "" || f.Untried || !strings.Contains(f.Remedy, "--python") {
				t.Errorf("%+v", f)
			}
		case "seccomp":
			if f.Works || !f.Required || f.Cause != "python" || !f.Untried || f.Remedy != "see python" {
				t.Errorf("%+v", f)
			}
		}
	}
}

// If the tests do not run with the version of the interpreter, doctor and serve warn of it. The daemon works nevertheless.
func TestDoctorWarnsOfAnUntestedVersion(t *testing.T) {
	directory, err := os.MkdirTemp("/opt", "python-")
	if err != nil {
		testenv.Missing(t, "a writable /opt")
	}
	t.Cleanup(func() { os.RemoveAll(directory) })
	if err := os.Chmod(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(directory, "python3")
	script := `#!/bin/sh
case "$*" in
*sys.version_info*) /usr/bin/python3 "$@" | sed 's/"version": .3, [0-9]*/"version": [3, 99/' ;;
*) exec /usr/bin/python3 "$@" ;;
esac
`
	if err := os.WriteFile(python, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	const warning = "Python 3.99 is not tested: the tests run with 3.11 and 3.13"
	out, err := command(t, "doctor", "--python="+python, isolation()).Output()
	if err != nil || !strings.Contains(string(out), "warning: "+warning) {
		t.Errorf("%v: %s", err, out)
	}
	out, err = command(t, "doctor", "--json", "--python="+python, isolation()).Output()
	var findings []finding
	if jsonErr := json.Unmarshal(out, &findings); err != nil || jsonErr != nil || !findings[0].Works || findings[0].Warning != warning {
		t.Errorf("%v, %v: %s", err, jsonErr, out)
	}
	d := start(t, "--python="+python)
	if !strings.Contains(d.log.String(), `warning="`+warning+`"`) {
		t.Errorf("the daemon does not warn: %s", d.log.String())
	}
	if out, err := command(t, "doctor", isolation()).Output(); err != nil || strings.Contains(string(out), "warning") {
		t.Errorf("there is a warning of the version that is tested: %v: %s", err, out)
	}
}
