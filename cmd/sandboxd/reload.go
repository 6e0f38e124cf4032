package main

import (
	"context"
	"log/slog"

	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/filewatch"
)

// reloadable is something that is made of files, and is made again when they change or at SIGHUP. Settings, and thus jails,
// templates and listeners, are not reloadable: they depend on each other and would have to change at the same moment.
type reloadable struct {
	what  string
	watch *filewatch.Watcher
	load  func() error // if it fails, the old one stays in use
	about func() []any // for the log, after it was loaded
}

// newReloadable loads something for the first time. A change of the files after that is noticed.
func newReloadable(what string, paths []string, load func() error, about func() []any) (*reloadable, error) {
	r := &reloadable{what, filewatch.New(paths...), load, about}
	return r, load()
}

func (r *reloadable) reload(log *slog.Logger) {
	if err := r.load(); err != nil {
		log.Error("a changed file is of no use: what was read before stays in use", "what", r.what, "error", err)
		return
	}
	log.Info("files were read again", append([]any{"what", r.what}, r.about()...)...)
}

// reloadables are all of a daemon.
type reloadables []*reloadable

// follow reloads what has changed until ctx ends, and all of it at SIGHUP.
func (all reloadables) follow(ctx context.Context, caught *signals, log *slog.Logger) {
	for _, r := range all {
		go r.watch.Run(ctx, func() { r.reload(log) })
	}
	if len(all) > 0 {
		everything := func() {
			for _, r := range all {
				r.reload(log)
			}
		}
		caught.reload.Store(&everything)
	}
}

// keyring reads the file of keys. It returns nil if there is none.
func (s *settings) keyring(all *reloadables) (*callers.Keyring, error) {
	if s.KeysFile == "" {
		return nil, nil
	}
	ring := callers.NewKeyring(s.KeysFile)
	r, err := newReloadable("keys", []string{s.KeysFile}, ring.Load, func() []any { return []any{"keys", ring.Len()} })
	*all = append(*all, r)
	return ring, err
}
