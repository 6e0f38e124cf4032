package callers

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// keysFile is a path at which there is no file yet.
func keysFile(t *testing.T) string { return filepath.Join(t.TempDir(), "keys") }

func create(t *testing.T, path string, key Key) (token string) {
	t.Helper()
	token, err := Create(path, key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestKeysInAFile(t *testing.T) {
	path := keysFile(t)
	now := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	key := Key{Name: "b", Created: now, Expires: now.Add(time.Hour), WallSeconds: 2.5, MemoryBytes: 64 << 20, Policy: "strict", Environments: []string{"data"}}
	token := create(t, path, key)
	create(t, path, Key{Name: "a", Created: now})

	if len(token) != len("sbx_")+43 || !strings.HasPrefix(token, "sbx_") { // 43 characters of base64 are 256 bits
		t.Errorf("the token is %q", token)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), token) || strings.Contains(string(text), strings.TrimPrefix(token, "sbx_")) {
		t.Errorf("the file has the token, or %v: %s", err, text)
	}
	if digest := fmt.Sprintf("%x", sha256.Sum256([]byte(token))); !strings.Contains(string(text), digest) {
		t.Errorf("no SHA-256 of the token in the file: %s", text)
	}
	keys, err := Read(path)
	if err != nil || len(keys) != 2 || keys[0].Name != "a" || fmt.Sprintf("%v %v %v %d %s", keys[1].Environments, keys[1].Expires, keys[1].Wall(), keys[1].MemoryBytes, keys[1].Policy) !=
		"[data] 2030-01-02 04:04:05 +0000 UTC 2.5s 67108864 strict" {
		t.Errorf("it has %+v, %v", keys, err)
	}

	if _, err := Create(path, Key{Name: "b"}); !errors.Is(err, ErrNameTaken) {
		t.Errorf("a name that is taken: %v", err)
	}
	if err := Revoke(path, "c"); !errors.Is(err, ErrNoSuchKey) {
		t.Errorf("to revoke what is not there: %v", err)
	}
	if err := Revoke(path, "b"); err != nil {
		t.Error(err)
	}
	if keys, err := Read(path); err != nil || len(keys) != 1 || keys[0].Name != "a" {
		t.Errorf("after the revocation it has %+v, %v", keys, err)
	}
	if left, _ := filepath.Glob(filepath.Dir(path) + "/*"); len(left) != 1 {
		t.Errorf("in the directory are %v", left)
	}
}

// Several processes may change the file concurrently. A reader never sees a partial file.
func TestChangesAtOnce(t *testing.T) {
	path := keysFile(t)
	create(t, path, Key{Name: "first"})
	var writers, reader sync.WaitGroup
	done := make(chan struct{})
	reader.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			if keys, err := Read(path); err != nil || len(keys) == 0 {
				t.Errorf("a reader finds %d keys, %v", len(keys), err)
				return
			}
		}
	})
	const count = 20
	for i := range count {
		writers.Go(func() {
			if _, err := Create(path, Key{Name: fmt.Sprint("key", i)}); err != nil {
				t.Error(err)
			}
		})
	}
	writers.Wait()
	close(done)
	reader.Wait()
	if keys, err := Read(path); err != nil || len(keys) != count+1 {
		t.Errorf("there are %d keys, want %d, %v", len(keys), count+1, err)
	}
}

// A change by root keeps the owner of the file.
func TestChangeKeepsOwnerAndMode(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := keysFile(t)
	link := path + ".link"
	if err := errors.Join(os.WriteFile(path, nil, 0o640), os.Chown(path, 1234, 1235), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	create(t, link, Key{Name: "a"})
	info, err := os.Lstat(path)
	if err != nil || info.Mode() != 0o640 || !strings.Contains(fmt.Sprintf("%+v", info.Sys()), "Uid:1234 Gid:1235") {
		t.Errorf("%v %+v, %v", info.Mode(), info.Sys(), err)
	}
	if to, err := os.Readlink(link); err != nil || to != path {
		t.Errorf("the link leads to %q, %v", to, err)
	}
}

func TestWrongFiles(t *testing.T) {
	digest := strings.Repeat("ab", 32)
	one := func(fields string) string {
		return `{"version": 1, "keys": [{"name": "a", "sha256": "` + digest + `", "created": "2030-01-02T03:04:05Z"` + fields + `}]}`
	}
	for _, tt := range []struct {
		name, text string
		mode       os.FileMode
		want       string // in the error; "": none
	}{
		{"an empty file", "", 0o600, ""},
		{"one key", one(""), 0o600, ""},
		{"a group that may read", one(""), 0o640, ""},
		{"all may read", one(""), 0o644, "chmod 600"},
		{"a group may write", one(""), 0o660, "chmod 600"},
		{"no JSON", "keys", 0o600, "not a file of keys"},
		{"something after it", one("") + "{}", 0o600, "comes after its end"},
		{"another version", `{"version": 2}`, 0o600, "knows version 1"},
		{"an unknown field", one(`, "burts": 1`), 0o600, `unknown field "burts"`},
		{"a wrong digest", `{"version": 1, "keys": [{"name": "a", "sha256": "abc"}]}`, 0o600, "is not a SHA-256"},
		{"no digest", `{"version": 1, "keys": [{"name": "a"}]}`, 0o600, "has no sha256"},
		{"a name for a log to stumble over", strings.Replace(one(""), `"a"`, `"a\nb"`, 1), 0o600, "is no name of a key"},
		{"no name", strings.Replace(one(""), `"a"`, `""`, 1), 0o600, "is no name of a key"},
		{"a name twice", strings.Replace(one(""), "]", `, {"name": "a", "sha256": "`+digest+`", "created": "2030-01-02T03:04:05Z"}]`, 1), 0o600, `two keys are named "a"`},
		{"a negative rate", one(`, "rate": -1`), 0o600, "rate is -1"},
		{"a burst without a bound", one(`, "burst": 1000001`), 0o600, "burst is 1000001"},
		{"a negative concurrency", one(`, "concurrency": -1`), 0o600, "concurrency is -1"},
		{"too little time", one(`, "wall_seconds": 0.001`), 0o600, "wall_seconds is 0.001"},
		{"more time than a number holds", one(`, "wall_seconds": 1e300`), 0o600, "wall_seconds is 1e+300"},
		{"too little memory", one(`, "memory_bytes": 1`), 0o600, "memory_bytes is 1"},
		{"an environment without a name", one(`, "environments": [""]`), 0o600, "has no name"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := keysFile(t)
			if err := errors.Join(os.WriteFile(path, []byte(tt.text), 0o600), os.Chmod(path, tt.mode)); err != nil {
				t.Fatal(err)
			}
			_, err := Read(path)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("the error is %v", err)
			}
			if err := Revoke(path, "x"); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("a change of it: %v", err)
			}
			if text, _ := os.ReadFile(path); string(text) != tt.text {
				t.Errorf("a change of it has written %q", text)
			}
		})
	}
}
