// Package hostile makes Python programs that want to do harm, for tests.
//
// A program is some acts, each drawn from a table and filled with random arguments, in random
// order, and a way to end. It depends on nothing but a seed and an index, so that whatever one
// of them did can be done again. All randomness is spent here: a program has only literals,
// and is made smaller by taking acts out of it.
package hostile

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Calls are the numbers of system calls that programs prefer: those that get past the filter.
type Calls []uint32

// Program is one program.
type Program struct {
	Seed   uint64
	Index  int
	Names  []string // of its acts, in the order in which they are done; the last is how it ends
	Source string
}

//go:embed prelude.py
var prelude string

// mostActs is how many acts a program has at most, its end aside.
const mostActs = 6

// New makes the program of a seed and an index.
func New(seed uint64, index int, calls Calls) Program {
	d := dice{rand.New(rand.NewPCG(seed, uint64(index))), calls} //nolint:gosec // it shall repeat
	p := Program{Seed: seed, Index: index}
	var source strings.Builder
	source.WriteString(prelude)
	if !d.chance(4) { // what blocks is interrupted; where not, the clock ends it
		source.WriteString("impatient()\n")
	}
	for range d.between(1, mostActs) {
		a := acts[d.IntN(len(acts))]
		how := a.how
		if how == "" {
			how = d.one("inline", "inline", "thread", "child", "child", "orphan")
		}
		p.Names = append(p.Names, a.name)
		add(&source, d, a, how)
	}
	end := ends[d.IntN(len(ends))]
	p.Names = append(p.Names, end.name)
	add(&source, d, end, "inline")
	p.Source = source.String()
	return p
}

// Only is a program of a single act, by its name.
func Only(seed uint64, name string, calls Calls) (Program, error) {
	d := dice{rand.New(rand.NewPCG(seed, 0)), calls} //nolint:gosec // it shall repeat
	for _, a := range slices.Concat(acts, ends) {
		if a.name == name {
			var source strings.Builder
			source.WriteString(prelude + "impatient()\n")
			add(&source, d, a, "inline")
			return Program{Seed: seed, Names: []string{name}, Source: source.String()}, nil
		}
	}
	return Program{}, fmt.Errorf("there is no act %q", name)
}

// Names are those of all acts, ways to end included.
func Names() []string {
	var names []string
	for _, a := range slices.Concat(acts, ends) {
		names = append(names, a.name)
	}
	return names
}

// add writes an act as a function that prelude.py's decorator calls at once.
func add(to *strings.Builder, d dice, a act, how string) {
	fmt.Fprintf(to, "\n@act(%q, %q)\ndef _():\n", a.name, how)
	for line := range strings.Lines(a.code(d)) {
		to.WriteString("    " + line)
	}
	to.WriteString("\n")
}

// Acts is the program without what all programs begin with.
func (p Program) Acts() string { return strings.TrimPrefix(p.Source, prelude) }

// String names the program, so that it can be made again.
func (p Program) String() string {
	return fmt.Sprintf("seed %d, index %d: %s", p.Seed, p.Index, strings.Join(p.Names, ", "))
}
