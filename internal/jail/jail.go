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
	denials *denials.Listener // nil until the filter is loaded, and where it counts nothing

	displays *display.Collector // nil if the program shows nothing
	collect  []string           // patterns of the files to collect

	spent time.Duration // CPU time before the program's own

	over   bool          // no process but the init was left when the answer was ready
	gone   chan struct{} // closed when the run has ended as far as it will
	goneBy error         // why something may be left; valid after gone

	wasWarm bool // it waited for a program
	timing  sandbox.Timing
	last    time.Time // where the part of timing begins that is under way
}

// newJail makes a leaf, and starts the first process of a jail in it. The caller must call finish. On success, the jail owns the id.
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
	j.mounts = keepMounts(init.PID) // now: later the init is not dumpable, and an unprivileged daemon cannot open its files
	j.lap(&j.timing.Clone)
	return j, nil
}

// warm begins the timing anew: what was done before was not for the run that comes now.
func (j *jail) warm() { j.timing, j.last, j.wasWarm = sandbox.Timing{}, time.Now(), true }

// lap adds the time since the last one to a part.
func (j *jail) lap(part *time.Duration) {
	now := time.Now()
	*part += now.Sub(j.last)
	j.last = now
}

// getReady has the init build the jail, and python3 start in it.
func (j *jail) getReady(ctx context.Context, script *inside.Script) error {
	err := j.process.getReady(ctx, script, j.env.host.cfg.SetUpPatience, func(fd int) (err error) {
		j.denials, err = denials.Listen(fd, j.env.cfg.Filter, j.env.host.pace)
		return err
	})
	j.lap(&j.timing.Setup)
	return err
}

// prepare has python3 do now what every program needs. It goes on while the jail waits.
func (j *jail) prepare() error {
	p := j.process
	_ = p.Channel.SetWriteDeadline(time.Now().Add(j.env.host.cfg.SetUpPatience)) // fails for no open socket
	message := inside.Prepare(j.env.python.Display())
	_, err := message.WriteTo(p.Channel)
	if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
		err = errDied
	}
	return atStage(StageInterpreter, err)
}

// execute hands the program over and waits for its end, or for a reason to end it.
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
		Live:   program.Input != nil && program.Input.Stdin != nil && !program.Check,
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

// bound sets the limits of a run in a jail in which python3 waits. The jail was made with the limits of all runs, and its
// processes have the rlimits of the largest run. The clock, the output and the watchdog's limit are only passed on.
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
	if pid == 0 { // python3 has died; prlimit(0) would be for the daemon itself
		return errDied
	}
	n := uint64(limits.Pids + OwnProcesses)
	err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	return atStage(inside.StageRlimits, os.NewSyscallError("prlimit", err))
}

// finish ends what is left of the run, which an error has kept from going on if there is one, and says how it went. The
// answer does not wait for the jail to be taken apart (see Result.Wait), since nothing that happens then changes it: for
// an ordinary program that is the end of the init, and for a killed one with much memory the kernel may need seconds.
func (j *jail) finish(err error) (*Result, error) {
	var cause stopped
	if errors.As(err, &cause) {
		err = nil
	}
	p := j.process
	patience, drain := min(lateEnd, j.env.host.cfg.KillPatience), drainLate
	if err != nil {
		patience = j.env.host.cfg.KillPatience // there is no answer that could come early
	}
	last := time.Now().Add(j.env.host.cfg.KillPatience)
	over := p.finish(patience)
	if over {
		drain = drainPatience
	}
	j.lap(&j.timing.Program)
	handedOver := j.streams != nil
	if !handedOver {
		j.streams = output.Collect(p.Stdout, p.Stderr, j.env.cfg.Limits.Output, nil) // what python3 said when it did not start
	}
	stdout, stderr := j.streams.Wait(drain)
	shown, lost := j.displays.Wait(drain)
	denied := j.denials.Stop()
	account := j.leaf.Account()
	how := p.howEnded()
	if handedOver && errors.Is(err, errDied) && account.OOMKills > 0 { // the files of the program take more than its limit
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
	case cause == "" && !p.hasEndedItself() && account.OOMKills == 0: // somebody outside ended the init, and so the program
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

// collected reads the files that the program should return, when all its processes have ended: nothing changes a file meanwhile.
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
	if err != nil { // the program may have taken the right to list it from itself
		return nil, 1
	}
	return files, lost
}

const (
	// lateEnd is how long an answer waits for the end of the last process. Nearly all have ended by then.
	lateEnd = 250 * time.Millisecond

	// settlePatience is how long a display waits for what was printed before it.
	settlePatience = 50 * time.Millisecond

	// drainPatience is how long a stream may stay open after the program's end. It ends with its last writer. Only a zygote
	// or template that did not answer can still hold it.
	drainPatience = 2 * time.Second

	// drainLate is how long the streams of a run are read whose processes are killed, but not gone: long enough
	// for what is in the pipes.
	drainLate = 50 * time.Millisecond
)

// discard ends a jail that has served no program, in the background.
func (j *jail) discard() {
	j.env.host.background.Go(func() { _, _ = j.finish(stopped(sandbox.Cancelled)) })
}

// clear waits for the last process as long as patience, and then gives back what the run had. A process that survives keeps
// the leaf and the host uid: nobody gets that uid before it has ended.
func (j *jail) clear(patience time.Duration) {
	defer close(j.gone)
	p := j.process
	release := func() error {
		j.env.host.janitor.release(j.mounts)
		j.env.host.giveID(j.id)
		p.close()
		return errors.Join(atStage(StageWait, p.reaped), atStage(StageTeardown, j.leaf.Remove(j.env.host.cfg.KillPatience)))
	}
	if p.gone(patience) {
		j.goneBy = release()
		return
	}
	j.goneBy = &sandbox.SetupError{Stage: StageKill, Err: fmt.Errorf("process %d survives SIGKILL for %v", p.PID, j.env.host.cfg.KillPatience)}
	go func() { // for as long as it takes: the jail does not wait for it
		<-p.exited
		_ = release() // a leaf that is left goes with the tree
	}()
}

// left says why something of the run may be left, nil if nothing is. It waits until that is known.
func (j *jail) left() error {
	<-j.gone
	return j.goneBy
}

// howItDied is for the operator.
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
