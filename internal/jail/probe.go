package jail

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Layer is one layer of the isolation as the probe found it: by doing it, not by asking for a
// kernel version.
type Layer struct {
	Name     string
	Required bool   // without it the daemon does not start
	Err      error  // why it does not work; nil when it does
	Remedy   string // what the operator can do about Err
	Detail   string // what was seen, for a layer that works
}

// Works reports whether the layer is enforced.
func (l Layer) Works() bool { return l.Err == nil }

// Names of the layers, fit for a metric label.
const (
	LayerPython       = "python"
	LayerUserNS       = "user-namespace"
	LayerMountNS      = "mount-namespace"
	LayerPidNS        = "pid-namespace"
	LayerNetNS        = "network-namespace"
	LayerIPCNS        = "ipc-namespace"
	LayerUTSNS        = "uts-namespace"
	LayerCgroupNS     = "cgroup-namespace"
	LayerRoot         = "root-file-system"
	LayerNetwork      = "no-network"
	LayerCapabilities = "no-capabilities"
	LayerNoNewPrivs   = "no-new-privileges"
	LayerSeccomp      = "seccomp"
	LayerLandlock     = "landlock"
	LayerRlimits      = "rlimits"
	LayerOwnInodes    = "own-inodes"
	LayerHostUID      = "host-uid"
	LayerCgroupKill   = "cgroup-kill"
	LayerMemory       = "memory"
	LayerCPU          = "cpu"
	LayerPids         = "pids"

	// Only where the settings ask for them.
	LayerCoreScheduling = "core-scheduling"
	LayerSpeculation    = "no-speculation"
)

// probeProgram looks at the jail from inside.
//
//go:embed probe.py
var probeProgram []byte

// LayerNames is the closed set of names of layers.
func LayerNames() []string {
	return []string{
		LayerPython, LayerHostUID, LayerUserNS, LayerMountNS, LayerPidNS, LayerNetNS, LayerIPCNS, LayerUTSNS,
		LayerCgroupKill, LayerMemory, LayerCPU, LayerPids,
		LayerRoot, LayerCgroupNS, LayerNetwork, LayerCapabilities, LayerNoNewPrivs, LayerLandlock,
		LayerSeccomp, LayerRlimits, LayerOwnInodes,
		LayerCoreScheduling, LayerSpeculation,
	}
}

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

// Probe tries every layer and reports on each, in the order in which they build on each other.
// It starts a few short processes and one jail, and leaves nothing behind.
func Probe(ctx context.Context, cfg Config) []Layer {
	var layers []Layer
	add := func(name string, required bool, detail string, err error) {
		l := Layer{Name: name, Required: required, Err: err, Detail: detail}
		if err != nil {
			l.Remedy = remedy(name, err)
			l.Detail = ""
		}
		layers = append(layers, l)
	}

	python, err := inspectInterpreter(ctx, cfg.Python)
	add(LayerPython, true, python.path, err)
	ids, err := newIDPool(cfg.UIDs)
	if err != nil {
		add(LayerHostUID, true, "", err)
	} else {
		add(LayerHostUID, false, fmt.Sprintf("each run has a host uid of its own, from %d", ids.uids.First), ids.shared())
	}

	probeNamespaces(add)
	probeCgroup(cfg, add)

	best := cfg
	best.CPU = CPU{}
	best.BestEffort = true             // what is missing of the controllers is said above
	best.Templates, best.Warm = nil, 0 // what the operator's modules do says nothing of a layer
	best.Log = quiet
	seen, err := probeJail(ctx, best)
	plan := rootPlan(python, cfg.Limits)
	for _, c := range seen.claims(cfg.Limits, plan) {
		switch {
		case err != nil && c.layer != LayerRoot:
			add(c.layer, true, "", &needsError{LayerRoot})
		case err != nil:
			add(c.layer, true, "", err)
		case !c.holds:
			add(c.layer, true, "", fmt.Errorf("from inside: %s", c.seen))
		default:
			add(c.layer, true, c.seen, nil)
		}
	}
	for _, c := range []struct {
		layer string
		asked bool
		alone CPU
	}{
		{LayerCoreScheduling, cfg.CPU.CoreScheduling, CPU{CoreScheduling: true}},
		{LayerSpeculation, cfg.CPU.RestrictSpeculation, CPU{RestrictSpeculation: true}},
	} {
		if c.asked {
			best.CPU = c.alone
			_, err := probeJail(ctx, best)
			add(c.layer, true, "as the settings ask", err)
		}
	}
	add(LayerOwnInodes, false, "no lock on a file of the system tree is seen by another run", sharedInodes(plan))
	return layers
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

// probeNamespaces tries each kind. What clones for it is gone afterwards: a cgroup in which there is anybody but
// us cannot be divided.
func probeNamespaces(add func(string, bool, string, error)) {
	// Without a user namespace there is no right to any other: that one error is all there is to say.
	zygotes, noUserNS := newZygotes(setUpPatience)
	if noUserNS == nil {
		defer zygotes.close()
		noUserNS = probeClone(zygotes, unix.CLONE_NEWUSER)
	}
	add(LayerUserNS, true, "made by clone", noUserNS)
	for _, ns := range []struct {
		name string
		flag uintptr
	}{
		{LayerMountNS, unix.CLONE_NEWNS}, {LayerPidNS, unix.CLONE_NEWPID}, {LayerNetNS, unix.CLONE_NEWNET},
		{LayerIPCNS, unix.CLONE_NEWIPC}, {LayerUTSNS, unix.CLONE_NEWUTS},
	} {
		var err error = &needsError{LayerUserNS}
		if noUserNS == nil {
			err = probeClone(zygotes, unix.CLONE_NEWUSER|ns.flag)
		}
		add(ns.name, true, "made by clone", err)
	}
}

// probeClone clones an init into namespaces of the given kinds, a user namespace among them. Without
// a script it ends.
func probeClone(z *zygotes, flags uintptr) error {
	ends, err := newEnds()
	if err != nil {
		return err
	}
	pid, err := z.clone(flags, ends.theirFDs()...)
	ends.close(true)
	if err == nil {
		_, err = waitFor(pid)
	}
	return err
}

// probeCgroup makes a leaf with limits and reads them back.
func probeCgroup(cfg Config, add func(string, bool, string, error)) {
	required := !cfg.BestEffort
	tree, err := openTree(quiet)
	if err != nil {
		for _, name := range []string{LayerCgroupKill, LayerMemory, LayerCPU, LayerPids} {
			add(name, required, "", err)
		}
		return
	}
	defer tree.close()
	leaf, err := tree.newLeaf(cfg.Limits, hostID{})
	if err == nil {
		defer leaf.remove(killPatience)
		err = leaf.kill()
	}
	add(LayerCgroupKill, required, tree.base, err)
	for _, c := range []struct{ layer, controller, file string }{
		{LayerMemory, "memory", "memory.max"}, {LayerCPU, "cpu", "cpu.max"}, {LayerPids, "pids", "pids.max"},
	} {
		var set string
		err := err
		if err == nil && !tree.has(c.controller) {
			err = &MissingControllersError{Controllers: []string{c.controller}, Base: tree.base}
		}
		if err == nil {
			set = strings.TrimSpace(string(leaf.read(c.file)))
			if set == "" || strings.HasPrefix(set, "max") {
				err = fmt.Errorf("%s did not take the limit: %q", c.file, set)
			}
		}
		add(c.layer, required, c.file+" = "+set, err)
	}
}

// probeJail runs probeProgram.
func probeJail(ctx context.Context, cfg Config) (view, error) {
	var seen view
	cfg.Limits.Wall = max(cfg.Limits.Wall, interpreterPatience)
	j, err := New(ctx, cfg)
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
			result.Verdict, result.ExitCode, lastLine(result.Stderr.Kept))
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
		{LayerRlimits, i.Nproc == int64(limits.Pids+ownProcesses), fmt.Sprintf("at most %d processes", i.Nproc-ownProcesses)},
	}
}

func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// quiet is for the probe's own jails: what it finds is in the layers.
var quiet = slog.New(slog.DiscardHandler)
