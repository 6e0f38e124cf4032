package inside

import (
	"os"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel shows the first thread's name as the process's: be that thread. A goroutine that is
// locked while packages are initialised stays on it.
func init() {
	if len(os.Args) == 1 && os.Args[0] == Name {
		runtime.LockOSThread()
	}
}

// takeName gives the init the name of its step, of at most 15 bytes. So the daemon can tell where it
// is stuck or died, and that it died before execve, which gives the process another name. The last
// is that of the step that loads the filter.
func takeName(stage string) {
	name := append([]byte(stage), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0) // has no way to fail
}
