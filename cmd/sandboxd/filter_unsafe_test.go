package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// underFilter names a seccomp filter in the environment: the test binary executes itself under it.
const underFilter = "SANDBOXD_TEST_FILTER"

// filters are what they deny, and how.
var filters = map[string]map[uint32]unix.Errno{
	"harmless": {unix.SYS_ACCT: unix.EPERM},
	// As that of Docker does for a process without CAP_SYS_ADMIN.
	"container": {
		unix.SYS_CLONE3: unix.ENOSYS, unix.SYS_UNSHARE: unix.EPERM, unix.SYS_SETNS: unix.EPERM,
		unix.SYS_MOUNT: unix.EPERM, unix.SYS_UMOUNT2: unix.EPERM, unix.SYS_PIVOT_ROOT: unix.EPERM,
		unix.SYS_FSOPEN: unix.EPERM, unix.SYS_FSCONFIG: unix.EPERM, unix.SYS_FSMOUNT: unix.EPERM,
		unix.SYS_MOVE_MOUNT: unix.EPERM, unix.SYS_OPEN_TREE: unix.EPERM, unix.SYS_MOUNT_SETATTR: unix.EPERM,
	},
	"mounts":      {unix.SYS_FSOPEN: unix.EPERM, unix.SYS_FSCONFIG: unix.EPERM, unix.SYS_FSMOUNT: unix.EPERM},
	"landlock":    {unix.SYS_LANDLOCK_CREATE_RULESET: unix.ENOSYS},
	"no-landlock": {unix.SYS_LANDLOCK_CREATE_RULESET: unix.EOPNOTSUPP},
}

// executeUnder executes this program again under a filter, which it inherits from this thread.
func executeUnder(name string) {
	runtime.LockOSThread()
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}} // the number of the system call
	for call, errno := range filters[name] {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipFalse: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
	if err == nil {
		wire := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))} // of the same layout
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&wire)), 0, 0)
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
