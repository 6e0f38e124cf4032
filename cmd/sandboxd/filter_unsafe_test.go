package main

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// underFilter is the environment variable with the name of a seccomp filter. The test binary executes itself under that filter.
const underFilter = "SANDBOXD_TEST_FILTER"

// filters are the seccomp filters by name: the denied calls and their errnos.
var filters = map[string]map[uint32]unix.Errno{
	"harmless": {unix.SYS_ACCT: unix.EPERM},
	// The filter of Docker, for a process without CAP_SYS_ADMIN.
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

// executeUnder executes this program again under a filter. The new image inherits the filter of the calling thread.
func executeUnder(name string) {
	runtime.LockOSThread()
	program := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 4}} // the number of the system call
	for call, errno := range filters[name] {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpEqual, Val: call, SkipFalse: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(errno)})
	}
	raw, err := bpf.Assemble(append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}))
	if err == nil {
		wire := unix.SockFprog{Len: uint16(len(raw)), Filter: (*unix.SockFilter)(unsafe.Pointer(&raw[0]))} // bpf.RawInstruction has the layout of SockFilter
		err = unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&wire)), 0, 0)
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
