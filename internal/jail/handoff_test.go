package jail

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// told is our end of a socket on which an init has said something and then ended.
func told(t *testing.T, reports ...[]byte) *os.File {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	for _, r := range reports {
		if _, err := theirs.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	theirs.Close()
	return ours
}

func TestAwaitGo(t *testing.T) {
	goAhead := inside.Report{Kind: inside.Go}.Encode()
	failure := func(stage, object string, errno unix.Errno) []byte {
		return inside.Report{Kind: inside.Failure, Stage: stage, Object: object, Errno: errno}.Encode()
	}
	for _, tt := range []struct {
		name    string
		reports [][]byte
		stage   string
		errno   unix.Errno
		text    string // part of the error; "" for none
	}{
		{"go and execve", [][]byte{goAhead}, "", 0, ""},
		{"death without a word", nil, "", 0, "without a report"},
		{"a failed step", [][]byte{failure(inside.StageRoot, "open_tree /usr", unix.EPERM)},
			inside.StageRoot, unix.EPERM, "open_tree /usr: operation not permitted"},
		{"a failed execve after go", [][]byte{goAhead, failure(inside.StageExec, "execve /x", unix.ENOENT)},
			inside.StageExec, unix.ENOENT, "execve /x"},
		{"an object of any length", [][]byte{failure(inside.StageRoot, strings.Repeat("x", 10_000), unix.EIO)},
			inside.StageRoot, unix.EIO, "xxx"},
		{"a report cut short", [][]byte{goAhead[:5]}, "", 0, "malformed"},
		{"a stage that does not exist", [][]byte{failure("lunch", "", unix.EIO)}, "", 0, "no report that makes sense"},
		{"go twice", [][]byte{goAhead, goAhead}, "", 0, "no report that makes sense"},
		{"what is no report", [][]byte{bytes.Repeat([]byte("x"), 5000)}, "", 0, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := awaitGo(told(t, tt.reports...))
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var setup *SetupError
			stage := ""
			if errors.As(err, &setup) {
				stage = setup.Stage
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) || stage != tt.stage || (tt.errno != 0 && !errors.Is(err, tt.errno)) {
				t.Errorf("got %v at stage %q", err, stage)
			}
		})
	}
}

// FuzzReport: a program is taken for started by two things only, "go" and nothing after it. What
// is no failure of a known stage says nothing of its own, and no more is read than two reports.
func FuzzReport(f *testing.F) {
	f.Add(inside.Report{Kind: inside.Go}.Encode())
	failure := inside.Report{Kind: inside.Failure, Stage: inside.StageRoot, Object: "abc", Errno: 1}.Encode()
	f.Add(failure)
	f.Add(append(inside.Report{Kind: inside.Go}.Encode(), failure...))
	f.Add(bytes.Repeat(inside.Report{Kind: inside.Go}.Encode(), 3))
	f.Add(inside.Report{Kind: inside.Failure, Stage: inside.StageExec, Object: strings.Repeat("\n", 10_000), Errno: 4095}.Encode())
	f.Add(inside.Report{Kind: 'X', Stage: "lunch"}.Encode())
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, wire []byte) {
		channel := bytes.NewReader(wire)
		err := awaitGo(channel)
		if read := len(wire) - channel.Len(); read > 2*(4+1024) {
			t.Errorf("read %d bytes", read)
		}

		rest := bytes.NewReader(wire)
		first, firstErr := inside.ReadReport(rest)
		second, secondErr := inside.ReadReport(rest)
		started := firstErr == nil && first.Kind == inside.Go && errors.Is(secondErr, io.EOF)
		if started != (err == nil) {
			t.Errorf("%q: %v", wire, err)
		}
		var setup *SetupError
		if errors.As(err, &setup) {
			said := first
			if first.Kind == inside.Go {
				said = second
			}
			if said.Kind != inside.Failure || said.Stage != setup.Stage || !slices.Contains(inside.Stages, setup.Stage) || !errors.Is(err, said.Errno) {
				t.Errorf("%+v became %v", said, err)
			}
		}
		byByte := awaitGo(iotest.OneByteReader(bytes.NewReader(wire)))
		if (err == nil) != (byByte == nil) || err != nil && err.Error() != byByte.Error() {
			t.Errorf("%v, and byte by byte %v", err, byByte)
		}
	})
}
