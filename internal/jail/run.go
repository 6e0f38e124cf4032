package jail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/denials"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// run is one program's jail, from its first step to its last. It never serves two.
type run struct {
	jail    *Jail
	id      hostID
	leaf    *leaf
	process *process
	streams *output.Streams   // nil until the program has been handed over
	mounts  *os.File          // its mount namespace; see janitor
	denials *denials.Listener // nil until the filter is loaded, and where it counts nothing
	spent   time.Duration     // CPU time before the program's own

	over   bool          // no process but the init was left when the answer was ready
	gone   chan struct{} // closed when the run has ended as far as it will
	goneBy error         // why something may be left; valid after gone

	wasWarm bool // it waited for a program
	timing  sandbox.Timing
	last    time.Time // where the part of timing begins that is under way
}

// starter makes the first process of a run.
type starter func(leaf *leaf, id hostID) (*process, error)

// prepare takes what a run needs and starts its first process. The caller must call finish.
func (j *Jail) prepare(start starter) (*run, error) {
	if err := j.nodes.hold(); err != nil {
		return nil, atStage(stageClone, err)
	}
	id, err := j.ids.take()
	if err != nil {
		return nil, atStage(stageClone, err)
	}
	r, err := j.prepareAs(id, j.cfg.Limits, start)
	if err != nil {
		j.giveID(id)
	}
	return r, err
}

// prepareAs is prepare with an id that was taken.
func (j *Jail) prepareAs(id hostID, limits sandbox.Limits, start starter) (*run, error) {
	r := &run{jail: j, id: id, last: time.Now(), gone: make(chan struct{})}
	var err error
	r.leaf, err = j.tree.newLeaf(limits, j.templateID)
	if err != nil {
		return nil, atStage(stageCgroup, err)
	}
	r.process, err = start(r.leaf, id)
	if err != nil {
		return nil, errors.Join(atStage(stageClone, err), r.leaf.remove(j.cfg.KillPatience))
	}
	r.mounts = keepMounts(r.process.pid) // now: later the init is not dumpable, and so out of an unprivileged daemon's reach
	r.lap(&r.timing.Clone)
	return r, nil
}

// warm begins the timing anew: what was done before was not for the run that comes now.
func (r *run) warm() { r.timing, r.last, r.wasWarm = sandbox.Timing{}, time.Now(), true }

// lap adds the time since the last one to a part.
func (r *run) lap(part *time.Duration) {
	now := time.Now()
	*part += now.Sub(r.last)
	r.last = now
}

// getReady has the init build the jail, and python3 start in it.
func (r *run) getReady(ctx context.Context, script *inside.Script) error {
	j := r.jail
	err := r.process.getReady(ctx, script, j.cfg.SetUpPatience, func(fd int) (err error) {
		r.denials, err = denials.Listen(fd, j.cfg.Filter, j.pace)
		return err
	})
	r.lap(&r.timing.Setup)
	return err
}

// execute hands the program over and waits for its end, or for a reason to end it.
func (r *run) execute(ctx context.Context, program sandbox.Program, live *sandbox.Stream) error {
	limits := r.jail.cfg.Limits.With(program.Limits)
	r.streams = output.Collect(r.process.stdout, r.process.stderr, limits.Output, live)
	if err := r.bound(limits); err != nil {
		return err
	}
	r.spent = r.process.cpuTime()
	err := r.process.handOver(ctx, inside.Handover{
		Source: program.Source,
		Nulled: slices.Compact(slices.Sorted(slices.Values(program.Nulled))),
		Check:  program.Check,
		Args:   program.Args,
		Env:    program.Env,
		Stdin:  program.Stdin,
		Files:  files(program.Files),
	}, r.jail.cfg.SetUpPatience)
	r.lap(&r.timing.Setup)
	if err == nil {
		live.Start()
		err = r.process.attend(ctx, limits)
	}
	return err
}

// bound sets the limits of a run in a jail in which python3 waits. The jail was made with the limits of all runs, and its
// processes have the rlimits of the largest run. The clock, the output and the watchdog's limit are only passed on.
func (r *run) bound(limits sandbox.Limits) error {
	j := r.jail
	if r.leaf != nil && (limits.Memory != j.cfg.Limits.Memory || limits.Pids != j.cfg.Limits.Pids) {
		if err := j.tree.limit(r.leaf.path, limits); err != nil {
			return atStage(stageCgroup, err)
		}
	}
	if most := j.most().Pids; limits.Pids == most || j.tree != nil && j.tree.has("pids") {
		return nil
	}
	// python3 is the only process, and it waits. The daemon owns its user namespace, or one above that, and so has all
	// capabilities over it (user_namespaces(7)). Therefore it may set the limits of python3 (prlimit(2)).
	pid := r.process.program()
	if pid == 0 { // python3 has died; prlimit(0) would be for the daemon itself
		return errDied
	}
	n := uint64(limits.Pids + ownProcesses)
	err := unix.Prlimit(pid, unix.RLIMIT_NPROC, &unix.Rlimit{Cur: n, Max: n}, nil)
	return atStage(inside.StageRlimits, os.NewSyscallError("prlimit", err))
}

// finish ends what is left of the run, which an error has kept from going on if there is one, and says how it went. The
// answer does not wait for the jail to be taken apart (see Result.Wait), since nothing that happens then changes it: for
// an ordinary program that is the end of the init, and for a killed one with much memory the kernel may need seconds.
func (r *run) finish(err error) (*Result, error) {
	var cause stopped
	if errors.As(err, &cause) {
		err = nil
	}
	j, p := r.jail, r.process
	patience, drain := min(lateEnd, j.cfg.KillPatience), drainLate
	if err != nil {
		patience = j.cfg.KillPatience // there is no answer that could come early
	}
	last := time.Now().Add(j.cfg.KillPatience)
	over := p.finish(patience)
	if over {
		drain = drainPatience
	}
	r.lap(&r.timing.Program)
	handedOver := r.streams != nil
	if !handedOver {
		r.streams = output.Collect(p.stdout, p.stderr, j.cfg.Limits.Output, nil) // what python3 said when it did not start
	}
	stdout, stderr := r.streams.Wait(drain)
	denied := r.denials.Stop()
	account := r.leaf.account()
	how := p.howEnded()
	if handedOver && errors.Is(err, errDied) && account.oomKills > 0 { // the files of the program take more than its limit
		cause, err = stopped(sandbox.OOM), nil
	}
	r.over = over
	j.background.Go(func() { r.clear(time.Until(last)) })
	switch {
	case errors.Is(err, errDied):
		err = fmt.Errorf("%w (%s)", err, howItDied(how, account, stderr))
		fallthrough
	case err != nil:
		return nil, errors.Join(err, r.left())
	case cause == "" && !p.hasEndedItself() && account.oomKills == 0: // somebody outside ended the init, and so the program
		return nil, p.whyLost()
	}
	r.lap(&r.timing.Teardown)

	end := ended{cause: cause, oom: account.oomKills > 0, status: how.status}
	return &Result{sandbox.Outcome{
		Verdict:  end.verdict(),
		ExitCode: end.status.ExitStatus(),
		Signal:   signalOf(end.status),
		Stdout:   stdout,
		Stderr:   stderr,
		Denials:  end.denials(denied),
		Usage:    account.usage(how, r.spent, p.peakSeen()),
		Timing:   r.timing,
		Warm:     r.wasWarm,
	}, r}, nil
}

const (
	// lateEnd is how long an answer waits for the end of the last process. Nearly all have ended by then.
	lateEnd = 250 * time.Millisecond

	// drainPatience is how long a stream may stay open after the program's end. It ends with its last writer. Only a zygote
	// or template that did not answer can still hold it.
	drainPatience = 2 * time.Second

	// drainLate is how long the streams of a run are read whose processes are killed, but not gone: long enough
	// for what is in the pipes.
	drainLate = 50 * time.Millisecond
)

// clear waits for the last process as long as patience, and then gives back what the run had. A process that survives keeps
// the leaf and the host uid: nobody gets that uid before it has ended.
func (r *run) clear(patience time.Duration) {
	defer close(r.gone)
	j, p := r.jail, r.process
	release := func() error {
		j.janitor.release(r.mounts)
		j.giveID(r.id)
		p.close()
		return errors.Join(atStage(stageWait, p.reaped), atStage(stageTeardown, r.leaf.remove(j.cfg.KillPatience)))
	}
	if p.gone(patience) {
		r.goneBy = release()
		return
	}
	r.goneBy = &sandbox.SetupError{Stage: stageKill, Err: fmt.Errorf("process %d survives SIGKILL for %v", p.pid, j.cfg.KillPatience)}
	go func() { // for as long as it takes: the jail does not wait for it
		<-p.exited
		_ = release() // a leaf that is left goes with the tree
	}()
}

// left says why something of the run may be left, nil if nothing is. It waits until that is known.
func (r *run) left() error {
	<-r.gone
	return r.goneBy
}

// howItDied is for the operator.
func howItDied(e exit, a account, stderr sandbox.Output) string {
	how := e.String()
	if a.oomKills > 0 {
		how += ": out of memory in its cgroup"
	}
	if last := lastLine(stderr.Kept); last != "" {
		how += ": " + last
	}
	return how
}
