package jail

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// starting is held for reading while a process is started.
var starting sync.RWMutex

// startProcess is os.StartProcess without its leak: where clone fails, package syscall forgets to
// close the pipe on which the child would have waited for its id maps (forkAndExecInChild, Go 1.26).
func startProcess(path string, argv []string, attr *os.ProcAttr) (*os.Process, error) {
	starting.RLock()
	proc, err := os.StartProcess(path, argv, attr)
	starting.RUnlock()
	if err != nil {
		closeForgotten()
	}
	return proc, startError(err)
}

// closeForgotten closes each pipe of which both ends are ours, blocking and close-on-exec: nobody
// can be waiting at one. While no process is being started syscall has none of these in use, and
// ours from os.Pipe do not block at the end that we keep.
func closeForgotten() {
	starting.Lock()
	defer starting.Unlock()
	ends := map[string][]int{}
	descriptors, _ := os.ReadDir("/proc/self/fd")
	for _, d := range descriptors {
		fd, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		pipe, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil || !strings.HasPrefix(pipe, "pipe:") {
			continue
		}
		status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		flags, err2 := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && err2 == nil && status&unix.O_NONBLOCK == 0 && flags&unix.FD_CLOEXEC != 0 {
			ends[pipe] = append(ends[pipe], fd)
		}
	}
	for _, fds := range ends {
		if len(fds) == 2 {
			unix.Close(fds[0])
			unix.Close(fds[1])
		}
	}
}
