// Package doctor finds out whether this machine can enforce each layer of the isolation, by trying it, and tells the operator what to
// do about a layer that does not work.
package doctor

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/cgroup"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/python"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
	"github.com/sandboxd/sandboxd/internal/jail/spawn"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Layer is the result of the probe for one layer of the isolation. The probe uses the layer; it does not compare kernel versions.
type Layer struct {
	Name     string
	Required bool   // the daemon does not start without it
	Err      error  // why it does not work; nil if it works
	Remedy   string // what the operator can do about Err
	Cause    string // another layer that has the explanation and the remedy of this failure; "" if this one has them
	Detail   string // what the probe saw, if the layer works
	Warning  string // a reason for doubt, although the layer works; or ""
}

// Works reports whether the layer is enforced.
func (l Layer) Works() bool { return l.Err == nil }

// Untried reports whether the layer was not tried because it needs the layer Cause.
func (l Layer) Untried() bool {
	var needs *needsError
	return errors.As(l.Err, &needs)
}

// probeProgram inspects the jail from inside.
//
//go:embed probe.py
var probeProgram []byte

// view is the output of probeProgram.
type view struct {
	UID          int      `json:"uid"`
	Capabilities string   `json:"capabilities"`
	NoNewPrivs   string   `json:"no_new_privs"`
	Seccomp      string   `json:"seccomp"`
	Cgroup       []string `json:"cgroup"`
	Root         entries  `json:"root"`
	Smaps        string   `json:"smaps"`
	RootWrite    string   `json:"root_write"`
	Connect      string   `json:"connect"`
	Nproc        int64    `json:"nproc"`

	counted bool // the daemon counts the denials of the filter
}

// entries holds the names in directories, by the path of the directory.
type entries map[string][]string

// unplanned returns the paths that are not in the plan of the root.
func (e entries) unplanned(plan []inside.Node) (paths []string) {
	planned := map[string]bool{}
	for _, n := range plan {
		planned[n.Path] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(e)) {
		if !planned[dir] {
			paths = append(paths, dir)
			continue
		}
		for _, name := range e[dir] {
			if path := dir + "/" + name; !planned[path] {
				paths = append(paths, path)
			}
		}
	}
	return paths
}

// Probe tries every layer and reports on each, in the order of the table of layers. It starts a few short
// processes, one jail, and another jail for each requested CPU setting. It leaves nothing behind.
func Probe(ctx context.Context, cfg jail.Config) []Layer {
	p := prober{cfg: cfg, found: map[string]Layer{}}
	p.run(ctx)
	return p.report(thisHost())
}

// prober collects the results for each layer.
type prober struct {
	cfg   jail.Config
	found map[string]Layer
}

// works records that a layer works.
func (p *prober) works(name, detail string) {
	p.found[name] = Layer{Name: name, Detail: detail, Required: row(name).required(p.cfg.BestEffort)}
}

// warns adds a warning to a layer that works. An empty text changes nothing.
func (p *prober) warns(name, text string) {
	layer := p.found[name]
	layer.Warning = text
	p.found[name] = layer
}

// fails records that a layer does not work. An earlier failure of the layer is kept, because later ones may be its consequence.
func (p *prober) fails(name string, err error) {
	if was, ok := p.found[name]; ok && !was.Works() {
		return
	}
	p.found[name] = Layer{Name: name, Err: err, Required: row(name).required(p.cfg.BestEffort)}
}

// tried records that a layer works if err is nil, and that it fails otherwise.
func (p *prober) tried(name, detail string, err error) {
	if err != nil {
		p.fails(name, err)
	} else {
		p.works(name, detail)
	}
}

// skips records that layers without a result were not tried because they need the layer cause.
func (p *prober) skips(cause string, names ...string) {
	for _, name := range names {
		if _, ok := p.found[name]; !ok {
			p.fails(name, &needsError{cause})
		}
	}
}

// broken returns the first of these layers that is required and does not work, or "".
func (p *prober) broken(names ...string) string {
	for _, name := range names {
		if l, ok := p.found[name]; ok && !l.Works() && l.Required {
			return name
		}
	}
	return ""
}

// report returns the results with remedies, in the order of the table. Each cause is explained once: a layer with the same remedy as an
// earlier one refers to it.
func (p *prober) report(h host) []Layer {
	var list []Layer
	type explanation struct {
		remedy   string
		required bool
	}
	explained := map[explanation]string{} // the first layer with this explanation
	for _, r := range layers {
		l, ok := p.found[r.name]
		if !ok {
			continue
		}
		if !l.Works() {
			var needs *needsError
			if errors.As(l.Err, &needs) {
				l.Cause = needs.layer
			} else {
				l.Remedy = remedy(r, l.Err, h)
				l.Cause = explained[explanation{l.Remedy, l.Required}]
			}
			if l.Cause != "" {
				l.Remedy = "see " + l.Cause
			} else {
				explained[explanation{l.Remedy, l.Required}] = l.Name
			}
		}
		list = append(list, l)
	}
	return list
}

// namespaceLayers lists the layers that clone makes in addition to the user namespace.
var namespaceLayers = []struct {
	name string
	kind string // KIND in user.max_KIND_namespaces
	flag uintptr
}{
	{LayerMountNS, "mnt", unix.CLONE_NEWNS}, {LayerPidNS, "pid", unix.CLONE_NEWPID}, {LayerNetNS, "net", unix.CLONE_NEWNET},
	{LayerIPCNS, "ipc", unix.CLONE_NEWIPC}, {LayerUTSNS, "uts", unix.CLONE_NEWUTS},
}

// seenInside lists the layers that probeProgram checks from inside a jail.
var seenInside = []string{LayerRoot, LayerCgroupNS, LayerNetwork, LayerCapabilities, LayerNoNewPrivs, LayerLandlock, LayerSeccomp, LayerRlimits}

// run tries all layers. A layer comes after those that it needs.
func (p *prober) run(ctx context.Context) {
	interpreter, err := python.Inspect(ctx, p.cfg.Python)
	p.tried(LayerPython, interpreter.Path, err)
	if err == nil {
		p.warns(LayerPython, interpreter.Untested())
	}
	if err := procMounted(); err != nil {
		// All other layers need files of /proc. The first of these files is uid_map of the user namespace.
		p.fails(LayerUserNS, err)
		for _, r := range layers {
			if r.name != "" && r.need != onRequest {
				p.skips(LayerUserNS, r.name)
			}
		}
		return
	}
	ids := p.hostIDs()
	p.namespaces(ids)
	p.cgroup()

	plan := rootfs.Plan(interpreter.Files(), p.cfg.Limits)
	cause := p.broken(LayerPython, LayerHostUID, LayerUserNS, LayerMountNS, LayerPidNS, LayerNetNS, LayerIPCNS, LayerUTSNS)
	if cause == "" {
		cause = p.jail(ctx, plan)
	}
	p.skips(cause, seenInside...)
	p.cpu(ctx, cause)
	p.tried(LayerOwnInodes, "runs cannot see each other's locks on files of the system tree", sharedInodes(plan))
}

// jail starts a jail and checks it from inside. If the jail does not start, it returns the layer that failed.
func (p *prober) jail(ctx context.Context, plan []inside.Node) (blamed string) {
	seen, err := probeJail(ctx, p.cfg, jail.CPU{})
	if err != nil {
		return p.blame(err)
	}
	for _, c := range seen.claims(p.cfg.Limits, plan) {
		if c.holds {
			p.works(c.layer, c.seen)
		} else {
			p.fails(c.layer, fmt.Errorf("a program in the jail found: %s", c.seen))
		}
	}
	return ""
}

// cpu tries each setting of the processor alone. If no jail starts without them either, it skips them.
func (p *prober) cpu(ctx context.Context, cause string) {
	for _, c := range []struct {
		layer string
		asked bool
		alone jail.CPU
	}{
		{LayerCoreScheduling, p.cfg.CPU.CoreScheduling, jail.CPU{CoreScheduling: true}},
		{LayerSpeculation, p.cfg.CPU.RestrictSpeculation, jail.CPU{RestrictSpeculation: true}},
	} {
		switch {
		case !c.asked:
		case cause != "":
			p.skips(cause, c.layer)
		default:
			_, err := probeJail(ctx, p.cfg, c.alone)
			p.tried(c.layer, "enabled by a setting", err)
		}
	}
}

// blame records and returns the layer because of which no jail starts. It replaces an earlier result of that layer.
func (p *prober) blame(err error) string {
	name := LayerRoot
	var failed *sandbox.SetupError
	switch {
	case errors.As(err, &failed):
		name = layerOf(failed.Stage)
	case errors.Is(err, rootfs.ErrNoLandlock):
		name = LayerLandlock
	}
	p.found[name] = Layer{Name: name, Required: true, Err: err}
	return name
}

// hostIDs finds out which host uids runs can have. It returns nil if there are none.
func (p *prober) hostIDs() *hostid.Pool {
	ids, err := hostid.NewPool(p.cfg.UIDs)
	if err != nil {
		p.found[LayerHostUID] = Layer{Name: LayerHostUID, Required: true, Err: err}
		return nil
	}
	p.tried(LayerHostUID, fmt.Sprintf("each run has its own host uid, from %d on", ids.Range().First), ids.Shared())
	return ids
}

// sharedInodes returns an error that names the directories whose inodes all runs share, or nil if there are none.
func sharedInodes(plan []inside.Node) error {
	var shared []string
	for _, n := range plan {
		if n.Op == inside.Bind {
			shared = append(shared, n.Path)
		}
	}
	if shared == nil {
		return nil
	}
	return fmt.Errorf("something is mounted below %s, so cooperating runs can communicate through locks on files there",
		strings.Join(shared, ", "))
}

// Missing returns the required layers that do not work.
func Missing(layers []Layer) []Layer {
	var missing []Layer
	for _, l := range layers {
		if l.Required && !l.Works() {
			missing = append(missing, l)
		}
	}
	return missing
}

// needsError means that a layer was not tried because it needs another one.
type needsError struct{ layer string }

func (e *needsError) Error() string { return "not tried: it needs the layer " + e.layer }

// namespaces tries each kind of namespace. It ends its zygotes before it returns, because the probe of the cgroup needs the daemon to be
// alone in its cgroup.
func (p *prober) namespaces(ids *hostid.Pool) {
	zygotes, err := spawn.NewZygotes(patience)
	if err == nil {
		defer zygotes.Close()
		err = probeClone(zygotes, "user", unix.CLONE_NEWUSER, ids)
	}
	if err == nil { // the time namespace has no layer of its own
		err = probeClone(zygotes, "time", unix.CLONE_NEWUSER|unix.CLONE_NEWTIME, nil)
	}
	var refused *hostid.HelperError
	if errors.As(err, &refused) {
		p.found[LayerHostUID] = Layer{Name: LayerHostUID, Required: true, Err: err}
		err = &needsError{LayerHostUID}
	}
	p.tried(LayerUserNS, "made by clone", err)
	for _, ns := range namespaceLayers {
		// Without a user namespace, the daemon may not create other namespaces, so their errors would add nothing.
		if err != nil {
			p.skips(cmp.Or(p.broken(LayerHostUID), LayerUserNS), ns.name)
		} else {
			p.tried(ns.name, "made by clone", probeClone(zygotes, ns.kind, unix.CLONE_NEWUSER|ns.flag, nil))
		}
	}
}

// probeClone clones an init into new namespaces, which include a user namespace. If ids is not nil, it maps an id of the pool into the
// user namespace. The init ends without a script.
func probeClone(z *spawn.Zygotes, kind string, flags uintptr, ids *hostid.Pool) error {
	var mapErr error
	init, err := z.Spawner(func(pid int, _ hostid.ID) error {
		if ids != nil {
			mapErr = ids.Try(pid)
		}
		return mapErr
	}).Spawn(spawn.Request{Namespaces: flags})
	switch {
	case mapErr != nil:
		return mapErr
	case err != nil:
		return &cloneError{kind, err}
	}
	return init.Discard()
}

// cloneError is the error of a clone with a new namespace of one kind.
type cloneError struct {
	kind string // KIND in user.max_KIND_namespaces
	err  error
}

func (e *cloneError) Error() string { return "new " + e.kind + " namespace: " + e.err.Error() }
func (e *cloneError) Unwrap() error { return e.err }

// cgroup makes a leaf with limits and reads them back.
func (p *prober) cgroup() {
	limits := []struct{ layer, controller, file string }{
		{LayerMemory, "memory", "memory.max"}, {LayerCPU, "cpu", "cpu.max"}, {LayerPids, "pids", "pids.max"},
	}
	tree, err := cgroup.Open(quiet)
	var leaf *cgroup.Leaf
	if err == nil {
		defer tree.Close()
		leaf, err = tree.NewLeaf(cgroup.Limits{Memory: p.cfg.Limits.Memory, Pids: p.cfg.Limits.Pids, CPU: p.cfg.Limits.CPU}, nil)
	}
	if err == nil {
		defer leaf.Remove(patience)
		err = leaf.Kill()
	}
	if err != nil {
		p.fails(LayerCgroupKill, err)
		p.skips(LayerCgroupKill, LayerMemory, LayerCPU, LayerPids)
		return
	}
	p.works(LayerCgroupKill, tree.Base())
	for _, c := range limits {
		set := strings.TrimSpace(string(leaf.Read(c.file)))
		switch {
		case !tree.Has(c.controller):
			p.fails(c.layer, &cgroup.MissingControllersError{Controllers: []string{c.controller}, Base: tree.Base()})
		case set == "" || strings.HasPrefix(set, "max"):
			p.fails(c.layer, fmt.Errorf("the limit was written to %s, but the file contains %q", c.file, set))
		default:
			p.works(c.layer, c.file+" = "+set)
		}
	}
}

// probeJail runs probeProgram in a jail with these settings of the processor.
func probeJail(ctx context.Context, cfg jail.Config, cpu jail.CPU) (view, error) {
	var seen view
	cfg.CPU = cpu
	cfg.BestEffort = true            // cgroup reports missing controllers
	cfg.Templates, cfg.Warm = nil, 0 // the operator's modules are not part of any layer
	cfg.Log = quiet
	cfg.Limits.Wall = max(cfg.Limits.Wall, python.Patience)
	cfg.Limits.Output = max(cfg.Limits.Output, 64<<10) // bytes; enough for the output of the program
	j, err := jail.New(ctx, cfg)
	if err != nil {
		return seen, err
	}
	defer j.Close()
	result, err := j.Run(ctx, sandbox.Program{Source: probeProgram}, nil)
	if err != nil {
		return seen, err
	}
	if result.Verdict != sandbox.Exited || result.ExitCode != 0 {
		return seen, fmt.Errorf("the probe's program ended as %s, status %d: %s",
			result.Verdict, result.ExitCode, python.LastLine(result.Stderr.Kept))
	}
	seen.counted = result.Denials != nil
	return seen, json.Unmarshal(result.Stdout.Kept, &seen)
}

// claim is the result for one layer as seen from inside.
type claim struct {
	layer string
	holds bool
	seen  string
}

// claims compares the view from inside with the limits and the plan.
func (i view) claims(limits sandbox.Limits, plan []inside.Node) []claim {
	unplanned := i.Root.unplanned(plan)
	more := i.Nproc - int64(limits.Pids+jail.OwnProcesses) // than the program's and the run's own
	return []claim{
		{LayerRoot, i.RootWrite == "Read-only file system" && len(unplanned) == 0,
			fmt.Sprintf("unplanned files %v; writing to /: %q", unplanned, i.RootWrite)},
		{LayerCgroupNS, !slices.ContainsFunc(i.Cgroup, func(line string) bool { return line != "0::/" }),
			fmt.Sprintf("cgroup path %v", i.Cgroup)},
		{LayerNetwork, i.Connect != "", fmt.Sprintf("connecting to the network: %q", i.Connect)},
		{LayerCapabilities, i.UID != 0 && strings.Trim(i.Capabilities, "0") == "" && i.Capabilities != "",
			fmt.Sprintf("uid %d, capabilities %s", i.UID, i.Capabilities)},
		{LayerNoNewPrivs, i.NoNewPrivs == "1", "NoNewPrivs " + i.NoNewPrivs},
		{LayerLandlock, i.Smaps == "Permission denied", fmt.Sprintf("opening /proc/self/smaps: %q", i.Smaps)},
		{LayerSeccomp, i.Seccomp == "2", fmt.Sprintf("Seccomp mode %s; denials are counted: %t", i.Seccomp, i.counted)},
		{LayerRlimits, more == 0 || more == jail.Visitors, fmt.Sprintf("at most %d processes", i.Nproc-jail.OwnProcesses)},
	}
}

// patience bounds each step of the probe.
const patience = 20 * time.Second

// quiet discards the log of the probe's own jails, because the results are in the layers.
var quiet = slog.New(slog.DiscardHandler)
