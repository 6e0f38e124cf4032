package inside

import (
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/sys/unix"
)

// The hand-off protocol, over one stream socket:
//
//	daemon → init   its length (uint32), and an Order
//	init → daemon   one Report: Go as the last thing before execve, or a failure
//	                end of file: execve happened (the socket is close-on-exec), or init died
//
// Only the init ever holds the other end, and the program has not started while it does; the
// daemon reads no more than reports of bounded size all the same. The encoding is ours, and small:
// a general one would cost each run more than the init's other steps together.

// Order is what the init is told. It is data to be replayed: the init decides nothing.
type Order struct {
	KeepGroups bool     // the daemon had no right to drop its groups
	Plan       []Node   // the root file system, in the order in which it is made
	Scratch    []string // options of the scratch tmpfs, "key=value"
	Landlock   Ruleset  // what of the root may be opened
	CPU        []Prctl
	Rlimits    []Rlimit
	Argv       []string // python3's
	Env        []string
	Filter     []byte // struct sock_filter[]
}

// Rlimit is one resource limit, soft and hard alike.
type Rlimit struct {
	Resource int
	Value    uint64
}

// Report is the init's answer.
type Report struct {
	Kind   byte   // Go or Failure
	Stage  string // of a failure
	Object string // what it was about
	Errno  unix.Errno
}

// Kinds of reports.
const (
	Go      = 'G'
	Failure = 'F'
)

const (
	maxOrder  = 16 << 20 // bytes
	maxObject = 512      // bytes of an object's name
	maxReport = 1 << 10
)

var errMalformed = errors.New("malformed message")

// Send writes the order.
func (o *Order) Send(to io.Writer) error {
	e := make(encoder, 4, 64<<10)
	e.flag(o.KeepGroups)
	e.number(uint64(len(o.Plan)))
	for _, n := range o.Plan {
		e.string(string(n.Op))
		e.string(n.Path)
		e.string(n.Source)
		e.string(n.Data)
		e.number(uint64(n.Mode))
	}
	e.strings(o.Scratch)
	e.number(o.Landlock.Handled)
	e.number(o.Landlock.Scoped)
	e.number(uint64(len(o.Landlock.Rules)))
	for _, r := range o.Landlock.Rules {
		e.string(r.Path)
		e.number(r.Rights)
	}
	e.number(uint64(len(o.CPU)))
	for _, c := range o.CPU {
		e.string(c.Name)
		for _, arg := range c.Args {
			e.number(arg)
		}
	}
	e.number(uint64(len(o.Rlimits)))
	for _, l := range o.Rlimits {
		e.number(uint64(l.Resource))
		e.number(l.Value)
	}
	e.strings(o.Argv)
	e.strings(o.Env)
	e.string(string(o.Filter))
	binary.NativeEndian.PutUint32(e, uint32(len(e)-4))
	_, err := to.Write(e)
	return err
}

// Receive reads an order.
func Receive(from io.Reader) (*Order, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return nil, err
	}
	n := binary.NativeEndian.Uint32(head[:])
	if n > maxOrder {
		return nil, errMalformed
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(from, message); err != nil {
		return nil, err
	}
	d := decoder{rest: message}
	o := &Order{KeepGroups: d.flag()}
	for range d.items {
		o.Plan = append(o.Plan, Node{Op: Op(d.string()), Path: d.string(), Source: d.string(), Data: d.string(), Mode: uint32(d.number())})
	}
	o.Scratch = d.strings()
	o.Landlock.Handled, o.Landlock.Scoped = d.number(), d.number()
	for range d.items {
		o.Landlock.Rules = append(o.Landlock.Rules, Rule{Path: d.string(), Rights: d.number()})
	}
	for range d.items {
		c := Prctl{Name: d.string()}
		for i := range c.Args {
			c.Args[i] = d.number()
		}
		o.CPU = append(o.CPU, c)
	}
	for range d.items {
		o.Rlimits = append(o.Rlimits, Rlimit{Resource: int(d.number()), Value: d.number()})
	}
	o.Argv, o.Env = d.strings(), d.strings()
	o.Filter = []byte(d.string())
	return o, d.end()
}

// Encode lays out a report; it is written with one system call, for after the seccomp filter is
// loaded there is not much else the init could do.
func (r Report) Encode() []byte {
	e := make(encoder, 4, 128)
	e.number(uint64(r.Kind))
	e.string(r.Stage)
	e.string(r.Object[:min(len(r.Object), maxObject)])
	e.number(uint64(r.Errno))
	binary.NativeEndian.PutUint32(e, uint32(len(e)-4))
	return e
}

// ReadReport reads a report. io.EOF is the end of the conversation between two of them.
func ReadReport(from io.Reader) (Report, error) {
	var head [4]byte
	if _, err := io.ReadFull(from, head[:]); err != nil {
		return Report{}, err
	}
	n := binary.NativeEndian.Uint32(head[:])
	if n > maxReport {
		return Report{}, errMalformed
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(from, message); err != nil {
		return Report{}, errMalformed
	}
	d := decoder{rest: message}
	r := Report{Kind: byte(d.number()), Stage: d.string(), Object: d.string(), Errno: unix.Errno(d.number())}
	return r, d.end()
}

// encoder appends flags and numbers as uvarints and strings with their length before them.
type encoder []byte

func (e *encoder) number(n uint64) { *e = binary.AppendUvarint(*e, n) }

func (e *encoder) flag(set bool) {
	n := uint64(0)
	if set {
		n = 1
	}
	e.number(n)
}

func (e *encoder) string(s string) {
	e.number(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) strings(list []string) {
	e.number(uint64(len(list)))
	for _, s := range list {
		e.string(s)
	}
}

// decoder reads what encoder wrote. After something malformed it yields zero values, and end tells.
type decoder struct {
	rest   []byte
	broken bool
}

func (d *decoder) number() uint64 {
	n, size := binary.Uvarint(d.rest)
	if size <= 0 {
		d.rest, d.broken = nil, true
		return 0
	}
	d.rest = d.rest[size:]
	return n
}

// count is a number of items, each of which takes at least a byte.
func (d *decoder) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.rest, d.broken = nil, true
		return 0
	}
	return int(n)
}

func (d *decoder) flag() bool { return d.number() != 0 }

// items ranges over a number of items, for as long as there are any.
func (d *decoder) items(yield func() bool) {
	for n := d.count(); n > 0 && !d.broken && yield(); n-- {
	}
}

func (d *decoder) string() string {
	n := d.count()
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}

func (d *decoder) strings() []string {
	var list []string
	for range d.items {
		list = append(list, d.string())
	}
	return list
}

func (d *decoder) end() error {
	if d.broken || len(d.rest) > 0 {
		return errMalformed
	}
	return nil
}
