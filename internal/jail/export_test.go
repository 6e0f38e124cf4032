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

// main returns the environment of programs that name none.
func (r *Runner) main() *environment { return r.environments[sandbox.DefaultTemplate] }

// Expose weakens the mounts: it adds nodes to the root that are not in the plan and have no Landlock rule.
func (r *Runner) Expose(nodes ...inside.Node) {
	r.each(func(e *environment) {
		root := e.root.Load()
		root.plan = append(slices.Clip(root.plan), nodes...)
	})
	r.Recompile()
}

// Recompile applies the changes that a test has made to the Parts.
func (r *Runner) Recompile() {
	r.each(func(e *environment) {
		root := e.root.Load()
		root.script = e.compile(root)
	})
}

// ShareNamespaces makes runs share the daemon's namespaces of these kinds (CLONE_NEW*).
func (r *Runner) ShareNamespaces(kinds uintptr) { r.host.namespaces &^= kinds }

// LeaveCgroup disables leaves until the returned function is called.
func (r *Runner) LeaveCgroup() (restore func()) {
	tree := r.host.tree
	r.host.tree = nil
	return func() { r.host.tree = tree }
}

// Parts holds state that runs share, for tests that change it.
type Parts struct {
	Plan   *[]inside.Node
	Filter *[]byte
	Python *string
	Init   *string // path
	Limits *sandbox.Limits
}

// Parts returns the Parts of the default environment. No run may be in progress.
func (r *Runner) Parts() Parts {
	e := r.main()
	return Parts{&e.root.Load().plan, &e.filter, &e.python.Path, r.host.zygotes.Program(), &e.cfg.Limits}
}

// Zygotes returns the process ids of the zygotes.
func (r *Runner) Zygotes() []int {
	pids, release := r.host.zygotes.Hold()
	release()
	return pids
}

// HoldZygotes keeps the zygotes from serving until the returned function is called.
func (r *Runner) HoldZygotes() (release func()) {
	_, release = r.host.zygotes.Hold()
	return release
}

// Warm returns the maximum number of waiting jails.
func (r *Runner) Warm() int { return r.main().cfg.Warm }

// WaitingPIDs returns the process ids of the interpreters in waiting jails.
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

// KillWaiting kills all waiting jails and returns their number. None of them gets a program.
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

// WantWaiting makes the pools discard jails that are too many, or all of them if the host is short of memory. It returns how many jails
// the pools lack.
func (r *Runner) WantWaiting(short bool) (n int) {
	r.each(func(e *environment) {
		e.pool.mu.Lock()
		defer e.pool.mu.Unlock()
		n += e.pool.want(short)
	})
	return n
}

// TemplatePID returns the process id of a template.
func (r *Runner) TemplatePID(name string) int {
	return r.environments[name].keeper.get().jail.process.program()
}

// RenewTemplates replaces the template of each environment.
func (r *Runner) RenewTemplates() (err error) {
	r.each(func(e *environment) { err = errors.Join(err, e.keeper.renew(e.keeper.get())) })
	return err
}

// Leaves returns the directory of the leaves, or "" if there is none.
func (r *Runner) Leaves() string {
	if r.host.tree == nil {
		return ""
	}
	return r.host.tree.Dir()
}

// Constants whose values are in the threat model.
const (
	HostReserve   = hostReserve
	WatchInterval = watchInterval
	LongestRest   = longestRest
	MostGreeted   = mostGreeted
)

// HoldsLocks reports whether the daemon holds all locks on inodes that runs share. Another daemon of the machine may hold some of them.
func (r *Runner) HoldsLocks() bool { return r.host.locks.Complete() }
