package jail

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Expose weakens the mounts: the new root gets nodes that nobody planned, and that Landlock was
// not told of.
func (j *Jail) Expose(nodes ...inside.Node) {
	j.plan = append(slices.Clip(j.plan), nodes...)
	j.Recompile()
}

// Recompile is for what else was changed in the jail's parts.
func (j *Jail) Recompile() { j.script = j.compile(forExec) }

// ShareNamespaces leaves the runs in our own of these kinds (CLONE_NEW*).
func (j *Jail) ShareNamespaces(kinds uintptr) { j.namespaces &^= kinds }

// LeaveCgroup makes no leaves, until the function that it returns is called.
func (j *Jail) LeaveCgroup() (restore func()) {
	tree := j.tree
	j.tree = nil
	return func() { j.tree = tree }
}

// Parts are what the runs of a jail share, for tests that break them.
type Parts struct {
	Plan   *[]inside.Node
	Filter *[]byte
	Python *string
	Init   *string
	Limits *Limits
}

// Parts of a jail that runs nothing at the moment.
func (j *Jail) Parts() Parts {
	return Parts{&j.plan, &j.filter, &j.python.path, &j.init.path, &j.cfg.Limits}
}

// Leaves is the directory of the leaves, "" where there is none.
func (j *Jail) Leaves() string {
	if j.tree == nil {
		return ""
	}
	return j.tree.runs.Name()
}
