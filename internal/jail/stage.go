package jail

// Stages of a run at which the sandbox can fail: the values of SetupError.Stage.
const (
	stageCgroup      = "cgroup"      // the daemon: mkdir and limits of the leaf
	stageClone       = "clone"       // the daemon: clone3, id maps, execve of the init
	stageHandOff     = "hand-off"    // the daemon or the init: order not sent, init died silently
	stageNetwork     = "network"     // the init, from here on
	stageRoot        = "root"        //
	stagePivot       = "pivot"       //
	stageHostname    = "hostname"    //
	stageCgroupNS    = "cgroup-ns"   //
	stageSession     = "session"     //
	stageCredentials = "credentials" //
	stageRlimits     = "rlimits"     //
	stageDescriptors = "descriptors" //
	stageSeccomp     = "seccomp"     //
	stageExec        = "exec"        // python3 could not be started
	stageKill        = "kill"        // the daemon again: something survives SIGKILL
	stageWait        = "wait"        //
	stageTeardown    = "teardown"    // the leaf could not be removed
)

// stages gives each stage the number by which the init names it.
var stages = []string{
	stageCgroup, stageClone, stageHandOff, stageNetwork, stageRoot, stagePivot, stageHostname,
	stageCgroupNS, stageSession, stageCredentials, stageRlimits, stageDescriptors, stageSeccomp,
	stageExec, stageKill, stageWait, stageTeardown,
}

// Stages is the closed set of values of SetupError.Stage.
func Stages() []string { return append([]string(nil), stages...) }
