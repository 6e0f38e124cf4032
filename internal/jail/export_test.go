package jail

import (
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// each calls a function with every environment.
func (r *Runner) each(do func(*environment)) {
	for _, e := range r.environments {
		do(e)
	}
}

// main is the environment of programs that name none.
func (r *Runner) main() *environment { return r.environments[sandbox.DefaultTemplate] }

// Expose weakens the mounts: the new root gets nodes that nobody planned, and that Landlock does not know of.
func (r *Runner) Expose(nodes ...inside.Node) {
	r.each(func(e *environment) {
		root := e.root.Load()
		root.plan = append(slices.Clip(root.plan), nodes...)
	})
	r.Recompile()
}

// Recompile takes into account what a test has changed in the Parts.
func (r *Runner) Recompile() {
	r.each(func(e *environment) {
		root := e.root.Load()
		root.script = e.compile(root)
	})
}

// ShareNamespaces leaves the runs in the daemon's own namespaces of these kinds (CLONE_NEW*).
func (r *Runner) ShareNamespaces(kinds uintptr) { r.host.namespaces &^= kinds }

// LeaveCgroup makes no leaves, until the function that it returns is called.
func (r *Runner) LeaveCgroup() (restore func()) {
	tree := r.host.tree
	r.host.tree = nil
	return func() { r.host.tree = tree }
}

// Parts are what the runs share, for tests that break them.
type Parts struct {
	Plan   *[]inside.Node
	Filter *[]byte
	Python *string
	Init   *string // path
	Limits *sandbox.Limits
}

// Parts of the environment of programs that name none. Nothing may run.
func (r *Runner) Parts() Parts {
	e := r.main()
	return Parts{&e.root.Load().plan, &e.filter, &e.python.Path, r.host.zygotes.Program(), &e.cfg.Limits}
}

// Zygotes are the processes that clone.
func (r *Runner) Zygotes() []int {
	pids, release := r.host.zygotes.Hold()
	release()
	return pids
}

// HoldZygotes keeps the zygotes busy, until the function that it returns is called.
func (r *Runner) HoldZygotes() (release func()) {
	_, release = r.host.zygotes.Hold()
	return release
}

// Warm is how many jails wait at most.
func (r *Runner) Warm() int { return r.main().cfg.Warm }

// WaitingPIDs are the interpreters that wait for a program.
func (r *Runner) WaitingPIDs() (pids []int) {
	r.each(func(e *environment) {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		for _, j := range e.pool.waiting {
			if pid := j.process.program(); pid != 0 {
				pids = append(pids, pid)
			}
		}
	})
	return pids
}

// KillWaiting kills all jails that wait at this moment, and returns how many. None of them gets a program.
func (r *Runner) KillWaiting() (n int) {
	r.each(func(e *environment) {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		for _, j := range e.pool.waiting {
			if j.process.signalProgram(unix.SIGKILL) {
				n++
			}
		}
	})
	return n
}

// WantWaiting does what the pools do when they look: they give up the jails that are too many, all of them if the host is short of
// memory. It returns how many more they want.
func (r *Runner) WantWaiting(short bool) (n int) {
	r.each(func(e *environment) {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		n += e.pool.want(short)
	})
	return n
}

// TemplatePID is the interpreter of a template.
func (r *Runner) TemplatePID(name string) int {
	return r.environments[name].keeper.get().jail.process.program()
}

// RenewTemplates has the next run of each environment come from another template.
func (r *Runner) RenewTemplates() (err error) {
	r.each(func(e *environment) { err = errors.Join(err, e.keeper.renew(e.keeper.get())) })
	return err
}

// Leaves is the directory of the leaves, "" if there is none.
func (r *Runner) Leaves() string {
	if r.host.tree == nil {
		return ""
	}
	return r.host.tree.Dir()
}

// What the threat model gives numbers of.
const (
	HostReserve   = hostReserve
	WatchInterval = watchInterval
	LongestRest   = longestRest
)

// HoldsLocks reports whether the daemon holds every lock on what runs share. Another daemon of the machine may hold some.
func (r *Runner) HoldsLocks() bool { return r.host.locks.Complete() }
