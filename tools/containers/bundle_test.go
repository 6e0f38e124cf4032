package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// needed returns the value of an environment variable that scripts/containers sets. Without it the test is skipped.
func needed(t *testing.T, name string) string {
	value := os.Getenv(name)
	if value == "" {
		if os.Getenv("SANDBOXD_TEST_STRICT") == "1" {
			t.Fatalf("%s is not set: call make test-containers", name)
		}
		t.Skipf("%s is not set: call make test-containers", name)
	}
	return value
}

// private are the arguments of a command in a mount namespace where /sys/fs/cgroup is cgroup v2, as on most machines.
func private(args ...string) *exec.Cmd {
	return exec.Command("unshare", append([]string{"--mount", "--propagation", "private", "sh", "-c",
		`mount -t cgroup2 none /sys/fs/cgroup && exec "$@"`, "sh"}, args...)...)
}

// controllers reports whether cgroup v2 has the controllers that the limits of a run need.
func controllers(t *testing.T) bool {
	said, err := private("cat", "/sys/fs/cgroup/cgroup.controllers").Output()
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Fields(string(said))
	return slices.Contains(names, "memory") && slices.Contains(names, "cpu") && slices.Contains(names, "pids")
}

// entry is an entry of doctor --json.
type entry struct {
	Layer, Error, Remedy, Cause string
	Works, Required, Untried    bool
}

// TestBundles runs doctor under an OCI runtime with all options, and without each one: it must name the missing option.
func TestBundles(t *testing.T) {
	root, dir := needed(t, "SANDBOXD_TEST_ROOT"), t.TempDir()
	all := controllers(t)
	if err := writeBundles(root, dir); err != nil {
		t.Fatal(err)
	}
	for _, b := range bundles {
		t.Run(b.name, func(t *testing.T) {
			if b.needsControllers && !all {
				t.Log("not tried: this machine's cgroup v2 has no controllers; make lab tries it")
				return
			}
			entries := doctor(t, filepath.Join(dir, b.name))
			if len(entries) < 15 {
				t.Errorf("doctor shows only %d layers: %+v", len(entries), entries)
			}
			found := false
			for _, e := range entries {
				known := !all && (e.Layer == "memory" || e.Layer == "cpu" || e.Layer == "pids")
				switch {
				case e.Layer == b.layer:
					found = true
					if e.Works || !strings.Contains(e.Remedy, b.remedy) {
						t.Errorf("%s: works: %v, remedy %q, wanted one with %q", e.Layer, e.Works, e.Remedy, b.remedy)
					}
				case slices.Contains(b.weaker, e.Layer):
					if e.Works || e.Required {
						t.Errorf("%s: works: %v, required: %v, wanted a weaker layer", e.Layer, e.Works, e.Required)
					}
				case !e.Works && !known && (b.layer == "" || e.Cause != b.layer):
					t.Errorf("%s: %s; remedy: %s", e.Layer, e.Error, e.Remedy)
				}
			}
			if b.layer != "" && !found {
				t.Errorf("doctor does not show %s", b.layer)
			}
		})
	}
}

// doctor runs the bundle and returns what doctor found.
func doctor(t *testing.T, bundle string) []entry {
	t.Helper()
	var stderr bytes.Buffer
	path := filepath.Join(bundle, "config.json")
	config, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	asked := bytes.Replace(config, []byte(`"doctor"`), []byte(`"doctor", "--json"`), 1)
	if err := os.WriteFile(path, asked, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := private("crun", "run", "--bundle", bundle, fmt.Sprintf("sandboxd-%s-%d", filepath.Base(bundle), os.Getpid()))
	cmd.Stderr = &stderr
	stdout, _ := cmd.Output() // doctor's status is 1 if a layer is missing
	var entries []entry
	if err := json.Unmarshal(stdout, &entries); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr.Bytes())
	}
	return entries
}

// TestServe starts the image's command under an OCI runtime, asks for a run over HTTP, makes the image's health check, and stops the
// container.
func TestServe(t *testing.T) {
	root, binary := needed(t, "SANDBOXD_TEST_ROOT"), needed(t, "SANDBOXD_TEST_BINARY")
	dir, keys := t.TempDir(), t.TempDir()
	if err := writeBundles(root, dir); err != nil {
		t.Fatal(err)
	}
	token, err := exec.Command(binary, "keys", "create", "alice", "--keys="+filepath.Join(keys, "keys")).Output()
	if err != nil {
		t.Fatal(err)
	}
	entrypoint, command, health := imageCommands(t)
	spec := makeSpec(bundles[0])
	spec.Process.Args = append(entrypoint, command...)
	if !controllers(t) {
		spec.Process.Args = append(spec.Process.Args, "--isolation=best-effort")
	}
	spec.Mounts = append(spec.Mounts, bindMount(keys, "/etc/sandboxd"))
	config, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(dir, bundles[0].name)
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}

	// crun's commands must see the same mounts, so one shell starts the container and the others enter its mount namespace.
	var log bytes.Buffer
	id, pidFile := fmt.Sprintf("sandboxd-serve-%d", os.Getpid()), filepath.Join(dir, "pid")
	container := private("crun", "run", "--bundle", bundle, "--pid-file", pidFile, id)
	container.Stdout, container.Stderr = &log, &log
	if err := container.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- container.Wait() }()
	beside := func(args ...string) *exec.Cmd {
		return exec.Command("nsenter", append([]string{"--mount", "--target", strconv.Itoa(container.Process.Pid)}, args...)...)
	}
	stopped := false
	t.Cleanup(func() {
		if !stopped {
			_ = beside("crun", "kill", id, "KILL").Run()
			<-ended
		}
	})

	check := func() error {
		said, err := beside(append([]string{"crun", "exec", id}, health...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		return nil
	}
	deadline := time.Now().Add(time.Minute)
	for err := check(); err != nil; err = check() {
		if time.Now().After(deadline) {
			t.Fatalf("the health check still fails after a minute: %v\n%s", err, log.String())
		}
		time.Sleep(100 * time.Millisecond)
	}

	pid, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	curl := func(args ...string) string {
		all := append([]string{"--net", "--target", strings.TrimSpace(string(pid)), "curl", "-sS", "-m", "30", "-w", " %{http_code}"}, args...)
		said, err := exec.Command("nsenter", all...).CombinedOutput()
		if err != nil {
			t.Fatalf("curl: %v: %s", err, said)
		}
		return string(said)
	}
	run := []string{"-H", "Content-Type: application/json", "-d", `{"code":"print(6*7)"}`, "http://127.0.0.1:8000/playground/execute"}
	if got, want := curl(append(run, "-H", "X-API-Key: "+strings.TrimSpace(string(token)))...), `{"stdout":"42\n","stderr":""} 200`; got != want {
		t.Errorf("the run answers %s, wanted %s", got, want)
	}
	if got := curl(run...); !strings.HasSuffix(got, " 401") {
		t.Errorf("a run without a key answers %s, wanted 401", got)
	}
	if got := curl("http://127.0.0.1:8001/metrics"); !strings.Contains(got, "sandboxd_runs_total") {
		t.Errorf("the metrics lack sandboxd_runs_total: %s", got)
	}

	if said, err := beside("crun", "kill", id, "TERM").CombinedOutput(); err != nil {
		t.Fatalf("crun kill: %v: %s", err, said)
	}
	err = <-ended
	stopped = true
	if err != nil {
		t.Errorf("the container ended with %v\n%s", err, log.String())
	}
}

// imageCommands returns the entry point, the command and the health check of the Containerfile.
func imageCommands(t *testing.T) (entrypoint, command, health []string) {
	t.Helper()
	file, err := os.ReadFile("../../deploy/container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	for pattern, to := range map[string]*[]string{
		`(?m)^ENTRYPOINT (\[.*\])$`: &entrypoint, `(?m)^CMD (\[.*\])$`: &command, `(?m)^\s+CMD (\[.*\])$`: &health,
	} {
		found := regexp.MustCompile(pattern).FindSubmatch(file)
		if found == nil {
			t.Fatalf("the Containerfile has no %s", pattern)
		}
		if err := json.Unmarshal(found[1], to); err != nil {
			t.Fatal(err)
		}
	}
	return entrypoint, command, health
}

// TestEachAddedCallIsNeeded takes each call that is added to Docker's profile away again: then some layer must not work.
func TestEachAddedCallIsNeeded(t *testing.T) {
	root, all := needed(t, "SANDBOXD_TEST_ROOT"), controllers(t)
	for _, a := range added {
		for _, name := range a.names {
			if name == "setns" { // no layer needs it: see TestFilesOfChildren
				continue
			}
			t.Run(name, func(t *testing.T) {
				without := bundle{name: "without-" + name, change: func(s *specs.Spec) { s.Linux.Seccomp = profileWithout(name).spec() }}
				dir := t.TempDir()
				if err := writeBundle(without, root, dir); err != nil {
					t.Fatal(err)
				}
				for _, e := range doctor(t, filepath.Join(dir, without.name)) {
					if !e.Works && (all || e.Layer != "memory" && e.Layer != "cpu" && e.Layer != "pids") {
						return
					}
				}
				t.Errorf("every layer works without %s", name)
			})
		}
	}
}

// A child process of a program can open its own files of /proc. For that, the daemon calls setns. If the container's filter does not allow
// setns, the child cannot open these files, and the daemon logs a warning.
func TestFilesOfChildren(t *testing.T) {
	root := needed(t, "SANDBOXD_TEST_ROOT")
	for name, want := range map[string]string{"": "cat\n", "setns": "Permission denied"} {
		t.Run("without "+name, func(t *testing.T) {
			b := bundle{name: "children-" + name, change: func(s *specs.Spec) {
				s.Linux.Seccomp = profileWithout(name).spec()
				s.Process.Args = []string{"/usr/local/bin/sandboxd", "run", "--isolation=best-effort", "--policy=off", "-"}
			}}
			dir := t.TempDir()
			if err := writeBundle(b, root, dir); err != nil {
				t.Fatal(err)
			}
			cmd := private("crun", "run", "--bundle", filepath.Join(dir, b.name), fmt.Sprintf("sandboxd-%s-%d", b.name, os.Getpid()))
			cmd.Stdin = strings.NewReader(`import subprocess; subprocess.run(["cat", "/proc/self/comm"])`)
			said, _ := cmd.CombinedOutput()
			warned := strings.Contains(string(said), "child processes of programs cannot open their files in /proc")
			if !strings.Contains(string(said), want) || warned != (name != "") {
				t.Errorf("%s", said)
			}
		})
	}
}

// profileWithout returns the profile of the container without an added call.
func profileWithout(name string) profile {
	var fewer []addition
	for _, a := range added {
		fewer = append(fewer, addition{names: slices.DeleteFunc(slices.Clone(a.names), func(n string) bool { return n == name })})
	}
	return makeProfile(fewer)
}

// TestKernelSettings shows what systempaths=unconfined gives to an attacker who controls the daemon: the machine's kernel settings, such as
// core_pattern, by which root executes programs on the machine. In a user namespace they are out of reach. The file is opened, not written.
func TestKernelSettings(t *testing.T) {
	root := needed(t, "SANDBOXD_TEST_ROOT")
	for _, tt := range []struct {
		bundle string
		opens  bool
	}{{"complete", true}, {"no-systempaths-option", false}, {"user-namespace", false}} {
		t.Run(tt.bundle, func(t *testing.T) {
			b := bundles[slices.IndexFunc(bundles, func(b bundle) bool { return b.name == tt.bundle })]
			change := b.change
			b.change = func(s *specs.Spec) {
				if change != nil {
					change(s)
				}
				s.Process.Args = []string{"/usr/bin/python3", "-c", `import os; os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY); print("opened")`}
			}
			dir := t.TempDir()
			if err := writeBundle(b, root, dir); err != nil {
				t.Fatal(err)
			}
			said, err := private("crun", "run", "--bundle", filepath.Join(dir, b.name), fmt.Sprintf("sandboxd-settings-%d", os.Getpid())).CombinedOutput()
			if opened := err == nil && string(said) == "opened\n"; opened != tt.opens {
				t.Errorf("opened: %v, wanted %v: %v: %s", opened, tt.opens, err, said)
			}
			if !tt.opens && !bytes.Contains(said, []byte("Error")) {
				t.Errorf("the program did not fail: %s", said)
			}
		})
	}
}
