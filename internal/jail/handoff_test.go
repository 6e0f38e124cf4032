package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOrderSurvivesTheSocket(t *testing.T) {
	sent := &order{
		Plan:     []node{{Op: opDir, Path: "/usr", Mode: 0o755}, {Op: opLink, Path: "/bin", Source: "usr/bin"}},
		Limits:   DefaultLimits(),
		Argv:     []string{"/usr/bin/python3", compiledPath},
		Env:      environment([]string{"open", "eval"}),
		filter:   []byte{1, 2, 3, 4, 5, 6, 7, 8},
		launcher: []byte("pass"),
		source:   bytes.Repeat([]byte("é\x00\n"), 1000),
	}
	var wire bytes.Buffer
	if err := sent.send(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := receive(&wire)
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// reports is what an init writes.
func reports(t *testing.T, write func(*os.File)) *os.File {
	t.Helper()
	ours, theirs, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	write(theirs)
	theirs.Close()
	return ours
}

func TestAwaitGo(t *testing.T) {
	goAhead := func(f *os.File) { sendReport(f, reportGo, 0, nil) }
	for _, tt := range []struct {
		name  string
		write func(*os.File)
		stage string
		errno unix.Errno
		text  string // part of the error; "" for none
	}{
		{"go and execve", goAhead, "", 0, ""},
		{"death without a word", func(*os.File) {}, "", 0, "without a report"},
		{"a failed step", func(f *os.File) {
			sendReport(f, reportFailure, stageNumber(stageRoot), &stepError{"open_tree /usr", unix.EPERM})
		}, stageRoot, unix.EPERM, "open_tree /usr: operation not permitted"},
		{"a failed execve after go", func(f *os.File) {
			goAhead(f)
			sendReport(f, reportFailure, stageNumber(stageExec), &stepError{"execve /x", unix.ENOENT})
		}, stageExec, unix.ENOENT, "execve /x"},
		{"an object of any length", func(f *os.File) {
			sendReport(f, reportFailure, stageNumber(stageRoot), &stepError{strings.Repeat("x", 10_000), unix.EIO})
		}, stageRoot, unix.EIO, "xxx"},
		{"a report cut short", func(f *os.File) { f.Write([]byte{reportFailure, 1}) }, "", 0, "unexpected EOF"},
		{"a stage that does not exist", func(f *os.File) { sendReport(f, reportFailure, 200, &stepError{"", unix.EIO}) }, "", 0, "no report that makes sense"},
		{"go twice", func(f *os.File) { goAhead(f); goAhead(f) }, "", 0, "no report that makes sense"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := awaitGo(reports(t, tt.write))
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

func FuzzReport(f *testing.F) {
	var good bytes.Buffer
	_ = binary.Write(&good, binary.NativeEndian, report{Kind: reportFailure, Stage: 4, Errno: 1, Len: 3})
	good.WriteString("abc")
	f.Add(good.Bytes())
	f.Add([]byte{reportGo, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, wire []byte) {
		err := awaitGo(bytes.NewReader(wire))
		if len(wire) == 0 && err == nil {
			t.Error("silence was taken for a start")
		}
	})
}

func FuzzOrder(f *testing.F) {
	var wire bytes.Buffer
	o := &order{Argv: []string{"x"}, filter: []byte("12345678"), launcher: []byte("l"), source: []byte("s")}
	if err := o.send(&wire); err != nil {
		f.Fatal(err)
	}
	f.Add(wire.Bytes())
	f.Fuzz(func(t *testing.T, wire []byte) { _, _ = receive(bytes.NewReader(wire)) })
}
