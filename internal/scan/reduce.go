package scan

import (
	"bytes"
	"strings"
	"sync"
)

// reduced is the part of a source that could matter, in normal form: a line for each logical line,
// one blank between tokens, one blank of indentation for each block, and no string but those that
// are names. It has the grammar of the original, as far as it is kept.
type reduced struct {
	text  []byte
	words []word

	// classes are the names of the source's own classes: asking one of them for its subclasses
	// is no ladder.
	classes map[string]bool
}

// word is an occurrence of something that could matter.
type word struct {
	at     int // where it begins in the reduced text
	offset int // and in the source
	of     wordClass
}

var pythonKeywords = setOf(`False None True and as assert async await break class continue def del elif
	else except finally for from global if import in is lambda nonlocal not or pass raise return try
	while with yield`)

// compound are the words that begin a statement which has a block, or may have one.
var compound = setOf("if elif else for while try except finally with def class async match case")

// clauses continue the statement before them.
var clauses = setOf("elif else except finally")

// wordSet is a set of words that is made when it is first asked: most commands scan nothing.
type wordSet struct{ make func() map[string]bool }

func setOf(words string) wordSet {
	return wordSet{sync.OnceValue(func() map[string]bool {
		set := map[string]bool{}
		for w := range strings.FieldsSeq(words) {
			set[w] = true
		}
		return set
	})}
}

func (s wordSet) has(word string) bool { return s.make()[word] }

// statement is one that is being written, from its decorators to its last clause.
type statement struct {
	indent int
	start  int  // in the reduced text
	words  int  // how many were found before it
	first  bool // in its block
	keep   bool // it cannot stand or fall alone: a case is part of its match
}

type reducer struct {
	lexer
	reduced
	stack     []statement
	decorated bool // the last line was a decorator
	opened    bool // the last line opened a block
}

// reduce reads a source and keeps what could matter. It returns false if CPython would refuse the
// tokens of the source.
func reduce(src []byte, rules *ruleset) (*reduced, bool) {
	r := &reducer{lexer: lexer{src: src, rules: rules}, reduced: reduced{classes: map[string]bool{}}}
	// Without such a function "os" and "http" are only text, as in a table of a thousand lines.
	r.imports = bytes.Contains(src, []byte("import_module")) || bytes.Contains(src, []byte("__import__"))
	for {
		more, ok := r.next()
		if !ok {
			return nil, false
		}
		if !more {
			break
		}
		r.addLine()
	}
	r.closeStatements(0, false)
	return &r.reduced, true
}

// addLine writes the current logical line if it could matter, or if a block hangs on it.
func (r *reducer) addLine() {
	first, last := r.tokens[0], r.tokens[len(r.tokens)-1]
	decorator := first.kind == tokenOp && r.src[first.start] == '@'
	opens := r.isOp(last, ":")
	r.closeStatements(r.indent, r.decorated || r.isWord(first, clauses))
	if n := len(r.stack); n == 0 || r.stack[n-1].indent < r.indent {
		r.stack = append(r.stack, statement{
			indent: r.indent, start: len(r.text), words: len(r.words), first: r.opened,
			keep: string(r.textOf(first)) == "case",
		})
	}
	if r.matters() || decorator || opens || r.isWord(first, compound) {
		r.writeLine()
	}
	r.decorated, r.opened = decorator, opens
}

// closeStatements ends the statements at indent and deeper, but for the one at indent itself if it
// goes on. One without a word is taken back.
func (r *reducer) closeStatements(indent int, goesOn bool) {
	for len(r.stack) > 0 {
		s := r.stack[len(r.stack)-1]
		if s.indent < indent || s.indent == indent && goesOn {
			return
		}
		if len(r.words) == s.words && !s.keep {
			r.text = r.text[:s.start]
			if s.first { // its block must hold something
				r.indentText(s.indent)
				r.text = append(r.text, "pass\n"...)
			}
		}
		r.stack = r.stack[:len(r.stack)-1]
	}
}

// matters reports whether the line holds a word of interest, and clears the marks of those that are
// of interest only in imports if it holds none.
func (r *reducer) matters() bool {
	imports, parameters, of := false, false, wordClass(0)
	for i, t := range r.tokens {
		of |= t.of
		if t.kind != tokenName {
			continue
		}
		switch string(r.textOf(t)) {
		case "import":
			imports = true
		case "def", "lambda":
			parameters = true
		case "class":
			if i+1 < len(r.tokens) {
				r.classes[string(foldName(r.textOf(r.tokens[i+1])))] = true
			}
		}
	}
	if imports && of != 0 {
		for i := range r.tokens { // the names around it are needed too: from x import open as y
			if r.tokens[i].kind == tokenName && !r.isWord(r.tokens[i], pythonKeywords) {
				r.tokens[i].of |= inImport
			}
		}
		return true
	}
	if of != 0 && !parameters {
		r.forgetKeywords()
	}
	of = 0
	for i := range r.tokens {
		r.tokens[i].of &^= inImport
		of |= r.tokens[i].of
	}
	return of != 0
}

// forgetKeywords clears the marks of keyword arguments, print(x, file=f), in a line without parameters.
// The parser would tell, but they are so common that asking it for each is what would take the time.
func (r *reducer) forgetKeywords() {
	depth := 0
	for i := 1; i+2 < len(r.tokens); i++ {
		before := r.tokens[i-1]
		if before.kind == tokenOp {
			switch r.src[before.start] {
			case '(', '[', '{':
				depth++
			case ')', ']', '}':
				depth--
			}
		}
		after := r.tokens[i+2].kind // not f"{file=}", which reads it
		if depth > 0 && r.tokens[i].of == asName && r.isOp(before, "(,") && r.isOp(r.tokens[i+1], "=") &&
			after != tokenFieldClose && after != tokenFieldNext {
			r.tokens[i].of = 0
		}
	}
}

// isOp reports whether a token is one of some operators of one character.
func (r *reducer) isOp(t token, ops string) bool {
	return t.kind == tokenOp && t.end == t.start+1 && strings.IndexByte(ops, r.src[t.start]) >= 0
}

func (r *reducer) indentText(n int) {
	for range n {
		r.text = append(r.text, ' ')
	}
}

func (r *reducer) writeLine() {
	r.indentText(r.indent)
	for i, t := range r.tokens {
		if i > 0 && t.kind != tokenFormatClose && r.tokens[i-1].kind != tokenFormatOpen &&
			(t.kind != tokenFieldOpen || r.tokens[i-1].kind != tokenFieldClose) {
			r.text = append(r.text, ' ')
		}
		if t.of != 0 {
			r.words = append(r.words, word{at: len(r.text), offset: int(t.start), of: t.of})
		}
		switch t.kind {
		case tokenName:
			r.text = append(r.text, foldName(r.textOf(t))...)
		case tokenNumber:
			r.text = append(r.text, number(r.textOf(t))...)
		case tokenOp:
			r.text = append(r.text, r.textOf(t)...)
		case tokenString:
			r.text = append(r.text, '"')
			if t.lead > 0 {
				value := r.src[t.start+uint32(t.lead):]
				r.text = append(r.text, value[:dottedLen(value)]...)
			}
			r.text = append(r.text, '"')
		case tokenBytes:
			r.text = append(r.text, `b""`...)
		case tokenFormatOpen:
			r.text = append(r.text, `f"`...)
		case tokenFormatClose:
			r.text = append(r.text, '"')
		case tokenFieldNext:
			r.text = append(r.text, "}{"...)
		case tokenFieldOpen:
			r.text = append(r.text, '{')
		case tokenFieldClose:
			r.text = append(r.text, '}')
		}
	}
	r.text = append(r.text, '\n')
}

// number is the text of a number, or a zero for what only looks like one.
func number(text []byte) []byte {
	for _, c := range text {
		if c >= 0x80 {
			return []byte("0")
		}
	}
	return text
}

func (r *reducer) isWord(t token, set wordSet) bool {
	return t.kind == tokenName && set.has(string(r.textOf(t)))
}
