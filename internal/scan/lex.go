package scan

import "bytes"

// Limits of CPython (Parser/tokenizer.h: MAXINDENT, MAXLEVEL). python3 refuses source beyond them, so the scan may stop there.
const (
	maxIndent   = 100
	maxBrackets = 200
)

type tokenKind uint8

const (
	tokenName tokenKind = iota
	tokenNumber
	tokenString      // a complete string that is neither bytes nor formatted
	tokenBytes       // a complete bytes string
	tokenOp          // an operator or bracket
	tokenFormatOpen  // the opening quote of an f-string or t-string
	tokenFormatClose // its closing quote
	tokenFieldOpen   // { of a replacement field
	tokenFieldClose  // } of a replacement field
	tokenFieldNext   // { of a field in the format specification of another field
)

// token is small, because a hostile line can have a million tokens.
type token struct {
	start, end uint32 // offsets in the source
	kind       tokenKind
	of         wordClass
	lead       uint8 // of a tokenString that is a dotted name: number of bytes before its value; otherwise 0
}

// wordClass is a set of places in which a word matters.
type wordClass uint8

const (
	inImport    wordClass = 1 << iota // anywhere in an import statement
	asName                            // as a name, not after a dot
	asAttribute                       // after a dot
	asString                          // as the value of a string
)

// nesting is one open bracket, or one open part of an f-string.
type nesting struct {
	kind   byte // one of ( [ {, or a part of an f-string below
	quote  byte
	triple bool
	raw    bool
}

const (
	inText  = 't' // in the text of an f-string
	inField = 'f' // in a replacement field { }, before its format specification
	inSpec  = 's' // in a format specification
)

// lexer splits a source into logical lines, and these into tokens, like CPython 3.12 and later. Up to 3.11 a replacement field could
// not contain the string's own quotes. Source that is valid there is split in the same way.
type lexer struct {
	src     []byte
	pos     int
	rules   *ruleset
	imports bool // whether the source mentions a function that imports a module by name
	open    []nesting
	levels  []int // columns of the open blocks

	tokens []token // of the current logical line
	indent int     // number of enclosing blocks of the current line
}

// next reads one logical line into l.tokens. It returns false at the end of the source, and ok false
// if CPython would refuse the tokens.
func (l *lexer) next() (more, ok bool) {
	l.tokens = l.tokens[:0]
	column, continued := 0, 0
	for len(l.tokens) == 0 { // read indentation until a token follows it
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

// indentTo closes and opens blocks for a line that starts in column. It returns false if CPython would refuse the indentation.
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

// skipContinuation skips a backslash and the line end after it. It returns false if anything else follows the backslash.
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
	// The sign of an exponent, as in 1e-5, belongs to the number: the parser does not accept "1e".
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

// name reads an identifier or keyword, or a string with its prefix.
func (l *lexer) name() bool {
	start := l.pos
	l.skipNameBytes()
	if l.pos-start <= 2 && l.pos < len(l.src) && (l.src[l.pos] == '"' || l.src[l.pos] == '\'') {
		return l.stringAt(start)
	}
	// A name after a dot is an attribute, whatever its name: re.compile, photos.os.
	class := l.rules.words[string(foldName(l.src[start:l.pos]))]
	if class != 0 && l.after('.') {
		class &^= asName
	} else {
		class &^= asAttribute
	}
	l.add(tokenName, start, class)
	return true
}

// add appends a token that ends at the current position.
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

// isNameByte treats every byte of a non-ASCII character as a letter. CPython refuses source with a non-ASCII character that is not a
// letter, unless it is in a string or comment.
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
		case c == ':': // also the colon of ":=", as in f"{x:=5}"
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

// push opens a bracket or a part of an f-string. like describes the f-string. It returns false if CPython would refuse the depth.
func (l *lexer) push(kind byte, like nesting) bool {
	like.kind = kind
	l.open = append(l.open, like)
	return len(l.open) <= maxBrackets
}
