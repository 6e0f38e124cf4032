package scan

import (
	"sync"
	"time"

	tree_sitter "github.com/tree-sitter/go-tree-sitter"
	tree_sitter_python "github.com/tree-sitter/tree-sitter-python/bindings/go"
)

var python = sync.OnceValue(func() *tree_sitter.Language {
	return tree_sitter.NewLanguage(tree_sitter_python.Language())
})

// chunk is how much text the parser gets at a time, in bytes. Each piece is copied into C memory that
// is freed only after the parse.
const chunk = 16 << 10

// parse returns the syntax tree of a reduced text, which the caller closes, or ErrBudget.
//
// A parser is made for each source and not kept: that takes under 10 µs, and nothing of one source,
// neither state nor the memory of a huge one, stays for the next.
func parse(text []byte, budget time.Duration) (*tree_sitter.Tree, error) {
	parser := tree_sitter.NewParser()
	defer parser.Close()
	if err := parser.SetLanguage(python()); err != nil {
		return nil, err
	}
	// ParseOptions, which is to replace this call, leaks an entry of a global map for each parse
	// (go-tree-sitter 0.25.0: pointer.Save without Unref). The C library looks at the clock every
	// 100 steps, be they parsing or rebalancing.
	//
	//lint:ignore SA1019 its replacement leaks
	parser.SetTimeoutMicros(uint64(budget.Microseconds()))

	// A parser that goes back asks for the same text again, so that a clock alone would not bound
	// the memory.
	given, limit := 0, 4*len(text)+1<<20
	tree := parser.ParseWithOptions(func(offset int, _ tree_sitter.Point) []byte {
		if offset >= len(text) || given > limit {
			return nil
		}
		piece := text[offset:min(offset+chunk, len(text))]
		given += len(piece)
		return piece
	}, nil, nil)
	if tree == nil {
		return nil, ErrBudget
	}
	if given > limit {
		tree.Close()
		return nil, ErrBudget
	}
	return tree, nil
}
