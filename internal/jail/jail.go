package jail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/collect"
	"github.com/sandboxd/sandboxd/internal/jail/denials"
	"github.com/sandboxd/sandboxd/internal/jail/display"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// jail is one jail, from its first step to its last. It serves one program at most.
type jail struct {
	env     *environment
	id      hostid.ID
	leaf    *cgroup.Leaf
	process *process
	streams *output.Streams   // nil until the program has been handed over
	mounts  *os.File          // its mount namespace; see janitor
	denials *denials.Listener // nil until the filter is loaded, and if denials are not counted
	visitor *spawn.Visitor    // gives child processes their files of /proc; nil before the first of them. Of the listener's goroutine
	greeted map[int]bool      // process ids inside of such child processes; likewise

	displays *display.Collector // nil if the caller wants no displays
	collect  []string           // patterns of the files to collect

	spent time.Duration // CPU time that the jail had used before the program started

	over   bool          // no process except the init was left when the answer was ready
	gone   chan struct{} // closed when clear has removed the jail, or has given up
	goneBy error         // why something may be left; valid after gone

	wasWarm bool // it was a waiting jail
	timing  sandbox.Timing
	last    time.Time // start of the current part of timing
}

// newJail makes a leaf, and starts the init of a jail in it. The caller must call finish. On success, the jail owns the id.
func newJail(e *environment, id hostid.ID, limits sandbox.Limits, spawner spawn.Spawner) (*jail, error) {
	h := e.host
	j := &jail{env: e, id: id, last: time.Now(), gone: make(chan struct{})}
	var err error
	j.leaf, err = h.tree.NewLeaf(leafLimits(limits), h.templateUser())
	if err != nil {
		return nil, atStage(StageCgroup, err)
	}
	init, err := spawner.Spawn(spawn.Request{Namespaces: h.namespaces, Leaf: j.leaf, ID: id})
	if err != nil {
		return nil, errors.Join(atStage(StageClone, err), j.leaf.Remove(h.cfg.KillPatience))
	}
	j.process = newProcess(init, j.leaf)
	j.mounts = keepMounts(init.PID) // now, because later the init is not dumpable and an unprivileged daemon cannot open its files
	j.lap(&j.timing.Clone)
	return j, nil
}

// warm restarts the timing, because the jail was prepared before its run arrived.
func (j *jail) warm() { j.timing, j.last, j.wasWarm = sandbox.Timing{}, time.Now(), true }

// lap adds the time since the last call of lap to a part of the timing.
func (j *jail) lap(part *time.Duration) {
	now := time.Now()
	*part += now.Sub(j.last)
	j.last = now
}

// getReady returns when the init has built the jail and python3 has started in it.
func (j *jail) getReady(ctx context.Context, script *inside.Script) error {
	err := j.process.getReady(ctx, script, j.env.host.cfg.SetUpPatience, func(fd int) (err error) {
		j.denials, err = denials.Listen(fd, j.env.cfg.Filter, j.env.host.pace, j.greet)
		return err
	})
	j.lap(&j.timing.Setup)
	return err
}

// prepare makes python3 do the steps that every program needs. It does them while the jail waits for a program.
func (j *jail) prepare() error {
	p := j.process
	_ = p.Channel.SetWriteDeadline(time.Now().Add(j.env.host.cfg.SetUpPatience)) // fails only for a closed socket
	message := inside.Prepare(j.env.python.Display())
	_, err := message.WriteTo(p.Channel)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = errDied
	}
	return atStage(StageInterpreter, err)
}

// execute hands the program over and waits until it has ended or must be ended. The error is the reason to end it.
func (j *jail) execute(ctx context.Context, program sandbox.Program, live *sandbox.Stream) error {
	limits := j.env.cfg.Limits.With(program.Limits)
	j.streams = output.Collect(j.process.Stdout, j.process.Stderr, limits.Output, live)
	if err := j.bound(limits); err != nil {
		return err
	}
	j.spent = j.process.cpuTime()
	what := inside.Handover{
		Source: program.Source,
		Nulled: slices.Compact(slices.Sorted(slices.Values(program.Nulled))),
		Check:  program.Check,
		Args:   program.Args,
		Env:    program.Env,
		Stdin:  program.Stdin,
		Files:  files(program.Files),
		Live:   program.Input != nil && !program.Check,
	}
	if program.Displays && !program.Check {
		what.Display = inside.Loaded
		if !j.env.host.cfg.Fork && !j.wasWarm {
			what.Display = j.env.python.Display()
		}
	}
	err := j.process.handOver(ctx, what, j.env.host.cfg.SetUpPatience)
	j.lap(&j.timing.Setup)
	if err != nil {
		return err
	}
	if what.KeepsChannel() {
		j.displays = display.Collect(j.process.Channel, live, func() { j.streams.Settle(settlePatience) })
		j.process.feed(program.Input)
	}
	j.collect = program.Collect
	live.Start()
	return j.process.attend(ctx, limits, j.spent)
}

// bound applies the limits of one run to a jail in which python3 waits. The jail was made with the configured limits, and its
// processes have the rlimits of the largest allowed run. Wall clock, output and the watchdog's limit need no change here: they are
// arguments of later calls.
func (j *jail) bound(limits sandbox.Limits) error {
	if j.leaf != nil && (limits.Memory != j.env.cfg.Limits.Memory || limits.Pids != j.env.cfg.Limits.Pids) {
		if err := j.leaf.Limit(leafLimits(limits)); err != nil {
			return atStage(StageCgroup, err)
		}
	}
	if most := j.env.most().Pids; limits.Pids == most || j.env.host.tree.Has("pids") {
		return nil
	}
	// python3 is the only process, and it waits. The daemon owns its user namespace, or one above that, and so has all
	// capabilities over it (user_namespaces(7)). Therefore it may set the limits of python3 (prlimit(2)).
	pid := j.process.program()
	if pid == 0 { // python3 has died; prlimit(0) would change the daemon's own limits
		return errDied
	}
	n := j.env.processes(limits.Pids)
	err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	return atStage(inside.StageRlimits, os.NewSyscallError("prlimit", err))
}

// finish kills the processes that are left and returns the result. err is the error that stopped the run, or nil. finish does not
// wait until the jail is removed (see Result.Wait): the kernel may need seconds to free the memory of a killed program, and
// nothing that happens then changes the result.
func (j *jail) finish(err error) (*Result, error) {
	var cause stopped
	if errors.As(err, &cause) {
		err = nil
	}
	p := j.process
	patience, drain := min(lateEnd, j.env.host.cfg.KillPatience), drainLate
	if err != nil {
		patience = j.env.host.cfg.KillPatience // the caller gets an error, and left waits for the removal in any case
	}
	last := time.Now().Add(j.env.host.cfg.KillPatience)
	over := p.finish(patience)
	if over {
		drain = drainPatience
	}
	j.lap(&j.timing.Program)
	handedOver := j.streams != nil
	if !handedOver {
		j.streams = output.Collect(p.Stdout, p.Stderr, j.env.cfg.Limits.Output, nil) // python3's message if it did not start
	}
	stdout, stderr := j.streams.Wait(drain)
	shown, lost := j.displays.Wait(drain)
	denied := j.denials.Stop()
	account := j.leaf.Account()
	how := p.howEnded()
	if handedOver && errors.Is(err, errDied) && account.OOMKills > 0 { // the program's files need more memory than its limit
		cause, err = stopped(sandbox.OOM), nil
	}
	files, lostFiles := j.collected()
	j.over = over
	j.env.host.background.Go(func() { j.clear(time.Until(last)) })
	switch {
	case errors.Is(err, errDied):
		err = fmt.Errorf("%w (%s)", err, howItDied(how, account, stderr))
		fallthrough
	case err != nil:
		return nil, errors.Join(err, j.left())
	case cause == "" && !p.hasEndedItself() && account.OOMKills == 0: // a process outside of the jail killed the init
		return nil, p.whyLost()
	}
	j.lap(&j.timing.Teardown)

	end := ended{cause: cause, oom: account.OOMKills > 0, status: how.Status}
	return &Result{sandbox.Outcome{
		Verdict:      end.verdict(),
		ExitCode:     end.status.ExitStatus(),
		Signal:       signalOf(end.status),
		Stdout:       stdout,
		Stderr:       stderr,
		Displays:     shown,
		LostDisplays: lost,
		Line:         j.displays.Line(),
		Files:        files,
		LostFiles:    lostFiles,
		Denials:      end.denials(denied),
		Refused:      account.Refused,
		Usage:        usage(account, how, j.spent, p.peakSeen()),
		Timing:       j.timing,
		Warm:         j.wasWarm,
	}, j}, nil
}

// collected reads the files that the run returns. It first waits until all processes have ended, so that no file changes while it
// is read.
func (j *jail) collected() (files []sandbox.File, lost int) {
	h := j.env.host
	if len(j.collect) == 0 {
		return nil, 0
	}
	if j.process.scratch < 0 || !j.process.gone(h.cfg.KillPatience) {
		return nil, 1
	}
	request := collect.Request{
		Patterns: j.collect, Except: inside.ProgramFiles, Files: sandbox.MaxOutFiles, Bytes: sandbox.MaxOutBytes, UID: -1, GID: -1,
	}
	if h.ids.Mapper() == hostid.ByDaemon {
		request.UID, request.GID = j.id.UID, j.id.GID
	}
	files, lost, err := collect.Files(j.process.scratch, inside.ScratchName(inside.Home), request)
	if err != nil { // the program may have removed its own right to list the directory
		return nil, 1
	}
	return files, lost
}

const (
	// lateEnd bounds how long an answer waits for the end of the last process. Nearly all runs have ended by then.
	lateEnd = 250 * time.Millisecond

	// settlePatience bounds how long a display waits for the output that was printed before it.
	settlePatience = 50 * time.Millisecond

	// drainPatience bounds how long a stream is read after all processes have ended. The stream ends when its last writer closes
	// it. Only a zygote or template that did not answer can still have it open.
	drainPatience = 2 * time.Second

	// drainLate bounds how long the streams are read if processes have been killed but have not ended yet. It is long enough to
	// read what the pipes hold.
	drainLate = 50 * time.Millisecond
)

// discard ends a jail that has served no program, in the background.
func (j *jail) discard() {
	j.env.host.background.Go(func() { _, _ = j.finish(stopped(sandbox.Cancelled)) })
}

// clear waits for the end of the last process, at most for patience, and then releases the leaf, the host uid and the descriptors.
// If a process survives, clear does not release them before it ends, so that no other run gets its uid.
func (j *jail) clear(patience time.Duration) {
	defer close(j.gone)
	p := j.process
	release := func() error {
		j.env.host.janitor.release(j.mounts)
		j.env.host.giveID(j.id)
		p.close()
		return errors.Join(atStage(StageWait, errors.Join(p.reaped, j.visitor.Close())), atStage(StageTeardown, j.leaf.Remove(j.env.host.cfg.KillPatience)))
	}
	if p.gone(patience) {
		j.goneBy = release()
		return
	}
	j.goneBy = &sandbox.SetupError{Stage: StageKill, Err: fmt.Errorf("process %d survives SIGKILL for %v", p.PID, j.env.host.cfg.KillPatience)}
	go func() { // without a limit; nothing waits for this goroutine
		<-p.exited
		_ = release() // if the leaf cannot be removed, closing the tree removes it
	}()
}

// left waits until clear has ended. The error says why something of the run may be left; it is nil if nothing is.
func (j *jail) left() error {
	<-j.gone
	return j.goneBy
}

// howItDied describes the end of python3 or the init, for the operator.
func howItDied(e exit, a cgroup.Account, stderr sandbox.Output) string {
	how := e.String()
	if a.OOMKills > 0 {
		how += ": out of memory in its cgroup"
	}
	if last := python.LastLine(stderr.Kept); last != "" {
		how += ": " + last
	}
	return how
}
