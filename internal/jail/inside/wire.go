package inside

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The hand-off protocol, over one stream socket:
//
//	daemon → init     the image of a Script
//	init → daemon     Built, when the root is complete, with a descriptor of the scratch space (SCM_RIGHTS). Or Failure
//	init → daemon     Go, when all steps except execve are done, with the filter's listener (SCM_RIGHTS) if the order
//	                  asked for one. Or Failure
//	python3 → daemon  Ready, when the interpreter has started and waits
//	daemon → python3  Prepare, if the jail will wait for a program
//	daemon → python3  a Handover
//	python3 → daemon  Started, and then end of file: the program runs. Or Failure with an errno: the program's files could
//	                  not be made
//	the program       with Display or Live, the program keeps the socket: it sends frames of package display, and receives
//	                  standard input
//	init → daemon     over the status pipe: End, when the program has ended
//
// Until the program starts, only code of the daemon runs at the other end. Even so, the daemon reads only reports, which have a fixed
// size. The program does not have the status pipe.

// Report is a message of the init or the launcher.
type Report struct {
	Kind byte
	Call uint32     // of a Failure of the init: number of the call in the script
	Err  unix.Errno // of a Failure
}

// Kinds of reports.
const (
	Built   = 'B'
	Go      = 'G'
	Failure = 'F'
	Ready   = 'R'
	Started = 'S'
	Done    = 'D' // of a visitor: it has replayed a script
)

const reportSize = 3 * 4 // bytes

var errMalformed = errors.New("malformed report")

// Encode returns the report as it is sent.
func (r Report) Encode() []byte {
	wire := binary.NativeEndian.AppendUint32(nil, uint32(r.Kind))
	wire = binary.NativeEndian.AppendUint32(wire, r.Call)
	return binary.NativeEndian.AppendUint32(wire, uint32(r.Err))
}

// ReadReport reads a report. The error is io.EOF if the socket ends before the first byte of a report.
func ReadReport(from io.Reader) (Report, error) {
	var wire [reportSize]byte
	if _, err := io.ReadFull(from, wire[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = errMalformed
		}
		return Report{}, err
	}
	kind := binary.NativeEndian.Uint32(wire[:])
	r := Report{byte(kind), binary.NativeEndian.Uint32(wire[4:]), unix.Errno(binary.NativeEndian.Uint32(wire[8:]))}
	if kind > 255 || !strings.ContainsRune(string([]byte{Built, Go, Failure, Ready, Started, Done}), rune(kind)) {
		return Report{}, errMalformed
	}
	return r, nil
}

// End is the init's report of the program's end. An init that is killed sends none.
type End struct {
	Status unix.WaitStatus
	Call   uint32        // number of the last call of the script that was made
	Alone  bool          // no process except the init is left
	CPU    time.Duration // user and system time of the program and of the processes that have been waited for
	Peak   int64         // peak resident set of the largest of these processes, in bytes
}

// endSize is sizeof(struct end) in replay.h, in bytes.
const endSize = 4*4 + 2*8

const endKind = 'E'

// ReadEnd reads an End. The error is io.EOF if the init ended without one.
func ReadEnd(from io.Reader) (End, error) {
	var wire [endSize]byte
	if _, err := io.ReadFull(from, wire[:]); err != nil {
		return End{}, err
	}
	if binary.NativeEndian.Uint32(wire[:]) != endKind {
		return End{}, errMalformed
	}
	return End{
		Status: unix.WaitStatus(binary.NativeEndian.Uint32(wire[4:])),
		Call:   binary.NativeEndian.Uint32(wire[8:]),
		Alone:  binary.NativeEndian.Uint32(wire[12:]) == 1,
		CPU:    time.Duration(binary.NativeEndian.Uint64(wire[16:])) * time.Microsecond,
		Peak:   int64(binary.NativeEndian.Uint64(wire[24:])) << 10,
	}, nil
}

// Handover is the message that hands a program over to the launcher, or makes an interpreter a template.
type Handover struct {
	Source []byte   // the program
	Nulled []string // builtins that are None in the main module
	Check  bool     // compile the program, and end with status 0 if that succeeds

	Args  []string          // without NUL bytes
	Env   map[string]string // likewise
	Stdin []byte            // if empty, standard input is /dev/null
	Live  bool              // standard input is this socket

	// Display is the compiled module that sends displays over this socket. If it is empty, the program has no displays. A template and a
	// prepared jail have loaded the module before: for them, any other bytes mean that there are displays.
	Display []byte

	Files []ProgramFile

	// Template makes the interpreter a template, which imports Modules and then forks programs. Two descriptors are sent after the
	// message: the template's end of the control socket, and the compiled module of cmd/sandboxd-init/fork.c.
	Template bool
	Modules  []string
}

// ProgramFiles are the names of the program's own file in its working directory: while it runs, and just before it starts (launcher.py).
var ProgramFiles = []string{"main.py", ".main.py"}

// ProgramFile is a file in the working directory of a program.
type ProgramFile struct {
	Path string
	Data []byte
}

// Encode returns the message. It consists of parts, and each part follows its length in 4 bytes. The fourth part is the number of files.
// If it is empty, it is the last part: most programs are only a source. Large parts are not copied.
func (h Handover) Encode() net.Buffers {
	var wire parts
	if h.Template {
		wire.put([]byte("template"))
		wire.put([]byte(strings.Join(h.Modules, ",")))
		wire.put(h.Display)
		return wire.all()
	}
	what := "run"
	if h.Check {
		what = "check"
	}
	wire.put([]byte(what))
	wire.put([]byte(strings.Join(h.Nulled, ",")))
	wire.put(h.Source)
	if h.Check || len(h.Args)+len(h.Env)+len(h.Stdin)+len(h.Files)+len(h.Display) == 0 && !h.Live {
		wire.put(nil)
		return wire.all()
	}
	wire.put(strconv.AppendInt(nil, int64(len(h.Files)), 10))
	var args, env []byte
	for _, arg := range h.Args {
		args = append(append(args, arg...), 0)
	}
	for name, value := range h.Env {
		env = append(append(env, name+"="+value...), 0)
	}
	wire.put(args)
	wire.put(env)
	wire.put(h.Stdin)
	for _, file := range h.Files {
		wire.put([]byte(file.Path))
		wire.put(file.Data)
	}
	live := ""
	if h.Live {
		live = "live"
	}
	wire.put([]byte(live))
	wire.put(h.Display)
	return wire.all()
}

// Loaded is Handover.Display for an interpreter that has loaded the module.
var Loaded = []byte("loaded")

// Prepare is a message to python3 in a jail that will wait for a program: what every program needs is done before. It has no answer.
// display is the compiled module for displays.
func Prepare(display []byte) net.Buffers {
	var wire parts
	wire.put([]byte("prepare"))
	wire.put(display)
	return wire.all()
}

// KeepsChannel reports whether the program keeps the socket.
func (h Handover) KeepsChannel() bool { return h.Live || len(h.Display) > 0 }

// parts collects the parts of a message. Small parts are joined in one buffer.
type parts struct {
	done net.Buffers
	last []byte
}

const largePart = 64 << 10 // bytes

func (p *parts) put(part []byte) {
	p.last = binary.NativeEndian.AppendUint32(p.last, uint32(len(part)))
	if len(part) < largePart {
		p.last = append(p.last, part...)
		return
	}
	p.done = append(p.done, p.last, part)
	p.last = nil
}

func (p *parts) all() net.Buffers {
	if len(p.last) > 0 {
		p.done = append(p.done, p.last)
	}
	return p.done
}

// wordBytes returns a number in the byte order of the machine.
func wordBytes(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }
