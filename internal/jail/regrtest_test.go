package jail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// CPython's own tests (Debian's libpython3.11-testsuite), inside a jail and outside of it: python3 behaves the same, but for
// testdata/regrtest/expected.txt, where each difference has its reason. `make regrtest` runs all modules, and prints
// how many tests there were and how many differ; with SANDBOXD_TEST_REGRTEST=quick it runs those of quickModules.
const regrtestDir = "testdata/regrtest/"

// quickModules take a few seconds each at most, and tell of what a sandbox breaks: processes, signals, files, sockets,
// threads, memory, the interpreter's start and end.
var quickModules = strings.Fields(`
	test_array test_ast test_atexit test_builtin test_codecs test_contextlib test_dataclasses test_doctest test_enum
	test_exceptions test_fcntl test_fileio test_generators test_import test_inspect test_io test_json test_mmap test_os
	test_pathlib test_posix test_select test_shutil test_signal test_tempfile test_threading test_unittest`)

// slowModules run for minutes, outside too, or look for the source tree of CPython. Nothing is known of them.
var slowModules = strings.Fields(`
	test___all__ test_asyncio test_concurrent_futures test_gdb test_idle test_multiprocessing_fork test_multiprocessing_forkserver
	test_multiprocessing_main_handling test_multiprocessing_spawn test_peg_generator test_regrtest test_tools test_venv
	test_distutils test_ensurepip test_lib2to3 test_zoneinfo test_tk test_tkinter test_ttk_guionly test_ttk_textonly
	test_faulthandler test_fork1 test_largefile test_zipfile64 test_bigmem test_turtle test_ossaudiodev test_winreg`)

// regrtestWall bounds one module, inside and outside.
const regrtestWall = 3 * time.Minute

func TestRegrtest(t *testing.T) {
	modules := quickModules
	switch os.Getenv("SANDBOXD_TEST_REGRTEST") {
	case "":
		t.Skip("make regrtest runs this")
	case "all":
		modules = allModules(t)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes a network namespace and becomes another user: the same suite runs as root")
	}
	if _, err := os.Stat(testSuite(t) + "/test_os.py"); err != nil {
		testenv.Missing(t, "libpython3-testsuite: %v", err)
	}
	j := jailtest.New(t, func(c *jail.Config) {
		c.Limits.Wall, c.Limits.Memory, c.Limits.Pids, c.Limits.Output = regrtestWall, 1<<30, 256, 64<<20
	})
	expected := expectedDifferences(t)
	var mu sync.Mutex
	var tests, differ int
	var found []string
	t.Run("modules", func(t *testing.T) {
		for _, module := range modules {
			t.Run(module, func(t *testing.T) {
				t.Parallel()
				outside, inside := moduleOutside(t, module), moduleInside(t, j, module)
				ids := slices.Collect(maps.Keys(outside))
				for id := range inside {
					if _, ok := outside[id]; !ok {
						ids = append(ids, id)
					}
				}
				slices.Sort(ids)
				mu.Lock()
				defer mu.Unlock()
				tests += len(ids)
				for _, id := range ids {
					if outside[id] == inside[id] {
						continue
					}
					differ++
					found = append(found, fmt.Sprintf("%s %s: outside %q, inside %q", module, id, outside[id], inside[id]))
					if !expected.has(module, id) {
						t.Errorf("%s: outside %q, inside %q", id, outside[id], inside[id])
					}
				}
			})
		}
	})
	if report := os.Getenv("SANDBOXD_TEST_REGRTEST_REPORT"); report != "" {
		slices.Sort(found)
		if err := os.WriteFile(report, []byte(strings.Join(found, "\n")+"\n"), 0o644); err != nil {
			t.Error(err)
		}
	}
	fmt.Printf("CPython's own tests: %d modules, %d tests, %d differ\n", len(modules), tests, differ)
}

// testSuite is the directory of CPython's tests.
func testSuite(t *testing.T) string {
	t.Helper()
	out, err := exec.Command(jailtest.Python, "-c", "import os; print(os.path.dirname(os.__file__) + '/test')").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func allModules(t *testing.T) (modules []string) {
	t.Helper()
	files, _ := filepath.Glob(testSuite(t) + "/test_*")
	for _, file := range files {
		module := strings.TrimSuffix(filepath.Base(file), ".py")
		if !slices.Contains(slowModules, module) {
			modules = append(modules, module)
		}
	}
	return modules
}

func regrtestProgram(t *testing.T, module string) string {
	t.Helper()
	run, err := os.ReadFile(regrtestDir + "run.py")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("MODULE = %q\n%s", module, run)
}

// moduleInside is the outcome of each test of a module in a jail, by its id.
func moduleInside(t *testing.T, j *jail.Jail, module string) map[string]string {
	t.Helper()
	return outcomes(jailtest.Run(t, j, regrtestProgram(t, module)).Stdout.Kept)
}

// moduleOutside is the same for an unprivileged user without a network.
func moduleOutside(t *testing.T, module string) map[string]string {
	t.Helper()
	before, err := os.ReadFile(regrtestDir + "outside.py")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "sandboxd-regrtest-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(dir+"/main.py", append(before, regrtestProgram(t, module)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), regrtestWall)
	defer cancel()
	var stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, jailtest.Python, "main.py")
	cmd.Dir, cmd.Stdout = dir, &stdout
	cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "HOME=" + dir, "TMPDIR=" + dir, "USER=nobody"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	_ = cmd.Run() // a module may well end the interpreter
	return outcomes(stdout.Bytes())
}

func outcomes(lines []byte) map[string]string {
	found := map[string]string{}
	for line := range bytes.Lines(lines) {
		var test [2]string
		if json.Unmarshal(line, &test) == nil {
			found[test[0]] = test[1]
		}
	}
	return found
}

// differences are patterns of tests by their module; a pattern may end in "*".
type differences map[string][]string

// expectedDifferences reads expected.txt: a module, a test, and the reason, in three columns.
func expectedDifferences(t *testing.T) differences {
	t.Helper()
	data, err := os.ReadFile(regrtestDir + "expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	expected := differences{}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(line, "#") {
			continue
		}
		if len(fields) < 4 {
			t.Fatalf("expected.txt: %q has no reason", line)
		}
		expected[fields[0]] = append(expected[fields[0]], fields[1])
	}
	return expected
}

func (d differences) has(module, id string) bool {
	return slices.ContainsFunc(d[module], func(pattern string) bool {
		prefix, wild := strings.CutSuffix(pattern, "*")
		return id == pattern || wild && strings.HasPrefix(id, prefix)
	})
}
