package jail

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Expose weakens the mounts: the new root gets nodes that nobody planned, and that Landlock was
// not told of.
func (j *Jail) Expose(nodes ...inside.Node) {
	root := j.root.Load()
	root.plan = append(slices.Clip(root.plan), nodes...)
	j.Recompile()
}

// Recompile is for what else was changed in the jail's parts.
func (j *Jail) Recompile() {
	root := j.root.Load()
	root.script = j.compile(root)
}

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
	Limits *sandbox.Limits
}

// Parts of a jail that runs nothing at the moment.
func (j *Jail) Parts() Parts {
	return Parts{&j.root.Load().plan, &j.filter, &j.python.path, &j.zygotes.path, &j.cfg.Limits}
}

// Warm is how many jails at most wait.
func (j *Jail) Warm() int { return j.cfg.Warm }

// WaitingPIDs are the interpreters that wait for a program.
func (j *Jail) WaitingPIDs() (pids []int) {
	for _, p := range j.pools {
		p.mu.Lock()
		for _, r := range p.waiting {
			if pid := r.process.program(); pid != 0 {
				pids = append(pids, pid)
			}
		}
		p.mu.Unlock()
	}
	return pids
}

// KillWaiting kills all that wait at this moment: each has no program yet, and none of them will
// hear of one. It says how many.
func (j *Jail) KillWaiting() (n int) {
	for _, p := range j.pools {
		p.mu.Lock()
		for _, r := range p.waiting {
			if r.process.signalProgram(unix.SIGKILL) {
				n++
			}
		}
		p.mu.Unlock()
	}
	return n
}

// WantWaiting is what the pools do when they look: they give up what is too many, which is all of it
// where the host is short of memory. It says how many they want more.
func (j *Jail) WantWaiting(short bool) (n int) {
	for _, p := range j.pools {
		p.mu.Lock()
		n += p.want(short)
		p.mu.Unlock()
	}
	return n
}

// TemplatePID is the interpreter of a template.
func (j *Jail) TemplatePID(name string) int { return j.templates.get(name).run.process.program() }

// RenewTemplates has the next run of each come from another template.
func (j *Jail) RenewTemplates() error {
	for name := range j.cfg.Templates {
		if err := j.templates.renew(name, j.templates.get(name)); err != nil {
			return err
		}
	}
	return nil
}

// Leaves is the directory of the leaves, "" where there is none.
func (j *Jail) Leaves() string {
	if j.tree == nil {
		return ""
	}
	return j.tree.runs.Name()
}

// Zygotes are the processes that clone.
func (j *Jail) Zygotes() (pids []int) {
	held, release := j.holdZygotes()
	defer release()
	for _, one := range held {
		pids = append(pids, one.proc.Pid)
	}
	return pids
}

// HoldZygotes keeps those that clone busy, until the function that it returns is called.
func (j *Jail) HoldZygotes() (release func()) {
	_, release = j.holdZygotes()
	return release
}

func (j *Jail) holdZygotes() (held []*zygote, release func()) {
	for range cap(j.zygotes.idle) {
		held = append(held, <-j.zygotes.idle)
	}
	return held, func() {
		for _, one := range held {
			j.zygotes.idle <- one
		}
	}
}

// What the threat model gives numbers of.
const (
	HostReserve   = hostReserve
	WatchInterval = watchInterval
	LongestRest   = longestRest
)

// TableRow is a row of the table of layers, as the docs have it.
type TableRow struct {
	Name, PartOf, Attack, What string
	Stages                     []string
	OnRequest                  bool
}

// Table is the table of layers.
func Table() (rows []TableRow) {
	for _, l := range layers {
		rows = append(rows, TableRow{l.name, l.partOf, l.attack, l.what, l.stages, l.need == onRequest})
	}
	return rows
}

// Causes are the known reasons why a layer does not work, with their remedies.
func Causes() (list [][2]string) {
	for _, c := range causes {
		list = append(list, [2]string{c.sign, c.remedy})
	}
	return list
}

// HoldsLocks reports whether the jail holds every lock on what runs share. Another daemon of the machine may hold some.
func (j *Jail) HoldsLocks() bool {
	j.nodes.mu.Lock()
	defer j.nodes.mu.Unlock()
	return !slices.Contains(j.nodes.held, false)
}
