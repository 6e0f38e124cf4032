package jail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// run is one program's jail, from its first step to its last. It never serves two.
type run struct {
	jail    *Jail
	id      hostID
	leaf    *leaf
	process *process
	streams *streams      // nil until the program has been handed over
	mounts  *os.File      // its mount namespace; see janitor
	denials *listener     // nil until the filter is loaded, and where it counts nothing
	spent   time.Duration // CPU time before the program's own

	wasWarm bool // it waited for a program
	timing  Timing
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
func (j *Jail) prepareAs(id hostID, limits Limits, start starter) (*run, error) {
	r := &run{jail: j, id: id, last: time.Now()}
	var err error
	r.leaf, err = j.tree.newLeaf(limits, j.templateID)
	if err != nil {
		return nil, atStage(stageCgroup, err)
	}
	r.process, err = start(r.leaf, id)
	if err != nil {
		return nil, errors.Join(atStage(stageClone, err), r.leaf.remove(j.cfg.KillPatience))
	}
	r.lap(&r.timing.Clone)
	return r, nil
}

// warm begins the timing anew: what was done before was not for the run that comes now.
func (r *run) warm() { r.timing, r.last, r.wasWarm = Timing{}, time.Now(), true }

// lap adds the time since the last one to a part.
func (r *run) lap(part *time.Duration) {
	now := time.Now()
	*part += now.Sub(r.last)
	r.last = now
}

// getReady has the init build the jail, and python3 start in it.
func (r *run) getReady(ctx context.Context, script *inside.Script) (cause Verdict, err error) {
	j := r.jail
	cause, err = r.process.getReady(ctx, script, j.cfg.SetUpPatience, func(fd int) (err error) {
		r.denials, err = listen(fd, j.cfg.Filter, j.pace)
		return err
	})
	r.mounts = keepMounts(r.process.pid)
	r.lap(&r.timing.Setup)
	return cause, err
}

// execute hands the program over and waits for its end, or for a reason to end it.
func (r *run) execute(ctx context.Context, spec Spec) (cause Verdict, err error) {
	r.streams = r.process.collect(r.jail.cfg.Limits.Output, spec)
	r.spent = r.process.cpuTime()
	cause, err = r.process.handOver(ctx, inside.Handover{
		Source: spec.Source,
		Nulled: slices.Compact(slices.Sorted(slices.Values(spec.Nulled))),
	}, r.jail.cfg.SetUpPatience)
	r.lap(&r.timing.Setup)
	if err == nil && cause == "" {
		cause = r.process.attend(ctx, r.jail.cfg.Limits)
	}
	return cause, err
}

// finish ends what is left of the run, for a cause of our own or an error if there was one, and says
// how it went.
func (r *run) finish(cause Verdict, err error) (*Result, error) {
	j, p := r.jail, r.process
	defer j.janitor.release(r.mounts)
	ended, endErr := p.end(cause, j.cfg.KillPatience)
	denied := r.denials.stop()
	r.lap(&r.timing.Program)
	if r.streams == nil {
		r.streams = p.collect(j.cfg.Limits.Output, Spec{}) // what python3 said when it did not start
	}
	stdout, stderr := r.streams.wait()
	if endErr != nil {
		go func() { // something of the run lives on, in this leaf and under this uid
			<-p.exited
			_ = r.leaf.remove(j.cfg.KillPatience) // what is left goes with the tree
			j.giveID(r.id)
		}()
		return nil, errors.Join(err, endErr)
	}
	j.giveID(r.id)
	account := r.leaf.account()
	if errors.Is(err, errDied) {
		err = fmt.Errorf("%w (%s)", err, howItDied(p.exit, account, stderr))
	}
	if err = errors.Join(err, atStage(stageTeardown, r.leaf.remove(j.cfg.KillPatience))); err != nil {
		return nil, err
	}
	r.lap(&r.timing.Teardown)

	ended.oom = account.oomKills > 0
	return &Result{
		Verdict:  ended.verdict(),
		ExitCode: ended.status.ExitStatus(),
		Signal:   signalOf(ended.status),
		Stdout:   stdout,
		Stderr:   stderr,
		Denials:  ended.denials(denied),
		Usage:    account.usage(p.exit, r.spent, p.peakSeen()),
		Timing:   r.timing,
		Warm:     r.wasWarm,
	}, nil
}

// howItDied is for the operator.
func howItDied(e exit, a account, stderr Output) string {
	how := e.String()
	if a.oomKills > 0 {
		how += ": out of memory in its cgroup"
	}
	if last := lastLine(stderr.Kept); last != "" {
		how += ": " + last
	}
	return how
}
