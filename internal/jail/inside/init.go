package inside

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Name is argv[0] of an init.
const Name = "sandboxd-init"

// channelFD is where the init finds its end of the hand-off socket.
const channelFD = 3

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
	StageLandlock    = "landlock"
	StageRlimits     = "rlimits"
	StageDescriptors = "descriptors"
	StageSeccomp     = "seccomp"
	StageExec        = "exec" // python3 could not be started
)

// Stages are all of them, in order.
var Stages = []string{
	StageIDs, StageUserNS, StageNetwork, StageRoot, StagePivot, StageHostname, StageCgroupNS, StageSession,
	StageCPU, StageCredentials, StageLandlock, StageRlimits, StageDescriptors, StageSeccomp, StageExec,
}

// Main builds the jail around this process and becomes the program. It does not return.
func Main() { MainWith(nil) }

// Hook is asked before each step of an init that a test started: the daemon's own has none. With
// ErrSkip the step is left out; any other error is the step's failure.
type Hook func(stage string) error

// ErrSkip takes a layer away.
var ErrSkip = errors.New("skip this step")

// MainWith is Main, with steps that a test takes away or makes fail.
func MainWith(before Hook) {
	// Capabilities, the cgroup namespace and the seccomp filter belong to a thread. execve
	// keeps those of the thread that calls it and ends the others.
	runtime.LockOSThread()
	channel := os.NewFile(channelFD, "hand-off")
	o, err := Receive(channel)
	if err != nil {
		os.Exit(1) // the daemon is gone, or cannot be understood: there is nobody to tell
	}
	stage, err := become(o, before)
	var step *stepError
	if !errors.As(err, &step) {
		step = &stepError{err.Error(), errnoOf(err)}
	}
	r := Report{Kind: Failure, Stage: stage, Object: step.object, Errno: step.errno}
	_, _ = unix.Write(channelFD, r.Encode())
	os.Exit(1)
}

// become is what happens inside, in order. We are nobody in a user namespace of our own, with
// the capabilities that these steps need over it and over the other new namespaces; from
// "credentials" on with none. It returns only when a step fails.
func become(o *Order, before Hook) (stage string, err error) {
	for _, step := range []struct {
		stage string
		do    func() error
	}{
		{StageIDs, func() error { return becomeUser(o.KeepGroups) }},
		{StageUserNS, lastUserNamespace},
		{StageNetwork, loopbackUp},
		{StageRoot, func() error { return buildRoot(o) }},
		{StagePivot, pivotRoot},
		{StageHostname, setHostname},
		{StageCgroupNS, unshareCgroup},
		{StageSession, newSession},
		{StageCPU, func() error { return isolateCPU(o.CPU) }},
		{StageCredentials, dropPrivileges},
		{StageLandlock, func() error { return restrictFiles(o.Landlock) }},
		{StageRlimits, func() error { return setRlimits(o.Rlimits) }}, // late: NPROC would hit our own threads
		{StageDescriptors, ownDescriptors},
		{StageSeccomp, func() error { return loadFilter(o.Filter, o.Listen) }}, // last: it forbids the steps above; says "go"
		{StageExec, func() error { return execve(o.Argv, o.Env) }},
	} {
		if step.stage != StageExec { // no filter need allow it
			takeName(step.stage)
		}
		if before != nil {
			switch err := before(step.stage); {
			case err == ErrSkip:
				continue
			case err != nil:
				return step.stage, failed("injected fault", err)
			}
		}
		if err := step.do(); err != nil {
			return step.stage, err
		}
	}
	return StageExec, errors.New("execve returned")
}

// execve becomes python3.
func execve(argv, env []string) error {
	return failed("execve "+argv[0], unix.Exec(argv[0], argv, env))
}

// stepError is a failed step: the object that it was working on, and the errno.
type stepError struct {
	object string
	errno  unix.Errno
}

func (e *stepError) Error() string { return e.object + ": " + e.errno.Error() }
func (e *stepError) Unwrap() error { return e.errno }

// failed gives an errno the name of the object it was about; nil stays nil.
func failed(object string, err error) error {
	if err == nil {
		return nil
	}
	return &stepError{object, errnoOf(err)}
}

func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EINVAL
}
