package jail

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

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
