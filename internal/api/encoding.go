package api

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// json.loads takes bytes in UTF-8, UTF-16 or UTF-32, finds out which (json.detect_encoding), and lets surrogates
// without their other half pass ("surrogatepass"). So does this service: a body is made UTF-8 first, in which such
// a half is written as UTF-8 would write it if it were allowed to (WTF-8).

// encoding is how bytes make code points.
type encoding struct {
	width int              // bytes of a unit; 1 is UTF-8
	order binary.ByteOrder // of a unit's bytes
	bom   int              // bytes of the mark at the beginning, which is not part of the text
}

// detectEncoding is json.detect_encoding.
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
	// JSON begins with an ASCII character, so that the zeros in the first four bytes tell.
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

// most is how many bytes of UTF-8 become of so many at most.
func (e encoding) most(bytes int) int64 {
	if e.width == 2 { // a unit below U+FFFF becomes three bytes, a pair of them four
		return int64(bytes)/2*3 + utf8.UTFMax
	}
	return int64(bytes)
}

// utf8 gives the text of b as WTF-8, and errParse if b is no text. In UTF-8 it is b itself.
func (e encoding) utf8(b []byte) ([]byte, error) {
	b = b[e.bom:]
	if e.width == 1 {
		return b, nil // document looks at it
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
	return rune(e.order.Uint32(b)) // negative from 1<<31 on
}

// surrogateLen is how many bytes at the beginning of b are half of a surrogate pair: 3 or none.
func surrogateLen(b []byte) int {
	if len(b) >= 3 && b[0] == 0xed && b[1] >= 0xa0 && b[1] <= 0xbf && b[2] >= 0x80 && b[2] <= 0xbf {
		return 3
	}
	return 0
}

// validText reports whether b is UTF-8 but for halves of surrogate pairs.
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

// countText counts the code points of valid text, a half of a pair as one.
func countText(b []byte) (n int) {
	for _, c := range b {
		if c&0xc0 != 0x80 { // it does not continue one
			n++
		}
	}
	return n
}

// replaceHalves puts U+FFFD, which is as long, in the place of halves of surrogate pairs, and reports whether there
// were any. It changes b.
func replaceHalves(b []byte) (found bool) {
	for i := range b {
		if surrogateLen(b[i:]) > 0 {
			copy(b[i:], "\ufffd")
			found = true
		}
	}
	return found
}
