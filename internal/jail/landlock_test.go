package jail_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jailtest"
)

// Landlock works alone: the mounts show a directory of the host and another writable directory, there is no filter, and the process has
// the capabilities of an init. Landlock must stop each attack. Without Landlock each attack must succeed, which proves that no other layer
// stops it.
//
//lab:all own root
func TestLandlockBehindWeakMounts(t *testing.T) {
	host := hostDirectory(t)
	const prelude = `
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call, *args):
    try: call(*args)
    except OSError as e: return errno.errorcode[e.errno]
    return "ok"
def write(path):
    with open(path, "w") as f: f.write("x")
def mount(*args):
    if libc.mount(*args) != 0: raise OSError(ctypes.get_errno(), "")
def run(path):
    if os.spawnv(os.P_WAIT, path, [path]) == 127: raise PermissionError(errno.EACCES, "")
`
	for _, tt := range []struct{ name, source, want string }{
		{"a file of the host", `print(attempt(open, "/host/secret"))`, "EACCES"},
		// A process that may list the root directory may list all directories, because a Landlock rule also holds for everything below its
		// path (landlock(7)).
		{"names on the host, which it does not hide", `print(attempt(os.listdir, "/host"))`, "ok"},
		{"a write where it was not planned", `print(attempt(write, "/weak/x"))`, "EACCES"},
		{"a directory there", `print(attempt(os.mkdir, "/weak/x"))`, "EACCES"},
		{"a socket there", `print(attempt(socket.socket(socket.AF_UNIX).bind, "/weak/x"))`, "EACCES"},
		{"a mount", `print(attempt(mount, b"none", b"/tmp", b"tmpfs", 0, None))`, "EPERM"},
		{"a mount made executable", `print(attempt(mount, None, b"/weak", None, 32 | 4096, None))`, "EPERM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, wall := range []struct {
				name    string
				without []string
				want    string
			}{
				{"with Landlock", []string{inside.StageCredentials}, tt.want},
				{"without it", []string{inside.StageCredentials, inside.StageLandlock}, "ok"},
			} {
				j := jailtest.New(t, func(c *jail.Config) {
					c.Filter = allowAll
					jailtest.Without(c, wall.without...)
				})
				j.Expose(
					inside.Node{Op: inside.Dir, Path: "/host", Mode: 0o755},
					inside.Node{Op: inside.Bind, Path: "/host", Source: host},
					inside.Node{Op: inside.Scratch, Path: "/weak", Mode: 0o777},
				)
				if got := jailtest.Output(t, j, prelude+tt.source); got != wall.want+"\n" {
					t.Errorf("%s: got %q, want %q", wall.name, got, wall.want)
				}
			}
		})
	}
}

// hostDirectory creates a directory on the host's root file system with a file that everybody may read.
func hostDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", jailtest.NamePrefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	// Independent of the umask, which is 0077 under the unit.
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(secret, 0o644)); err != nil {
		t.Fatal(err)
	}
	return dir
}
