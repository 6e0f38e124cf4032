// Package filewatch notices that files have changed. It compares what stat(2) says of them from time to time. inotify(7) would
// notice a change sooner, but not on network file systems, and it has to follow renames and symbolic links of each directory on
// the path.
package filewatch

import (
	"context"
	"os"
	"time"
)

// Every is how often the files are looked at.
const Every = time.Second

// Watcher watches files.
type Watcher struct {
	paths []string
	last  []os.FileInfo // nil where there is no file
}

// New returns a watcher of files. It notices changes from now on.
func New(paths ...string) *Watcher {
	w := &Watcher{paths: paths, last: make([]os.FileInfo, len(paths))}
	w.changed()
	return w
}

// Run calls changed after one of the files has changed, until ctx ends. A change is another content, another file in the place
// of this one, or its removal.
func (w *Watcher) Run(ctx context.Context, changed func()) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.changed() {
			changed()
		}
	}
}

func (w *Watcher) changed() (differs bool) {
	for i, path := range w.paths {
		now, _ := os.Stat(path) // nil if there is none
		differs = differs || !same(w.last[i], now)
		w.last[i] = now
	}
	return differs
}

func same(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
