package inside

import (
	"bytes"
	"reflect"
	"testing"

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

func FuzzOrder(f *testing.F) {
	var wire bytes.Buffer
	if err := order().Send(&wire); err != nil {
		f.Fatal(err)
	}
	f.Add(wire.Bytes())
	f.Fuzz(func(t *testing.T, wire []byte) {
		o, err := Receive(bytes.NewReader(wire))
		if err != nil {
			return
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
