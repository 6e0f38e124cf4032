package inside

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/sys/unix"
)

func order() *Order {
	return &Order{
		KeepGroups: true,
		Plan: []Node{
			{Op: Dir, Path: "/usr", Mode: 0o755},
			{Op: Link, Path: "/bin", Source: "usr/bin"},
			{Op: File, Path: "/home/main.py", Data: "é\x00\n"},
		},
		Scratch:  []string{"size=1"},
		Landlock: Ruleset{Handled: 1<<13 - 1, Scoped: 3, Rules: []Rule{{Path: "/usr", Rights: 13}}},
		CPU:      []Prctl{{"PR_X", [5]uint64{1, 2, 3, 4, 5}}},
		Rlimits:  []Rlimit{{unix.RLIMIT_CPU, 1<<64 - 1}},
		Argv:     []string{"/usr/bin/python3", "x"},
		Env:      []string{"A=B", ""},
		Filter:   []byte{1, 2, 3, 4, 5, 6, 7, 8},
	}
}

func TestOrderSurvivesTheSocket(t *testing.T) {
	var wire bytes.Buffer
	if err := order().Send(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := Receive(&wire)
	if err != nil || !reflect.DeepEqual(got, order()) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOrderCutShortIsRefused(t *testing.T) {
	var wire bytes.Buffer
	if err := order().Send(&wire); err != nil {
		t.Fatal(err)
	}
	for n := range wire.Len() {
		if o, err := Receive(bytes.NewReader(wire.Bytes()[:n])); err == nil {
			t.Fatalf("%d of %d bytes were taken for %+v", n, wire.Len(), o)
		}
	}
}

func TestReportSurvivesTheSocket(t *testing.T) {
	want := Report{Kind: Failure, Stage: StageRoot, Object: "mount /x", Errno: unix.EPERM}
	if got, err := ReadReport(bytes.NewReader(want.Encode())); err != nil || got != want {
		t.Errorf("got %+v, %v", got, err)
	}
}

// FuzzOrder: what is taken for an order is one, to the last byte: it survives being sent, comes
// out the same byte by byte, and is no larger than what came. No byte of what follows is read.
func FuzzOrder(f *testing.F) {
	for _, o := range []*Order{order(), {}, {Argv: []string{""}, Rlimits: make([]Rlimit, 16), Plan: make([]Node, 64)}} {
		var wire bytes.Buffer
		if err := o.Send(&wire); err != nil {
			f.Fatal(err)
		}
		f.Add(wire.Bytes())
		f.Add(append(wire.Bytes(), "what follows"...))
	}
	f.Add([]byte{255, 255, 255, 255, 0})
	f.Add([]byte{5, 0, 0, 0, 255, 255, 255, 255, 15}) // nodes without end
	f.Fuzz(func(t *testing.T, wire []byte) {
		from := bytes.NewReader(wire)
		o, err := Receive(from)
		byByte, err2 := Receive(iotest.OneByteReader(bytes.NewReader(wire)))
		if (err == nil) != (err2 == nil) || !reflect.DeepEqual(o, byByte) {
			t.Errorf("%+v, %v, and byte by byte %+v, %v", o, err, byByte, err2)
		}
		if items := size(o); items > len(wire) {
			t.Errorf("%d items of %d bytes", items, len(wire))
		}
		if err != nil {
			return
		}
		if read := len(wire) - from.Len(); read != 4+int(binary.NativeEndian.Uint32(wire)) {
			t.Errorf("read %d bytes", read)
		}
		var again bytes.Buffer
		if err := o.Send(&again); err != nil {
			t.Fatal(err)
		}
		if o2, err := Receive(&again); err != nil || !reflect.DeepEqual(o, o2) {
			t.Errorf("%+v became %+v, %v", o, o2, err)
		}
	})
}

// size counts what an order holds, each item at least once.
func size(o *Order) int {
	if o == nil {
		return 0
	}
	n := len(o.Plan) + len(o.Rlimits) + len(o.Filter) + len(o.Landlock.Rules) + len(o.CPU)
	for _, list := range [][]string{o.Scratch, o.Argv, o.Env} {
		n += len(list)
		for _, s := range list {
			n += len(s)
		}
	}
	for _, node := range o.Plan {
		n += len(node.Op) + len(node.Path) + len(node.Source) + len(node.Data)
	}
	for _, rule := range o.Landlock.Rules {
		n += len(rule.Path)
	}
	for _, call := range o.CPU {
		n += len(call.Name)
	}
	return n
}

// FuzzReadReport: the other direction of the same.
func FuzzReadReport(f *testing.F) {
	f.Add(Report{Kind: Go}.Encode())
	f.Add(Report{Kind: Failure, Stage: StageRoot, Object: "mount /x\x00\xff", Errno: unix.EPERM}.Encode())
	f.Add(Report{Kind: Failure, Stage: StageExec, Object: strings.Repeat("x", 10_000)}.Encode())
	f.Add([]byte{4, 0, 0, 0, 255, 255, 255, 255})
	f.Add([]byte{0, 4, 0, 1})
	f.Fuzz(func(t *testing.T, wire []byte) {
		from := bytes.NewReader(wire)
		r, err := ReadReport(from)
		if read := len(wire) - from.Len(); read > 4+maxReport {
			t.Errorf("read %d bytes", read)
		}
		if errors.Is(err, io.EOF) != (len(wire) == 0) {
			t.Errorf("%q: %v", wire, err)
		}
		if err != nil {
			return
		}
		again, err := ReadReport(bytes.NewReader(r.Encode()))
		r.Object = r.Object[:min(len(r.Object), maxObject)]
		if err != nil || again != r {
			t.Errorf("%+v became %+v, %v", r, again, err)
		}
	})
}
