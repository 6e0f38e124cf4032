package scan

import "bytes"

// CPython's own limits (Parser/tokenizer.h: MAXINDENT, MAXLEVEL). Source beyond them is refused by
// python3, so that nothing is lost by stopping there.
const (
	maxIndent   = 100
	maxBrackets = 200
)

type tokenKind uint8

const (
	tokenName tokenKind = iota
	tokenNumber
	tokenString      // a plain string, whole
	tokenBytes       // a bytes string, whole
	tokenOp          // an operator or bracket
	tokenFormatOpen  // the opening quote of an f-string or t-string
	tokenFormatClose // its closing quote
	tokenFieldOpen   // { of a replacement field
	tokenFieldClose  // } of it
	tokenFieldNext   // { of a field in the format specification of another
)

// token is small because a hostile line can have a million of them.
type token struct {
	start, end uint32 // in the source
	kind       tokenKind
	of         wordClass
	lead       uint8 // of a tokenString that is a dotted name: the bytes before its value, else 0
}

// wordClass says where a word matters.
type wordClass uint8

const (
	inImport    wordClass = 1 << iota // anywhere in an import statement
	asName                            // as a name of its own
	asAttribute                       // after a dot
	asString                          // as the value of a string
)

// nesting is one open bracket, or one open part of an f-string.
type nesting struct {
	kind   byte // one of ( [ {, or of the f-string parts below
	quote  byte
	triple bool
	raw    bool
}

const (
	inText  = 't' // between the quotes of an f-string
	inField = 'f' // in { } of it, before the format specification
	inSpec  = 's' // in that specification
)

// lexer splits a source into logical lines and those into tokens, as CPython 3.12 and later do. Up
// to 3.11 a replacement field could not hold the string's own quotes; what is valid there splits in
// the same way.
type lexer struct {
	src     []byte
	pos     int
	rules   *ruleset
	imports bool // whether the source speaks of a function that imports by name
	open    []nesting
	levels  []int // columns of the open blocks

	tokens []token // of the current logical line
	indent int     // its number of enclosing blocks
}

// next reads one logical line into l.tokens. It returns false at the end of the source, and ok false
// if CPython would refuse the tokens.
func (l *lexer) next() (more, ok bool) {
	l.tokens = l.tokens[:0]
	column, continued := 0, 0
	for len(l.tokens) == 0 { // indentation, until something follows it
		if l.pos == len(l.src) {
			return false, true
		}
		switch c := l.src[l.pos]; c {
		case ' ':
			column++
		case '\t':
			column = column/8*8 + 8
		case '\f':
			column = 0
		case '\n', '\r':
			column, continued = 0, 0
		case '#':
			l.skipComment()
			continue
		case '\\':
			if continued == 0 {
				continued = column
			}
			if !l.skipContinuation() {
				return false, false
			}
			column = 0
			continue
		default:
			if continued > 0 {
				column = continued
			}
			if !l.indentTo(column) {
				return false, false
			}
			if !l.line() {
				return false, false
			}
			continue
		}
		l.pos++
	}
	return true, true
}

// indentTo keeps the blocks that are open at a line which starts in column.
func (l *lexer) indentTo(column int) bool {
	if len(l.levels) == 0 {
		l.levels = append(l.levels, 0)
	}
	if column > l.levels[len(l.levels)-1] {
		if len(l.levels) >= maxIndent {
			return false
		}
		l.levels = append(l.levels, column)
	}
	for column < l.levels[len(l.levels)-1] {
		l.levels = l.levels[:len(l.levels)-1]
	}
	l.indent = len(l.levels) - 1
	return column == l.levels[l.indent]
}

// line reads tokens up to the end of the logical line.
func (l *lexer) line() bool {
	for l.pos < len(l.src) {
		if n := len(l.open); n > 0 && (l.open[n-1].kind == inText || l.open[n-1].kind == inSpec) {
			if !l.formatText() {
				return false
			}
			continue
		}
		c := l.src[l.pos]
		switch {
		case c == ' ' || c == '\t' || c == '\f':
			l.pos++
		case c == '\n' || c == '\r':
			l.pos++
			if len(l.open) == 0 {
				return true
			}
		case c == '#':
			l.skipComment()
		case c == '\\':
			if !l.skipContinuation() {
				return false
			}
		case c == '"' || c == '\'':
			if !l.stringAt(l.pos) {
				return false
			}
		case isDigit(c) || c == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]):
			l.number()
		case isNameByte(c):
			if !l.name() {
				return false
			}
		default:
			if !l.operator() {
				return false
			}
		}
	}
	return len(l.open) == 0
}

func (l *lexer) skipComment() {
	if n := bytes.IndexAny(l.src[l.pos:], "\r\n"); n >= 0 {
		l.pos += n
	} else {
		l.pos = len(l.src)
	}
}

// skipContinuation skips a backslash and the line's end after it; anything else there is an error.
func (l *lexer) skipContinuation() bool {
	rest := l.src[l.pos+1:]
	switch {
	case bytes.HasPrefix(rest, []byte("\r\n")):
		l.pos += 3
	case len(rest) > 0 && (rest[0] == '\n' || rest[0] == '\r'):
		l.pos += 2
	default:
		return false
	}
	return true
}

func (l *lexer) number() {
	start := l.pos
	l.skipNameBytes()
	whole := true
	for _, c := range l.src[start:l.pos] {
		whole = whole && (isDigit(c) || c == '_')
	}
	if whole && l.pos < len(l.src) && l.src[l.pos] == '.' { // 1.5, 1., and .5, but not 1.5.real
		l.pos++
		l.skipNameBytes()
	}
	// An exponent's sign is left over as an operator: 1e-5 becomes 1e - 5. Joining it matters to
	// the parser, for which "1e" is no number.
	if c := l.src[l.pos-1]; (c == 'e' || c == 'E') && l.pos+1 < len(l.src) && !isHex(l.src[start:l.pos]) &&
		(l.src[l.pos] == '-' || l.src[l.pos] == '+') && isDigit(l.src[l.pos+1]) {
		l.pos++
		l.skipNameBytes()
	}
	l.add(tokenNumber, start, 0)
}

func isHex(number []byte) bool {
	return len(number) > 1 && number[0] == '0' && (number[1] == 'x' || number[1] == 'X')
}

// name reads an identifier or keyword, or the prefix of a string and that string.
func (l *lexer) name() bool {
	start := l.pos
	l.skipNameBytes()
	if l.pos-start <= 2 && l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') {
		return l.stringAt(start)
	}
	// What stands after a dot is an attribute, whatever it is called: re.compile, photos.os.
	class := l.rules.words[string(foldName(l.src[start:l.pos]))]
	if class != 0 && l.after('.') {
		class &^= asName
	} else {
		class &^= asAttribute
	}
	l.add(tokenName, start, class)
	return true
}

// add ends a token at the current place.
func (l *lexer) add(kind tokenKind, start int, of wordClass) {
	l.tokens = append(l.tokens, token{start: uint32(start), end: uint32(l.pos), kind: kind, of: of})
}

func (l *lexer) textOf(t token) []byte { return l.src[t.start:t.end] }

func (l *lexer) after(op byte) bool {
	if len(l.tokens) == 0 {
		return false
	}
	t := l.tokens[len(l.tokens)-1]
	return t.kind == tokenOp && t.end == t.start+1 && l.src[t.start] == op
}

func (l *lexer) skipNameBytes() {
	for l.pos < len(l.src) && isNameByte(l.src[l.pos]) {
		l.pos++
	}
}

// isNameByte takes every byte of a non-ASCII character for a letter. CPython refuses source in which
// one that is none stands outside strings and comments.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || isDigit(c) || c == '_' || c >= 0x80
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

var longOperators = []string{
	"**=", "//=", ">>=", "<<=", "...",
	"**", "//", ">>", "<<", "<=", ">=", "==", "!=", "<>", "->", ":=",
	"+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=",
}

func (l *lexer) operator() bool {
	start, c := l.pos, l.src[l.pos]
	field := len(l.open) > 0 && l.open[len(l.open)-1].kind == inField
	if field {
		switch {
		case c == '}':
			l.closeField()
			return true
		case c == ':': // also that of ":=", as in f"{x:=5}"
			l.pos++
			return l.push(inSpec, l.open[len(l.open)-1])
		case c == '!' && !bytes.HasPrefix(l.src[l.pos:], []byte("!=")):
			l.pos++
			l.skipNameBytes()
			return true
		}
	}
	switch c {
	case '(', '[', '{':
		if !l.push(c, nesting{}) {
			return false
		}
	case ')', ']', '}':
		if len(l.open) == 0 || closing[l.open[len(l.open)-1].kind] != c {
			return false
		}
		l.open = l.open[:len(l.open)-1]
	case '$', '?', '`':
		return false
	default:
		for _, op := range longOperators {
			if op[0] == c && bytes.HasPrefix(l.src[l.pos:], []byte(op)) {
				l.pos += len(op) - 1
				break
			}
		}
		if l.pos == start && (c == '!' || c < ' ' || c == 0x7f) {
			return false
		}
	}
	l.pos++
	l.add(tokenOp, start, 0)
	return true
}

var closing = [256]byte{'(': ')', '[': ']', '{': '}'}

// push opens a bracket, or a part of the f-string that is described by like.
func (l *lexer) push(kind byte, like nesting) bool {
	like.kind = kind
	l.open = append(l.open, like)
	return len(l.open) <= maxBrackets
}
