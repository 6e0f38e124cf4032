package api

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Python's json.loads accepts UTF-8, UTF-16 and UTF-32. It detects the encoding (json.detect_encoding), and accepts lone surrogates
// ("surrogatepass"). The daemon does the same: it first converts a body to WTF-8, which is UTF-8 that also encodes lone surrogates.

// encoding is an encoding of text.
type encoding struct {
	width int              // bytes of a code unit: 1 (UTF-8), 2 or 4
	order binary.ByteOrder // of the bytes of a code unit
	bom   int              // length of the byte order mark, in bytes
}

// detectEncoding detects the encoding of a JSON document like json.detect_encoding.
func detectEncoding(b []byte) encoding {
	for _, mark := range []struct {
		bytes string
		is    encoding
	}{
		{"\x00\x00\xfe\xff", encoding{4, binary.BigEndian, 4}},
		{"\xff\xfe\x00\x00", encoding{4, binary.LittleEndian, 4}},
		{"\xfe\xff", encoding{2, binary.BigEndian, 2}},
		{"\xff\xfe", encoding{2, binary.LittleEndian, 2}},
		{"\xef\xbb\xbf", encoding{1, nil, 3}},
	} {
		if bytes.HasPrefix(b, []byte(mark.bytes)) {
			return mark.is
		}
	}
	// JSON begins with an ASCII character, so the zeros in the first four bytes show the encoding.
	switch {
	case len(b) >= 4 && b[0] == 0 && b[1] == 0:
		return encoding{4, binary.BigEndian, 0}
	case len(b) >= 4 && b[0] == 0, len(b) == 2 && b[0] == 0:
		return encoding{2, binary.BigEndian, 0}
	case len(b) >= 4 && b[1] == 0 && b[2] == 0 && b[3] == 0:
		return encoding{4, binary.LittleEndian, 0}
	case len(b) >= 4 && b[1] == 0, len(b) == 2 && b[1] == 0:
		return encoding{2, binary.LittleEndian, 0}
	}
	return encoding{1, nil, 0}
}

// most returns the maximum length of so many bytes in UTF-8.
func (e encoding) most(bytes int) int64 {
	if e.width == 2 { // a code unit becomes up to three bytes, a surrogate pair four
		return int64(bytes)/2*3 + utf8.UTFMax
	}
	return int64(bytes)
}

// utf8 returns the text of b as WTF-8, or errParse if b is not text. UTF-8 is returned unchanged and unchecked, without its byte order mark.
func (e encoding) utf8(b []byte) ([]byte, error) {
	b = b[e.bom:]
	if e.width == 1 {
		return b, nil // document checks it
	}
	if len(b)%e.width != 0 {
		return nil, errParse
	}
	text := make([]byte, 0, e.most(len(b)))
	for ; len(b) > 0; b = b[e.width:] {
		c := e.unit(b)
		switch {
		case c > utf8.MaxRune || c < 0:
			return nil, errParse
		case utf16.IsSurrogate(c):
			if e.width == 2 && len(b) > e.width {
				if both := utf16.DecodeRune(c, e.unit(b[e.width:])); both != utf8.RuneError {
					text = utf8.AppendRune(text, both)
					b = b[e.width:]
					continue
				}
			}
			text = append(text, 0xe0|byte(c>>12), 0x80|byte(c>>6)&0x3f, 0x80|byte(c)&0x3f)
		default:
			text = utf8.AppendRune(text, c)
		}
	}
	return text, nil
}

func (e encoding) unit(b []byte) rune {
	if e.width == 2 {
		return rune(e.order.Uint16(b))
	}
	return rune(e.order.Uint32(b)) // negative if the unit is at least 1<<31
}

// surrogateLen returns the length of the lone surrogate at the beginning of b: 3 bytes, or 0 if there is none.
func surrogateLen(b []byte) int {
	if len(b) >= 3 && b[0] == 0xed && b[1] >= 0xa0 && b[1] <= 0xbf && b[2] >= 0x80 && b[2] <= 0xbf {
		return 3
	}
	return 0
}

// validText reports whether b is WTF-8.
func validText(b []byte) bool {
	for len(b) > 0 {
		n := surrogateLen(b)
		if n == 0 {
			var r rune
			if r, n = utf8.DecodeRune(b); r == utf8.RuneError && n == 1 {
				return false
			}
		}
		b = b[n:]
	}
	return true
}

// countText returns the number of code points of valid text. A lone surrogate counts as one.
func countText(b []byte) (n int) {
	for _, c := range b {
		if c&0xc0 != 0x80 { // not a continuation byte
			n++
		}
	}
	return n
}

// replaceHalves replaces lone surrogates in b by U+FFFD, which has the same length, and reports whether there were any.
func replaceHalves(b []byte) (found bool) {
	for i := range b {
		if surrogateLen(b[i:]) > 0 {
			copy(b[i:], "\ufffd")
			found = true
		}
	}
	return found
}
