package scan

import (
	"bytes"
	"time"

	tree_sitter "github.com/tree-sitter/go-tree-sitter"
)

// walk descends in the syntax tree to each word. It records what the word is: a binding, which belongs to a scope, or a mention,
// which is judged when all bindings are known.
//
// The path to the word is on the heap. So a tree that is a million nodes deep needs memory in proportion, and time up to the deadline,
// but no deep recursion.
type walk struct {
	*reduced
	rules    *ruleset
	deadline time.Time
	steps    int
	spent    bool // the deadline has passed

	cursor *tree_sitter.TreeCursor
	path   []frame
	module *scope

	mentions []mention
	imported map[string][]string // name in the source → paths that it was imported as
	assigned []assignment
}

// frame is a node on the path from the root to a word.
type frame struct {
	node       *tree_sitter.Node
	kind       kind
	field      field  // field of the parent that contains the node
	start, end uint32 // in the reduced text
	scope      *scope // scope that contains the node
	inner      *scope // scope that the node opens, or nil
}

type scopeKind uint8

const (
	moduleScope scopeKind = iota
	functionScope
	classScope
	comprehensionScope
)

type scope struct {
	kind   scopeKind
	parent *scope
	binds  map[string]bool
	global map[string]bool // names that a global statement declares

	firstFor uint32 // of a comprehension: offset of its first clause
}

// mention is a place that is forbidden under a condition that depends on the whole source.
type mention struct {
	verdict
	when condition

	name  string // a name for ifUnbound; otherwise a function or member
	scope *scope // for ifUnbound
	of    string // the dotted name before the dot, or ""
}

type condition uint8

const (
	always       condition = iota
	ifUnbound              // if the user's code does not bind name in scope
	ifRestricted           // if of.name is a restricted member
	ifImporting            // if of.name is one of importFunctions
)

// assignment is `name = of.member`, where member is a function that imports.
type assignment struct{ name, of, member string }

func newWalk(r *reduced, rules *ruleset, deadline time.Time) *walk {
	return &walk{
		reduced: r, rules: rules, deadline: deadline,
		module:   &scope{kind: moduleScope},
		imported: map[string][]string{},
	}
}

// tick counts a step and reports whether there is budget left. It reads the clock only every 256 steps.
func (w *walk) tick() bool {
	w.steps++
	if w.steps%256 == 0 {
		w.spent = w.spent || time.Now().After(w.deadline)
	}
	return !w.spent
}

func (w *walk) run(tree *tree_sitter.Tree) error {
	w.cursor = tree.Walk()
	defer w.cursor.Close()
	w.push(w.module)
	for _, word := range w.words {
		if !w.goTo(uint32(word.at), word.of&asString != 0) {
			return ErrBudget
		}
		w.note(word)
	}
	if w.spent {
		return ErrBudget
	}
	return nil
}

// push appends the node at the cursor, which is in scope, to the path.
func (w *walk) push(scope *scope) {
	node := w.cursor.Node()
	start, end := node.ByteRange()
	f := frame{
		node: node, kind: kind(node.KindId()), field: field(w.cursor.FieldId()),
		start: uint32(start), end: uint32(end), scope: scope,
	}
	f.inner = newScope(f)
	w.path = append(w.path, f)
}

// goTo moves the cursor to the smallest node that contains the byte, or to an opaque node or a string around it. It returns false if
// the budget is used up.
func (w *walk) goTo(at uint32, wholeString bool) bool {
	for len(w.path) > 1 && w.path[len(w.path)-1].end <= at {
		if !w.tick() {
			return false
		}
		w.cursor.GotoParent()
		w.path = w.path[:len(w.path)-1]
	}
	for {
		top := w.path[len(w.path)-1]
		if isOpaque(top) || wholeString && top.kind == kinds().string {
			return true
		}
		if !w.tick() {
			return false
		}
		if w.cursor.GotoFirstChildForByte(at) == nil {
			return true
		}
		w.push(nil)
		child := &w.path[len(w.path)-1]
		child.scope = scopeOf(top, *child)
		if child.inner != nil {
			child.inner.parent = child.scope
		}
	}
}

// newScope returns the scope that a node opens, or nil.
func newScope(f frame) *scope {
	k := kinds()
	switch f.kind {
	case k.functionDefinition, k.lambda:
		return &scope{kind: functionScope, parent: f.scope}
	case k.classDefinition:
		return &scope{kind: classScope, parent: f.scope}
	case k.listComprehension, k.setComprehension, k.dictionaryComprehension, k.generatorExpression:
		s := &scope{kind: comprehensionScope, parent: f.scope}
		if first := f.node.NamedChild(1); first != nil {
			s.firstFor = uint32(first.StartByte())
		}
		return s
	}
	return nil
}

// scopeOf returns the scope of child, a child node of parent. Decorators, defaults, annotations, base classes and the first iterable
// of a comprehension are evaluated in the outer scope.
func scopeOf(parent, child frame) *scope {
	k := kinds()
	switch parent.kind {
	case k.functionDefinition, k.lambda:
		if child.field == k.fieldParameters || child.field == k.fieldBody {
			return parent.inner
		}
	case k.classDefinition:
		if child.field == k.fieldBody {
			return parent.inner
		}
	case k.listComprehension, k.setComprehension, k.dictionaryComprehension, k.generatorExpression:
		return parent.inner
	case k.forInClause:
		if child.field == k.fieldRight && parent.start == parent.scope.firstFor && parent.scope.parent != nil {
			return parent.scope.parent
		}
	case k.defaultParameter, k.typedDefaultParameter, k.typedParameter:
		if (child.field == k.fieldValue || child.field == k.fieldType) && parent.scope.parent != nil {
			return parent.scope.parent
		}
	}
	return parent.scope
}

// bind binds name in s. A walrus in a comprehension binds in the scope around it. A name that is declared global is bound in the
// module.
func (w *walk) bind(name string, s *scope, walrus bool) {
	for walrus && s.kind == comprehensionScope && s.parent != nil {
		s = s.parent
	}
	if s.global[name] {
		s = w.module
	}
	if s.binds == nil {
		s.binds = map[string]bool{}
	}
	s.binds[name] = true
}

// note records the word at the end of the path.
func (w *walk) note(word word) {
	k := kinds()
	top := w.path[len(w.path)-1]
	switch {
	case top.kind == k.importStatement || top.kind == k.importFromStatement || top.kind == k.futureImportStatement:
		if w.firstWordOf(top, word) {
			w.noteImport(top)
		}
	case top.kind == k.errorNode:
		// Text that python3 cannot parse has no findings. But perhaps only this parser cannot parse it, and then
		// it may bind a name.
		if name := wordAt(w.text, word.at); name != "" {
			w.bind(name, w.module, false)
		}
	case isOpaque(top): // a statement of Python 2
	case word.of&asString != 0:
		if top.kind == k.string {
			w.noteString(word)
		}
	case top.kind == k.identifier && int(top.start) == word.at:
		w.noteIdentifier(word)
	}
}

// firstWordOf reports whether word is the first one in the node, so that a statement with several words is recorded once.
func (w *walk) firstWordOf(f frame, word word) bool {
	i := w.wordIndex(f.start)
	return i < len(w.words) && w.words[i].at == word.at
}

func (w *walk) noteIdentifier(word word) {
	k := kinds()
	n := len(w.path)
	if n < 2 {
		return
	}
	self, parent := w.path[n-1], w.path[n-2]
	name := w.textOf(self)
	switch parent.kind {
	case k.attribute:
		if self.field == k.fieldAttribute {
			w.noteAttribute(word, name, n-2)
			return
		}
	case k.keywordArgument:
		if self.field == k.fieldName {
			return
		}
	case k.keywordPattern, k.nonlocalStatement:
		return
	case k.globalStatement:
		if self.scope.global == nil {
			self.scope.global = map[string]bool{}
		}
		self.scope.global[name] = true
		return
	}
	if role := w.binding(n - 1); role == binds || role == bindsWalrus {
		w.bind(name, self.scope, role == bindsWalrus)
		return
	} else if role == neither {
		return
	}
	if word.of&asName == 0 {
		return
	}
	w.noteLoad(word, name)
}

func (w *walk) add(m mention, at span) {
	m.at = at
	w.mentions = append(w.mentions, m)
}

func (w *walk) textOf(f frame) string { return string(w.text[f.start:f.end]) }

// dotted returns the text of a node that is a dotted name, and "" for any other node.
func (w *walk) dotted(node *tree_sitter.Node) string {
	start, end := node.ByteRange()
	if end-start > maxStringName {
		return ""
	}
	name := bytes.ReplaceAll(w.text[start:end], []byte(" . "), []byte("."))
	if !isDottedName(name) {
		return ""
	}
	return string(name)
}

// constant returns the value of a string node that may be a name.
func (w *walk) constant(node *tree_sitter.Node) string {
	if node == nil || kind(node.KindId()) != kinds().string {
		return ""
	}
	start, end := node.ByteRange()
	if end-start > maxStringName+2 || end-start < 2 || w.text[start] != '"' {
		return ""
	}
	return string(w.text[start+1 : end-1])
}

// wordAt returns the name that begins at an offset of a reduced text.
func wordAt(text []byte, at int) string {
	end := at
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	return string(text[at:end])
}
