package collect

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// tree is a directory "home" in a directory that is not collected.
func tree(t *testing.T) (root int, home string) {
	t.Helper()
	dir := t.TempDir()
	home = filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "secret"), "secret")
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(root) })
	return root, home
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func all(patterns ...string) Request {
	return Request{Patterns: patterns, Files: 100, Bytes: 1 << 20, UID: -1, GID: -1}
}

func text(files []sandbox.File) (list []string) {
	for _, f := range files {
		list = append(list, f.Path+"="+string(f.Data))
	}
	return list
}

func TestPatterns(t *testing.T) {
	root, home := tree(t)
	for _, path := range []string{"a.csv", "b.txt", "out/c.csv", "out/deep/d.csv", "out/e.txt", "main.py", "new\nline.csv", "ü.csv", ".hidden.csv"} {
		write(t, filepath.Join(home, path), path)
	}
	for _, tt := range []struct {
		patterns []string
		want     string
	}{
		{[]string{"a.csv"}, "a.csv"},
		{[]string{"*.csv"}, ".hidden.csv a.csv new\nline.csv ü.csv"},
		{[]string{"out/*.csv"}, "out/c.csv"},
		{[]string{"out/**"}, "out/c.csv out/deep/d.csv out/e.txt"},
		{[]string{"**/*.csv"}, ".hidden.csv a.csv new\nline.csv out/c.csv out/deep/d.csv ü.csv"},
		{[]string{"[ab].*"}, "a.csv b.txt"},
		{[]string{"{a,out/c}.csv", "a*"}, "a.csv out/c.csv"},
		{[]string{"../secret", "/etc/passwd", "out", "none"}, ""},
		{[]string{"main.py"}, ""},
	} {
		r := all(tt.patterns...)
		r.Except = []string{"main.py"}
		files, missed, err := Files(root, "home", r)
		var paths []string
		for _, f := range files {
			if string(f.Data) != f.Path {
				t.Errorf("%s contains %q", f.Path, f.Data)
			}
			paths = append(paths, f.Path)
		}
		if got := strings.Join(paths, " "); got != tt.want || missed != 0 || err != nil {
			t.Errorf("%q: got %q, %d missed, %v", tt.patterns, got, missed, err)
		}
	}
}

// A file that is not a regular file is not collected, and opening it does not block.
func TestOnlyRegularFiles(t *testing.T) {
	root, home := tree(t)
	write(t, filepath.Join(home, "file"), "x")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Symlink("../secret", filepath.Join(home, "link-out")))
	must(os.Symlink("/etc/passwd", filepath.Join(home, "link-host")))
	must(os.Symlink("file", filepath.Join(home, "link-in")))
	must(os.Symlink("..", filepath.Join(home, "directory")))
	must(os.Symlink("/proc/self/fd", filepath.Join(home, "magic")))
	must(os.Symlink("loop", filepath.Join(home, "loop")))
	must(os.Link(filepath.Join(home, "file"), filepath.Join(home, "hard")))
	must(unix.Mkfifo(filepath.Join(home, "fifo"), 0o644))
	socket, err := net.Listen("unix", filepath.Join(home, "socket"))
	must(err)
	defer socket.Close()
	if os.Geteuid() == 0 {
		must(unix.Mknod(filepath.Join(home, "zero"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 5))))
	}
	files, missed, err := Files(root, "home", all("**"))
	if got, want := text(files), []string{"file=x", "hard=x"}; !slices.Equal(got, want) || missed != 0 || err != nil {
		t.Errorf("got %q, %d missed, %v; want %q", got, missed, err, want)
	}
	for _, directory := range []string{"home/directory", "..", "/etc", "home/magic", "none"} {
		if files, _, err := Files(root, directory, all("**")); err == nil {
			t.Errorf("%s was opened: %q", directory, text(files))
		}
	}
}

func TestBounds(t *testing.T) {
	root, home := tree(t)
	for n := range 8 {
		write(t, fmt.Sprintf("%s/f%d", home, n), "1234567890")
	}
	sparse := filepath.Join(home, "sparse")
	write(t, sparse, "")
	if err := os.Truncate(sparse, 1<<42); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(home, "bad\xff"), "x")
	deep := home
	for range MaxDepth + 5 {
		deep = filepath.Join(deep, "d")
	}
	write(t, filepath.Join(deep, "f"), "deep")
	r := all("**")
	r.Files, r.Bytes = 3, 25
	files, missed, err := Files(root, "home", r)
	// Two of the eight files fit. The sparse file and the file with the bad name are counted as lost. The file that is too deep is not found.
	if len(files) != 2 || missed != 8 || err != nil {
		t.Errorf("got %q, %d missed, %v", text(files), missed, err)
	}
	r.Files, r.Bytes = 3, 1<<20
	if files, missed, _ := Files(root, "home", r); len(files) != 3 || missed != 7 {
		t.Errorf("got %q, %d missed", text(files), missed)
	}
}

func TestManyNamesAndDirectories(t *testing.T) {
	root, home := tree(t)
	for n := range 10_000 {
		write(t, fmt.Sprintf("%s/%05d", home, n), "")
	}
	deep := home
	for range 1000 {
		deep = filepath.Join(deep, "x")
	}
	if fd, err := unix.Open(home, unix.O_PATH, 0); err == nil { // the path is longer than PATH_MAX
		for range 1000 {
			if err := unix.Mkdirat(fd, "x", 0o755); err != nil {
				t.Fatal(err)
			}
			below, err := unix.Openat(fd, "x", unix.O_PATH, 0)
			if err != nil {
				t.Fatal(err)
			}
			unix.Close(fd)
			fd = below
		}
		unix.Close(fd)
	}
	r := all("**")
	r.Files = 20_000
	files, missed, err := Files(root, "home", r)
	if len(files) != 10_000 || missed != 0 || err != nil {
		t.Errorf("got %d files, %d missed, %v", len(files), missed, err)
	}
}

// Files are opened with the rights of their owner, not with those of root or the daemon.
func TestRightsOfTheOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root gives files away: the same suite runs as root")
	}
	root, home := tree(t)
	const user = 1_900_000_777
	for name, mode := range map[string]os.FileMode{"private": 0o600, "closed": 0} {
		path := filepath.Join(home, name)
		write(t, path, name)
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, user, user); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(home, "root"), "root")
	if err := os.Chmod(filepath.Join(home, "root"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Dir(home), 0o755); err != nil {
		t.Fatal(err)
	}
	r := all("**")
	r.UID, r.GID = user, user
	files, missed, err := Files(root, "home", r)
	if got, want := text(files), []string{"private=private"}; !slices.Equal(got, want) || missed != 2 || err != nil {
		t.Errorf("got %q, %d missed, %v; want %q", got, missed, err, want)
	}
	if uid, _ := unix.SetfsuidRetUid(-1); uid != 0 {
		t.Errorf("this thread has the file system uid %d afterwards", uid)
	}
	if _, err := os.ReadFile(filepath.Join(home, "private")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
