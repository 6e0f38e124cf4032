package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

func TestFind(t *testing.T) {
	const (
		unified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n" +
			"35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" +
			"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
	)
	for _, tt := range []struct {
		name, mounts, own string
		mountpoint, dir   string
		err               string
	}{
		{"unified", unified, "0::/system.slice/sandboxd.service\n", "/sys/fs/cgroup", "/sys/fs/cgroup/system.slice/sandboxd.service", ""},
		{"hybrid", hybrid, "4:memory:/a\n1:name=systemd:/b\n0::/c\n", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified/c", ""},
		{"the root", unified, "0::/\n", "/sys/fs/cgroup", "/sys/fs/cgroup", ""},
		{"a part of the hierarchy", "30 23 0:26 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/docker/7/x\n", "/sys/fs/cgroup", "/sys/fs/cgroup/x", ""},
		{"that part itself", "30 23 0:26 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/docker/7\n", "/sys/fs/cgroup", "/sys/fs/cgroup", ""},
		{"a part that we are not in", "30 23 0:26 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/docker/77\n", "/sys/fs/cgroup", "/sys/fs/cgroup", ""},
		{"outside of the cgroup namespace", unified, "0::/../x\n", "/sys/fs/cgroup", "/sys/fs/cgroup", ""},
		{"a space in the path", `30 23 0:26 / /my\040cgroups rw - cgroup2 cgroup2 rw` + "\n", "0::/a\n", "/my cgroups", "/my cgroups/a", ""},
		{"one mount over another", unified + "50 30 0:26 /a /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/a/b\n", "/sys/fs/cgroup", "/sys/fs/cgroup/b", ""},
		{"another place", unified + "50 30 0:26 /a /mnt rw - cgroup2 cgroup2 rw\n", "0::/a/b\n", "/sys/fs/cgroup", "/sys/fs/cgroup/a/b", ""},
		{"version 1 alone", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/a\n", "", "", "no cgroup v2 hierarchy is mounted"},
		{"in no group", unified, "4:memory:/a\n", "", "", "in no cgroup v2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mountpoint, dir, err := find(tt.mounts, tt.own)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %q, %q, %v", mountpoint, dir, err)
				}
				return
			}
			if mountpoint != tt.mountpoint || dir != tt.dir || err != nil {
				t.Errorf("got %q, %q, %v", mountpoint, dir, err)
			}
		})
	}
}

// claimer is the name of a variable. If it is set, the test binary prints the base that it gets, and ends.
const claimer = "SANDBOXD_TEST_CLAIM"

// The base of the tree depends on the other processes in the daemon's cgroup, and on which groups the daemon may write to. Each case runs
// a process in the real hierarchy, below its own group TOP. Names of groups are relative to TOP.
func TestClaimBase(t *testing.T) {
	if os.Getenv(claimer) != "" {
		printBase()
	}
	if os.Geteuid() != 0 {
		t.Skip("only root makes cgroups anywhere: the same suite runs as root")
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	mountpoint, _, err := find(string(mounts), string(own))
	if err != nil {
		testenv.Missing(t, "a cgroup v2 hierarchy")
	}
	for _, tt := range []struct {
		name string
		// A shell script in a mount namespace of its own, in the group $TOP, that executes "$@".
		script     string
		base, ends string // groups below TOP: the base, and where the process is afterwards; "" is TOP
		err        string
	}{
		{"alone in its group", `exec "$@"`, "", "/daemon", ""},
		{"started by a daemon", `mkdir "$TOP/daemon"; echo $$ >"$TOP/daemon/cgroup.procs"; exec "$@"`, "", "/daemon", ""},
		{"alone, and the group was used before", `mkdir "$TOP/daemon"; exec "$@"`, "", "/daemon", ""},
		{"a container's first process", `exec unshare --cgroup sh -ec 'umount "$CGROUP"; mount -t cgroup2 none "$CGROUP"; exec "$@"' sh "$@"`, "", "/daemon", ""},
		{"a container's process beside another", `sleep 60 >/dev/null 2>&1 & exec unshare --cgroup sh -ec 'umount "$CGROUP"; mount -t cgroup2 none "$CGROUP"; exec "$@"' sh "$@"`, "/sandboxd", "", ""},
		{"a part of the hierarchy is mounted", `mount --bind "$TOP" "$CGROUP"; exec "$@"`, "", "/daemon", ""},
		{"read-only", `mount -o remount,bind,ro "$CGROUP"; exec "$@"`, "", "", "read-only file system"},
		{"no right to", `exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"`, "", "", "permission denied"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			top := filepath.Join(mountpoint, fmt.Sprintf("sandboxd-test-%d", os.Getpid()))
			if err := os.Mkdir(top, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = os.WriteFile(filepath.Join(top, "cgroup.kill"), []byte("1"), 0)
				for _, group := range []string{"daemon", "sandboxd", ""} {
					if err := rmdirEmptied(filepath.Join(top, group), emptyPatience); err != nil {
						t.Error(err)
					}
				}
			})
			cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "sh", "-ec", `echo $$ >"$TOP/cgroup.procs"; `+tt.script, "sh", testBinary(t), "-test.run=^TestClaimBase$")
			cmd.Env = append(os.Environ(), claimer+"=1", "TOP="+top, "CGROUP="+mountpoint)
			cmd.Dir = "/"
			cmd.WaitDelay = time.Second
			out, err := cmd.Output()
			said := strings.Split(string(out), "\n")
			// If only TOP is mounted, paths begin at TOP. If the whole hierarchy is mounted, they contain the path of TOP.
			seen := func(path string) string {
				return strings.TrimPrefix(strings.TrimPrefix(path, mountpoint), strings.TrimPrefix(top, mountpoint))
			}
			switch {
			case tt.err != "":
				if !strings.Contains(said[0], "no cgroup to divide") || !strings.Contains(said[0], tt.err) {
					t.Errorf("%v: %q", err, said)
				}
			case len(said) < 2 || seen(said[0]) != tt.base || seen(said[1]) != tt.ends:
				t.Errorf("%v: the base is %q and the process in the second, want %q and %q", err, said, tt.base, tt.ends)
			}
		})
	}
}

// printBase prints the base and the directory of this process's cgroup after claimBase, or the error.
func printBase() {
	look := func() (string, string, error) {
		mounts, mountsErr := os.ReadFile("/proc/self/mountinfo")
		own, ownErr := os.ReadFile("/proc/self/cgroup")
		mountpoint, dir, err := find(string(mounts), string(own))
		return mountpoint, dir, errors.Join(mountsErr, ownErr, err)
	}
	mountpoint, dir, err := look()
	base := ""
	if err == nil {
		base, err = claimBase(mountpoint, dir)
	}
	if err == nil {
		_, dir, err = look()
	}
	if err != nil {
		fmt.Println(strings.ReplaceAll(err.Error(), "\n", "; "))
	} else {
		fmt.Printf("%s\n%s\n", base, dir)
	}
	os.Exit(0) // so that the testing package prints nothing
}

// testBinary copies the binary of this test to a place where every user can execute it, and returns its path.
func testBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err == nil {
		err = errors.Join(os.Chmod(filepath.Dir(self), 0o755), os.Chmod(filepath.Dir(filepath.Dir(self)), 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// The root of the hierarchy has no cgroup.type, and every other group has.
func TestRootGroup(t *testing.T) {
	dir := t.TempDir()
	if !isRootGroup(dir) {
		t.Error("without cgroup.type")
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.type"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if isRootGroup(dir) {
		t.Error("with cgroup.type")
	}
	if err := writable(dir); err != nil {
		t.Error(err)
	}
	if err := writable("/proc/self"); err == nil || !strings.HasPrefix(err.Error(), "write to /proc/self: ") {
		t.Errorf("got %v", err)
	}
}
