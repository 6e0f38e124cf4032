package doctor

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Names of the layers that the probe reports on, fit for a metric label.
const (
	LayerPython         = "python"
	LayerHostUID        = "host-uid"
	LayerUserNS         = "user-namespace"
	LayerMountNS        = "mount-namespace"
	LayerPidNS          = "pid-namespace"
	LayerNetNS          = "network-namespace"
	LayerIPCNS          = "ipc-namespace"
	LayerUTSNS          = "uts-namespace"
	LayerCgroupKill     = "cgroup-kill"
	LayerMemory         = "memory"
	LayerCPU            = "cpu"
	LayerPids           = "pids"
	LayerRoot           = "root-file-system"
	LayerCgroupNS       = "cgroup-namespace"
	LayerNetwork        = "no-network"
	LayerCapabilities   = "no-capabilities"
	LayerNoNewPrivs     = "no-new-privileges"
	LayerLandlock       = "landlock"
	LayerSeccomp        = "seccomp"
	LayerRlimits        = "rlimits"
	LayerCoreScheduling = "core-scheduling"
	LayerSpeculation    = "no-speculation"
	LayerOwnInodes      = "own-inodes"
)

// layer is one row of the table of layers.
type layer struct {
	name   string      // in doctor, /healthz and the metric; "": the probe has no line for it
	partOf string      // without a name: the layer that doctor reports a failure under, if there is one
	attack string      // its name in the attack suite; several rows may share one
	stages []string    // of the set-up: a failure there is one of this layer
	need   requirement // whether the daemon starts without it
	what   string
	remedy string // where the failure has none of the known causes
}

type requirement int

const (
	always requirement = iota
	unlessBestEffort
	never     // the jail holds without it
	onRequest // required where the settings ask for it, otherwise not probed
)

// required reports whether the daemon does not start without the layer.
func (l layer) required(bestEffort bool) bool {
	return l.need == always || l.need == onRequest || l.need == unlessBestEffort && !bestEffort
}

const (
	pythonRemedy  = "install python3 (apt-get install python3), or name another interpreter with --python"
	cgroupRemedy  = "run as root, or under systemd with Delegate=yes (systemd-run --user --scope -p Delegate=yes sandboxd)"
	hostUIDRemedy = "nothing is wrong; to give each run a host uid of its own the daemon needs CAP_SETUID and CAP_SETGID, " +
		"or subordinate ids: apt-get install uidmap, and usermod --add-subuids and --add-subgids for its user"
	coreRemedy = "it takes a kernel with CONFIG_SCHED_CORE and a processor with SMT switched on; without SMT there is nothing to share: " +
		"leave --core-scheduling out"
	speculationRemedy = "the kernel wants spectre_v2_user= and spec_store_bypass_disable= of prctl or seccomp on its command line, " +
		"and a processor with the controls; a virtual machine may hide them. Else leave --restrict-speculation out"
)

// layers are all of them. The named ones come in the order in which they are reported: a layer comes after those
// that it needs.
var layers = []layer{
	{name: LayerPython, stages: []string{inside.StageExec, jail.StageInterpreter, jail.StageTemplate},
		what: "an interpreter that a jail can show", remedy: pythonRemedy},
	{name: LayerHostUID, need: never,
		what: "a host uid for each run", remedy: hostUIDRemedy},
	{name: LayerUserNS, attack: "ids", stages: []string{jail.StageClone, inside.StageIDs},
		what: "user namespace: capabilities and uids that mean nothing outside"},
	{partOf: LayerUserNS, attack: "user-ns", stages: []string{inside.StageUserNS},
		what: "`user.max_user_namespaces` of 0"},
	{name: LayerMountNS, what: "mount namespace"},
	{name: LayerPidNS, attack: "pid-ns", what: "pid namespace, and a `/proc` of it"},
	{partOf: LayerPidNS, attack: "init", stages: []string{jail.StageHandOff, inside.StageSplit, jail.StageWait},
		what: "process 1, which is the daemon's and out of the program's reach"},
	{name: LayerNetNS, attack: "net-ns", what: "network namespace"},
	{name: LayerIPCNS, attack: "ipc-ns", what: "ipc namespace"},
	{name: LayerUTSNS, stages: []string{inside.StageHostname}, what: "uts namespace: a host name of its own"},
	{name: LayerCgroupKill, attack: "cgroup", stages: []string{jail.StageCgroup, jail.StageKill, jail.StageTeardown}, need: unlessBestEffort,
		what: "a cgroup, killed as a whole", remedy: cgroupRemedy},
	{name: LayerMemory, attack: "cgroup", need: unlessBestEffort, what: "its limit of memory", remedy: cgroupRemedy},
	{name: LayerCPU, attack: "cgroup", need: unlessBestEffort, what: "its limit of CPU time", remedy: cgroupRemedy},
	{name: LayerPids, attack: "cgroup", need: unlessBestEffort, what: "its limit of processes", remedy: cgroupRemedy},
	{name: LayerRoot, attack: "mounts", stages: []string{inside.StageRoot, inside.StagePivot},
		what: "a root without the host's files"},
	{partOf: LayerRoot, attack: "attributes", what: "read-only, nosuid, nodev, noexec mounts; `subset=pid`"},
	{partOf: LayerRoot, attack: "scratch", what: "size and inodes of the scratch space"},
	{partOf: LayerRoot, attack: "descriptors", stages: []string{inside.StageDescriptors},
		what: "no descriptor but the three streams"},
	{partOf: LayerRoot, attack: "session", stages: []string{inside.StageSession},
		what: "a session and a session key ring of its own"},
	{name: LayerCgroupNS, stages: []string{inside.StageCgroupNS}, what: "cgroup namespace: no path of the host's"},
	{name: LayerNetwork, attack: "net-ns", stages: []string{inside.StageNetwork}, what: "no interface but a loopback of its own"},
	{name: LayerCapabilities, attack: "credentials", stages: []string{inside.StageCredentials},
		what: "no capability, locked securebits"},
	{name: LayerNoNewPrivs, attack: "credentials", what: "`no_new_privs`"},
	{name: LayerLandlock, attack: "landlock", stages: []string{inside.StageLandlock},
		what: "Landlock: the paths of the plan, and no mount"},
	{name: LayerSeccomp, attack: "seccomp", stages: []string{inside.StageSeccomp}, what: "the system call filter"},
	{name: LayerRlimits, attack: "rlimits", stages: []string{inside.StageRlimits}, what: "limits of each process"},
	{name: LayerCoreScheduling, stages: []string{inside.StageCPU}, need: onRequest,
		what: "`--core-scheduling`", remedy: coreRemedy},
	{name: LayerSpeculation, need: onRequest, what: "`--restrict-speculation`", remedy: speculationRemedy},
	{name: LayerOwnInodes, need: never, what: "inodes of the system tree that no other run has",
		remedy: "where that matters, have nothing mounted below the directories that programs see"},
	// No set-up makes these, so there is nothing to probe.
	{attack: "daemon", what: "what the daemon does: clock, watchdog, kill, cap on the output"},
	{attack: "kernel", what: "what the kernel refuses to everybody without privilege"},
}

// row is the row of a named layer.
func row(name string) layer {
	return layers[slices.IndexFunc(layers, func(l layer) bool { return l.name == name })]
}

// layerOf is the named layer that a failure at a stage is one of.
func layerOf(stage string) string {
	for _, l := range layers {
		if slices.Contains(l.stages, stage) {
			return l.name + l.partOf // one of the two is empty
		}
	}
	return LayerRoot // a test sees to it that there is no such stage
}
