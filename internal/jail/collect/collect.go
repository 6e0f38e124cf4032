// Package collect reads the files that a program has left in its scratch space.
//
// The program chose everything that this package reads: names, types, sizes, depth, permissions. So the scratch space is reached by a
// descriptor and never by a path of the host; each file is opened by openat2(2) with RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS,
// RESOLVE_NO_MAGICLINKS and RESOLVE_NO_XDEV; only regular files are read; and names, depth, number and bytes are bounded. It is
// called when every process of the run has ended, so no file changes while it is read.
package collect

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Bounds of one collection.
const (
	MaxDepth   = sandbox.MaxDepth // directories on the way to a file, and the file
	MaxEntries = 100_000          // names that are considered, in all directories together
)

// Request says what to collect.
type Request struct {
	Patterns []string // patterns of paths below the directory, as in doublestar: *, ?, [a-z], {a,b} and ** for any directories
	Except   []string // paths that are left out
	Files    int      // maximum number of files
	Bytes    int64    // maximum size of all files together
	UID, GID int      // the files are opened with the rights of this user; -1: with those of this process
}

// Files reads the files below a directory of an open file system that match a pattern. It returns them sorted by path. missed counts the
// matching files that are not returned: too large, too many, unreadable, or with a name that is not UTF-8. An error means that the
// directory itself could not be read.
func Files(root int, directory string, r Request) (files []sandbox.File, missed int, err error) {
	done := make(chan struct{})
	go func() { // become changes the rights of the thread that runs this goroutine
		defer close(done)
		defer become(r.UID, r.GID)()
		w := walker{request: r, entries: MaxEntries}
		var top int
		if top, err = open(root, directory, unix.O_DIRECTORY); err != nil {
			return
		}
		w.walk(top, "", 1)
		files, missed = w.files, w.missed
	}()
	<-done
	slices.SortFunc(files, func(a, b sandbox.File) int { return strings.Compare(a.Path, b.Path) })
	return files, missed, err
}

// open opens a name below a directory. O_NONBLOCK keeps a FIFO from blocking (fifo(7)).
func open(directory int, name string, flags uint64) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY | flags,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	for {
		fd, err := unix.Openat2(directory, name, &how)
		if !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN) {
			return fd, err
		}
	}
}

type walker struct {
	request Request
	entries int // names that may still be considered
	files   []sandbox.File
	bytes   int64
	missed  int
}

// walk collects from a directory, which it closes.
func (w *walker) walk(dir int, prefix string, depth int) {
	names, more := w.list(dir)
	defer unix.Close(dir)
	if more {
		w.missed++
	}
	for _, name := range names {
		p := path.Join(prefix, name)
		if slices.Contains(w.request.Except, p) {
			continue
		}
		var stat unix.Stat_t
		if unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW) != nil {
			continue // in a directory without search permission, the user may not stat the entry
		}
		switch stat.Mode & unix.S_IFMT {
		case unix.S_IFDIR:
			if depth == MaxDepth || !utf8.ValidString(name) {
				continue
			}
			if below, err := open(dir, name, unix.O_DIRECTORY); err == nil {
				w.walk(below, p, depth+1)
			}
		case unix.S_IFREG:
			if w.matches(p) {
				w.take(dir, name, p, stat.Size)
			}
		}
	}
}

// list returns the names in a directory, sorted. It reports whether some may be missing because MaxEntries was reached.
func (w *walker) list(dir int) (names []string, more bool) {
	buffer := make([]byte, 32<<10)
	for w.entries > 0 {
		n, err := unix.Getdents(dir, buffer)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			break
		}
		before := len(names)
		_, _, names = unix.ParseDirent(buffer[:n], w.entries, names)
		w.entries -= len(names) - before
	}
	slices.Sort(names)
	return names, w.entries <= 0
}

// matches reports whether a path matches a pattern. The patterns have been validated.
func (w *walker) matches(p string) bool {
	return slices.ContainsFunc(w.request.Patterns, func(pattern string) bool { return doublestar.MatchUnvalidated(pattern, p) })
}

// take reads one file, if there is room for it.
func (w *walker) take(dir int, name, p string, size int64) {
	room := w.request.Bytes - w.bytes
	if !utf8.ValidString(p) || len(p) > sandbox.MaxPath || len(w.files) >= w.request.Files || size > room {
		w.missed++
		return
	}
	data, err := read(dir, name, room)
	if err != nil {
		w.missed++
		return
	}
	w.bytes += int64(len(data))
	w.files = append(w.files, sandbox.File{Path: p, Data: data})
}

var errTooLarge = errors.New("too large")

// read reads a regular file of at most so many bytes.
func read(dir int, name string, most int64) ([]byte, error) {
	fd, err := open(dir, name, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFREG || stat.Size > most {
		return nil, errTooLarge
	}
	var data bytes.Buffer
	data.Grow(int(stat.Size))
	n, err := io.Copy(&data, io.LimitReader(descriptor(fd), most+1))
	if err == nil && n > most {
		err = errTooLarge
	}
	return data.Bytes(), err
}

// descriptor reads a file without Go's poller.
type descriptor int

func (d descriptor) Read(b []byte) (int, error) {
	for {
		n, err := unix.Read(int(d), b)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}
