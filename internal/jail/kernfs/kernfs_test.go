package kernfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestReadReturnsTheWholeFile(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000} {
		path := filepath.Join(t.TempDir(), "file")
		want := strings.Repeat("x", size)
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Read(path); err != nil || string(got) != want {
			t.Errorf("size %d: got %d bytes, %v", size, len(got), err)
		}
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	_, readErr := Read(missing)
	for name, err := range map[string]error{"read": readErr, "write": Write(missing, "x")} {
		var path *fs.PathError
		if !errors.As(err, &path) || path.Path != missing || !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestKeyedAndNumber(t *testing.T) {
	file := []byte("usage_usec 123\nuser_usec 45\nempty\nusage_usec_long 7\n")
	for key, want := range map[string]int64{"usage_usec": 123, "user_usec": 45, "usage_usec_long": 7, "empty": 0, "absent": 0, "usage": 0} {
		if got := Keyed(file, key); got != want {
			t.Errorf("%s: got %d, want %d", key, got, want)
		}
	}
	for field, want := range map[string]int64{"   1234 kB\n": 1234, "": 0, " \n": 0, "kB": 0, "-1": -1, "99999999999999999999": 1<<63 - 1} {
		if got := Number([]byte(field)); got != want {
			t.Errorf("%q: got %d, want %d", field, got, want)
		}
	}
}
