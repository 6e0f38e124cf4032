package callers

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

const (
	// formatVersion is the version of the file's format.
	formatVersion = 1

	// maxKeys bounds the time of a lookup, which compares the token with all keys.
	maxKeys = 10_000

	// maxFile is the number of bytes that are read at most.
	maxFile = 16 << 20
)

// format is the file, as JSON.
type format struct {
	Version int   `json:"version"`
	Keys    []Key `json:"keys"`
}

// Read returns the keys of a file, sorted by name. An empty file has none.
func Read(path string) ([]Key, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return read(file)
}

// read reads an open file. It refuses a file that others could write to, or that all users could read.
func read(file *os.File) ([]Key, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if loose := info.Mode().Perm() & 0o027; loose != 0 {
		return nil, fmt.Errorf("%s: its mode %#o lets others read or change it: chmod 600 %s", file.Name(), info.Mode().Perm(), file.Name())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, err
	}
	keys, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file.Name(), err)
	}
	return keys, nil
}

func parse(text []byte) ([]Key, error) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, nil
	}
	var f format
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return nil, fmt.Errorf("not a file of keys: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not a file of keys: something comes after its end")
	}
	if f.Version != formatVersion {
		return nil, fmt.Errorf("its version is %d, and this program knows version %d", f.Version, formatVersion)
	}
	return f.Keys, check(f.Keys)
}

// check sorts keys and returns an error if a key is invalid, a name is not unique or there are too many keys.
func check(keys []Key) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("there are %d keys, and may be %d", len(keys), maxKeys)
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Compare(a.Name, b.Name) })
	for i := range keys {
		if err := keys[i].check(); err != nil {
			return err
		}
		if i > 0 && keys[i].Name == keys[i-1].Name {
			return fmt.Errorf("two keys are named %q", keys[i].Name)
		}
	}
	return nil
}

// Create adds a key to a file and returns its token, which is stored nowhere. It creates the file if it does not exist.
func Create(path string, key Key) (token string, err error) {
	token, key.SHA256 = NewToken()
	if err := key.check(); err != nil {
		return "", err // before the file is created
	}
	err = change(path, true, func(keys []Key) ([]Key, error) {
		if slices.ContainsFunc(keys, func(k Key) bool { return k.Name == key.Name }) {
			return nil, ErrNameTaken
		}
		return append(keys, key), nil
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// Revoke removes a key from a file.
func Revoke(path, name string) error {
	return change(path, false, func(keys []Key) ([]Key, error) {
		left := slices.DeleteFunc(slices.Clone(keys), func(k Key) bool { return k.Name == name })
		if len(left) == len(keys) {
			return nil, ErrNoSuchKey
		}
		return left, nil
	})
}

// change replaces a file atomically: a concurrent reader gets the old content or the new one. Concurrent changes wait for the lock.
func change(path string, create bool, other func([]Key) ([]Key, error)) error {
	file, err := lock(path, create)
	if err != nil {
		return err
	}
	defer file.Close() // it also unlocks
	keys, err := read(file)
	if err != nil {
		return err
	}
	if keys, err = other(keys); err != nil {
		return err
	}
	if err := check(keys); err != nil {
		return err
	}
	text, err := json.MarshalIndent(format{formatVersion, keys}, "", "  ")
	if err != nil {
		return err
	}
	return replace(file, append(text, '\n'))
}

// lock opens a file and locks it. A change replaces the file, so lock tries again if the file was replaced while it waited.
func lock(path string, create bool) (*os.File, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	for {
		file, err := os.OpenFile(path, flags, 0o600)
		if err != nil {
			return nil, err
		}
		for err = unix.EINTR; errors.Is(err, unix.EINTR); {
			err = unix.Flock(int(file.Fd()), unix.LOCK_EX)
		}
		if err != nil {
			return nil, errors.Join(&os.PathError{Op: "flock", Path: path, Err: err}, file.Close())
		}
		locked, err := file.Stat()
		if err != nil {
			return nil, errors.Join(err, file.Close())
		}
		if now, err := os.Stat(path); err == nil && os.SameFile(now, locked) {
			return file, nil
		}
		_ = file.Close() // the file was replaced or removed
	}
}

// replace replaces a locked file by one with new content and the same mode. As root it also keeps the owner, because the daemon
// that reads the file may run as another user.
func replace(locked *os.File, text []byte) (err error) {
	path, err := filepath.EvalSymlinks(locked.Name())
	if err != nil {
		return err
	}
	info, err := locked.Stat()
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new") // with mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(fresh.Name())
		}
	}()
	_, err = fresh.Write(text)
	var owner unix.Stat_t
	if err == nil {
		err = unix.Fstat(int(locked.Fd()), &owner)
	}
	if err == nil && os.Geteuid() == 0 {
		err = fresh.Chown(int(owner.Uid), int(owner.Gid))
	}
	if err == nil {
		err = fresh.Chmod(info.Mode().Perm())
	}
	if err == nil {
		err = fresh.Sync()
	}
	if err = errors.Join(err, fresh.Close()); err != nil {
		return err
	}
	if err = os.Rename(fresh.Name(), path); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(path))
}

// syncDirectory makes a rename durable.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
