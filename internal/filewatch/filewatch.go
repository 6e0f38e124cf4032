// Package filewatch detects changes of files by polling stat(2). inotify(7) would detect a change sooner, but it does not work on
// network file systems and requires a watch on each directory and symbolic link of the path.
package filewatch

import (
	"context"
	"os"
	"time"
)

// Every is the polling interval.
const Every = time.Second

// Watcher watches files.
type Watcher struct {
	paths []string
	last  []os.FileInfo // nil where there is no file
}

// New returns a watcher that detects changes of files after this call.
func New(paths ...string) *Watcher {
	w := &Watcher{paths: paths, last: make([]os.FileInfo, len(paths))}
	w.changed()
	return w
}

// Run calls changed after one of the files has changed, until ctx ends. A change is a new modification time, size or mode, a
// replacement, a creation or a removal.
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
