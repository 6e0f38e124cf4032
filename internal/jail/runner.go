package jail

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Runner runs programs, each in a jail of its own. It is safe for concurrent use. It does not bound how many run at once.
type Runner struct {
	host         *host
	environments map[string]*environment
}

// ErrNoSuchTemplate means that a program names an environment that the configuration does not have.
var ErrNoSuchTemplate = errors.New("no such template")

// New prepares what the runs share. It asks the interpreter where it lives, plans the root file system, takes a place in the cgroup
// tree, and removes what a killed daemon left there. With Fork it starts the templates, unless ctx ends. It fails if a cgroup
// controller is missing, unless cfg.BestEffort.
func New(ctx context.Context, cfg Config) (_ *Runner, err error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	interpreter, err := python.Inspect(ctx, cfg.Python)
	if err != nil {
		return nil, err
	}
	r := &Runner{environments: map[string]*environment{}}
	if r.host, err = openHost(cfg.HostConfig); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	for _, name := range slices.Sorted(maps.Keys(cfg.Templates)) {
		e, err := newEnvironment(ctx, r.host, name, cfg, interpreter)
		if err != nil {
			return nil, err
		}
		r.environments[name] = e
	}
	for _, e := range r.environments {
		e.pool.open()
	}
	return r, nil
}

// Close ends the jails that wait and the templates, and gives back the place in the cgroup tree. No run may be under way.
func (r *Runner) Close() error {
	for _, e := range r.environments {
		e.close()
	}
	return r.host.close()
}

// Enforced reports whether the kernel enforces the memory, cpu and process limits by cgroup.
func (r *Runner) Enforced() bool { return r.host.enforced() }

// Run runs one program to its end and leaves nothing behind. live, nil for nobody, gets the start and the output of the program as
// they happen, without a cap; the copy in the Result is kept as well. An error means that the sandbox failed (sandbox.SetupError) or
// that the program cannot be run as it is described (sandbox.InvalidError). Everything that the program does is a Result. When ctx
// ends first, the program is killed at once and the verdict is Cancelled.
func (r *Runner) Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*Result, error) {
	if err := program.Validate(); err != nil {
		return nil, err
	}
	e := r.environments[cmp.Or(program.Template, sandbox.DefaultTemplate)]
	if e == nil {
		return nil, ErrNoSuchTemplate
	}
	return e.run(ctx, program, live)
}

// Waiting returns how many jails wait for a program.
func (r *Runner) Waiting() (n int) {
	for _, e := range r.environments {
		n += e.pool.size()
	}
	return n
}
