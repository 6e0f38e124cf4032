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

// chunk is the number of bytes that the parser gets at a time. Each piece is copied into C memory that is freed only after the
// parse.
const chunk = 16 << 10

// parse returns the syntax tree of a reduced text, which the caller closes. It returns ErrBudget if the parse takes too long.
//
// It creates a new parser for each source, which takes less than 10 µs. So no state of a source remains for the next one, and the
// memory of a large source is freed.
func parse(text []byte, budget time.Duration) (*tree_sitter.Tree, error) {
	parser := tree_sitter.NewParser()
	defer parser.Close()
	if err := parser.SetLanguage(python()); err != nil {
		return nil, err
	}
	// ParseOptions, the replacement of this call, leaks an entry of a global map for each parse
	// (go-tree-sitter 0.25.0: pointer.Save without Unref). The C library checks the clock every
	// 100 steps, both while it parses and while it balances the tree.
	//
	//lint:ignore SA1019 its replacement leaks
	parser.SetTimeoutMicros(uint64(budget.Microseconds()))

	// When the parser backtracks it requests the same text again. So the clock alone would not bound the memory.
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
