package jail

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/time/rate"

	"github.com/sandboxd/sandboxd/internal/jail/denials"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Config is what all runs of a Jail share.
type Config struct {
	Python     string            // path of the interpreter on the host
	Limits     sandbox.Limits    // of each run that sets none for itself
	Filter     []unix.SockFilter // seccomp program
	BestEffort bool              // go on without cgroup controllers; every other layer stays required
	CPU        CPU               // settings against what leaks through a processor
	UIDs       UIDRange          // host uids for the runs when the daemon may choose them (it is root)
	Log        *slog.Logger

	// Max are the limits that a run may set for itself: wall clock, memory, processes, output. Optional: those above.
	Max sandbox.Limits

	// Fork is whether runs are forked from templates; otherwise each has a python3 of its own.
	Fork bool

	// Templates are the modules that each imports, by its name, with Fork. There is always one named
	// DefaultTemplate.
	Templates map[string][]string

	// RenewTemplates is how long a template lives. Optional: an hour.
	RenewTemplates time.Duration

	// Warm is how many jails at most wait for a program, of each template, with python3 started in
	// each. 0: every run starts its own.
	Warm int

	// SetUpPatience bounds the time from clone to execve. It is generous since a run on a starved
	// machine should be slow, not broken. Optional: 20 s.
	SetUpPatience time.Duration

	// KillPatience is how long the kernel may take to end what was killed. Optional: 10 s.
	KillPatience time.Duration

	// Alter is for tests: it changes what each run's init is told, to take one layer away and look at
	// another, or to make a step fail. Optional.
	Alter func(*inside.Order)
}

// Jail starts runs. It is safe for concurrent use; how many runs there are at once is its
// caller's business.
type Jail struct {
	cfg    Config
	python interpreter
	root   atomic.Pointer[root]
	cpu    []inside.Prctl
	filter []byte // cfg.Filter as the init wants it
	tree   *tree  // nil where there is no cgroup v2 to write to (best effort only)
	ids    *idPool
	nodes  *sharedLocks
	pace   *rate.Limiter // of the answers to what the filter denies

	zygotes    *zygotes
	namespaces uintptr // see the constant; a test leaves some of them out

	templates  *templates       // nil without cfg.Fork
	templateID hostID           // whose they are; zero without
	fork       *os.File         // the module that they need
	pools      map[string]*pool // by template; without, the one of DefaultTemplate
	janitor    *janitor
	background sync.WaitGroup // what goes on when a run has its result
}

// root is the file system of the runs to come. It is never changed, but replaced.
type root struct {
	plan   []inside.Node
	files  inside.Ruleset // what Landlock leaves of the plan
	script *inside.Script // all of a jail: what each run's first process replays
}

// graceForFlush is how long a program that ran into the wall clock may take to write out
// what it had printed and python3 still buffered. See launcher.py.
const graceForFlush = 250 * time.Millisecond

const (
	setUpPatience = 20 * time.Second
	killPatience  = 10 * time.Second
)

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
	cfg.RenewTemplates = cmp.Or(cfg.RenewTemplates, renewTemplates)
	cfg.KillPatience = cmp.Or(cfg.KillPatience, killPatience)
	templates := map[string][]string{sandbox.DefaultTemplate: {}} // without cfg.Fork in name only
	if cfg.Fork {
		maps.Copy(templates, cfg.Templates)
	}
	cfg.Templates = templates
	python, err := inspectInterpreter(ctx, cfg.Python)
	if err != nil {
		return nil, err
	}
	plan := rootPlan(python, cfg.Limits)
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
	nodes, err := openShared(plan)
	if err != nil {
		return nil, errors.Join(err, tree.close())
	}
	zygotes, err := newZygotes(cfg.SetUpPatience) // in the daemon's place in the tree, which it has now
	if err != nil {
		return nil, errors.Join(err, nodes.close(), tree.close())
	}
	j := &Jail{
		cfg: cfg, python: python, cpu: cpu, filter: encodeFilter(cfg.Filter),
		tree: tree, ids: ids, nodes: nodes, pace: denials.NewPace(), zygotes: zygotes, namespaces: namespaces,
		janitor: newJanitor(), pools: map[string]*pool{},
	}
	for name := range cfg.Templates {
		j.pools[name] = newPool(cfg.Warm, func() (*run, error) { return j.startWaiting(name) })
	}
	j.use(plan, files)
	if cfg.Fork {
		if err := j.openTemplates(ctx); err != nil {
			return nil, errors.Join(err, j.Close())
		}
	}
	for _, p := range j.pools {
		p.open()
	}
	return j, nil
}

// openTemplates starts the templates. Nothing else runs yet.
func (j *Jail) openTemplates(ctx context.Context) (err error) {
	if j.templateID, err = j.ids.take(); err != nil {
		return err
	}
	if j.fork, err = openEmbedded(embeddedFork); err != nil {
		return err
	}
	j.templates, err = newTemplates(ctx, j)
	return err
}

// giveID gives an id back when its run has ended. The templates share one, which is kept.
func (j *Jail) giveID(id hostID) {
	if id != j.templateID {
		j.ids.give(id)
	}
}

// Close gives back the jail's place in the cgroup tree. No run may be under way.
func (j *Jail) Close() error {
	for _, p := range j.pools {
		p.close()
	}
	j.templates.close()
	j.background.Wait()
	j.janitor.close()
	if j.fork != nil {
		j.fork.Close() // read by nobody else
	}
	return errors.Join(j.zygotes.close(), j.nodes.close(), j.tree.close())
}

// Enforced reports whether the kernel enforces the memory, cpu and process limits by cgroup.
func (j *Jail) Enforced() bool { return j.tree != nil && len(j.tree.missing) == 0 }

// use makes a root that of the runs to come.
func (j *Jail) use(plan []inside.Node, files inside.Ruleset) {
	r := &root{plan: plan, files: files}
	r.script = j.compile(r)
	j.root.Store(r)
}

// most are the limits that no run exceeds.
func (j *Jail) most() sandbox.Limits {
	most := j.cfg.Limits
	most.Wall = max(most.Wall, j.cfg.Max.Wall)
	most.Memory = max(most.Memory, j.cfg.Max.Memory)
	most.Pids = max(most.Pids, j.cfg.Max.Pids)
	most.Output = max(most.Output, j.cfg.Max.Output)
	return most
}

// order is what the first process of every run is told.
func (j *Jail) order(r *root) *inside.Order {
	return &inside.Order{
		UID:        insideUID,
		GID:        insideGID,
		KeepGroups: j.ids.by == byOwner,
		Plan:       r.plan,
		Scratch:    scratchOptions(j.cfg.Limits),
		Landlock:   r.files,
		CPU:        j.cpu,
		Rlimits:    rlimits(j.most()),
		SmallPages: j.tree == nil || !j.tree.has("memory"), // what the watchdog goes by
		Argv:       j.python.argv(),
		Env:        environment(),
		Filter:     j.filter,
		Listen:     denials.Counts(j.cfg.Filter),
	}
}

// compile writes the script of the runs: of an init that becomes python3, or of a child of a template,
// which goes on as it is.
func (j *Jail) compile(r *root) *inside.Script {
	order := j.order(r)
	if j.cfg.Fork {
		order.Argv = nil
	}
	if j.cfg.Alter != nil {
		j.cfg.Alter(order)
	}
	return inside.Compile(order)
}

// scriptNow is the script of the next run.
func (j *Jail) scriptNow() *inside.Script {
	if j.cfg.Alter == nil {
		return j.root.Load().script
	}
	return j.compile(j.root.Load())
}

// starter is how runs start.
func (j *Jail) starter(template string) starter {
	if j.templates == nil {
		return j.start
	}
	return func(leaf *leaf, id hostID) (*process, error) { return j.templates.start(template, leaf, id) }
}

// Run runs one program to its end and leaves nothing behind. live, nil for nobody, is told of its start and of what it
// writes, without a cap; the kept copy in the Result is unaffected. An error means that the sandbox failed
// (sandbox.SetupError) or was asked for the impossible (sandbox.InvalidError); whatever the program did is a Result.
// When ctx ends first the program is killed at once and the verdict is Cancelled.
func (j *Jail) Run(ctx context.Context, program sandbox.Program, live *sandbox.Stream) (*Result, error) {
	if err := errors.Join(program.Validate(), program.Limits.Within(j.most())); err != nil {
		return nil, err
	}
	template := cmp.Or(program.Template, sandbox.DefaultTemplate)
	pool := j.pools[template]
	if pool == nil {
		return nil, ErrNoSuchTemplate
	}
	if r := pool.take(); r != nil {
		r.warm()
		result, err := r.finish(r.execute(ctx, program, live))
		if !errors.Is(err, errDied) {
			return result, err
		}
		// It died before it took the program: nobody need know.
	}
	r, err := j.prepare(j.starter(template))
	if err != nil {
		return nil, err
	}
	err = r.getReady(ctx, j.scriptNow())
	if err == nil {
		err = r.execute(ctx, program, live)
	}
	return r.finish(err)
}

// Waiting is how many jails wait for a program.
func (j *Jail) Waiting() (n int) {
	for _, p := range j.pools {
		n += p.size()
	}
	return n
}

func signalOf(s unix.WaitStatus) unix.Signal {
	if !s.Signaled() {
		return 0
	}
	return s.Signal()
}
