package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// listenUnix listens on a Unix socket. It takes the place of a file that a killed daemon has left.
func (s *settings) listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil {
		if info.Mode().Type() != os.ModeSocket {
			return nil, fmt.Errorf("%s is not a socket and is not replaced: give another path, or remove it", path)
		}
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return nil, fmt.Errorf("%s: another process serves there: stop it, or give another path", path)
		} else if errors.Is(err, unix.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
	mode, err := s.socketMode()
	if err != nil {
		return nil, err
	}
	group, err := s.socketGroup()
	if err != nil {
		return nil, err
	}
	config := net.ListenConfig{}
	if mode != nil || group != nil {
		// The file that bind(2) makes has the mode of the socket, less the umask (unix_bind in net/unix/af_unix.c). So nobody
		// else can connect before the file has its group and its mode.
		config.Control = func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
			return errors.Join(err, failed)
		}
	}
	listener, err := config.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, err
	}
	if group != nil {
		err = os.Chown(path, -1, *group)
	}
	if err == nil && mode != nil {
		err = os.Chmod(path, *mode)
	} else if err == nil && group != nil {
		err = os.Chmod(path, 0o660)
	}
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// socketMode reads --socket-mode. It returns nil if there is none.
func (s *settings) socketMode() (*fs.FileMode, error) {
	if s.SocketMode == "" {
		return nil, nil
	}
	n, err := strconv.ParseUint(s.SocketMode, 8, 32)
	if err != nil || n > 0o777 || n&0o600 != 0o600 {
		return nil, fmt.Errorf("%q is no mode for a socket: give an octal number with read and write for the owner, such as 0660", s.SocketMode)
	}
	mode := fs.FileMode(n)
	return &mode, nil
}

// socketGroup reads --socket-group. It returns nil if there is none.
func (s *settings) socketGroup() (*int, error) {
	if s.SocketGroup == "" {
		return nil, nil
	}
	text := s.SocketGroup
	if group, err := user.LookupGroup(text); err == nil {
		text = group.Gid
	}
	gid, err := strconv.Atoi(text)
	if err != nil || gid < 0 {
		return nil, fmt.Errorf("there is no group %q", s.SocketGroup)
	}
	return &gid, nil
}
