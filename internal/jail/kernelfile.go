package jail

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"
)

// The files of /proc and of cgroups are answered by the kernel at once. Package os would put each into
// its poller first, and take it out again: more system calls than there are here.

// readKernelFile is os.ReadFile for them.
func readKernelFile(path string) ([]byte, error) {
	fd, err := openKernelFile(path, unix.O_RDONLY)
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

// writeKernelFile writes to one that is there, in one piece.
func writeKernelFile(path, content string) error {
	fd, err := openKernelFile(path, unix.O_WRONLY)
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

func openKernelFile(path string, flags int) (fd int, err error) {
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
