package collect

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// become gives this thread the rights of a user over files until the returned function is called, because some files of a program are
// readable only by their owner. A thread whose file system uid is not 0 also loses root's rights over files (capabilities(7), "Effect of
// user ID changes on capabilities"). If a filter around the daemon refuses the change, the thread keeps its own rights, and files that
// these do not cover are missed.
func become(uid, gid int) (back func()) {
	runtime.LockOSThread()
	if uid < 0 {
		return runtime.UnlockOSThread
	}
	wasGID, gidErr := unix.SetfsgidRetGid(gid)
	wasUID, uidErr := unix.SetfsuidRetUid(uid)
	return func() {
		if uidErr == nil {
			_, _ = unix.SetfsuidRetUid(wasUID)
		}
		if gidErr == nil {
			_, _ = unix.SetfsgidRetGid(wasGID)
		}
		if now, err := unix.SetfsuidRetUid(-1); err != nil || uidErr != nil || now == wasUID {
			runtime.UnlockOSThread() // otherwise the thread ends with its goroutine
		}
	}
}
