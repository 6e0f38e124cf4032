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

// Runner runs programs, each in its own jail. It is safe for concurrent use. It does not limit the number of concurrent runs.
type Runner struct {
	host         *host
	environments map[string]*environment
}

// ErrNoSuchTemplate means that a program names an environment that the configuration does not have.
var ErrNoSuchTemplate = errors.New("no such template")

// New prepares the state that runs share. It runs the interpreter once to find its directories, plans the root file system, makes a
// cgroup tree, and removes the trees of killed daemons. With Fork it also starts the templates and waits for them, until ctx ends. It
// fails if a cgroup controller is missing, unless cfg.BestEffort is set.
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

// Close ends the waiting jails and the templates, and removes the cgroup tree. No run may be in progress.
func (r *Runner) Close() error {
	for _, e := range r.environments {
		e.close()
	}
	return r.host.close()
}

// Enforced reports whether the kernel enforces the memory, cpu and process limits by cgroup.
func (r *Runner) Enforced() bool { return r.host.enforced() }

// Run runs one program to its end. live, which may be nil, receives the events of the run, with all of the output; the Result contains
// the output up to its cap. An error means that the sandbox failed (sandbox.SetupError) or that the program cannot be run
// (sandbox.InvalidError). Every way in which the program itself ends is a Result. If ctx ends first, the program is killed at once and
// the verdict is Cancelled. The jail may still be in removal when Run returns: see Result.Wait.
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

// Waiting returns the number of waiting jails.
func (r *Runner) Waiting() (n int) {
	for _, e := range r.environments {
		n += e.pool.size()
	}
	return n
}

// TemplateStarts returns how many templates have started, and how many could not be started.
func (r *Runner) TemplateStarts() (started, failed int) {
	for _, e := range r.environments {
		if e.keeper != nil {
			started += int(e.keeper.started.Load())
			failed += int(e.keeper.failed.Load())
		}
	}
	return started, failed
}
