package spawn

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair returns the daemon's end of a control socket, and the descriptor of the other end.
func pair(t *testing.T) (ours *net.UnixConn, theirs *os.File) {
	t.Helper()
	ours, theirs, err := ControlPair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// reply sends an answer as a spawner does.
func reply(t *testing.T, to *os.File, errno, pid int32, descriptors ...int) {
	t.Helper()
	wire := binary.NativeEndian.AppendUint32(nil, uint32(errno))
	wire = binary.NativeEndian.AppendUint32(wire, uint32(pid))
	var oob []byte
	if len(descriptors) > 0 {
		oob = unix.UnixRights(descriptors...)
	}
	if err := unix.Sendmsg(int(to.Fd()), wire, oob, nil, 0); err != nil {
		t.Fatal(err)
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

func TestReadAnswer(t *testing.T) {
	null := int(devNull(t).Fd())
	for _, tt := range []struct {
		name        string
		errno, pid  int32
		descriptors []int
		want        answer
		err         error
	}{
		{"an init", 0, 7, []int{null}, answer{pid: 7}, nil},
		{"an init without id maps", int32(unix.EPERM), 7, []int{null}, answer{err: unix.EPERM, pid: 7}, nil},
		{"no init", int32(unix.EAGAIN), 0, nil, answer{err: unix.EAGAIN}, nil},
		{"an init without a pidfd", 0, 7, nil, answer{}, errNoAnswer},
		{"a pidfd of nothing", int32(unix.EAGAIN), 0, []int{null}, answer{}, errNoAnswer},
		{"neither an init nor an error", 0, 0, nil, answer{}, errNoAnswer},
		{"a negative pid", 0, -7, []int{null}, answer{}, errNoAnswer},
		{"two descriptors", 0, 7, []int{null, null}, answer{}, ErrStrayDescriptors},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ours, theirs := pair(t)
			before := openDescriptors(t)
			reply(t, theirs, tt.errno, tt.pid, tt.descriptors...)
			got, err := readAnswer(ours)
			if !errors.Is(err, tt.err) || err == nil && (got.err != tt.want.err || got.pid != tt.want.pid) {
				t.Errorf("got %+v, %v", got, err)
			}
			got.discard()
			if after := openDescriptors(t); after != before {
				t.Errorf("%d descriptors before, %d after", before, after)
			}
		})
	}
}

func TestReadAnswerOfAnotherSize(t *testing.T) {
	for _, size := range []int{1, answerSize - 1, answerSize + 1, 1000} {
		ours, theirs := pair(t)
		if err := unix.Sendmsg(int(theirs.Fd()), make([]byte, size), nil, nil, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := readAnswer(ours); !errors.Is(err, errNoAnswer) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	ours, theirs := pair(t)
	theirs.Close()
	if _, err := readAnswer(ours); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// A template that does not answer is given up: all waiting requests fail, and later requests fail at once.
func TestTemplateThatIsStuck(t *testing.T) {
	ours, _ := pair(t)
	one := NewTemplate(TemplateConfig{Control: ours, Patience: 50 * time.Millisecond, Kill: func() {}, Ended: make(chan struct{})})
	go one.Listen()
	results := make(chan error)
	for range 3 {
		go func() {
			_, err := one.Spawn(Request{})
			results <- err
		}()
	}
	for range 3 {
		if err := <-results; !errors.Is(err, ErrTemplateStuck) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := one.Spawn(Request{}); !errors.Is(err, ErrTemplateStuck) {
		t.Errorf("later: %v", err)
	}
}

// A retired template ends after its last run, and not before. A stuck one is killed.
func TestRetiredTemplateEndsAfterItsLastRun(t *testing.T) {
	ours, theirs := pair(t)
	killed := make(chan struct{})
	one := NewTemplate(TemplateConfig{Control: ours, Patience: time.Minute, Kill: func() { close(killed) }, Ended: make(chan struct{})})
	go one.Listen()
	spawned := make(chan *Init)
	go func() {
		init, err := one.Spawn(Request{})
		if err != nil {
			t.Error(err)
		}
		spawned <- init
	}()
	ask := make([]byte, 64)
	if n, _, _, _, err := unix.Recvmsg(int(theirs.Fd()), ask, make([]byte, unix.CmsgSpace(16)), unix.MSG_CMSG_CLOEXEC); err != nil || n != 32 {
		t.Fatalf("a request of %d bytes, %v", n, err)
	}
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	reply(t, theirs, 0, int32(os.Getpid()), pidfd)
	unix.Close(pidfd)
	init := <-spawned
	one.Retire()
	if err := unix.SetNonblock(int(theirs.Fd()), true); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Read(int(theirs.Fd()), ask); !errors.Is(err, unix.EAGAIN) {
		t.Errorf("while the run is in progress: %v", err)
	}
	if err := init.Discard(); err != nil {
		t.Error(err)
	}
	if n, err := unix.Read(int(theirs.Fd()), ask); n != 0 || err != nil {
		t.Errorf("after the last run: %d, %v", n, err)
	}
	select {
	case <-killed:
		t.Error("a retired template that answers was killed")
	default:
	}
}
