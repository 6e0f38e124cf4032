package spawn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// zygote is a process that only clones inits. It is small. If the daemon cloned itself, the kernel would copy its page tables for each
// run, and also every page that the daemon writes to before the init executes another program.
type zygote struct {
	proc   *os.Process
	socket *net.UnixConn
	dead   chan struct{} // closed when it has been waited for
}

// Zygotes are processes that clone inits: one for each processor, 8 at most. Each of them serves one request at a time.
type Zygotes struct {
	program  *os.File // the init
	path     string   // of the program, for execve in a zygote
	null     *os.File
	patience time.Duration // for one clone
	idle     chan *zygote
	asked    chan chan<- birth
	quit     chan struct{} // closed by Close
}

const (
	mostZygotes = 8           // one zygote clones hundreds of inits per second
	lastLook    = time.Second // bounds the wait for a killed process; longer only if it is traced or waits in the kernel (state D)
)

// birth is a new zygote, or the error that prevented it.
type birth struct {
	zygote *zygote
	err    error
}

var (
	errZygoteGone = errors.New("the zygote died, or is stuck")
	errClosed     = errors.New("the zygotes are closed")
)

// NewZygotes starts the zygotes. patience is the time for setting up a jail: a zygote that needs half of it for one clone is
// replaced, so that there is time to ask another one.
func NewZygotes(patience time.Duration) (_ *Zygotes, err error) {
	z := &Zygotes{
		path: fmt.Sprintf("/proc/self/fd/%d", programFD), patience: patience / 2,
		idle: make(chan *zygote, min(runtime.NumCPU(), mostZygotes)), asked: make(chan chan<- birth), quit: make(chan struct{}),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, z.Close())
		}
	}()
	if z.program, err = openEmbedded(embeddedInit); err != nil {
		return nil, err
	}
	if z.null, err = os.Open(os.DevNull); err != nil {
		return nil, err
	}
	go z.keep()
	for range cap(z.idle) {
		one, err := z.start()
		if err != nil {
			return nil, err
		}
		z.idle <- one
	}
	return z, nil
}

// Close ends the zygotes. The inits that they cloned die with the daemon's thread that started the zygotes, which ends, too.
func (z *Zygotes) Close() error {
	close(z.quit)
	for range len(z.idle) {
		one := <-z.idle
		one.socket.Close()
		one.kill()
	}
	var err error
	for _, f := range []*os.File{z.null, z.program} {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// keep starts zygotes. They, and the inits that they clone, die with the thread that started them (PR_SET_PDEATHSIG of prctl(2)).
// So that is one thread, which lives until Close.
func (z *Zygotes) keep() {
	runtime.LockOSThread()
	for {
		select {
		case answer := <-z.asked:
			one, err := z.execute()
			answer <- birth{one, err}
		case <-z.quit:
			return
		}
	}
}

func (z *Zygotes) start() (*zygote, error) {
	answer := make(chan birth)
	select {
	case z.asked <- answer:
		b := <-answer
		return b.zygote, b.err
	case <-z.quit:
		return nil, errClosed
	}
}

// programFD is the descriptor of the init's program while a zygote executes it.
const programFD = inside.Channel + 1

// execute starts a zygote, in a session of its own, so that it gets no signal that somebody types at the daemon's terminal.
func (z *Zygotes) execute() (*zygote, error) {
	ours, theirs, err := ControlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	proc, err := os.StartProcess(z.path, []string{inside.Name}, &os.ProcAttr{
		Env:   []string{}, // nil would mean the daemon's environment
		Files: []*os.File{z.null, z.null, z.null, inside.Channel: theirs, programFD: z.program},
		Sys:   &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	one := &zygote{proc, ours, make(chan struct{})}
	go func() {
		_, _ = proc.Wait()
		close(one.dead)
	}()
	return one, nil
}

// MapIDs writes the id maps of a new process.
type MapIDs func(pid int, id hostid.ID) error

// Spawner returns a Spawner that uses the zygotes. It calls a function to write the id maps of each init; nil writes none.
func (z *Zygotes) Spawner(mapIDs MapIDs) Spawner { return cloner{z, mapIDs} }

type cloner struct {
	zygotes *Zygotes
	mapIDs  MapIDs
}

// Spawn implements Spawner. All zygotes may have died at once, so it asks each of them and then a new one.
func (c cloner) Spawn(r Request) (init *Init, err error) {
	for range cap(c.zygotes.idle) + 1 {
		if init, err = c.once(r); !errors.Is(err, errZygoteGone) {
			break
		}
	}
	return init, err
}

func (c cloner) once(r Request) (_ *Init, err error) {
	ends, err := newEnds()
	if err != nil {
		return nil, err
	}
	defer func() { ends.close(err != nil) }()
	ask, fds := request{flags: uint64(r.Namespaces), maps: mapsByDaemon}, ends.descriptors()
	if r.Leaf != nil {
		ask.flags |= unix.CLONE_INTO_CGROUP
		fds = append(fds, int(r.Leaf.Dir().Fd()))
	}
	got, err := c.zygotes.clone(ask, fds)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil { // the init waits for its script, which nobody will send
			end(got.pid)
		}
	}()
	if c.mapIDs != nil {
		if err := c.mapIDs(got.pid, r.ID); err != nil {
			got.discard()
			return nil, err
		}
	}
	init, err := ends.init(got.pid, got.pidfd)
	if err != nil {
		return nil, err
	}
	init.Reap = func() (Exit, error) { return waitFor(got.pid) }
	init.Lost = func() error { return nil }
	return init, nil
}

// end ends an init that gets no script. The init is a child of the daemon that has not been waited for, so its process id is still valid.
func end(pid int) {
	_ = unix.Kill(pid, unix.SIGKILL)
	_, _ = waitFor(pid)
}

// clone makes a zygote clone an init, which is a child of the daemon. Waiting for an idle zygote needs no timeout, because each clone in
// progress has one.
//
// If the error is errZygoteGone, the zygote has been replaced. The old one may have cloned an init without answering. That init ends when
// the other end of its hand-off socket is closed, so these descriptors must not be used for another request.
func (z *Zygotes) clone(ask request, fds []int) (got answer, err error) {
	var one *zygote
	select {
	case one = <-z.idle:
	case <-z.quit:
		return got, errClosed
	}
	defer func() { z.idle <- one }()
	got, err = one.clone(ask, fds, z.patience)
	if !errors.Is(err, errZygoteGone) {
		return got, err
	}
	fresh, startErr := z.start()
	if startErr != nil {
		return got, startErr // the next request tries to start another one
	}
	one = fresh
	return got, err
}

func (one *zygote) clone(ask request, fds []int, patience time.Duration) (got answer, err error) {
	one.socket.SetDeadline(time.Now().Add(patience))
	err = ask.send(one.socket, fds)
	switch {
	case err == nil:
		if got, err = readAnswer(one.socket); errors.Is(err, errNoPidfd) {
			end(got.pid)
			return answer{}, err
		}
	case errors.Is(err, unix.ETOOMANYREFS), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS): // the request was not sent
		return got, err
	}
	if err != nil {
		one.kill()
		one.socket.SetDeadline(time.Now().Add(lastLook))
		var late error
		got, late = readAnswer(one.socket) // the answer may have arrived after the deadline
		one.socket.Close()
		if errors.Is(late, errNoPidfd) {
			end(got.pid)
		}
		if late != nil {
			return answer{}, fmt.Errorf("%w: %w", errZygoteGone, err)
		}
	}
	if got.pid == 0 {
		return got, os.NewSyscallError("clone", got.err)
	}
	return got, nil
}

// kill kills a zygote and waits for its end. It may have ended already.
func (one *zygote) kill() {
	_ = one.proc.Kill()
	select {
	case <-one.dead:
	case <-time.After(lastLook):
	}
}
