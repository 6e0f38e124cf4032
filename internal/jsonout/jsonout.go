// Package jsonout writes JSON in pieces. A byte of a string takes up to six bytes in JSON, so an answer with long strings is encoded while
// it is sent: the memory for a client that reads slowly is that of a small buffer.
package jsonout

import (
	"encoding/base64"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	// Chunk is the number of bytes in the buffer from which a Writer writes them.
	Chunk = 32 << 10

	piece = 4 << 10 // bytes of a string that are encoded at a time: at most 24 KiB of JSON
)

// Writer writes JSON through a buffer. Besides what is passed to Raw, the buffer has less than 56 KiB. After an error of the destination
// it writes nothing more.
type Writer struct {
	to  io.Writer
	buf []byte
	err error
}

// New returns a Writer to a destination.
func New(to io.Writer) *Writer { return &Writer{to: to} }

// Raw writes JSON as it is.
func (w *Writer) Raw(json string) {
	w.buf = append(w.buf, json...)
	w.full()
}

// Text writes the inside of a JSON string: see Append.
func (w *Writer) Text(s []byte) {
	for len(s) > 0 && w.err == nil {
		n := cut(s, piece)
		w.buf = Append(w.buf, s[:n])
		s = s[n:]
		w.full()
	}
}

// Base64 writes the inside of a JSON string that has bytes in base64.
func (w *Writer) Base64(data []byte) {
	const whole = piece / 3 * 3 // without padding
	for len(data) > 0 && w.err == nil {
		n := min(len(data), whole)
		w.buf = base64.StdEncoding.AppendEncode(w.buf, data[:n])
		data = data[n:]
		w.full()
	}
}

func (w *Writer) full() {
	if len(w.buf) >= Chunk {
		_ = w.Flush() // the error is kept
	}
}

// Flush writes the rest of the buffer. It returns the first error of the destination.
func (w *Writer) Flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.to.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// cut returns where to cut s so that the first part has at most limit bytes, and at least one, and no character is cut in two. A byte at
// which a character can begin is a safe place. If the last utf8.UTFMax bytes have none, they are no part of a valid character.
func cut(s []byte, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	for n := limit; n > limit-utf8.UTFMax; n-- {
		if utf8.RuneStart(s[n]) {
			return n
		}
	}
	return limit
}

// Append appends the inside of a JSON string: everything as it is but what JSON requires to be escaped, and U+FFFD for each byte that is
// not UTF-8.
func Append[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
			if r == utf8.RuneError && size == 1 {
				dst = append(dst, s[from:i]...)
				dst = append(dst, "\ufffd"...)
				from = i + 1
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch short := strings.IndexByte("\"\\\b\f\n\r\t", c); short {
		case -1:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			dst = append(dst, '\\', `"\bfnrt`[short])
		}
		i++
		from = i
	}
	return append(dst, s[from:]...)
}

// Counter counts the bytes that are written to it.
type Counter int64

func (c *Counter) Write(b []byte) (int, error) {
	*c += Counter(len(b))
	return len(b), nil
}
