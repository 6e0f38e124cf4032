package scan

import (
	"bytes"
	"time"

	tree_sitter "github.com/tree-sitter/go-tree-sitter"
)

// walk goes down the syntax tree to each word in turn and notes what it is there: a binding, which
// belongs to a scope, or a mention, which is judged once all bindings are known.
//
// The way down is a stack of its own on the heap, so that a tree a million nodes deep costs memory in
// proportion, and time up to the deadline, but no machine stack.
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
	imported map[string][]string // the name in the source → what it was imported as
	assigned []assignment
}

// frame is one node on the way from the root to a word.
type frame struct {
	node       *tree_sitter.Node
	kind       kind
	field      field  // what the node is to its parent
	start, end uint32 // in the reduced text
	scope      *scope // in which the node stands
	inner      *scope // that it opens, if it does
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
	global map[string]bool // names that a global statement sends to the module

	firstFor uint32 // of a comprehension: where its first clause begins
}

// mention is a place that is forbidden under a condition which only the whole source can tell.
type mention struct {
	verdict
	when condition

	name  string // for ifUnbound, and the function or member for the others
	scope *scope // for ifUnbound
	of    string // what stands before the dot, dotted; empty if nothing does
}

type condition uint8

const (
	always       condition = iota
	ifUnbound              // if name is no name of the user's own in scope
	ifRestricted           // if of.name is a restricted member
	ifImporting            // if of.name is a function that imports what it is given
)

// assignment is `name = of.member` for a function that imports.
type assignment struct{ name, of, member string }

func newWalk(r *reduced, rules *ruleset, deadline time.Time) *walk {
	return &walk{
		reduced: r, rules: rules, deadline: deadline,
		module:   &scope{kind: moduleScope},
		imported: map[string][]string{},
	}
}

// tick counts a step and reports whether there is budget for it. The clock is read now and then only.
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

// push adds the node at the cursor to the path, which stands in scope.
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

// goTo moves the cursor to the smallest node that holds the byte, or to the string or the unreadable
// node around it. It returns false when the budget is spent.
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

// newScope makes the scope that a node opens.
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

// scopeOf returns the scope in which child stands, one below parent. Decorators, defaults,
// annotations, base classes and the first iterable of a comprehension are evaluated outside.
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

// bind makes name a name of s. A walrus in a comprehension binds outside of it, a name that is
// declared global binds in the module.
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

// note records what the word at the top of the path is.
func (w *walk) note(word word) {
	k := kinds()
	top := w.path[len(w.path)-1]
	switch {
	case top.kind == k.importStatement || top.kind == k.importFromStatement || top.kind == k.futureImportStatement:
		if w.firstWordOf(top, word) {
			w.noteImport(top)
		}
	case top.kind == k.errorNode:
		// What python3 cannot read has no findings. But it may be the parser that cannot, and
		// then a name may be bound in there.
		if name := wordAt(w.text, word.at); name != "" {
			w.bind(name, w.module, false)
		}
	case isOpaque(top): // Python 2
	case word.of&asString != 0:
		if top.kind == k.string {
			w.noteString(word)
		}
	case top.kind == k.identifier && int(top.start) == word.at:
		w.noteIdentifier(word)
	}
}

// firstWordOf reports whether word is the first one in the node, so that a statement of many words
// is noted once.
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

func (w *walk) add(m mention, offset int) {
	m.offset = offset
	w.mentions = append(w.mentions, m)
}

func (w *walk) textOf(f frame) string { return string(w.text[f.start:f.end]) }

// dotted returns the text of a node that is a dotted name, and nothing for any other.
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

// constant returns the value of a string node that can be a name.
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

// wordAt returns the name that begins at a place in a reduced text.
func wordAt(text []byte, at int) string {
	end := at
	for end < len(text) && isNameByte(text[end]) {
		end++
	}
	return string(text[at:end])
}
