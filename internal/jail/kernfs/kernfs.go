// Package kernfs reads and writes small files that the kernel answers at once: those of procfs and of cgroup v2.
//
// Package os would add each file to the runtime's poller and remove it again, which takes more system calls than to read the
// file.
package kernfs

import (
	"bytes"
	"errors"
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// Read returns the whole content of a file. Its errors are of type *fs.PathError.
func Read(path string) ([]byte, error) {
	fd, err := Open(path, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	data := make([]byte, 0, 4096)
	for {
		n, err := unix.Read(fd, data[len(data):cap(data)])
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return nil, &fs.PathError{Op: "read", Path: path, Err: err}
		case n == 0:
			return data, nil
		default:
			data = data[:len(data)+n]
			if len(data) == cap(data) {
				data = append(data, 0)[:len(data)]
			}
		}
	}
}

// Write writes content to an existing file with one write(2), as the kernel requires. Its errors are of type *fs.PathError.
func Write(path, content string) error {
	fd, err := Open(path, unix.O_WRONLY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for {
		_, err = unix.Write(fd, []byte(content))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return &fs.PathError{Op: "write", Path: path, Err: err}
		default:
			return nil
		}
	}
}

// Open opens an existing file with O_CLOEXEC. The caller closes the descriptor.
func Open(path string, flags int) (fd int, err error) {
	for {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, 0)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return -1, &fs.PathError{Op: "open", Path: path, Err: err}
		default:
			return fd, nil
		}
	}
}

// Keyed returns the number of a key in a file with a line "key value" for each key, and 0 if the key is absent.
func Keyed(file []byte, key string) int64 {
	for line := range bytes.Lines(file) {
		if k, v, ok := bytes.Cut(bytes.TrimSpace(line), []byte(" ")); ok && string(k) == key {
			return Number(v)
		}
	}
	return 0
}

// Number returns the decimal number at the beginning of a field such as "   1234 kB", and 0 if there is none.
func Number(field []byte) int64 {
	words := bytes.Fields(field)
	if len(words) == 0 {
		return 0
	}
	n, _ := strconv.ParseInt(string(words[0]), 10, 64)
	return n
}
