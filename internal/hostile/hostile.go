// Package hostile generates hostile Python programs for tests.
//
// A program is a random sequence of acts and a way to end. Each act comes from a table and gets random arguments. A seed and an index
// determine a program, so it can be generated again. The program itself makes no random choice: its source contains only literals. To
// reduce a program that shows a fault, remove acts from it.
package hostile

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// Calls are the numbers of the system calls that programs prefer, because the filter allows them.
type Calls []uint32

// Program is one generated program.
type Program struct {
	Seed   uint64
	Index  int
	Names  []string // of its acts in order; the last one is the way it ends
	Source string
}

//go:embed prelude.py
var prelude string

// mostActs is the maximum number of acts of a program, not counting its end.
const mostActs = 6

// New generates the program of a seed and an index.
func New(seed uint64, index int, calls Calls) Program {
	d := dice{rand.New(rand.NewPCG(seed, uint64(index))), calls} //nolint:gosec // it must be repeatable
	p := Program{Seed: seed, Index: index}
	var source strings.Builder
	source.WriteString(prelude)
	if !d.chance(4) { // a timer interrupts calls that block; without it, only the timeout of the run ends them
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

// Only generates a program with one act, by the act's name.
func Only(seed uint64, name string, calls Calls) (Program, error) {
	d := dice{rand.New(rand.NewPCG(seed, 0)), calls} //nolint:gosec // it must be repeatable
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

// Names returns the names of all acts, including ways to end.
func Names() []string {
	var names []string
	for _, a := range slices.Concat(acts, ends) {
		names = append(names, a.name)
	}
	return names
}

// add appends an act, as a function that the decorator in prelude.py calls immediately.
func add(to *strings.Builder, d dice, a act, how string) {
	fmt.Fprintf(to, "\n@act(%q, %q)\ndef _():\n", a.name, how)
	for line := range strings.Lines(a.code(d)) {
		to.WriteString("    " + line)
	}
	to.WriteString("\n")
}

// Acts returns the source without the prelude that all programs share.
func (p Program) Acts() string { return strings.TrimPrefix(p.Source, prelude) }

// String returns the seed, the index and the acts, so that the program can be generated again.
func (p Program) String() string {
	return fmt.Sprintf("seed %d, index %d: %s", p.Seed, p.Index, strings.Join(p.Names, ", "))
}
