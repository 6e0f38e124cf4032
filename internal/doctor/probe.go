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

// Layer is one layer of the isolation as the probe found it: by doing it, not by asking for a
// kernel version.
type Layer struct {
	Name     string
	Required bool   // without it the daemon does not start
	Err      error  // why it does not work; nil when it does
	Remedy   string // what the operator can do about Err
	Cause    string // another layer that explains this failure, and has the remedy; "" where this one explains itself
	Detail   string // what was seen, for a layer that works
}

// Works reports whether the layer is enforced.
func (l Layer) Works() bool { return l.Err == nil }

// Untried reports whether the layer was not tried because it needs the one that is its Cause.
func (l Layer) Untried() bool {
	var needs *needsError
	return errors.As(l.Err, &needs)
}

// probeProgram looks at the jail from inside.
//
//go:embed probe.py
var probeProgram []byte

// view is what probeProgram prints.
type view struct {
	UID          int      `json:"uid"`
	PID          int      `json:"pid"`
	Capabilities string   `json:"capabilities"`
	NoNewPrivs   string   `json:"no_new_privs"`
	Seccomp      string   `json:"seccomp"`
	Hostname     string   `json:"hostname"`
	Cgroup       []string `json:"cgroup"`
	Root         entries  `json:"root"`
	Smaps        string   `json:"smaps"`
	RootWrite    string   `json:"root_write"`
	Connect      string   `json:"connect"`
	Nproc        int64    `json:"nproc"`

	counted bool // denials of the filter are; seen from outside
}

// entries are what was found in directories, by their paths.
type entries map[string][]string

// beyond lists what nobody planned to be there.
func (e entries) beyond(plan []inside.Node) (strangers []string) {
	planned := map[string]bool{}
	for _, n := range plan {
		planned[n.Path] = true
	}
	for _, dir := range slices.Sorted(maps.Keys(e)) {
		if !planned[dir] {
			strangers = append(strangers, dir)
			continue
		}
		for _, name := range e[dir] {
			if path := dir + "/" + name; !planned[path] {
				strangers = append(strangers, path)
			}
		}
	}
	return strangers
}

// Probe tries every layer and reports on each, in the order of the table of layers. It starts a few short
// processes and one jail, and leaves nothing behind.
func Probe(ctx context.Context, cfg jail.Config) []Layer {
	p := prober{cfg: cfg, found: map[string]Layer{}}
	p.run(ctx)
	return p.report(thisHost())
}

// prober collects what is found of each layer.
type prober struct {
	cfg   jail.Config
	found map[string]Layer
}

func (p *prober) works(name, detail string) {
	p.found[name] = Layer{Name: name, Detail: detail, Required: row(name).required(p.cfg.BestEffort)}
}

// fails says that a layer does not work. What failed first explains the layer, so an earlier failure stays.
func (p *prober) fails(name string, err error) {
	if was, ok := p.found[name]; ok && !was.Works() {
		return
	}
	p.found[name] = Layer{Name: name, Err: err, Required: row(name).required(p.cfg.BestEffort)}
}

// tried is works or fails.
func (p *prober) tried(name, detail string, err error) {
	if err != nil {
		p.fails(name, err)
	} else {
		p.works(name, detail)
	}
}

// skips says of layers on which nothing was found that they were not tried for lack of another.
func (p *prober) skips(cause string, names ...string) {
	for _, name := range names {
		if _, ok := p.found[name]; !ok {
			p.fails(name, &needsError{cause})
		}
	}
}

// broken is the first of these layers that does not work, "" if all do.
func (p *prober) broken(names ...string) string {
	for _, name := range names {
		if l, ok := p.found[name]; ok && !l.Works() && l.Required {
			return name
		}
	}
	return ""
}

// report lists what was found, with remedies. Each cause is explained once: a layer whose remedy is that of an earlier
// one refers to it.
func (p *prober) report(h host) []Layer {
	var list []Layer
	type explanation struct {
		remedy   string
		required bool
	}
	explained := map[explanation]string{} // the layer that came with it first
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

// namespaceLayers are those that a clone makes, after the user namespace.
var namespaceLayers = []struct {
	name string
	kind string // as in user.max_KIND_namespaces
	flag uintptr
}{
	{LayerMountNS, "mnt", unix.CLONE_NEWNS}, {LayerPidNS, "pid", unix.CLONE_NEWPID}, {LayerNetNS, "net", unix.CLONE_NEWNET},
	{LayerIPCNS, "ipc", unix.CLONE_NEWIPC}, {LayerUTSNS, "uts", unix.CLONE_NEWUTS},
}

// seenInside are the layers that a look from inside a jail shows.
var seenInside = []string{LayerRoot, LayerCgroupNS, LayerNetwork, LayerCapabilities, LayerNoNewPrivs, LayerLandlock, LayerSeccomp, LayerRlimits}

// run tries everything, from the bottom up.
func (p *prober) run(ctx context.Context) {
	interpreter, err := python.Inspect(ctx, p.cfg.Python)
	p.tried(LayerPython, interpreter.Path, err)
	if err := procMounted(); err != nil {
		// All that follows reads or writes there. The first of it is the map of the user namespace.
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
	p.tried(LayerOwnInodes, "no lock on a file of the system tree is seen by another run", sharedInodes(plan))
}

// jail starts a jail and looks at it from inside. If none starts it returns the layer to blame.
func (p *prober) jail(ctx context.Context, plan []inside.Node) (blamed string) {
	seen, err := probeJail(ctx, p.cfg, jail.CPU{})
	if err != nil {
		return p.blame(err)
	}
	for _, c := range seen.claims(p.cfg.Limits, plan) {
		if c.holds {
			p.works(c.layer, c.seen)
		} else {
			p.fails(c.layer, fmt.Errorf("from inside: %s", c.seen))
		}
	}
	return ""
}

// cpu tries the settings of the processor, each alone, unless no jail starts even without them.
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
			p.tried(c.layer, "as the settings ask", err)
		}
	}
}

// blame finds the layer for which no jail starts. It is required, however well it looked before.
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

// hostIDs finds out which uids runs can have outside. It returns nil if there are none.
func (p *prober) hostIDs() *hostid.Pool {
	ids, err := hostid.NewPool(p.cfg.UIDs)
	if err != nil {
		p.found[LayerHostUID] = Layer{Name: LayerHostUID, Required: true, Err: err}
		return nil
	}
	p.tried(LayerHostUID, fmt.Sprintf("each run has a host uid of its own, from %d", ids.Range().First), ids.Shared())
	return ids
}

// sharedInodes names the trees whose inodes all runs have in common.
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
	return fmt.Errorf("something is mounted below %s: two runs that cooperate can talk by locks on files in there",
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

// needsError says that a layer could not be tried without another.
type needsError struct{ layer string }

func (e *needsError) Error() string { return "not tried: it needs the layer " + e.layer }

// namespaces tries each kind. What clones for it is gone afterwards: a cgroup in which there is anybody but
// us cannot be divided.
func (p *prober) namespaces(ids *hostid.Pool) {
	zygotes, err := spawn.NewZygotes(patience)
	if err == nil {
		defer zygotes.Close()
		err = probeClone(zygotes, "user", unix.CLONE_NEWUSER, ids)
	}
	if err == nil { // no layer of its own
		err = probeClone(zygotes, "time", unix.CLONE_NEWUSER|unix.CLONE_NEWTIME, nil)
	}
	var refused *hostid.HelperError
	if errors.As(err, &refused) {
		p.found[LayerHostUID] = Layer{Name: LayerHostUID, Required: true, Err: err}
		err = &needsError{LayerHostUID}
	}
	p.tried(LayerUserNS, "made by clone", err)
	for _, ns := range namespaceLayers {
		// Without a user namespace there is no right to any other: that one error is all there is to say.
		if err != nil {
			p.skips(cmp.Or(p.broken(LayerHostUID), LayerUserNS), ns.name)
		} else {
			p.tried(ns.name, "made by clone", probeClone(zygotes, ns.kind, unix.CLONE_NEWUSER|ns.flag, nil))
		}
	}
}

// probeClone clones an init into namespaces of the given kinds, a user namespace among them, and maps an id of the pool into it if
// there is a pool. The init ends without a script.
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

// cloneError says which kind of namespace a clone could not make.
type cloneError struct {
	kind string // as in user.max_KIND_namespaces
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
			p.fails(c.layer, fmt.Errorf("%s did not take the limit: %q", c.file, set))
		default:
			p.works(c.layer, c.file+" = "+set)
		}
	}
}

// probeJail runs probeProgram.
func probeJail(ctx context.Context, cfg jail.Config, cpu jail.CPU) (view, error) {
	var seen view
	cfg.CPU = cpu
	cfg.BestEffort = true            // what is missing of the controllers is found elsewhere
	cfg.Templates, cfg.Warm = nil, 0 // what the operator's modules do says nothing of a layer
	cfg.Log = quiet
	cfg.Limits.Wall = max(cfg.Limits.Wall, python.Patience)
	cfg.Limits.Output = max(cfg.Limits.Output, 64<<10) // what the program reports
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

// claim is one layer as seen from inside.
type claim struct {
	layer string
	holds bool
	seen  string
}

// claims judges what was seen, where this was planned.
func (i view) claims(limits sandbox.Limits, plan []inside.Node) []claim {
	strangers := i.Root.beyond(plan)
	return []claim{
		// First: what it takes to start any jail shows here.
		{LayerRoot, i.RootWrite == "Read-only file system" && len(strangers) == 0,
			fmt.Sprintf("of the host's files there are %v that nobody planned; writing to /: %q", strangers, i.RootWrite)},
		{LayerCgroupNS, !slices.ContainsFunc(i.Cgroup, func(line string) bool { return line != "0::/" }),
			fmt.Sprintf("cgroup path %v", i.Cgroup)},
		{LayerNetwork, i.Connect != "", fmt.Sprintf("connecting outwards: %q", i.Connect)},
		{LayerCapabilities, i.UID != 0 && strings.Trim(i.Capabilities, "0") == "" && i.Capabilities != "",
			fmt.Sprintf("uid %d, capabilities %s", i.UID, i.Capabilities)},
		{LayerNoNewPrivs, i.NoNewPrivs == "1", "NoNewPrivs " + i.NoNewPrivs},
		{LayerLandlock, i.Smaps == "Permission denied", fmt.Sprintf("opening /proc/self/smaps: %q", i.Smaps)},
		{LayerSeccomp, i.Seccomp == "2", fmt.Sprintf("Seccomp mode %s; denials are counted: %t", i.Seccomp, i.counted)},
		{LayerRlimits, i.Nproc == int64(limits.Pids+jail.OwnProcesses), fmt.Sprintf("at most %d processes", i.Nproc-jail.OwnProcesses)},
	}
}

// patience bounds each step of the probe.
const patience = 20 * time.Second

// quiet is for the probe's own jails: what it finds is in the layers.
var quiet = slog.New(slog.DiscardHandler)
