package display

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// channel returns the daemon's and the program's end of a socket.
func channel(t testing.TB) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

func frame(kind byte, title string, payload []byte) []byte {
	wire := binary.NativeEndian.AppendUint32(nil, uint32(headSize+len(title)+len(payload)))
	wire = append(wire, kind)
	wire = binary.NativeEndian.AppendUint16(wire, uint16(len(title)))
	return slices.Concat(wire, []byte(title), payload)
}

// shown returns the displays that are collected if a program writes these bytes and closes its end.
func shown(t testing.TB, wire []byte) (kept []sandbox.Display, lost int, written error) {
	t.Helper()
	ours, theirs := channel(t)
	c := Collect(ours, nil, nil)
	_, written = theirs.Write(wire)
	theirs.Close()
	kept, lost = c.Wait(time.Minute)
	return kept, lost, written
}

func TestDisplays(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 1<<20)
	kept, lost, err := shown(t, slices.Concat(frame(0, "Figure 1", []byte("png")), frame(8, "", large), frame(12, "bad\xff", nil)))
	want := []sandbox.Display{
		{MIME: "image/png", Title: "Figure 1", Data: []byte("png")}, {MIME: "text/html", Data: large}, {MIME: "text/plain", Title: "bad\ufffd"},
	}
	same := slices.EqualFunc(kept, want, func(a, b sandbox.Display) bool {
		return a.MIME == b.MIME && a.Title == b.Title && bytes.Equal(a.Data, b.Data)
	})
	if !same || lost != 0 || err != nil {
		t.Errorf("got %d displays, %d lost, %v", len(kept), lost, err)
	}
}

// A malformed frame ends the channel, and earlier displays are kept.
func TestMalformedFrames(t *testing.T) {
	good := frame(0, "", []byte("x"))
	length := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	for name, bad := range map[string][]byte{
		"no length":                 {1},
		"too short":                 length(headSize - 1),
		"too long":                  length(maxFrame + 1),
		"the longest length":        length(1<<32 - 1),
		"an unknown type":           frame(byte(len(sandbox.MIMETypes)), "", nil),
		"a title beyond the frame":  append(length(headSize), 0, 255, 0),
		"a title that is too long":  frame(0, strings.Repeat("x", maxTitle+1), nil),
		"an end in the middle":      good[:len(good)-1],
		"an end in the head":        good[:5],
		"text, as a program prints": []byte("hello world\n"),
	} {
		t.Run(name, func(t *testing.T) {
			kept, lost, _ := shown(t, slices.Concat(good, bad))
			if len(kept) != 1 || lost != 1 {
				t.Errorf("%d kept, %d lost", len(kept), lost)
			}
		})
	}
}

// After its channel was refused, a program gets an error at once when it writes.
func TestRefusedProgramGetsAnError(t *testing.T) {
	ours, theirs := channel(t)
	c := Collect(ours, nil, nil)
	_ = theirs.SetWriteDeadline(time.Now().Add(time.Minute))
	var err error
	for range 10_000 {
		if _, err = theirs.Write(make([]byte, 64<<10)); err != nil {
			break
		}
	}
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("got %v", err)
	}
	if kept, lost := c.Wait(time.Minute); len(kept) != 0 || lost != 1 {
		t.Errorf("%d kept, %d lost", len(kept), lost)
	}
}

func TestBounds(t *testing.T) {
	var many []byte
	for range sandbox.MaxDisplays + 5 {
		many = append(many, frame(12, "", []byte("x"))...)
	}
	if kept, lost, _ := shown(t, many); len(kept) != sandbox.MaxDisplays || lost != 5 {
		t.Errorf("many: %d kept, %d lost", len(kept), lost)
	}
	half := make([]byte, sandbox.MaxDisplayBytes/2)
	large := slices.Concat(frame(0, "", half), frame(0, "", half), frame(0, "", half), frame(0, "t", nil))
	if kept, lost, _ := shown(t, large); len(kept) != 2 || lost != 2 {
		t.Errorf("large: %d kept, %d lost", len(kept), lost)
	}
}

// If a process that the program left holds the channel, Wait still returns after patience.
func TestWaitHasABound(t *testing.T) {
	ours, theirs := channel(t)
	c := Collect(ours, nil, nil)
	if _, err := theirs.Write(frame(0, "", []byte("x"))); err != nil {
		t.Fatal(err)
	}
	for len(theirs.Name()) > 0 { // until it was received
		if n, _ := unix.IoctlGetInt(int(ours.Fd()), unix.TIOCINQ); n == 0 {
			break
		}
	}
	if kept, lost := c.Wait(0); len(kept) > 1 || lost > 1 {
		t.Errorf("%d kept, %d lost", len(kept), lost)
	}
	var none *Collector
	if kept, lost := none.Wait(time.Hour); kept != nil || lost != 0 {
		t.Error("a nil Collector returned displays")
	}
}

func FuzzFrames(f *testing.F) {
	f.Add(frame(0, "title", []byte("payload")))
	f.Add([]byte("hello\n"))
	f.Add(binary.NativeEndian.AppendUint32(nil, 1<<32-1))
	f.Fuzz(func(t *testing.T, wire []byte) {
		cut := rand.IntN(len(wire) + 1)
		for _, part := range [][]byte{wire, wire[:cut]} {
			kept, lost, _ := shown(t, part)
			size := 0
			for _, d := range kept {
				size += len(d.Data)
			}
			if len(kept) > sandbox.MaxDisplays || size > len(part) || lost < 0 {
				t.Fatalf("%d displays of %d bytes, %d lost", len(kept), size, lost)
			}
		}
	})
}
