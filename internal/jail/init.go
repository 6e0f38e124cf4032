package jail

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// channelFD is where the init finds its end of the hand-off socket.
const channelFD = 3

// IsInit reports whether this process is the init of a jail. A program that links this package
// and calls Run must ask first of all in main (a test: in TestMain), and hand over to Init.
func IsInit() bool { return len(os.Args) == 1 && os.Args[0] == initName }

// Init builds the jail around this process and becomes the program. It does not return.
func Init() {
	// Capabilities, the cgroup namespace and the seccomp filter belong to a thread. execve
	// keeps those of the thread that calls it and ends the others.
	runtime.LockOSThread()
	channel := os.NewFile(channelFD, "hand-off")
	o, err := receive(channel)
	if err != nil {
		os.Exit(1) // the daemon is gone, or cannot be understood: there is nobody to tell
	}
	stage, err := become(o, func() { sendReport(channel, reportGo, 0, nil) })
	var failure *stepError
	if !errors.As(err, &failure) {
		failure = &stepError{Object: err.Error(), Errno: errnoOf(err)}
	}
	sendReport(channel, reportFailure, stageNumber(stage), failure)
	os.Exit(1)
}

// become is what happens inside, in order. We are uid 1000 of a user namespace of our own,
// with initCapabilities over it and over the other new namespaces; from "credentials" on with
// none. It returns only when a step fails.
func become(o *order, ready func()) (stage string, err error) {
	for _, step := range []struct {
		stage string
		do    func() error
	}{
		{stageNetwork, loopbackUp},
		{stageRoot, func() error { return buildRoot(o) }},
		{stagePivot, pivotRoot},
		{stageHostname, setHostname},
		{stageCgroupNS, unshareCgroup},
		{stageSession, newSession},
		{stageCredentials, dropPrivileges},
		{stageRlimits, func() error { return setRlimits(o.Limits) }}, // late: NPROC would hit our own threads
		{stageDescriptors, ownDescriptors},
		{stageSeccomp, func() error { ready(); return loadFilter(o.filter) }}, // last: it forbids the steps above
		{stageExec, func() error { return execve(o.Argv, o.Env) }},
	} {
		if err := step.do(); err != nil {
			return step.stage, err
		}
	}
	return stageExec, errors.New("execve returned")
}

// execve becomes python3.
func execve(argv, env []string) error {
	return failed("execve "+argv[0], unix.Exec(argv[0], argv, env))
}

// failed gives an errno the name of the object it was about; nil stays nil.
func failed(object string, err error) error {
	if err == nil {
		return nil
	}
	return &stepError{Object: object, Errno: errnoOf(err)}
}

func errnoOf(err error) unix.Errno {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return unix.EINVAL
}

func stageNumber(name string) uint8 {
	for i, s := range stages {
		if s == name {
			return uint8(i)
		}
	}
	return 0
}
