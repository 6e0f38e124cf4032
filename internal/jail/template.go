package jail

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Engine fork: a template is a jail whose python3 has imported what the operator names, and from
// which the runs are forked (template.py). The child is born into namespaces and a cgroup of its own,
// below the template's, and replays the same script as every init. So what is its own is what is
// every run's own; what it has from the template is its memory as it was when no user had come yet.
//
// The template itself is no run: it has the capabilities that jailing takes, over its own namespaces, for
// as long as it lives, and no code or data of a user ever reaches it. It is renewed on a schedule,
// and when it fails.

const (
	renewTemplates   = time.Hour
	templatePatience = time.Minute // for its imports
	templateBackoff  = time.Second // after one that could not be started

	// stuckShare of the patience for setting up a run is how long a template may take for its next answer: so the
	// run has time to be started by another.
	stuckShare = 8

	// templateMemory is what a template may take, in bytes; its children are charged for what they
	// change of it, and no more.
	templateMemory = 1 << 30
)

var (
	errTemplateGone  = errors.New("the template died")
	errTemplateStuck = errors.New("the template is stuck: it does not answer")
)

// ErrNoSuchTemplate is for a name that the configuration does not have.
var ErrNoSuchTemplate = errors.New("no such template")

// template is one interpreter to fork from.
type template struct {
	run     *run
	control *net.UnixConn
	ended   chan struct{} // closed when nothing is left of it

	mu       sync.Mutex
	forks    []chan forked // answers that are due, in order
	answered time.Time     // when the last answer came, or the first order after it was sent
	users    int           // runs, and forks under way
	retired  bool          // it gets no more of them
	gone     error         // why it answers no more; nil while it does
}

// forked is the template's answer.
type forked struct {
	pidfd int // of a run's init; -1: none
	err   error
}

// startTemplate starts an interpreter and has it import modules, unless ctx ends.
func (j *Jail) startTemplate(ctx context.Context, modules []string) (*template, error) {
	ours, theirs, err := packetPair()
	if err != nil {
		return nil, atStage(stageTemplate, err)
	}
	defer theirs.Close()
	t := &template{control: ours, ended: make(chan struct{})}
	limits := j.cfg.Limits
	limits.Memory = templateMemory
	t.run, err = j.prepareAs(j.templateID, limits, func(leaf *leaf, id hostID) (*process, error) {
		return j.clone(leaf, func(pid int) error { return j.ids.writeAll(pid, id) })
	})
	if err != nil {
		return nil, errors.Join(err, ours.Close())
	}
	patience, cancel := context.WithTimeout(ctx, j.cfg.SetUpPatience+templatePatience)
	defer cancel()
	err = t.run.getReady(patience, inside.Compile(j.templateOrder()))
	if err == nil {
		t.run.streams = output.Collect(t.run.process.stdout, t.run.process.stderr, 64<<10, nil) // what it says when it fails
		err = t.importing(ctx, theirs, modules)
	}
	if err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		if _, failed := t.run.finish(err); failed != nil {
			err = failed
		}
		return nil, errors.Join(err, ours.Close())
	}
	j.background.Go(t.listen)
	return t, nil
}

// importing waits for the imports.
func (t *template) importing(ctx context.Context, control *os.File, modules []string) error {
	p := t.run.process
	what := inside.Handover{Template: true, Modules: modules}.Encode()
	return p.converse(ctx, templatePatience, nil, what, func() (string, error) {
		// The descriptors come with a byte of their own: whoever reads on drops them.
		rights := unix.UnixRights(int(control.Fd()), int(t.run.jail.fork.Fd()))
		conn, err := p.channel.SyscallConn()
		if err == nil {
			writeErr := conn.Write(func(fd uintptr) bool {
				err = unix.Sendmsg(int(fd), []byte{0}, rights, nil, 0)
				return !errors.Is(err, unix.EAGAIN)
			})
			err = errors.Join(err, writeErr)
		}
		if err == nil {
			err = await(p.channel, nil, inside.Started)
		}
		return stageTemplate, err
	})
}

// start forks a run's init. On success the caller owns the process, as that of Jail.start.
func (t *template) start(leaf *leaf, id hostID) (p *process, err error) {
	j := t.run.jail
	ends, err := newEnds()
	if err != nil {
		return nil, err
	}
	defer func() { ends.close(err != nil) }()
	fds, inCgroup := ends.theirFDs(), "0"
	if leaf != nil && leaf.forTemplates {
		fds, inCgroup = append(fds, int(leaf.dir.Fd())), "1"
	}
	noGroups := "0"
	if id.by == byOwner {
		noGroups = "1"
	}
	order := strings.Join([]string{
		strconv.FormatUint(uint64(j.namespaces), 10), inCgroup, noGroups, idMap{insideUID, id.uid, 1}.String(), idMap{insideGID, id.gid, 1}.String(),
	}, "\n")
	f, err := t.ask([]byte(order), fds)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = unix.PidfdSendSignal(f.pidfd, unix.SIGKILL, nil, 0)
			unix.Close(f.pidfd)
			t.done()
		}
	}()
	if f.err != nil {
		return nil, f.err
	}
	pid, err := pidOf(f.pidfd)
	if err != nil {
		return nil, err
	}
	if leaf != nil && !leaf.forTemplates {
		// Not born there, for lack of a right; it waits for its script, and has done nothing yet.
		if err := writeKernelFile(filepath.Join(leaf.path, "cgroup.procs"), strconv.Itoa(pid)); err != nil {
			return nil, err
		}
	}
	// The template reaps its children. What their inits say comes to the daemon directly, so a template that is stopped or
	// busy holds up no run that has started.
	p, err = ends.process(leaf, pid, f.pidfd, func() (exit, error) {
		t.done()
		return exit{status: killed}, nil
	})
	if err == nil {
		p.lost = t.died
	}
	return p, err
}

// died is errTemplateGone if the template has died, which kills its runs: the kernel may tell of these first.
func (t *template) died() error {
	select {
	case <-t.run.process.ended:
		return errTemplateGone
	case <-time.After(lateEnd):
		return nil
	}
}

// ask sends an order and waits for its answer. A template that answers nothing for stuckTemplate, neither this order nor one
// before it, is stuck: it gets no more orders, and the runs that it has started go on.
func (t *template) ask(order []byte, fds []int) (forked, error) {
	answer, err := t.send(order, fds)
	if err != nil {
		return forked{}, err
	}
	patience := t.run.jail.cfg.SetUpPatience / stuckShare
	stuck := time.NewTimer(patience)
	defer stuck.Stop()
	for {
		select {
		case f, ok := <-answer:
			if !ok {
				return forked{}, t.goneError()
			}
			return f, nil
		case <-stuck.C:
			if rest := patience - time.Since(t.lastAnswer()); rest > 0 {
				stuck.Reset(rest)
				continue
			}
			t.giveUp()
		}
	}
}

// send sends an order, whose answer comes when it is its turn. The channel is closed without one when the template is gone
// or given up.
func (t *template) send(order []byte, fds []int) (<-chan forked, error) {
	answer := make(chan forked, 1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone != nil {
		return nil, t.gone
	}
	if len(t.forks) == 0 {
		t.answered = time.Now() // from here on it has something to answer
	}
	_ = t.control.SetWriteDeadline(time.Now().Add(t.run.jail.cfg.SetUpPatience / stuckShare)) // its queue is full when it takes none
	if _, _, err := t.control.WriteMsgUnix(order, unix.UnixRights(fds...), nil); err != nil {
		return nil, errors.Join(errTemplateGone, err)
	}
	t.forks = append(t.forks, answer)
	t.users++
	return answer, nil
}

func (t *template) lastAnswer() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answered
}

func (t *template) goneError() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.gone
}

// giveUp takes a template for one that does not answer any more. Who waits for an answer learns that at once.
func (t *template) giveUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lose(errTemplateStuck)
}

// lose sends everybody away who waits for an answer, with mu held. What such an order may still start ends by itself: nobody has
// the other end of its hand-off socket.
func (t *template) lose(err error) {
	if t.gone != nil {
		return
	}
	t.gone = err
	for _, answer := range t.forks {
		close(answer)
	}
	t.users -= len(t.forks)
	t.forks = nil
}

// listen takes in the template's answers, until it is gone.
func (t *template) listen() {
	buffer, oob := make([]byte, 256), make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := t.control.ReadMsgUnix(buffer, oob)
		if err != nil || n == 0 {
			break
		}
		descriptor := newReports(nil)
		_ = descriptor.take(oob[:oobn])
		t.hear(string(buffer[:n]), descriptor.release())
	}
	t.mu.Lock()
	t.lose(errTemplateGone)
	t.mu.Unlock()
	_, _ = t.run.finish(stopped(sandbox.Cancelled))
	_ = t.run.left()
	t.control.Close()
	close(t.ended)
}

// hear understands an answer, "errno pid", which comes with a pidfd if there is a process.
func (t *template) hear(message string, pidfd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.forks) == 0 { // of an order that was given up
		if pidfd >= 0 {
			unix.Close(pidfd)
		}
		return
	}
	t.answered = time.Now()
	var number, pid int
	_, err := fmt.Sscanf(message, "%d %d", &number, &pid)
	switch {
	case err != nil:
		err = fmt.Errorf("template: no answer that makes sense: %.50q", message)
	case number != 0:
		err = fmt.Errorf("fork of the template: %w", unix.Errno(number))
	}
	t.forks[0] <- forked{pidfd: pidfd, err: err}
	t.forks = t.forks[1:]
}

// done is called when a run of the template has ended, or has not come to be.
func (t *template) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.users--
	t.endUnused()
}

// endUnused ends a retired template after its last run, with mu held.
func (t *template) endUnused() {
	if t.retired && t.users == 0 {
		_ = t.control.CloseWrite()
		if errors.Is(t.gone, errTemplateStuck) { // it would not notice
			t.run.process.kill()
		}
	}
}

// retire has the template end when its last child has.
func (t *template) retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retired = true
	t.endUnused()
}

// kill ends a template that does not do what it is told, and its children with it.
func (t *template) kill() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !errors.Is(t.gone, errTemplateGone) {
		t.run.process.kill()
	}
}

// templates are the current ones, by name.
type templates struct {
	jail  *Jail
	asked chan renewal
	life  context.Context // ends with close: no template is started after that
	end   context.CancelFunc
	done  chan struct{}

	mu      sync.Mutex
	current map[string]*template
}

// renewal is a wish for another template in the place of one, if that is still the current one.
type renewal struct {
	name   string
	old    *template // nil: there was none
	answer chan error
}

// newTemplates starts all of them, unless ctx ends: their imports may take a minute.
func newTemplates(ctx context.Context, j *Jail) (*templates, error) {
	t := &templates{
		jail: j, current: map[string]*template{},
		asked: make(chan renewal), done: make(chan struct{}),
	}
	t.life, t.end = context.WithCancel(context.Background())
	stop := context.AfterFunc(ctx, t.end)
	go t.maintain()
	for _, name := range slices.Sorted(maps.Keys(j.cfg.Templates)) {
		if err := t.renew(name, nil); err != nil {
			t.close()
			return nil, fmt.Errorf("template %q: %w", name, err)
		}
	}
	if !stop() {
		t.close()
		return nil, context.Cause(ctx)
	}
	return t, nil
}

// maintain renews templates, on a schedule and when it is asked to.
func (t *templates) maintain() {
	defer close(t.done)
	tick := time.NewTicker(t.jail.cfg.RenewTemplates)
	defer tick.Stop()
	failed := map[string]time.Time{}
	for {
		select {
		case <-t.life.Done():
			return
		case <-tick.C:
			for name := range t.jail.cfg.Templates {
				if err := t.replace(name, t.get(name)); err != nil {
					t.jail.cfg.Log.Error("a template could not be renewed", "template", name, "error", err)
				}
			}
		case ask := <-t.asked:
			err := errTemplateGone
			if time.Since(failed[ask.name]) > templateBackoff {
				if err = t.replace(ask.name, ask.old); err != nil {
					failed[ask.name] = time.Now()
				}
			}
			ask.answer <- err
		}
	}
}

// replace starts a template. The old one serves until there is a new one.
func (t *templates) replace(name string, old *template) error {
	if t.get(name) != old {
		return nil
	}
	fresh, err := t.jail.startTemplate(t.life, t.jail.cfg.Templates[name])
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.current[name] = fresh
	t.mu.Unlock()
	if old != nil {
		old.retire()
		t.jail.pools[name].renew()
	}
	return nil
}

func (t *templates) renew(name string, old *template) error {
	ask := renewal{name, old, make(chan error, 1)}
	select {
	case t.asked <- ask:
		return <-ask.answer
	case <-t.done:
		return errTemplateGone
	}
}

func (t *templates) get(name string) *template {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current[name]
}

// start forks from the named template. One that is gone or stuck is replaced first.
func (t *templates) start(name string, leaf *leaf, id hostID) (*process, error) {
	current := t.get(name)
	p, err := current.start(leaf, id)
	if errors.Is(err, errTemplateGone) || errors.Is(err, errTemplateStuck) {
		t.jail.cfg.Log.Warn("a template is replaced", "template", name, "reason", err)
		if err := t.renew(name, current); err != nil {
			return nil, fmt.Errorf("template %q: %w", name, err)
		}
		p, err = t.get(name).start(leaf, id)
	}
	return p, err
}

func (t *templates) close() {
	if t == nil {
		return
	}
	t.end()
	<-t.done
	for _, one := range t.current {
		one.kill() // it has nothing to do, and may be stuck
		<-one.ended
	}
}
