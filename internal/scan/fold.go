package scan

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// foldName returns the name that CPython sees. CPython compares identifiers after NFKC normalisation (Python reference, 2.3), so
// ｏｐｅｎ is open. Only names that become ASCII matter to the scan. The bytes of any other name are written in hexadecimal, which
// keeps different names different and the reduced text ASCII.
func foldName(name []byte) []byte {
	if isASCII(name) {
		return name
	}
	if folded := norm.NFKC.Bytes(name); isASCII(folded) {
		return folded
	}
	return spellOut(name)
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func spellOut(name []byte) []byte {
	const hex = "0123456789abcdef"
	out := make([]byte, 0, 2*len(name)+1)
	out = append(out, 'Z')
	for _, c := range name {
		out = append(out, hex[c>>4], hex[c&15])
	}
	return out
}
