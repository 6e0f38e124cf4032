package jsonout

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzText writes text as a JSON string that reads as the same text, with U+FFFD for each byte that is not UTF-8, in any pieces.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "a\"\\\n\x00\x7f", "é€🐍", "\xff\xc3", strings.Repeat("€", 3000), "\u2028</script>"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b strings.Builder
		w := New(&b)
		w.Text(text)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		var got string
		if err := json.Unmarshal([]byte(`"`+b.String()+`"`), &got); err != nil || !utf8.ValidString(b.String()) {
			t.Fatalf("%q: %v", b.String(), err)
		}
		if want := string([]rune(string(text))); got != want {
			t.Fatalf("%q is written as %q", want, got)
		}
	})
}

// A long string takes neither a long write nor a large buffer.
func TestPiecesAreSmall(t *testing.T) {
	long := []byte(strings.Repeat("\x00", 1<<20))
	for name, write := range map[string]func(*Writer){
		"text":   func(w *Writer) { w.Text(long) },
		"base64": func(w *Writer) { w.Base64(long) },
	} {
		var got largest
		w := New(&got)
		write(w)
		if err := w.Flush(); err != nil || got.most > 56<<10 || cap(w.buf) > 2*56<<10 {
			t.Errorf("%s: %v, %d bytes at once, a buffer of %d", name, err, got.most, cap(w.buf))
		}
		if want := base64.StdEncoding.EncodeToString(long); name == "base64" && got.String() != want {
			t.Errorf("%d bytes of base64, want %d", got.Len(), len(want))
		}
	}
}

// largest records the length of the longest write.
type largest struct {
	strings.Builder
	most int
}

func (l *largest) Write(b []byte) (int, error) {
	l.most = max(l.most, len(b))
	return l.Builder.Write(b)
}

var errGone = errors.New("the reader is gone")

// failing is a destination that takes one write.
type failing struct{ writes int }

func (f *failing) Write(b []byte) (int, error) {
	if f.writes++; f.writes > 1 {
		return 0, errGone
	}
	return len(b), nil
}

func TestNothingIsWrittenAfterAnError(t *testing.T) {
	to := &failing{}
	w := New(to)
	w.Text(make([]byte, 1<<20))
	w.Base64(make([]byte, 1<<20))
	w.Raw("}")
	if err := w.Flush(); !errors.Is(err, errGone) || to.writes != 2 {
		t.Errorf("%v after %d writes", err, to.writes)
	}
}
