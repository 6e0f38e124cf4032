package doctor

import (
	"slices"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// Names of the layers that the probe reports. They are also labels of a metric.
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
	name   string      // in doctor, /healthz and the metric; "" if the probe does not report it alone
	partOf string      // for a row without a name: the layer under which doctor reports a failure; may be ""
	attack string      // name in the attack suite; several rows may share one
	stages []string    // stages of the set-up that belong to this layer
	need   requirement // whether the daemon starts without it
	what   string      // one line for people
	remedy string      // for a failure without a known cause
}

type requirement int

const (
	always requirement = iota
	unlessBestEffort
	never     // the jail is safe without it
	onRequest // required if a setting asks for it; otherwise not probed
)

// required reports whether the daemon does not start without the layer.
func (l layer) required(bestEffort bool) bool {
	return l.need == always || l.need == onRequest || l.need == unlessBestEffort && !bestEffort
}

const (
	pythonRemedy  = "install python3 (apt-get install python3), or set another interpreter with --python"
	cgroupRemedy  = "run as root, or under systemd with Delegate=yes (systemd-run --user --scope -p Delegate=yes sandboxd)"
	hostUIDRemedy = "the sandbox works without it. To give each run its own host uid, the daemon needs CAP_SETUID and CAP_SETGID, " +
		"or subordinate ids for its user: apt-get install uidmap, then usermod --add-subuids and --add-subgids"
	coreRemedy = "--core-scheduling needs a kernel with CONFIG_SCHED_CORE and a processor with SMT switched on. Without SMT, runs share no core: " +
		"remove --core-scheduling"
	speculationRemedy = "--restrict-speculation needs spectre_v2_user= and spec_store_bypass_disable= with the value prctl or seccomp on the kernel's " +
		"command line, and a processor with these controls, which a virtual machine may hide. Otherwise remove --restrict-speculation"
)

// layers is the table of all layers. The named ones are in the order in which they are reported: a layer comes after those that it needs.
var layers = []layer{
	{name: LayerPython, stages: []string{inside.StageExec, jail.StageInterpreter, jail.StageTemplate},
		what: "the Python interpreter", remedy: pythonRemedy},
	{name: LayerHostUID, need: never,
		what: "a separate host uid for each run", remedy: hostUIDRemedy},
	{name: LayerUserNS, attack: "ids", stages: []string{jail.StageClone, inside.StageIDs},
		what: "user namespace: uids and capabilities are not valid outside of it"},
	{partOf: LayerUserNS, attack: "user-ns", stages: []string{inside.StageUserNS},
		what: "`user.max_user_namespaces` is 0: no further user namespaces"},
	{name: LayerMountNS, what: "mount namespace"},
	{name: LayerPidNS, attack: "pid-ns", what: "pid namespace, with its own `/proc`"},
	{partOf: LayerPidNS, attack: "init", stages: []string{jail.StageHandOff, inside.StageSplit, jail.StageWait},
		what: "process 1 is the init, which the program cannot reach"},
	{name: LayerNetNS, attack: "net-ns", what: "network namespace"},
	{name: LayerIPCNS, attack: "ipc-ns", what: "ipc namespace"},
	{name: LayerUTSNS, stages: []string{inside.StageHostname}, what: "uts namespace, with its own host name"},
	{name: LayerCgroupKill, attack: "cgroup", stages: []string{jail.StageCgroup, jail.StageKill, jail.StageTeardown}, need: unlessBestEffort,
		what: "cgroup of the run: the kernel kills all its processes at once", remedy: cgroupRemedy},
	{name: LayerMemory, attack: "cgroup", need: unlessBestEffort, what: "memory limit of the cgroup", remedy: cgroupRemedy},
	{name: LayerCPU, attack: "cgroup", need: unlessBestEffort, what: "CPU limit of the cgroup", remedy: cgroupRemedy},
	{name: LayerPids, attack: "cgroup", need: unlessBestEffort, what: "process limit of the cgroup", remedy: cgroupRemedy},
	{name: LayerRoot, attack: "mounts", stages: []string{inside.StageRoot, inside.StagePivot},
		what: "root file system with only the planned files of the host"},
	{partOf: LayerRoot, attack: "attributes", what: "mounts are read-only, nosuid, nodev, noexec; `/proc` has `subset=pid`"},
	{partOf: LayerRoot, attack: "scratch", what: "size and inode limits of the scratch space"},
	{partOf: LayerRoot, attack: "descriptors", stages: []string{inside.StageDescriptors},
		what: "no open descriptors except the three streams"},
	{partOf: LayerRoot, attack: "session", stages: []string{inside.StageSession},
		what: "a new session and a new session keyring"},
	{name: LayerCgroupNS, stages: []string{inside.StageCgroupNS}, what: "cgroup namespace: cgroup paths of the host are hidden"},
	{name: LayerNetwork, attack: "net-ns", stages: []string{inside.StageNetwork}, what: "no network interface except its own loopback"},
	{name: LayerCapabilities, attack: "credentials", stages: []string{inside.StageCredentials},
		what: "no capabilities, locked securebits"},
	{name: LayerNoNewPrivs, attack: "credentials", what: "`no_new_privs`"},
	{name: LayerLandlock, attack: "landlock", stages: []string{inside.StageLandlock},
		what: "Landlock: only the paths in the plan of the root can be opened, and no mount changed"},
	{name: LayerSeccomp, attack: "seccomp", stages: []string{inside.StageSeccomp}, what: "the system call filter"},
	{name: LayerRlimits, attack: "rlimits", stages: []string{inside.StageRlimits}, what: "limits of each process"},
	{name: LayerCoreScheduling, stages: []string{inside.StageCPU}, need: onRequest,
		what: "`--core-scheduling`", remedy: coreRemedy},
	{name: LayerSpeculation, need: onRequest, what: "`--restrict-speculation`", remedy: speculationRemedy},
	{name: LayerOwnInodes, need: never, what: "separate inodes of the system tree for each run",
		remedy: "if cooperating runs must not communicate through locks, make sure that nothing is mounted below the directories that programs see"},
	// No stage of the set-up makes these, so there is nothing to probe.
	{attack: "daemon", what: "actions of the daemon: clock, watchdog, kill, output cap"},
	{attack: "kernel", what: "checks that the kernel makes for every unprivileged process"},
}

// row returns the row of a named layer.
func row(name string) layer {
	return layers[slices.IndexFunc(layers, func(l layer) bool { return l.name == name })]
}

// layerOf returns the named layer to which a stage belongs.
func layerOf(stage string) string {
	for _, l := range layers {
		if slices.Contains(l.stages, stage) {
			return l.name + l.partOf // one of the two is empty
		}
	}
	return LayerRoot // not reached: a test checks that each stage has a layer
}
