package spawn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"golang.org/x/sys/unix"
)

// The daemon's side of the protocol. spawn.h of cmd/sandboxd-init is the other side, and describes it.

// The process that writes the id maps of an init.
const (
	mapsByDaemon = iota
	mapsBySpawner
	mapsWithoutSetgroups // by the spawner, after it has denied setgroups(2)
)

// idMap is one line of an id map.
type idMap struct{ inside, outside uint32 }

// request is struct request.
type request struct {
	flags    uint64
	uid, gid idMap
	maps     uint32
	visitor  uint32 // 1: a visitor, and not an init
}

func (r request) encode() []byte {
	wire := binary.NativeEndian.AppendUint64(nil, r.flags)
	for _, field := range []uint32{r.uid.inside, r.uid.outside, r.gid.inside, r.gid.outside, r.maps, r.visitor} {
		wire = binary.NativeEndian.AppendUint32(wire, field)
	}
	return wire
}

// send sends a request with the init's descriptors.
func (r request) send(to *net.UnixConn, descriptors []int) error {
	_, _, err := to.WriteMsgUnix(r.encode(), unix.UnixRights(descriptors...), nil)
	return err
}

// answer is struct answer, with the descriptor that comes with it.
type answer struct {
	err   unix.Errno // 0: no error
	pid   int        // in the spawner's pid namespace; 0: no process was started
	pidfd int        // only valid if pid is not 0
}

const answerSize = 2 * 4 // bytes

var (
	errNoAnswer = errors.New("malformed answer of a zygote or template")

	// errNoPidfd means that the init was started, but its pidfd was lost.
	errNoPidfd = errors.New("the pidfd of an init was not received; the daemon probably has too many open files (RLIMIT_NOFILE)")
)

// readAnswer waits for an answer. The error is io.EOF if the other end is closed. The caller owns the pidfd.
func readAnswer(from *net.UnixConn) (answer, error) {
	wire, oob := make([]byte, answerSize+1), make([]byte, unix.CmsgSpace(2*4)) // room for a byte and a descriptor too many, to notice them
	n, oobn, flags, _, err := from.ReadMsgUnix(wire, oob)
	if err != nil {
		return answer{}, err
	}
	if n == 0 {
		return answer{}, io.EOF
	}
	pidfd, err := OneDescriptor(oob[:oobn])
	if err != nil {
		return answer{}, err
	}
	a := answer{
		err:   unix.Errno(binary.NativeEndian.Uint32(wire)),
		pid:   int(int32(binary.NativeEndian.Uint32(wire[4:]))),
		pidfd: pidfd,
	}
	if n == answerSize && a.pid > 0 && pidfd < 0 && flags&unix.MSG_CTRUNC != 0 {
		return a, errNoPidfd
	}
	if n != answerSize || (a.pid > 0) != (pidfd >= 0) || a.pid == 0 && a.err == 0 {
		if pidfd >= 0 {
			unix.Close(pidfd)
		}
		return answer{}, errNoAnswer
	}
	return a, nil
}

// discard closes the descriptor of an answer that is not used.
func (a answer) discard() {
	if a.pid > 0 {
		unix.Close(a.pidfd)
	}
}

// ErrStrayDescriptors means that more descriptors came with a message than the protocol allows.
var ErrStrayDescriptors = errors.New("more than one descriptor came with a message")

// OneDescriptor returns the descriptor in a control message (unix(7), SCM_RIGHTS), or -1 if there is none. It closes all if there
// are more.
func OneDescriptor(oob []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return -1, fmt.Errorf("control message: %w", err)
	}
	var all []int
	for _, m := range messages {
		fds, parseErr := unix.ParseUnixRights(&m)
		err = errors.Join(err, parseErr)
		all = append(all, fds...)
	}
	if len(all) > 1 {
		err = ErrStrayDescriptors
	}
	switch {
	case err != nil:
		for _, fd := range all {
			unix.Close(fd)
		}
		return -1, err
	case len(all) == 1:
		return all[0], nil
	default:
		return -1, nil
	}
}
