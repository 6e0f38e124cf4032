package api

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/jsonout"
)

// The service that the daemon replaces reads requests with Python's json module, and its answers contain that module's messages and
// positions. encoding/json accepts another language (no NaN, no lone surrogates) and has other messages. So this reader behaves like
// Modules/_json.c of CPython 3.11. One message of later versions differs: for a trailing comma, Python 3.13 reports "Illegal trailing comma",
// and 3.11 expects a property name.

// maxDepth is the maximum nesting of arrays and objects. Python's limit is somewhat below 1,000 and depends on the depth of its own stack.
const maxDepth = 500

// maxDigits is the maximum number of digits of an integer in Python (sys.set_int_max_str_digits).
const maxDigits = 4300

// jsonError is a syntax error, like json.JSONDecodeError.
type jsonError struct {
	Msg string
	Pos int // in code points from the start of the document
}

func (e *jsonError) Error() string { return e.Msg + " at character " + strconv.Itoa(e.Pos) }

// member is a key of an object with its value.
type member struct {
	key   string
	value any
}

// A value is nil, a bool, a number, a str, a []any or a []member.
type (
	number string // as written
	str    struct {
		text string
		lone bool // it contained a lone surrogate, which text has as U+FFFD
	}
)

// reader reads one document of valid text. Its methods call each other recursively, at most maxDepth levels deep. They report an error by a
// panic with a *jsonError or errParse, which document recovers.
type reader struct {
	doc   []byte
	at    int
	depth int
	keep  bool // build values; otherwise only the syntax is checked, and nothing is allocated
	lone  bool // the document contains lone surrogates that are not escaped
}

// span is the position of a value in the document.
type span struct{ from, to int }

// document reads a whole document. If it is an object, found has the positions of the values of the wanted keys. If a key occurs twice,
// the last one counts.
func document(doc []byte, keep bool, wanted ...string) (value any, found map[string]span, err error) {
	lone := !utf8.Valid(doc)
	if lone && !validText(doc) {
		return nil, nil, errParse
	}
	r := &reader{doc: doc, keep: keep, lone: lone}
	defer func() {
		switch e := recover().(type) {
		case nil:
		case *jsonError:
			value, found, err = nil, nil, e
		case parseError:
			value, found, err = nil, nil, e
		default:
			panic(e)
		}
	}()
	r.space()
	if len(wanted) > 0 && r.peek() == '{' {
		found = map[string]span{}
		value = r.object(func(key string, where span) {
			if slices.Contains(wanted, key) {
				found[key] = where
			}
		})
	} else {
		value = r.value()
	}
	r.space()
	if r.at != len(r.doc) {
		r.fail("Extra data", r.at)
	}
	return value, found, nil
}

func (r *reader) fail(msg string, at int) {
	panic(&jsonError{Msg: msg, Pos: countText(r.doc[:at])})
}

// peek returns the next byte, or 0 at the end. No value begins with a NUL in the document, so 0 is unambiguous.
func (r *reader) peek() byte {
	if r.at < len(r.doc) {
		return r.doc[r.at]
	}
	return 0
}

func (r *reader) space() {
	for r.at < len(r.doc) {
		switch r.doc[r.at] {
		case ' ', '\t', '\n', '\r':
			r.at++
		default:
			return
		}
	}
}

func (r *reader) value() any {
	switch c := r.peek(); c {
	case '"':
		return r.string()
	case '{':
		return r.object(nil)
	case '[':
		return r.array()
	default:
		for _, w := range words {
			if bytes.HasPrefix(r.doc[r.at:], []byte(w.text)) {
				r.at += len(w.text)
				return w.value
			}
		}
		return r.number()
	}
}

var words = []struct {
	text  string
	value any
}{
	{"null", nil},
	{"true", true},
	{"false", false},
	// These are not JSON, but Python accepts them.
	{"NaN", number("NaN")},
	{"Infinity", number("Infinity")},
	{"-Infinity", number("-Infinity")},
}

// enter counts a level of nesting.
func (r *reader) enter() {
	if r.depth++; r.depth > maxDepth {
		panic(errParse)
	}
	r.at++
	r.space()
}

// object reads an object. If found is not nil, it is called with each key and the position of its value.
func (r *reader) object(found func(key string, where span)) any {
	var members []member
	index := map[string]int(nil)
	if r.keep {
		index = map[string]int{}
	}
	keep := r.keep
	r.enter()
	if r.peek() != '}' {
		for {
			if r.peek() != '"' {
				r.fail("Expecting property name enclosed in double quotes", r.at)
			}
			r.keep = keep || found != nil
			key, _ := r.string().(str)
			r.keep = keep
			r.space()
			if r.peek() != ':' {
				r.fail("Expecting ':' delimiter", r.at)
			}
			r.at++
			r.space()
			from := r.at
			value := r.value()
			if found != nil {
				found(key.text, span{from, r.at})
			}
			if keep {
				// As in a dict, the last value replaces the first one in its place.
				if i, twice := index[key.text]; twice {
					members[i].value = value
				} else {
					index[key.text] = len(members)
					members = append(members, member{key.text, value})
				}
			}
			if !r.more('}') {
				break
			}
		}
	}
	r.at++
	r.depth--
	return members
}

func (r *reader) array() any {
	var values []any
	r.enter()
	if r.peek() != ']' {
		for {
			value := r.value()
			if r.keep {
				values = append(values, value)
			}
			if !r.more(']') {
				break
			}
		}
	}
	r.at++
	r.depth--
	return values
}

// more reads the comma after an item. It returns false at the end of the object or array, before the closing bracket.
func (r *reader) more(end byte) bool {
	r.space()
	if r.peek() == end {
		return false
	}
	if r.peek() != ',' {
		r.fail("Expecting ',' delimiter", r.at)
	}
	r.at++
	r.space()
	return true
}

// string reads a string. It returns a str if values are built, and otherwise nil.
func (r *reader) string() any {
	begin := r.at
	r.at++
	var text []byte
	lone := false
	for {
		from := r.at
		for r.at < len(r.doc) && r.doc[r.at] >= ' ' && r.doc[r.at] != '"' && r.doc[r.at] != '\\' {
			r.at++
		}
		if r.keep {
			text = append(text, r.doc[from:r.at]...)
		}
		if r.at == len(r.doc) {
			r.fail("Unterminated string starting at", begin)
		}
		switch r.doc[r.at] {
		case '"':
			r.at++
			if !r.keep {
				return nil
			}
			if r.lone && replaceHalves(text) {
				lone = true
			}
			return str{string(text), lone}
		case '\\':
			c := r.escape(begin)
			if utf16.IsSurrogate(c) {
				c, lone = utf8.RuneError, true
			}
			if r.keep {
				text = utf8.AppendRune(text, c)
			}
		default:
			r.fail("Invalid control character at", r.at)
		}
	}
}

// escape reads an escape sequence and returns its character, which may be half of a surrogate pair.
func (r *reader) escape(begin int) rune {
	r.at++
	if r.at == len(r.doc) {
		r.fail("Unterminated string starting at", begin)
	}
	c := r.doc[r.at]
	if c == 'u' {
		return r.unicodeEscape()
	}
	i := strings.IndexByte(`"\/bfnrt`, c)
	if i < 0 {
		r.fail(`Invalid \escape`, r.at-1)
	}
	r.at++
	return rune("\"\\/\b\f\n\r\t"[i])
}

func (r *reader) unicodeEscape() rune {
	c := r.hex()
	// Like _json.c, look for the other half only if something follows it.
	if c >= 0xd800 && c < 0xdc00 && r.at+6 < len(r.doc) && r.doc[r.at] == '\\' && r.doc[r.at+1] == 'u' {
		after := r.at
		r.at++
		if both := utf16.DecodeRune(c, r.hex()); both != utf8.RuneError {
			return both
		}
		r.at = after
	}
	return c
}

// hex reads the u of an escape and its four digits. The document must not end after them.
func (r *reader) hex() rune {
	u := r.at
	if u+5 >= len(r.doc) {
		r.fail(`Invalid \uXXXX escape`, u)
	}
	c := rune(0)
	for _, d := range r.doc[u+1 : u+5] {
		v, ok := hexDigit(d)
		if !ok {
			r.fail(`Invalid \uXXXX escape`, u)
		}
		c = c<<4 | v
	}
	r.at = u + 5
	return c
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0'), true
	case 'a' <= c && c <= 'f':
		return rune(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}

func (r *reader) number() any {
	start := r.at
	if r.peek() == '-' {
		r.at++
	}
	digits := r.at
	switch c := r.peek(); {
	case c == '0':
		r.at++
	case '1' <= c && c <= '9':
		r.digits()
	default:
		r.fail("Expecting value", start)
	}
	tooLong := r.at-digits > maxDigits
	// A decimal point or an exponent without digits is not part of the number.
	whole := r.at
	if r.peek() == '.' {
		if r.at++; !r.digits() {
			r.at = whole
		}
	}
	mantissa := r.at
	if c := r.peek(); c == 'e' || c == 'E' {
		r.at++
		if c := r.peek(); c == '+' || c == '-' {
			r.at++
		}
		if !r.digits() {
			r.at = mantissa
		}
	}
	if tooLong && r.at == whole {
		panic(errParse)
	}
	if !r.keep {
		return nil
	}
	return number(r.doc[start:r.at])
}

// digits reads digits, and reports whether there were any.
func (r *reader) digits() bool {
	from := r.at
	for r.at < len(r.doc) && '0' <= r.doc[r.at] && r.doc[r.at] <= '9' {
		r.at++
	}
	return r.at > from
}

// appendValue appends a value as Python's json.dumps(…, ensure_ascii=False, separators=(",", ":")) writes it. A number that JSON does not have
// (NaN, or one that is too large) becomes null; the old service fails with a 500 there.
func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case string:
		return appendString(dst, v)
	case str:
		return appendString(dst, v.text)
	case number:
		return appendNumber(dst, string(v))
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case []member:
		dst = append(dst, '{')
		for i, m := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, m.key)
			dst = append(dst, ':')
			dst = appendValue(dst, m.value)
		}
		return append(dst, '}')
	}
	panic("not a JSON value")
}

// appendNumber appends an integer unchanged, and a float as Python's repr() formats it.
func appendNumber(dst []byte, text string) []byte {
	if strings.Trim(text, "-0123456789") == "" {
		if text == "-0" {
			text = "0"
		}
		return append(dst, text...)
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return append(dst, "null"...)
	}
	scientific := strconv.FormatFloat(f, 'e', -1, 64)
	exponent, _ := strconv.Atoi(scientific[strings.IndexByte(scientific, 'e')+1:])
	if exponent < -4 || exponent >= 16 {
		return append(dst, scientific...)
	}
	plain := strconv.FormatFloat(f, 'f', -1, 64)
	dst = append(dst, plain...)
	if !strings.Contains(plain, ".") {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendString appends s as a JSON string.
func appendString[T string | []byte](dst []byte, s T) []byte {
	return append(jsonout.Append(append(dst, '"'), s), '"')
}
