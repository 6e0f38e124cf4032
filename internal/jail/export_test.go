package jail

import "github.com/sandboxd/sandboxd/internal/jail/inside"

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
