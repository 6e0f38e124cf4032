package jail

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// piecewise gives what it reads from in pieces of given lengths, 0 among them, and the last one
// together with the end of file.
type piecewise struct {
	rest   []byte
	pieces []byte
}

func (p *piecewise) Read(into []byte) (int, error) {
	n := len(p.rest)
	if len(p.pieces) > 0 {
		n, p.pieces = int(p.pieces[0])*int(p.pieces[0]), p.pieces[1:]
	}
	n = copy(into, p.rest[:min(n, len(p.rest))])
	if p.rest = p.rest[n:]; len(p.rest) == 0 {
		return n, io.EOF
	}
	return n, nil
}

// tires is a writer that fails after some writes.
type tires struct {
	bytes.Buffer
	after byte
}

func (w *tires) Write(b []byte) (int, error) {
	if w.after == 0 {
		return 0, errors.New("nobody listens")
	}
	w.after--
	return w.Buffer.Write(b)
}

// FuzzCollector: however a stream comes, its first bytes are kept, all are counted, and no more
// memory is held than twice the cap.
func FuzzCollector(f *testing.F) {
	f.Add([]byte("hello\n"), uint16(3), []byte{0, 1, 2}, byte(1))
	f.Add(bytes.Repeat([]byte("x\x00\xff"), 300), uint16(600), []byte{20, 0, 10}, byte(2))
	f.Add([]byte("\xe2\x82\xac"), uint16(0), []byte{1, 1, 1}, byte(0))
	f.Add([]byte(nil), uint16(9), []byte(nil), byte(9))
	f.Fuzz(func(t *testing.T, in []byte, keep uint16, pieces []byte, patience byte) {
		var c collector
		live := &tires{after: patience}
		c.copy(&piecewise{in, pieces}, int64(keep), live)
		want := in[:min(len(in), int(keep))]
		if !bytes.Equal(c.out.Kept, want) || c.out.Total != int64(len(in)) || c.out.Truncated() != (len(in) > int(keep)) {
			t.Errorf("kept %d of %d bytes, truncated %v; the cap is %d, and %d came", len(c.out.Kept), c.out.Total, c.out.Truncated(), keep, len(in))
		}
		if cap(c.out.Kept) > 2*int(keep)+8 {
			t.Errorf("%d bytes are held to keep %d", cap(c.out.Kept), keep)
		}
		if !bytes.HasPrefix(in, live.Bytes()) || live.after > 0 && live.Len() != len(in) {
			t.Errorf("the live writer got %d of %d bytes", live.Len(), len(in))
		}
	})
}

type brokenWriter struct{ writes int }

func (w *brokenWriter) Write([]byte) (int, error) {
	w.writes++
	return 0, errors.New("nobody listens")
}

func TestCollector(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	for _, tt := range []struct {
		name      string
		in        io.Reader
		keep      int64
		want      string
		total     int64
		truncated bool
	}{
		{"nothing", strings.NewReader(""), 10, "", 0, false},
		{"less than the cap", strings.NewReader("abc"), 10, "abc", 3, false},
		{"just the cap", strings.NewReader("0123456789"), 10, "0123456789", 10, false},
		{"more than the cap", strings.NewReader("0123456789a"), 10, "0123456789", 11, true},
		{"much more than the cap", strings.NewReader(long), 10, "xxxxxxxxxx", 200_000, true},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("0123456789abc")), 10, "0123456789", 13, true},
		{"a cap of nothing", strings.NewReader("abc"), 0, "", 3, true},
		{"a read error after data", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))), 10, "a", 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c collector
			var live bytes.Buffer
			c.copy(tt.in, tt.keep, &live)
			if string(c.out.Kept) != tt.want || c.out.Total != tt.total || c.out.Truncated() != tt.truncated {
				t.Errorf("kept %q of %d, truncated %v", c.out.Kept, c.out.Total, c.out.Truncated())
			}
			if int64(live.Len()) != tt.total {
				t.Errorf("the live writer got %d bytes, want all %d", live.Len(), tt.total)
			}
		})
	}
}

func TestCollectorGoesOnWithoutItsLiveWriter(t *testing.T) {
	var c collector
	w := &brokenWriter{}
	c.copy(iotest.OneByteReader(strings.NewReader("abc")), 10, w)
	if string(c.out.Kept) != "abc" || w.writes != 1 {
		t.Errorf("kept %q after %d writes", c.out.Kept, w.writes)
	}
}

func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		name, kept string
		total      int64
		want       string
	}{
		{"nothing", "", 0, ""},
		{"nothing of something", "", 5, ""},
		{"a character that the cap cut", "ab\xe2\x82", 5, "ab"},
		{"one of four bytes", "ab\xf0\x9f\x98", 1000, "ab"},
		{"only the beginning of one", "\xf0", 4, ""},
		{"one that ends at the cap", "ab€", 6, "ab€"},
		{"one that the program did not finish", "ab\xe2\x82", 4, "ab\xe2\x82"},
		{"what is no character", "ab\x82\x82\x82\x82", 7, "ab\x82\x82\x82\x82"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Output{[]byte(tt.kept), tt.total}).Whole(); string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
