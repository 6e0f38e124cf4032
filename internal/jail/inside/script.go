package inside

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// Script is a sequence of system calls for the init. cmd/sandboxd-init/replay.h defines the layout of its image: a header, the calls, and
// the data to which they point. The init maps the image at a fixed address.
type Script struct {
	image []byte
	steps []step  // of each call
	calls []int64 // the system call numbers, each once
}

// step is the stage and the object of a call, for errors.
type step struct{ stage, object string }

const (
	base       = 1 << 36 // address of the image in the init
	headerSize = 8
	callSize   = 88
)

// Pseudo calls, which replay.h describes.
const (
	callDone  = -1 // end of a script that does not end with execve
	callJump  = -2
	callFail  = -3 // fail with the errno in the first argument
	callSplit = -4 // fork: the child goes on, the parent jumps
	callKeep  = -5 // wait for the child, report its end, and end
)

// callsOf lists the system calls of each pseudo call.
var callsOf = map[int64][]int64{
	callSplit: {unix.SYS_CLONE3},
	callKeep:  keeperCalls,
}

// Image returns the bytes that are sent to the init.
func (s *Script) Image() []byte { return s.image }

// Step returns the stage and the object of a call. ok is false if the script is nil or has no such call.
func (s *Script) Step(call uint32) (stage, object string, ok bool) {
	if s == nil || int64(call) >= int64(len(s.steps)) {
		return "", "", false
	}
	return s.steps[call].stage, s.steps[call].object, true
}

// IsLast reports whether this is the last call of the init's child: execve, or callDone.
func (s *Script) IsLast(call uint32) bool {
	next, _, _ := s.Step(call + 1)
	stage, _, _ := s.Step(call)
	return stage == StageExec && next != StageExec
}

// Calls returns the numbers of the system calls that the script may make.
func (s *Script) Calls() []int64 { return s.calls }

// assembler builds a script.
type assembler struct {
	stage string // of the calls that are added
	calls []*call
	data  []byte
	links []link

	keeper  *label // where the init goes on after "split"
	program cell   // the pid of its child
}

// link is an offset in the data at which the address of another offset is stored.
type link struct{ at, to int }

// call is one system call.
type call struct {
	step
	nr      int64
	args    [6]arg
	into    int        // offset of the cell in the data that receives the result; -1: none
	want    int64      // the only result that is not an error; -1: any
	mayFail unix.Errno // an errno at which the script goes on at then; 0: none
	then    *label     // also the target of callJump and callSplit
}

// arg is an argument.
type arg struct {
	kind  argKind
	value uint64 // the value, or an offset in the data
}

type argKind byte

const (
	immediate argKind = iota
	pointer           // of the data
	inCell            // the value of a cell
)

// label is a position in the script: the number of the next call.
type label struct{ at int }

// cell is the offset of an int32 in the data. It receives the result of a call and can be an argument of later calls.
type cell int

func num[T ~int | ~int32 | ~uint | ~uint32 | ~uint64 | ~uintptr](n T) arg {
	return arg{immediate, uint64(n)}
}
func at(offset int) arg    { return arg{pointer, uint64(offset)} }
func (c cell) value() arg  { return arg{inCell, uint64(c)} }
func fd(n int) arg         { return num(n) }
func (c cell) offset() int { return int(c) }

// put adds data, aligned to 8 bytes, which is enough for all structures of the kernel.
func (a *assembler) put(data []byte) (offset int) {
	for len(a.data)%8 != 0 {
		a.data = append(a.data, 0)
	}
	offset = len(a.data)
	a.data = append(a.data, data...)
	return offset
}

// words adds 64-bit numbers.
func (a *assembler) words(words ...uint64) (offset int) {
	var data []byte
	for _, w := range words {
		data = binary.NativeEndian.AppendUint64(data, w)
	}
	return a.put(data)
}

// text adds a NUL-terminated string.
func (a *assembler) text(s string) arg { return at(a.put(append([]byte(s), 0))) }

func (a *assembler) cell() cell { return cell(a.put(make([]byte, 4))) }

// pointers adds an array of pointers that ends with NULL.
func (a *assembler) pointers(to ...arg) (offset int) {
	offset = a.put(make([]byte, 8*(len(to)+1)))
	for i, p := range to {
		a.link(offset+8*i, int(p.value))
	}
	return offset
}

func (a *assembler) link(at, to int) { a.links = append(a.links, link{at, to}) }

// call adds a system call. object names its purpose in an error.
func (a *assembler) call(object string, nr uintptr, args ...arg) *call {
	return a.add(object, int64(nr), args...)
}

func (a *assembler) add(object string, nr int64, args ...arg) *call {
	c := &call{step: step{a.stage, object}, nr: nr, into: -1, want: -1}
	copy(c.args[:], args)
	a.calls = append(a.calls, c)
	return c
}

// to stores the result in a cell.
func (c *call) to(result cell) *call { c.into = result.offset(); return c }

// wants makes any other result an error (ENOSPC).
func (c *call) wants(result int) *call { c.want = int64(result); return c }

// unless continues at a label if the call fails with this errno. Other errors end the script.
func (c *call) unless(errno unix.Errno, then *label) *call {
	c.mayFail, c.then = errno, then
	return c
}

func (a *assembler) here() *label                         { return &label{len(a.calls)} }
func (a *assembler) mark(l *label)                        { l.at = len(a.calls) }
func (a *assembler) jump(to *label)                       { a.add("", callJump).then = to }
func (a *assembler) fail(object string, errno unix.Errno) { a.add(object, callFail, num(errno)) }

// tolerate lets the last call fail with an errno.
func (a *assembler) tolerate(errno unix.Errno) { a.calls[len(a.calls)-1].unless(errno, a.here()) }

// message adds a struct msghdr (recvmsg(2)) with a report and one descriptor. The descriptor's number must be stored in the returned cell.
func (a *assembler) message(r Report) (message int, descriptor cell) {
	part := a.words(0, reportSize)
	a.link(part, a.put(r.Encode()))
	control := a.put(unix.UnixRights(0))
	message = a.words(0, 0, 0, 1, 0, uint64(unix.CmsgSpace(4)), 0) // no name, one part, a control message
	a.link(message+2*8, part)
	a.link(message+4*8, control)
	return message, cell(control + unix.CmsgLen(0))
}

// report sends a message with a descriptor. If the kernel refuses it because this user has too many descriptors in flight (ETOOMANYREFS
// in unix(7)), it sends the report without the descriptor.
func (a *assembler) report(r Report, message int) {
	alone, sent := &label{}, &label{}
	a.call("report", unix.SYS_SENDMSG, fd(Channel), at(message), num(0)).unless(unix.ETOOMANYREFS, alone)
	a.jump(sent)
	a.mark(alone)
	a.call("report", unix.SYS_WRITE, fd(Channel), at(a.put(r.Encode())), num(reportSize))
	a.mark(sent)
}

// script lays out the image.
func (a *assembler) script() *Script {
	data := headerSize + callSize*len(a.calls)
	address := func(offset int) uint64 { return uint64(base + data + offset) }
	for _, l := range a.links {
		binary.NativeEndian.PutUint64(a.data[l.at:], address(l.to))
	}
	var image bytes.Buffer
	put := func(v any) { _ = binary.Write(&image, binary.NativeEndian, v) } // cannot fail for a bytes.Buffer
	put([2]uint32{uint32(data + len(a.data)), uint32(len(a.calls))})
	s := &Script{}
	for _, c := range a.calls {
		put(c.nr)
		made := callsOf[c.nr]
		if c.nr >= 0 {
			made = []int64{c.nr}
		}
		for _, nr := range made {
			if !slices.Contains(s.calls, nr) {
				s.calls = append(s.calls, nr)
			}
		}
		var cells, then uint32
		for i, arg := range c.args {
			if arg.kind == inCell {
				cells |= 1 << i
			}
			if arg.kind != immediate {
				arg.value = address(int(arg.value))
			}
			put(arg.value)
		}
		into := uint64(0)
		if c.into >= 0 {
			into = address(c.into)
		}
		if c.then != nil {
			then = uint32(c.then.at)
		}
		put(into)
		put(c.want)
		put([4]uint32{cells, uint32(c.mayFail), then})
		s.steps = append(s.steps, c.step)
	}
	image.Write(a.data)
	s.image = image.Bytes()
	return s
}
