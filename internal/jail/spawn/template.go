package spawn

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// Errors of a template that cannot start inits any more.
var (
	ErrTemplateGone  = errors.New("the template died")
	ErrTemplateStuck = errors.New("the template is stuck: it does not answer")
)

// TemplateConfig describes a template that has imported its modules.
type TemplateConfig struct {
	Control       *net.UnixConn   // the daemon's end of the socket for requests; the Template closes it
	Patience      time.Duration   // for one answer; a template that takes longer is stuck
	DenySetgroups bool            // only the daemon's own ids can be mapped (user_namespaces(7))
	Kill          func()          // kills the template, and so its inits
	Ended         <-chan struct{} // closed when the template has ended
}

// Template is a Spawner: the daemon's side of a template. It sends requests at once; the template answers them in order. The
// template waits for the ends of its inits, which report to the daemon directly. So a template that is stopped or busy does not hold
// up a run that has started.
type Template struct {
	cfg TemplateConfig

	mu       sync.Mutex
	waiting  []chan answer // the requests that wait for an answer, in order
	answered time.Time     // time of the last answer, or of the first request after it
	users    int           // number of runs, and of requests in progress
	retired  bool          // it gets no more requests
	gone     error         // why it does not answer any more; nil while it does
}

// NewTemplate returns a Template. The caller must call Listen.
func NewTemplate(cfg TemplateConfig) *Template { return &Template{cfg: cfg} }

// Spawn implements Spawner. After ErrTemplateGone and ErrTemplateStuck, another template is needed.
func (t *Template) Spawn(r Request) (init *Init, err error) {
	ends, err := newEnds()
	if err != nil {
		return nil, err
	}
	defer func() { ends.close(err != nil) }()
	ask, fds := t.request(r), ends.descriptors()
	born := r.Leaf != nil && r.Leaf.OpenToUser()
	if born {
		ask.flags |= unix.CLONE_INTO_CGROUP
		fds = append(fds, int(r.Leaf.Dir().Fd()))
	}
	got, err := t.ask(ask, fds)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			t.done()
		}
	}()
	if got.err != 0 {
		kill(got)
		return nil, fmt.Errorf("fork of the template: %w", got.err)
	}
	pid, err := pidOf(got.pidfd) // the answer contains the pid in the template's pid namespace
	if err == nil && r.Leaf != nil && !born {
		err = r.Leaf.Add(pid) // the init waits for its script, and has done nothing yet
	}
	if err != nil {
		kill(got)
		return nil, err
	}
	if init, err = ends.init(pid, got.pidfd); err != nil {
		return nil, err
	}
	init.Reap = func() (Exit, error) {
		t.done()
		return Exit{Status: Killed}, nil
	}
	init.Lost = t.lost
	return init, nil
}

// request is the message for a Request.
func (t *Template) request(r Request) request {
	maps := uint32(mapsBySpawner)
	if t.cfg.DenySetgroups {
		maps = mapsWithoutSetgroups
	}
	return request{
		flags: uint64(r.Namespaces), maps: maps,
		uid: idMap{inside.UID, uint32(r.ID.UID)}, gid: idMap{inside.GID, uint32(r.ID.GID)},
	}
}

// kill ends the init of an answer, if there is one.
func kill(a answer) {
	if a.pid > 0 {
		_ = unix.PidfdSendSignal(a.pidfd, unix.SIGKILL, nil, 0) // fails when it is dead
	}
	a.discard()
}

// pidOf returns the process id of a pidfd, in the daemon's pid namespace (proc_pid_fdinfo(5)).
func pidOf(pidfd int) (pid int, err error) {
	info, err := kernfs.Read(fmt.Sprintf("/proc/self/fdinfo/%d", pidfd))
	if err == nil {
		_, rest, _ := strings.Cut(string(info), "Pid:")
		_, err = fmt.Sscan(rest, &pid)
	}
	return pid, err
}

// lostPatience bounds how much later the end of a template may be seen than the end of an init that died with it.
const lostPatience = 250 * time.Millisecond

// lost returns ErrTemplateGone if the template has died, which kills its inits. The kernel may report their end first.
func (t *Template) lost() error {
	select {
	case <-t.cfg.Ended:
		return ErrTemplateGone
	case <-time.After(lostPatience):
		return nil
	}
}

// ask sends a request and waits for its answer. A template that answers neither this request nor an earlier one for as long as its
// patience is stuck: it gets no more requests, and the runs that it has started go on.
func (t *Template) ask(r request, fds []int) (answer, error) {
	waiting, err := t.send(r, fds)
	if err != nil {
		return answer{}, err
	}
	stuck := time.NewTimer(t.cfg.Patience)
	defer stuck.Stop()
	for {
		select {
		case got, ok := <-waiting:
			if !ok {
				return answer{}, t.goneError()
			}
			return got, nil
		case <-stuck.C:
			if rest := t.cfg.Patience - time.Since(t.lastAnswer()); rest > 0 {
				stuck.Reset(rest)
				continue
			}
			t.lose(ErrTemplateStuck)
		}
	}
}

// send sends a request. The channel gets the answer, or is closed when the template is lost.
func (t *Template) send(r request, fds []int) (<-chan answer, error) {
	waiting := make(chan answer, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone != nil {
		return nil, t.gone
	}
	if len(t.waiting) == 0 {
		t.answered = time.Now() // the patience starts with the first unanswered request
	}
	_ = t.cfg.Control.SetWriteDeadline(time.Now().Add(t.cfg.Patience)) // if the template reads nothing, the socket fills up and the write blocks
	if err := r.send(t.cfg.Control, fds); err != nil {
		return nil, errors.Join(ErrTemplateGone, err)
	}
	t.waiting = append(t.waiting, waiting)
	t.users++
	return waiting, nil
}

func (t *Template) lastAnswer() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

func (t *Template) goneError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone
}

// lose gives up a template and closes the channels of all waiting requests. An init that the template may still start ends by itself,
// because the other end of its hand-off socket is closed.
func (t *Template) lose(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone != nil {
		return
	}
	t.gone = err
	for _, waiting := range t.waiting {
		close(waiting)
	}
	t.users -= len(t.waiting)
	t.waiting = nil
}

// Listen receives the answers of the template until it is gone.
func (t *Template) Listen() {
	defer t.cfg.Control.Close()
	for {
		got, err := readAnswer(t.cfg.Control)
		switch {
		case errors.Is(err, errNoAnswer):
			got, err = answer{err: unix.EBADMSG}, nil
		case errors.Is(err, errNoPidfd): // the init ends, because its hand-off socket is closed without a script
			got, err = answer{err: unix.EMFILE}, nil
		}
		if err != nil {
			t.lose(ErrTemplateGone)
			return
		}
		t.deliver(got)
	}
}

// deliver passes an answer to the request that has waited longest.
func (t *Template) deliver(got answer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 { // the request has been given up
		got.discard()
		return
	}
	t.answered = time.Now()
	t.waiting[0] <- got
	t.waiting = t.waiting[1:]
}

// done is called when a run of the template has ended, or was not started.
func (t *Template) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users--
	t.endUnused()
}

// endUnused ends a retired template after its last run. The caller holds mu.
func (t *Template) endUnused() {
	if t.retired && t.users == 0 {
		_ = t.cfg.Control.CloseWrite()
		if errors.Is(t.gone, ErrTemplateStuck) { // it does not notice that the control socket is closed
			t.cfg.Kill()
		}
	}
}

// Retire ends the template as soon as its last run has ended.
func (t *Template) Retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retired = true
	t.endUnused()
}

// Kill ends a template, and its inits with it, unless it has ended.
func (t *Template) Kill() {
	if !errors.Is(t.goneError(), ErrTemplateGone) {
		t.cfg.Kill()
	}
}
