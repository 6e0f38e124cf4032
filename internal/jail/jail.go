package jail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Config is what all runs of a Jail share.
type Config struct {
	Python     string            // path of the interpreter on the host
	Limits     Limits            // of each run
	Filter     []unix.SockFilter // seccomp program
	BestEffort bool              // go on without cgroup controllers; every other layer stays required
	CPU        CPU               // settings against what leaks through a processor
	UIDs       UIDRange          // host uids for the runs when the daemon may choose them (it is root)
	Log        *slog.Logger

	// SetUpPatience bounds the time from clone to execve. It is generous since a run on a starved
	// machine should be slow, not broken. Optional: 20 s.
	SetUpPatience time.Duration

	// KillPatience is how long the kernel may take to end what was killed. Optional: 10 s.
	KillPatience time.Duration

	// TestInit makes this very executable the init of the runs, with TestInit as further
	// environment: how a test takes one layer away to look at another, or makes a step fail (see
	// jailtest.Main). Empty, it is the embedded one.
	TestInit []string
}

// Jail starts runs. It is safe for concurrent use; how many runs there are at once is its
// caller's business.
type Jail struct {
	cfg    Config
	python interpreter
	plan   []inside.Node
	files  inside.Ruleset // what Landlock leaves of the plan
	cpu    []inside.Prctl
	filter []byte // cfg.Filter as the init wants it
	listen bool   // the filter leaves answers to us
	tree   *tree  // nil where there is no cgroup v2 to write to (best effort only)
	ids    *idPool
	nodes  *deviceLocks
	null   *os.File
	init   initBinary
	pace   *pace // of the answers to what the filter denies

	namespaces uintptr // see the constant; a test leaves some of them out
}

// graceForFlush is how long a program that ran into the wall clock may take to write out
// what it had printed and python3 still buffered. See launcher.py.
const graceForFlush = 250 * time.Millisecond

const (
	setUpPatience = 20 * time.Second
	killPatience  = 10 * time.Second
)

var errSourceTooLong = fmt.Errorf("source is longer than %d bytes", MaxSource)

// New prepares what the runs share: it asks the interpreter where it lives, plans the root
// file system, takes a place in the cgroup tree and sweeps away what a killed daemon left
// there. It fails when a cgroup controller is missing, unless cfg.BestEffort.
func New(ctx context.Context, cfg Config) (*Jail, error) {
	if err := cfg.Limits.Validate(); err != nil {
		return nil, err
	}
	if len(cfg.Filter) == 0 {
		return nil, errors.New("no seccomp filter")
	}
	cfg.SetUpPatience = cmp.Or(cfg.SetUpPatience, setUpPatience)
	cfg.KillPatience = cmp.Or(cfg.KillPatience, killPatience)
	python, err := inspectInterpreter(ctx, cfg.Python)
	if err != nil {
		return nil, err
	}
	plan := rootPlan(python)
	files, err := landlock(plan)
	if err != nil {
		return nil, err
	}
	cpu, err := cfg.CPU.prctls()
	if err != nil {
		return nil, err
	}
	ids, err := newIDPool(cfg.UIDs)
	if err != nil {
		return nil, err
	}
	tree, err := openTree(cfg.Log)
	if err == nil && len(tree.missing) > 0 {
		err = &MissingControllersError{Controllers: tree.missing, Base: tree.base}
	}
	if err != nil && !cfg.BestEffort {
		return nil, errors.Join(err, tree.close())
	}
	if tree == nil {
		cfg.Log.Warn("there is no cgroup for runs", "reason", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, errors.Join(err, tree.close())
	}
	init, err := openInit(cfg.TestInit)
	if err != nil {
		return nil, errors.Join(err, null.Close(), tree.close())
	}
	nodes, err := openDevices(plan)
	if err != nil {
		return nil, errors.Join(err, init.close(), null.Close(), tree.close())
	}
	return &Jail{
		cfg: cfg, python: python, plan: plan, files: files, cpu: cpu, filter: encodeFilter(cfg.Filter), listen: notifies(cfg.Filter),
		tree: tree, ids: ids, nodes: nodes, null: null, init: init, pace: new(pace), namespaces: namespaces,
	}, nil
}

// Close gives back the jail's place in the cgroup tree. No run may be under way.
func (j *Jail) Close() error {
	return errors.Join(j.nodes.close(), j.init.close(), j.null.Close(), j.tree.close())
}

// Enforced reports whether the kernel enforces the memory, cpu and process limits by cgroup.
func (j *Jail) Enforced() bool { return j.tree != nil && len(j.tree.missing) == 0 }

// Run runs one program to its end and leaves nothing behind. An error means that the sandbox
// failed (SetupError) or was asked for the impossible; whatever the program did is a Result.
// When ctx ends first the program is killed at once and the verdict is Cancelled.
func (j *Jail) Run(ctx context.Context, spec Spec) (*Result, error) {
	if len(spec.Source) > MaxSource {
		return nil, errSourceTooLong
	}
	if err := j.nodes.hold(); err != nil {
		return nil, atStage(stageClone, err)
	}
	id, err := j.ids.take()
	if err != nil {
		return nil, atStage(stageClone, err)
	}
	begin := time.Now()
	leaf, err := j.tree.newLeaf(j.cfg.Limits)
	if err != nil {
		j.ids.give(id)
		return nil, atStage(stageCgroup, err)
	}
	p, err := j.start(leaf, id)
	if err != nil {
		j.ids.give(id)
		return nil, errors.Join(atStage(stageClone, err), leaf.remove(j.cfg.KillPatience))
	}
	cloned := time.Now()
	streams := p.collect(j.cfg.Limits.Output, spec)

	var denials *listener
	started, cause, err := p.handOff(ctx, j.order(spec, id), j.cfg.SetUpPatience, func(fd int) (err error) {
		denials, err = listen(fd, j.cfg.Filter, j.pace)
		return err
	})
	if err == nil && cause == "" {
		cause = p.attend(ctx, j.cfg.Limits)
	}
	ended, endErr := p.end(cause, j.cfg.KillPatience)
	denied := denials.stop()
	finished := time.Now()
	stdout, stderr := streams.wait()
	if endErr != nil {
		go func() { // something of the run lives on, in this leaf and under this uid
			<-p.exited
			_ = leaf.remove(j.cfg.KillPatience) // what is left goes with the tree
			j.ids.give(id)
		}()
		return nil, errors.Join(err, endErr)
	}
	j.ids.give(id)
	account := leaf.account()
	if errors.Is(err, errInitDied) {
		err = fmt.Errorf("%w (%s)", err, howInitDied(p.state, account))
	}
	if err = errors.Join(err, atStage(stageTeardown, leaf.remove(j.cfg.KillPatience))); err != nil {
		return nil, err
	}

	ended.oom = account.oomKills > 0
	return &Result{
		Verdict:  ended.verdict(),
		ExitCode: ended.status.ExitStatus(),
		Signal:   signalOf(ended.status),
		Stdout:   stdout,
		Stderr:   stderr,
		Denials:  ended.denials(denied),
		Usage:    account.usage(p.state, p.peakSeen()),
		Timing: Timing{
			Clone:    cloned.Sub(begin),
			Setup:    started.Sub(cloned),
			Program:  finished.Sub(started),
			Teardown: time.Since(finished),
		},
	}, nil
}

// order is what init is told to do for this run.
func (j *Jail) order(spec Spec, id hostID) *inside.Order {
	return &inside.Order{
		KeepGroups: id.by == byOwner,
		Plan: append(slices.Clip(j.plan),
			inside.Node{Op: inside.File, Path: homeDir + "/main.py", Data: string(spec.Source)}),
		Scratch:  scratchOptions(j.cfg.Limits),
		Landlock: j.files,
		CPU:      j.cpu,
		Rlimits:  rlimits(j.cfg.Limits),
		Argv:     j.python.argv(),
		Env:      environment(slices.Compact(slices.Sorted(slices.Values(spec.Nulled)))),
		Filter:   j.filter,
		Listen:   j.listen,
	}
}

func signalOf(s unix.WaitStatus) unix.Signal {
	if !s.Signaled() {
		return 0
	}
	return s.Signal()
}
