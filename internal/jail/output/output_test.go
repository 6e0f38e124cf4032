package output

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// piecewise is a reader that returns rest in pieces. The length of each piece is the square of a byte of pieces, and may be 0. The last
// piece comes together with io.EOF.
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

// heard is a sink that keeps the output of a program.
type heard struct{ bytes.Buffer }

func (h *heard) Event(e sandbox.Event) { h.Write(e.Data) }

// FuzzCollector checks, for any stream and any sizes of its pieces, that the first bytes are kept, all bytes are counted, and at most
// twice the cap is allocated.
func FuzzCollector(f *testing.F) {
	f.Add([]byte("hello\n"), uint16(3), []byte{0, 1, 2})
	f.Add(bytes.Repeat([]byte("x\x00\xff"), 300), uint16(600), []byte{20, 0, 10})
	f.Add([]byte("\xe2\x82\xac"), uint16(0), []byte{1, 1, 1})
	f.Add([]byte(nil), uint16(9), []byte(nil))
	f.Fuzz(func(t *testing.T, in []byte, keep uint16, pieces []byte) {
		var c collector
		var live heard
		c.copy(&piecewise{in, pieces}, int64(keep), sandbox.Stdout, sandbox.NewStream(&live))
		want := in[:min(len(in), int(keep))]
		if !bytes.Equal(c.out.Kept, want) || c.out.Total != int64(len(in)) || c.out.Truncated() != (len(in) > int(keep)) {
			t.Errorf("kept %d of %d bytes, truncated %v; the cap is %d and the stream has %d bytes", len(c.out.Kept), c.out.Total, c.out.Truncated(), keep, len(in))
		}
		if cap(c.out.Kept) > 2*int(keep)+8 {
			t.Errorf("%d bytes are allocated to keep %d", cap(c.out.Kept), keep)
		}
		if !bytes.Equal(in, live.Bytes()) {
			t.Errorf("the sink got %d of %d bytes", live.Len(), len(in))
		}
	})
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
			var live heard
			c.copy(tt.in, tt.keep, sandbox.Stdout, sandbox.NewStream(&live))
			if string(c.out.Kept) != tt.want || c.out.Total != tt.total || c.out.Truncated() != tt.truncated {
				t.Errorf("kept %q of %d, truncated %v", c.out.Kept, c.out.Total, c.out.Truncated())
			}
			if int64(live.Len()) != tt.total {
				t.Errorf("the sink got %d bytes, want all %d", live.Len(), tt.total)
			}
		})
	}
}
