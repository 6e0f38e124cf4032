package jail_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/doctor"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// subordinate is a variable that is set in the environment of a test process with subordinate ids.
const subordinate = "SANDBOXD_TEST_SUBORDINATE"

// If an unprivileged daemon has subordinate ids, each of its runs gets its own host uid. The test runs as nobody, with an /etc/subuid and
// /etc/subgid that only this test sees.
func TestSubordinateIDs(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("it takes root to become another user with ids of its own: the same suite runs as root")
	}
	if _, err := exec.LookPath("newuidmap"); err != nil {
		testenv.Missing(t, "newuidmap (package uidmap)")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	ids := filepath.Join(dir, "ids")
	binary := filepath.Join(dir, "jail.test")
	for _, step := range [][]string{
		{"cp", self, binary},
		{"sh", "-c", "echo nobody:1800000000:65536 > " + ids},
		{"chmod", "-R", "a+rX", filepath.Dir(dir)},
	} {
		if said, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v: %s", step, err, said)
		}
	}
	const tests = "^(TestConcurrentRunsHaveDifferentUIDs|TestHostUIDIsSubordinate|TestIsolation|TestWithoutTheFilter|TestTimeout|TestNothingIsLeftBehind|TestFaultsOfTheHost|TestProbe)$"
	cmd := exec.Command("unshare", "--mount", "sh", "-ec", `
		mount --bind "$0" /etc/subuid
		mount --bind "$0" /etc/subgid
		exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$1" -test.run="$2" -test.v`, ids, binary, tests)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), subordinate+"=1", "TMPDIR=/tmp", "SANDBOXD_TEST_LAB=") // that user has no cgroup
	said, err := cmd.CombinedOutput()
	if err != nil || strings.Count(string(said), "\n--- PASS") < 8 {
		t.Errorf("%v:\n%s", err, said)
	}
}

func TestHostUIDIsSubordinate(t *testing.T) {
	if os.Getenv(subordinate) == "" {
		t.Skip("a part of TestSubordinateIDs")
	}
	j := jailtest.New(t, nil)
	got := jailtest.Output(t, j, `
ids = {name: [l.split()[1:] for l in open("/proc/self/status") if l.startswith(name)][0] for name in ("Uid", "Gid", "Groups")}
print(*(open(f"/proc/self/{kind}_map").read().split() for kind in ("uid", "gid")), ids)`)
	for _, part := range []string{"['1000', '18000", "'1'] ", "'Uid': ['1000', '1000', '1000', '1000']", "'Gid': ['1000', '1000', '1000', '1000']", "'Groups': []"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in %s", part, got)
		}
	}
	for _, l := range doctor.Probe(t.Context(), jailtest.Config(t)) {
		if l.Name == doctor.LayerHostUID && !l.Works() {
			t.Errorf("the layer is missing: %v", l.Err)
		}
	}
}
