package collect

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// become gives this thread the rights of a user over files, until the function that it returns is called. A file of the program may
// be readable by its owner only. A thread whose file system uid is not 0 has none of root's rights over files either
// (capabilities(7), "Effect of user ID changes on capabilities"). If a filter around the daemon refuses that, the thread keeps its own
// rights, and files that these do not cover are missed.
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
