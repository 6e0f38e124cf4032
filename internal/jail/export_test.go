package jail

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Expose weakens the mounts: the new root gets nodes that nobody planned, and that Landlock was
// not told of.
func (j *Jail) Expose(nodes ...inside.Node) { j.plan = append(slices.Clip(j.plan), nodes...) }
