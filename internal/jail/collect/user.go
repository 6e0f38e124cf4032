package collect

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// become gives this thread the rights of a user over files, until the function that it returns is called. A file of the program may
// be readable by its owner only. A thread whose file system uid is not 0 has none of root's rights over files either
// (capabilities(7), "Effect of user ID changes on capabilities"). Without the right to change ids the thread keeps its own.
func become(uid, gid int) (back func()) {
	if uid < 0 {
		return func() {}
	}
	runtime.LockOSThread()
	wasGID, _ := unix.SetfsgidRetGid(gid)
	wasUID, _ := unix.SetfsuidRetUid(uid)
	return func() {
		_, _ = unix.SetfsuidRetUid(wasUID)
		_, _ = unix.SetfsgidRetGid(wasGID)
		if uid, _ := unix.SetfsuidRetUid(-1); uid == wasUID {
			runtime.UnlockOSThread() // otherwise the thread ends with its goroutine
		}
	}
}
