package scan

import (
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// foldName gives the name that CPython sees: identifiers are compared after NFKC normalisation
// (Python reference, 2.3), so that ｏｐｅｎ is open. Only names that become plain ASCII matter here; of
// any other the bytes are spelled out, which keeps different names apart and the reduced text ASCII.
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
