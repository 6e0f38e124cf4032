package jail

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The hand-off protocol, over one stream socket:
//
//	daemon → init   lengths of the four parts (uint32 each), then the parts:
//	                order as JSON, filter, launcher, source
//	init → daemon   one report: "go" as the last thing before execve, or a failure
//	                end of file: execve happened (the socket is close-on-exec), or init died
//
// Only the init ever holds the other end, and the program has not started while it does; the
// daemon reads no more than one report of bounded size all the same.

// setUpPatience bounds the time from clone to execve. It is generous since a run on a starved
// machine should be slow, not broken.
const setUpPatience = 20 * time.Second

// order is what the init is told. Argv and Env are python3's.
type order struct {
	Plan   []node
	Limits Limits
	Argv   []string
	Env    []string

	filter, launcher, source []byte
}

// report is the init's answer.
type report struct {
	Kind  uint8 // reportGo or reportFailure
	Stage uint8 // index into stages
	Errno uint32
	Len   uint16 // of the object's name, which follows
}

const (
	reportGo      = 'G'
	reportFailure = 'F'

	maxObject = 512     // bytes of an object's name in a report
	maxPart   = 8 << 20 // bytes of one part of an order
)

// stepError is a failed step of the init: the object it was working on and the errno.
type stepError struct {
	Object string
	Errno  unix.Errno
}

func (e *stepError) Error() string {
	if e.Object == "" {
		return e.Errno.Error()
	}
	return e.Object + ": " + e.Errno.Error()
}

func (e *stepError) Unwrap() error { return e.Errno }

// handOff sends the order and waits until the program has started. A run that is cancelled
// meanwhile reports that as its cause; err is a SetupError.
func (p *process) handOff(ctx context.Context, o *order) (started time.Time, cause Verdict, err error) {
	stop := context.AfterFunc(ctx, func() { p.channel.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	p.channel.SetDeadline(time.Now().Add(setUpPatience))
	if ctx.Err() != nil {
		return time.Now(), Cancelled, nil
	}

	err = o.send(p.channel)
	if err == nil || errors.Is(err, unix.EPIPE) { // of an init that failed early: it says why
		err = errors.Join(awaitGo(p.channel))
	}
	started = time.Now()
	if err != nil && ctx.Err() != nil {
		return started, Cancelled, nil
	}
	var failed *SetupError
	if err != nil && !errors.As(err, &failed) {
		err = &SetupError{stageHandOff, err}
	}
	return started, "", err
}

// awaitGo reads the init's report and then waits for its execve.
func awaitGo(channel io.Reader) error {
	r, object, err := readReport(channel)
	if errors.Is(err, io.EOF) {
		return errors.New("init died without a report")
	}
	if err != nil {
		return err
	}
	if r.Kind == reportGo {
		// What follows is end of file at execve, or a report that the last steps failed.
		r, object, err = readReport(channel)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	if r.Kind != reportFailure || int(r.Stage) >= len(stages) {
		return errors.New("init sent no report that makes sense")
	}
	return &SetupError{stages[r.Stage], &stepError{object, unix.Errno(r.Errno)}}
}

func readReport(from io.Reader) (r report, object string, err error) {
	if err := binary.Read(from, binary.NativeEndian, &r); err != nil {
		return r, "", err
	}
	name := make([]byte, min(r.Len, maxObject))
	_, err = io.ReadFull(from, name)
	return r, string(name), err
}

// send writes the order.
func (o *order) send(to io.Writer) error {
	head, err := json.Marshal(o)
	if err != nil {
		return err
	}
	parts := [][]byte{head, o.filter, o.launcher, o.source}
	lengths := make([]byte, 0, 4*len(parts))
	for _, part := range parts {
		lengths = binary.NativeEndian.AppendUint32(lengths, uint32(len(part)))
	}
	for _, part := range append([][]byte{append(lengths, head...)}, parts[1:]...) {
		if _, err := to.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// receive reads the order, in the init.
func receive(from io.Reader) (*order, error) {
	var lengths [4]uint32
	if err := binary.Read(from, binary.NativeEndian, &lengths); err != nil {
		return nil, err
	}
	var parts [4][]byte
	for i, n := range lengths {
		if n > maxPart {
			return nil, fmt.Errorf("part %d of the order is %d bytes long", i, n)
		}
		parts[i] = make([]byte, n)
		if _, err := io.ReadFull(from, parts[i]); err != nil {
			return nil, err
		}
	}
	o := &order{filter: parts[1], launcher: parts[2], source: parts[3]}
	return o, json.Unmarshal(parts[0], o)
}

// sendReport writes a report, in the init, with one system call: after the seccomp filter is
// loaded there is not much else it could do.
func sendReport(channel *os.File, kind, stage uint8, failure *stepError) {
	r := report{Kind: kind, Stage: stage}
	var object string
	if failure != nil {
		object = failure.Object[:min(len(failure.Object), maxObject)]
		r.Errno, r.Len = uint32(failure.Errno), uint16(len(object))
	}
	message, _ := binary.Append(nil, binary.NativeEndian, r)
	_, _ = unix.Write(int(channel.Fd()), append(message, object...))
}
