package service

import (
	"context"
	"errors"
	"sync"
)

// ErrCancelled is the context cause of a run that Cancel ended. Run does not return it: the verdict is Cancelled.
var ErrCancelled = errors.New("the run was cancelled by its name")

// registry holds the runs that can be cancelled, by name.
type registry struct {
	mu   sync.Mutex
	ends map[string]context.CancelCauseFunc
}

// add returns a context for the run with this name, which Cancel ends, and a function that removes the run. A run without a name
// cannot be cancelled.
func (r *registry) add(ctx context.Context, name string) (run context.Context, remove func()) {
	if name == "" {
		return ctx, func() {}
	}
	ctx, end := context.WithCancelCause(ctx)
	r.mu.Lock()
	r.ends[name] = end
	r.mu.Unlock()
	return ctx, func() {
		r.mu.Lock()
		delete(r.ends, name)
		r.mu.Unlock()
		end(nil)
	}
}

// Cancel ends the run with this name, and reports whether there is one. The run may be waiting for a slot. Its caller gets the
// verdict Cancelled, unless the run ends by itself at the same moment.
func (s *Service) Cancel(name string) bool {
	s.named.mu.Lock()
	end, found := s.named.ends[name]
	s.named.mu.Unlock()
	if found {
		end(ErrCancelled)
	}
	return found
}
