package scan

import (
	"bytes"
	"strings"
	"sync"
)

// reduced is the part of a source that may matter, in normal form: one line for each logical line, one blank between tokens, one
// blank of indentation for each block, and only strings that are names. Its grammar is the same as in the original.
type reduced struct {
	text  []byte
	words []word

	// classes are the names of the source's own classes. A program may access __subclasses__ of these.
	classes map[string]bool
}

// word is an occurrence of a word that may matter.
type word struct {
	at   int  // where it begins in the reduced text
	from span // where it is in the source
	of   wordClass
}

// span is a part of a source, in bytes.
type span struct{ start, end int }

var pythonKeywords = setOf(`False None True and as assert async await break class continue def del elif
	else except finally for from global if import in is lambda nonlocal not or pass raise return try
	while with yield`)

// compound are the words that begin a statement with a block, or may begin one.
var compound = setOf("if elif else for while try except finally with def class async match case")

// clauses are words that continue the preceding statement.
var clauses = setOf("elif else except finally")

// wordSet is a set of words that is built at its first use, because most commands scan nothing.
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

// statement is a statement that is being written, from its decorators to its last clause.
type statement struct {
	indent int
	start  int  // offset in the reduced text
	words  int  // number of words before it
	first  bool // whether it is the first one of its block
	keep   bool // whether it must not be removed alone: a case is part of its match
}

type reducer struct {
	lexer
	reduced
	stack     []statement
	decorated bool // the last line was a decorator
	opened    bool // the last line opened a block
}

// reduce reads a source and keeps the statements that may matter. It returns false if CPython would refuse the tokens of the source.
func reduce(src []byte, rules *ruleset) (*reduced, bool) {
	r := &reducer{lexer: lexer{src: src, rules: rules}, reduced: reduced{classes: map[string]bool{}}}
	// Without a call of such a function, strings like "os" and "http" do not matter. A source may have thousands of them.
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

// addLine writes the current logical line if it may matter, or if it begins a block.
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

// closeStatements ends the statements at indent and deeper. With goesOn, the statement at indent itself continues. A statement
// without a word is removed.
func (r *reducer) closeStatements(indent int, goesOn bool) {
	for len(r.stack) > 0 {
		s := r.stack[len(r.stack)-1]
		if s.indent < indent || s.indent == indent && goesOn {
			return
		}
		if len(r.words) == s.words && !s.keep {
			r.text = r.text[:s.start]
			if s.first { // a block must not be empty
				r.indentText(s.indent)
				r.text = append(r.text, "pass\n"...)
			}
		}
		r.stack = r.stack[:len(r.stack)-1]
	}
}

// matters reports whether the line has a word that matters. If not, it clears the marks of words that only matter in imports.
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
		for i := range r.tokens { // other names of the statement are needed too: from x import open as y
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

// forgetKeywords clears the marks of keyword arguments, as in print(x, file=f), in a line without parameters. The parser would
// recognise them too, but they are so common that parsing them would take most of the time.
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
		after := r.tokens[i+2].kind // f"{file=}" is not a keyword argument: it reads the name
		if depth > 0 && r.tokens[i].of == asName && r.isOp(before, "(,") && r.isOp(r.tokens[i+1], "=") &&
			after != tokenFieldClose && after != tokenFieldNext {
			r.tokens[i].of = 0
		}
	}
}

// isOp reports whether a token is one of the given operators of one character.
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
			r.words = append(r.words, word{at: len(r.text), from: span{int(t.start), int(t.end)}, of: t.of})
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

// number returns the text of a number. If it contains non-ASCII characters, it returns a zero.
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
