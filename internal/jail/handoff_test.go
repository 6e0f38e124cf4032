package jail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// sentReports returns the daemon's end of a socket to which an init has written some bytes before it ended.
func sentReports(t *testing.T, reports ...[]byte) *os.File {
	t.Helper()
	ours, theirs, err := spawn.HandOffPair()
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

// script returns a script for these tests.
func script(t *testing.T) *inside.Script {
	t.Helper()
	skipped := map[string]int{}
	for _, stage := range inside.Stages {
		if stage != inside.StageHostname {
			skipped[stage] = inside.FaultSkip
		}
	}
	return inside.Compile(&inside.Order{Faults: skipped})
}

func TestAwait(t *testing.T) {
	s := script(t)
	var call uint32
	for stage, object := "", ""; object != "sethostname"; call++ {
		if stage, object, _ = s.Step(call); object == "sethostname" {
			if stage != inside.StageHostname {
				t.Fatalf("sethostname is at %s", stage)
			}
			break
		}
	}
	said := func(kind byte) []byte { return inside.Report{Kind: kind}.Encode() }
	failure := func(call uint32, errno unix.Errno) []byte {
		return inside.Report{Kind: inside.Failure, Call: call, Err: errno}.Encode()
	}
	for _, tt := range []struct {
		name   string
		report []byte
		kind   byte
		stage  string
		errno  unix.Errno
		text   string // part of the error; "" for no error
	}{
		{"go", said(inside.Go), inside.Go, "", 0, ""},
		{"started", said(inside.Started), inside.Started, "", 0, ""},
		{"death without a word", nil, inside.Go, "", 0, "died without a report"},
		{"death of the interpreter", nil, inside.Ready, "", 0, "died without a report"},
		{"a failed step", failure(call, unix.EPERM), inside.Go, inside.StageHostname, unix.EPERM, "sethostname: operation not permitted"},
		{"a failed step after go", failure(call, unix.ENOENT), inside.Ready, inside.StageHostname, unix.ENOENT, "sethostname: no such file"},
		{"a report cut short", said(inside.Go)[:5], inside.Go, "", 0, "malformed"},
		{"a step that does not exist", failure(1<<32-1, unix.EIO), inside.Go, "", 0, "unexpected report"},
		{"another report", said(inside.Started), inside.Ready, "", 0, "unexpected report"},
		{"what is no report", bytes.Repeat([]byte("x"), 5000), inside.Go, "", 0, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := await(newReports(sentReports(t, tt.report)), s, tt.kind)
			if tt.text == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var setup *sandbox.SetupError
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

// FuzzReport checks, for any bytes, that only reports of a known kind are accepted, that reading byte by byte has the same result, that no
// more bytes are read than a report has, and that the error of a failure only names a step of the script.
func FuzzReport(f *testing.F) {
	s := inside.Compile(&inside.Order{Argv: []string{"x"}})
	for _, kind := range []byte{inside.Go, inside.Ready, inside.Started, 'X', 0} {
		f.Add(inside.Report{Kind: kind}.Encode())
	}
	f.Add(inside.Report{Kind: inside.Failure, Call: 3, Err: 1}.Encode())
	f.Add(bytes.Repeat(inside.Report{Kind: inside.Failure, Call: 1 << 31, Err: 4095}.Encode(), 3))
	f.Add([]byte{255, 255, 255, 255})
	f.Fuzz(func(t *testing.T, wire []byte) {
		size := len(inside.Report{}.Encode())
		for _, kind := range []byte{inside.Go, inside.Ready, inside.Started} {
			channel := bytes.NewReader(wire)
			err := await(channel, s, kind)
			if read := len(wire) - channel.Len(); read > size {
				t.Errorf("read %d bytes", read)
			}
			expected := bytes.HasPrefix(wire, binary.NativeEndian.AppendUint32(nil, uint32(kind))) && len(wire) >= size
			if expected != (err == nil) {
				t.Errorf("%q: %v", wire, err)
			}
			var setup *sandbox.SetupError
			if errors.As(err, &setup) && !slices.Contains(inside.Stages, setup.Stage) {
				t.Errorf("stage %q", setup.Stage)
			}
			byByte := await(iotest.OneByteReader(bytes.NewReader(wire)), s, kind)
			if (err == nil) != (byByte == nil) || err != nil && err.Error() != byByte.Error() {
				t.Errorf("%v, and byte by byte %v", err, byByte)
			}
		}
	})
}

// A report of the init may come with one descriptor. Further descriptors are closed.
func TestDescriptorsOfTheHandOff(t *testing.T) {
	goAhead := inside.Report{Kind: inside.Go}.Encode()
	for _, tt := range []struct {
		name string
		send int  // number of descriptors with the report
		want bool // a descriptor is received
		text string
	}{
		{"none", 0, false, ""},
		{"one", 1, true, ""},
		{"two", 2, false, "more than one descriptor"},
		{"more than there is room for", 50, false, "more than one descriptor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs, err := spawn.HandOffPair()
			if err != nil {
				t.Fatal(err)
			}
			defer ours.Close()
			var sent []int
			for range tt.send {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				defer w.Close()
				sent = append(sent, int(w.Fd()))
			}
			before := openDescriptors(t)
			if err := unix.Sendmsg(int(theirs.Fd()), goAhead, unix.UnixRights(sent...), nil, 0); err != nil {
				t.Fatal(err)
			}
			theirs.Close()
			r := newReports(ours)
			err = await(r, nil, inside.Go)
			arrived := r.release()
			if tt.text == "" && err != nil || tt.text != "" && (err == nil || !strings.Contains(err.Error(), tt.text)) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
			if err != nil && arrived >= 0 { // release would return it to a caller that closes it
				unix.Close(arrived)
				arrived = -1
			}
			if (arrived >= 0) != tt.want {
				t.Errorf("descriptor %d arrived", arrived)
			}
			if arrived >= 0 {
				if flags, err := unix.FcntlInt(uintptr(arrived), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("it is not closed on exec: %#x, %v", flags, err)
				}
				unix.Close(arrived)
			}
			r.close()
			if after := openDescriptors(t); after >= before { // one less, because the other end of the socket is closed
				t.Errorf("%d descriptors are open, %d were", after, before)
			}
		})
	}
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// If the init sends nothing, converse returns at the deadline.
func TestReportsHaveADeadline(t *testing.T) {
	ours, theirs, err := spawn.HandOffPair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	ours.SetDeadline(time.Unix(1, 0))
	if err := await(newReports(ours), nil, inside.Go); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
