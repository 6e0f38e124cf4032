package scan

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// codingCookie matches the encoding declaration of PEP 263.
var codingCookie = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)`)
})

// rewriting are the codecs that decode ASCII text to different ASCII text: with "# coding: utf-7", +AG8-s means os. The scan does not
// decode, so python3 would see other text than the scan. A source in such a codec is therefore refused; ordinary sources do not use
// them. Other codecs (latin-1, cp1252, …) keep ASCII text, and all words that the scan looks for are ASCII.
var rewriting = setOf("utf_7 unicode_escape raw_unicode_escape")

// decode returns the text as CPython would read it. Offsets stay the same, except that a byte order mark is removed. It returns
// nil for a source that CPython refuses, and a finding for a source in a rewriting codec.
func decode(src []byte) ([]byte, *sandbox.Finding) {
	text := bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	codec, line, column := cookie(text)
	if rewriting.has(codec) {
		return nil, &sandbox.Finding{Rule: RuleEncoding, Name: codec, Message: message(RuleEncoding, codec),
			Line: line, Column: column, EndLine: line, EndColumn: column + len(codec)}
	}
	if !utf8.Valid(text) && (codec == "" || strings.HasPrefix(codec, "utf_8")) {
		return nil, nil
	}
	if bytes.IndexByte(text, 0) >= 0 {
		text = blankAfterNUL(text)
	}
	return text, nil
}

// cookie finds the encoding that the first two lines declare, normalised like Python's codecs. The second line counts only if the
// first has no code.
func cookie(text []byte) (codec string, line, column int) {
	for line = 1; line <= 2; line++ {
		end := bytes.IndexAny(text, "\r\n")
		if end < 0 {
			end = len(text)
		}
		if m := codingCookie().FindSubmatchIndex(text[:end]); m != nil {
			name := strings.ToLower(string(text[m[2]:m[3]]))
			return strings.NewReplacer("-", "_", ".", "_").Replace(name), line, utf8.RuneCount(text[:m[2]]) + 1
		}
		code := bytes.TrimLeft(text[:end], " \t\f")
		if len(code) > 0 && code[0] != '#' || end == len(text) {
			break
		}
		if bytes.HasPrefix(text[end:], []byte("\r\n")) {
			end++
		}
		text = text[end+1:]
	}
	return "", 0, 0
}

// blankAfterNUL overwrites each NUL byte, and the rest of its line, with blanks. CPython up to 3.11 does not read this text, because a
// NUL byte ends the line for it. Later versions refuse such a source.
func blankAfterNUL(text []byte) []byte {
	text = bytes.Clone(text)
	hidden := false
	for i, c := range text {
		switch {
		case c == '\n' || c == '\r':
			hidden = false
		case c == 0:
			hidden = true
			fallthrough
		case hidden:
			text[i] = ' '
		}
	}
	return text
}
