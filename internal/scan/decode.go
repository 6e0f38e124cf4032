package scan

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// codingCookie is the expression of PEP 263.
var codingCookie = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[ \t\f]*#.*?coding[:=][ \t]*([-_.a-zA-Z0-9]+)`)
})

// rewriting are the codecs under which ASCII text means other ASCII text, so that what is scanned is
// not what is run: "# coding: utf-7" makes +AG8-s of os. Nobody writes source in them. Codecs that
// leave ASCII alone (latin-1, cp1252, …) need no care: every word of interest is ASCII.
var rewriting = setOf("utf_7 unicode_escape raw_unicode_escape")

// decode prepares the text as CPython would read it, at the same offsets but for a byte order mark in
// front. It returns no text for a source that CPython refuses, and a finding for one that is in a
// rewriting codec.
func decode(src []byte) ([]byte, *sandbox.Finding) {
	text := bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	codec, line, column := cookie(text)
	if rewriting.has(codec) {
		return nil, &sandbox.Finding{Rule: RuleEncoding, Name: codec, Message: message(RuleEncoding, codec), Line: line, Column: column}
	}
	if !utf8.Valid(text) && (codec == "" || strings.HasPrefix(codec, "utf_8")) {
		return nil, nil
	}
	if bytes.IndexByte(text, 0) >= 0 {
		text = blankAfterNUL(text)
	}
	return text, nil
}

// cookie finds the declared encoding in the first two lines, normalised as Python's codecs do. The
// second line counts only if the first holds no code.
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

// blankAfterNUL hides what CPython up to 3.11 does not read: a NUL byte ends the line there. Later
// versions refuse the whole source.
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
