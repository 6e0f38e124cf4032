package jail_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// CPython's own tests (Debian's libpython3.11-testsuite, or that of the version that is tried) have the same results inside and outside of a jail, except those listed in
// testdata/regrtest/expected.txt with a reason. `make regrtest` runs all modules and prints the number of tests and of differences.
// SANDBOXD_TEST_REGRTEST is "all", "quick" (quickModules), or names of modules.
//
// Two differences are by design and would each affect dozens of tests. So both sides are made equal: the system tree is read-only outside
// too, and neither side has UDP-Lite (testdata/regrtest/run.py).
const regrtestDir = "testdata/regrtest/"

// quickModules lists modules that take one or two seconds each, do not depend on the speed of the machine, and test features that a
// sandbox can break: processes, files, users, memory, limits, the interpreter's start and end.
var quickModules = strings.Fields(`
	test_atexit test_builtin test_ctypes test_descr test_fcntl test_fileio test_generators test_glob
	test_import test_inspect test_mmap test_os test_pathlib test_posix test_pty test_pwd test_resource test_runpy
	test_shutil test_site test_stat test_sys test_tempfile test_uuid`)

// slowModules lists modules that need more than regrtestWall even outside of a jail.
var slowModules = strings.Fields(`
	test_concurrent_futures test_multiprocessing_fork test_multiprocessing_forkserver test_multiprocessing_spawn`)

// regrtestWall bounds the time of one module, inside and outside.
const regrtestWall = 3 * time.Minute

func TestRegrtest(t *testing.T) {
	var modules []string
	switch which := os.Getenv("SANDBOXD_TEST_REGRTEST"); which {
	case "":
		t.Skip("make regrtest runs this")
	case "quick":
		modules = quickModules
	case "all":
		modules = allModules(t)
	default:
		modules = strings.Fields(which)
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes a network namespace and becomes another user: the same suite runs as root")
	}
	if _, err := os.Stat(testSuite(t) + "/test_os.py"); err != nil {
		testenv.Missing(t, "libpython3-testsuite: %v", err)
	}
	// Some tests make sparse files of 5 GiB.
	limits := sandbox.Limits{Wall: regrtestWall, Memory: 2 << 30, CPU: 2, Pids: 512, Scratch: 8 << 30, Inodes: 65536, Output: 64 << 20}
	j := jailtest.New(t, func(c *jail.Config) { c.Limits = limits })
	r := &regrtest{jail: j, limits: limits, environment: environmentInside(t, j), expected: expectedDifferences(t), used: map[string]bool{}}
	t.Run("modules", func(t *testing.T) {
		for _, module := range modules {
			t.Run(module, func(t *testing.T) {
				t.Parallel()
				r.compare(t, module)
			})
		}
	})
	for pattern, differs := range r.used {
		if !differs {
			t.Errorf("%s is as outside: take it off expected.txt", pattern)
		}
	}
	if report := os.Getenv("SANDBOXD_TEST_REGRTEST_REPORT"); report != "" {
		slices.Sort(r.found)
		if err := os.WriteFile(report, []byte(strings.Join(r.found, "\n")+"\n"), 0o644); err != nil {
			t.Error(err)
		}
	}
	fmt.Printf("CPython's own tests: %d modules, %d tests, %d differ\n", len(modules), r.tests, len(r.found))
}

// regrtest compares the results of CPython's test modules and counts the differences.
type regrtest struct {
	jail        *jail.Runner
	limits      sandbox.Limits
	environment map[string]string
	expected    []difference

	mu    sync.Mutex
	tests int
	used  map[string]bool // patterns of expected that matched a test, and whether such a test differed
	found []string        // the tests that differ
}

func (r *regrtest) compare(t *testing.T, module string) {
	program := regrtestProgram(t, module)
	begin := time.Now()
	// An error means that the module hangs. Its last line is missing then.
	did, _ := runOutside(t.Context(), program, r.environment, r.limits, "/usr")
	between := time.Now()
	outside, inside := outcomes([]byte(did.stdout)), outcomes(jailtest.Run(t, r.jail, program).Stdout.Kept)
	t.Logf("%.1f s outside, %.1f s inside", between.Sub(begin).Seconds(), time.Since(between).Seconds())
	ids := maps.Clone(outside)
	maps.Copy(ids, inside)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tests += len(ids)
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		out, in := outside[id], inside[id]
		same := out.outcome == in.outcome
		n := slices.IndexFunc(r.expected, func(d difference) bool { return d.is(id) })
		if n >= 0 && (!same || !r.expected[n].flaky) {
			pattern := r.expected[n].pattern
			r.used[pattern] = r.used[pattern] || !same
		}
		if same {
			continue
		}
		r.found = append(r.found, fmt.Sprintf("%s: outside %q, inside %q", id, out, in))
		if n < 0 {
			t.Errorf("%s: outside %q, inside %q", id, out, in)
		}
	}
}

// testSuite returns the directory of CPython's tests.
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

// ending is the result of a test, with the reason.
type ending struct{ outcome, why string }

// outcomes holds the results by the id of the test.
func outcomes(lines []byte) map[string]ending {
	found := map[string]ending{}
	for line := range bytes.Lines(lines) {
		var test [3]string
		if json.Unmarshal(line, &test) == nil {
			found[strings.ReplaceAll(test[0], " ", "_")] = ending{test[1], test[2]}
		}
	}
	return found
}

// difference is an entry of expected.txt.
type difference struct {
	pattern string // a pattern of path.Match for ids of tests
	flaky   bool   // the result differs from run to run outside too
}

func (d difference) is(id string) bool {
	matches, _ := path.Match(d.pattern, id)
	return matches
}

// expectedDifferences reads expected.txt. Each line has a pattern of tests and a reason. The reason begins with "flaky: " if the result
// differs from run to run outside too. Before that, it begins with a version, such as "3.11: ", if the result only differs with that one.
func expectedDifferences(t *testing.T) (expected []difference) {
	t.Helper()
	data, err := os.ReadFile(regrtestDir + "expected.txt")
	if err != nil {
		t.Fatal(err)
	}
	version := strings.TrimPrefix(filepath.Base(filepath.Dir(testSuite(t))), "python")
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		pattern, reason, _ := strings.Cut(line, " ")
		if reason == "" {
			t.Fatalf("expected.txt: %q has no reason", line)
		}
		reason = strings.TrimSpace(reason)
		if only := onlyVersion.FindStringSubmatch(reason); only != nil {
			if only[1] != version {
				continue
			}
			reason = reason[len(only[0]):]
		}
		expected = append(expected, difference{pattern, strings.HasPrefix(reason, "flaky: ")})
	}
	return expected
}

// onlyVersion matches the beginning of a reason that is valid for one version of Python.
var onlyVersion = regexp.MustCompile(`^(3\.\d+): `)
