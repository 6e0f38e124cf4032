package scan

import "bytes"

// stringAt reads a string whose prefix begins at start and whose quote is at l.pos. Of an f-string it reads only the opening quote: its
// text and fields become separate tokens.
func (l *lexer) stringAt(start int) bool {
	var format, raw, isBytes bool
	for _, c := range l.src[start:l.pos] {
		switch c | 0x20 {
		case 'f', 't':
			format = true
		case 'r':
			raw = true
		case 'b':
			isBytes = true
		case 'u':
		default: // not a prefix, as in x"…"
			return false
		}
	}
	quote := l.src[l.pos]
	triple := bytes.HasPrefix(l.src[l.pos:], []byte{quote, quote, quote})
	l.pos++
	if triple {
		l.pos += 2
	}
	if format {
		l.add(tokenFormatOpen, start, 0)
		return l.push(inText, nesting{quote: quote, triple: triple, raw: raw})
	}
	content := l.pos
	if !l.skipString(quote, triple) {
		return false
	}
	if isBytes {
		l.add(tokenBytes, start, 0)
		return true
	}
	l.add(tokenString, start, 0)
	value := l.src[content : l.pos-quoteLen(triple)]
	if len(value) <= maxStringName && isDottedName(value) {
		t := &l.tokens[len(l.tokens)-1]
		t.lead = uint8(content - start)
		first, _, _ := bytes.Cut(value, []byte("."))
		if l.rules.strings[string(value)] || l.imports && l.rules.imports[string(first)] {
			t.of = asString
		}
	}
	return true
}

// maxStringName is the length in bytes of the longest string that may be a name.
const maxStringName = 128

func quoteLen(triple bool) int {
	if triple {
		return 3
	}
	return 1
}

// skipString skips a string that is not an f-string, with its closing quote. A backslash escapes the next character in raw strings too.
func (l *lexer) skipString(quote byte, triple bool) bool {
	for l.pos < len(l.src) {
		switch c := l.src[l.pos]; {
		case c == '\\':
			l.skipEscape()
		case c == quote && !triple:
			l.pos++
			return true
		case c == quote && bytes.HasPrefix(l.src[l.pos:], []byte{quote, quote, quote}):
			l.pos += 3
			return true
		case !triple && (c == '\n' || c == '\r'):
			return false
		default:
			l.pos++
		}
	}
	return false
}

func (l *lexer) skipEscape() {
	if bytes.HasPrefix(l.src[l.pos:], []byte("\\\r\n")) {
		l.pos++
	}
	l.pos = min(l.pos+2, len(l.src))
}

// formatText reads the literal text of an f-string, or of a format specification in it, up to the next field or quote.
func (l *lexer) formatText() bool {
	top := l.open[len(l.open)-1]
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		rest := l.src[l.pos:]
		switch {
		case c == '\\' && !top.raw && bytes.HasPrefix(rest, []byte(`\N{`)):
			n := bytes.IndexByte(rest, '}')
			if n < 0 {
				return false
			}
			l.pos += n + 1
		case c == '\\' && len(rest) > 1 && (rest[1] == '{' || rest[1] == '}'):
			l.pos++ // a backslash does not escape a brace
		case c == '\\':
			l.skipEscape()
		case c == '{' && top.kind == inText && bytes.HasPrefix(rest, []byte("{{")):
			l.pos += 2
		case c == '{':
			opening := tokenFieldOpen
			if top.kind == inSpec {
				opening = tokenFieldNext
			}
			l.pos++
			l.add(opening, l.pos-1, 0)
			return l.push(inField, top)
		case c == '}' && top.kind == inSpec:
			l.open = l.open[:len(l.open)-1]
			l.closeField()
			return true
		case c == top.quote && (!top.triple || bytes.HasPrefix(rest, []byte{c, c, c})):
			if top.kind == inSpec { // the string ends inside a field, which CPython refuses
				return false
			}
			l.open = l.open[:len(l.open)-1]
			l.pos += quoteLen(top.triple)
			l.add(tokenFormatClose, l.pos-1, 0)
			return true
		case (c == '\n' || c == '\r') && !top.triple:
			return false
		default:
			l.pos++
		}
	}
	return false
}

// closeField ends a replacement field. A field in the format specification of another one is written next to it: {a:{b}} becomes
// {a}{b}. So it has no end token.
func (l *lexer) closeField() {
	l.open = l.open[:len(l.open)-1]
	l.pos++
	if l.open[len(l.open)-1].kind == inText {
		l.add(tokenFieldClose, l.pos-1, 0)
	}
}

// dottedLen returns the length of the dotted name at the beginning of s.
func dottedLen(s []byte) int {
	for i, c := range s {
		if c >= 0x80 || !isNameByte(c) && (c != '.' || i == 0) {
			return i
		}
	}
	return len(s)
}

func isDottedName(s []byte) bool { return len(s) > 0 && dottedLen(s) == len(s) }
