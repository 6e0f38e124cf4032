package jail

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/denials"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// environment is an interpreter with its packages, as the runs see it: the root file system, the filter, the jails that wait. There
// is one for each name that a program may choose.
type environment struct {
	host    *host
	name    string
	modules []string // imported by the template
	cfg     EnvironmentConfig
	python  python.Interpreter
	cpu     []inside.Prctl
	filter  []byte // cfg.Filter, encoded for the init

	root    atomic.Pointer[root]
	spawner spawn.Spawner
	keeper  *keeper // keeps the template; nil without engine fork
	pool    *pool
}

// root is the root file system of later runs. A root is never changed: a new one replaces it.
type root struct {
	plan   []inside.Node
	files  inside.Ruleset // what Landlock allows of the plan
	script *inside.Script // what the init of each run replays
}

// newEnvironment prepares an environment. With engine fork it starts the template, unless ctx ends. Nothing waits in its pool until
// the caller calls pool.open.
func newEnvironment(ctx context.Context, h *host, name string, cfg Config, interpreter python.Interpreter) (*environment, error) {
	e := &environment{
		host: h, name: name, modules: cfg.Templates[name], cfg: cfg.EnvironmentConfig,
		python: interpreter, filter: encodeFilter(cfg.Filter), spawner: h.forRuns(),
	}
	var err error
	if e.cpu, err = cfg.CPU.prctls(); err != nil {
		return nil, err
	}
	e.pool = newPool(cfg.Warm, e.startWaiting)
	if err := e.use(rootfs.Plan(interpreter.Files(), cfg.Limits)); err != nil {
		return nil, err
	}
	if cfg.Fork {
		if e.keeper, err = newKeeper(ctx, e); err != nil {
			return nil, err
		}
		e.spawner = e.keeper
	}
	return e, nil
}

// close ends the jails that wait, and the template. No run may be under way.
func (e *environment) close() {
	e.pool.close()
	e.keeper.close()
}

// use makes a plan the root of later runs.
func (e *environment) use(plan []inside.Node) error {
	files, err := rootfs.Landlock(plan)
	if err != nil {
		return err
	}
	r := &root{plan: plan, files: files}
	r.script = e.compile(r)
	e.root.Store(r)
	return nil
}

// add adds nodes to the root of later runs.
func (e *environment) add(nodes ...inside.Node) error {
	plan := e.root.Load().plan
	if err := e.use(append(plan[:len(plan):len(plan)], nodes...)); err != nil {
		return err
	}
	e.pool.renew()
	return nil
}

// most returns the largest limits that a run may have.
func (e *environment) most() sandbox.Limits {
	most := e.cfg.Limits
	most.Wall = max(most.Wall, e.cfg.Max.Wall)
	most.Memory = max(most.Memory, e.cfg.Max.Memory)
	most.Pids = max(most.Pids, e.cfg.Max.Pids)
	most.Output = max(most.Output, e.cfg.Max.Output)
	most.CPUTime = e.cfg.Max.CPUTime
	return most
}

// leafLimits returns the limits of a run's leaf.
func leafLimits(l sandbox.Limits) cgroup.Limits {
	return cgroup.Limits{Memory: l.Memory, Pids: l.Pids + OwnProcesses, CPU: l.CPU}
}

// order describes the jail of every run to its init.
func (e *environment) order(r *root) *inside.Order {
	return &inside.Order{
		UID:        inside.UID,
		GID:        inside.GID,
		KeepGroups: e.host.ids.Mapper() == hostid.ByOwner,
		Plan:       r.plan,
		Scratch:    rootfs.ScratchOptions(e.cfg.Limits),
		Landlock:   r.files,
		CPU:        e.cpu,
		Rlimits:    rlimits(e.most(), e.processes(e.most().Pids)),
		SmallPages: !e.host.tree.Has("memory"), // the watchdog counts pages
		Argv:       e.python.Argv(),
		Env:        python.Environment(),
		Filter:     e.filter,
		Listen:     denials.Counts(e.cfg.Filter),
	}
}

// compile makes the script of the runs. With engine fork it does not end with execve, since the child of a template is python3
// already.
func (e *environment) compile(r *root) *inside.Script {
	order := e.order(r)
	if e.host.cfg.Fork {
		order.Argv = nil
	}
	if e.cfg.Alter != nil {
		e.cfg.Alter(order)
	}
	return inside.Compile(order)
}

// script returns the script of the next run.
func (e *environment) script() *inside.Script {
	if e.cfg.Alter == nil {
		return e.root.Load().script
	}
	return e.compile(e.root.Load())
}

// start prepares a jail for a run. The caller must call finish.
func (e *environment) start() (*jail, error) {
	h := e.host
	if err := h.locks.Hold(); err != nil {
		return nil, atStage(StageClone, err)
	}
	id, err := h.ids.Take()
	if err != nil {
		return nil, atStage(StageClone, err)
	}
	j, err := newJail(e, id, e.cfg.Limits, e.spawner)
	if err != nil {
		h.giveID(id)
	}
	return j, err
}

// startWaiting prepares a jail for the pool, up to where python3 waits for its program.
func (e *environment) startWaiting() (*jail, error) {
	j, err := e.start()
	if err != nil {
		return nil, err
	}
	err = j.getReady(context.Background(), e.script())
	if err == nil {
		err = j.prepare()
	}
	if err != nil {
		_, err = j.finish(err)
		return nil, err
	}
	return j, nil
}

// run runs a program in a jail that waits, or in one made for it.
func (e *environment) run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*Result, error) {
	if err := program.Limits.Within(e.most()); err != nil {
		return nil, err
	}
	if j := e.pool.take(); j != nil {
		j.warm()
		result, err := j.finish(j.execute(ctx, program, live))
		if !errors.Is(err, errDied) {
			return result, err
		}
		// The waiting jail died before it took the program, so the program can run in another jail.
	}
	j, err := e.start()
	if err != nil {
		return nil, err
	}
	err = j.getReady(ctx, e.script())
	if err == nil {
		err = j.execute(ctx, program, live)
	}
	return j.finish(err)
}
