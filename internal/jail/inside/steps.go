package inside

import (
	"slices"

	"golang.org/x/sys/unix"
)

// Name is argv[0] of an init.
const Name = "sandboxd-init"

// Descriptors of an init, in addition to its streams. Python3 has Channel too, until the program starts.
const (
	Channel = 3 // the hand-off socket
	Status  = 4 // the status pipe to the daemon, to which the init writes an End
)

// Stages of the init at which the sandbox can fail.
const (
	StageIDs         = "ids"
	StageUserNS      = "user-ns"
	StageNetwork     = "network"
	StageRoot        = "root"
	StagePivot       = "pivot"
	StageHostname    = "hostname"
	StageCgroupNS    = "cgroup-ns"
	StageSession     = "session"
	StageCPU         = "cpu-isolation"
	StageCredentials = "credentials"
	StageSplit       = "split" // the init forks; later stages are those of its child, which becomes the program
	StageLandlock    = "landlock"
	StageRlimits     = "rlimits"
	StageDescriptors = "descriptors"
	StageSeccomp     = "seccomp"
	StageExec        = "exec" // python3 could not be started
)

// Stages lists the stages in order.
var Stages = []string{
	StageIDs, StageUserNS, StageNetwork, StageRoot, StagePivot, StageHostname, StageCgroupNS, StageSession,
	StageCPU, StageCredentials, StageSplit, StageLandlock, StageRlimits, StageDescriptors, StageSeccomp, StageExec,
}

// Names of processes (PR_SET_NAME) after the last step.
const (
	programName = "python3" // of the program, if it does not call execve (engine fork)
	initName    = "init"    // of the init, which waits for the program
)

// Compile compiles the steps to a script. At first the process has the overflow ids, and all capabilities over its new user namespace and
// the other new namespaces. From "credentials" on it has none. From "split" on the steps are those of the init's child; the init itself
// continues with keepProgram.
func Compile(o *Order) *Script {
	a := &assembler{keeper: &label{}}
	for _, step := range []struct {
		stage string
		do    func()
	}{
		{StageIDs, func() { a.becomeUser(o.UID, o.GID, o.KeepGroups) }},
		{StageUserNS, a.lastUserNamespace},
		{StageNetwork, a.loopbackUp},
		{StageRoot, func() { a.buildRoot(o) }},
		{StagePivot, a.pivotRoot},
		{StageHostname, a.setHostname},
		{StageCgroupNS, a.unshareCgroup},
		{StageSession, a.newSession},
		{StageCPU, func() { a.isolateCPU(o.CPU) }},
		{StageCredentials, func() {
			if o.Role == Template {
				a.keepPrivileges()
			} else {
				a.dropPrivileges()
			}
		}},
		{StageSplit, a.split},
		{StageLandlock, func() { a.restrictFiles(o.Landlock) }},
		{StageRlimits, func() {
			a.setRlimits(o.Rlimits)
			if o.SmallPages {
				a.smallPages()
			}
		}},
		{StageDescriptors, a.ownDescriptors},
		{StageSeccomp, func() { a.loadFilter(o.Filter, o.Listen, true) }}, // last, because the filter denies the calls of other steps; reports Go
		{StageExec, func() { a.execve(o.Argv, o.Env) }},
	} {
		a.stage = step.stage
		switch {
		case step.stage == StageExec: // the filter may deny prctl
		case step.stage == StageSeccomp && len(o.Argv) == 0: // without an execve, the process needs its final name before the filter
			a.takeName(programName)
		default:
			a.takeName(step.stage)
		}
		if o.Role == Template && slices.Contains(leftToPrograms, step.stage) {
			continue
		}
		switch how := o.Faults[step.stage]; {
		case how == FaultSkip && step.stage == StageCredentials:
			a.keepPrivileges()
			continue
		case how == FaultSkip:
			continue
		case how != 0:
			a.fault(how)
		}
		step.do()
	}
	a.keepProgram()
	return a.script()
}

// leftToPrograms lists the stages that are not made for a template, but for each program that it forks.
var leftToPrograms = []string{StageUserNS, StageCgroupNS, StageCPU, StageLandlock, StageRlimits}

// takeName sets the name of the process to its step, in at most 15 bytes, so that the daemon can tell at which step it hangs or died.
func (a *assembler) takeName(stage string) {
	a.call("PR_SET_NAME", unix.SYS_PRCTL, num(unix.PR_SET_NAME), a.text(stage))
}

func (a *assembler) fault(how int) {
	switch how {
	case FaultExit:
		a.call("injected fault", unix.SYS_EXIT_GROUP, num(0))
	case FaultHang:
		const hour = 3600 // seconds
		again := a.here()
		a.call("injected fault", unix.SYS_CLOCK_NANOSLEEP, num(unix.CLOCK_MONOTONIC), num(0), at(a.words(hour, 0)), num(0))
		a.jump(again)
	default:
		a.fail("injected fault", unix.Errno(how))
	}
}

// execve adds the execve of python3, or the end of the script if argv is empty.
func (a *assembler) execve(argv, env []string) {
	if len(argv) == 0 {
		a.add("", callDone)
		return
	}
	texts := func(list []string) arg {
		var each []arg
		for _, s := range list {
			each = append(each, a.text(s))
		}
		return at(a.pointers(each...))
	}
	a.call("execve "+argv[0], unix.SYS_EXECVE, a.text(argv[0]), texts(argv), texts(env))
}
