package jail

import (
	"fmt"
	"os"
)

// janitor takes the dismantling of mount namespaces off the path of the runs. The kernel does it when
// the last reference goes, for which it waits for its other processors; with the program's own that
// would be before anybody is told that the program has ended. So the daemon keeps one, and lets go
// of it here. There is no process in them any more.
type janitor struct {
	kept chan *os.File
	quit chan struct{}
	done chan struct{}
}

// janitorBacklog bounds what waits to be dismantled. With more, runs wait for their own.
const janitorBacklog = 64

func newJanitor() *janitor {
	j := &janitor{kept: make(chan *os.File, janitorBacklog), quit: make(chan struct{}), done: make(chan struct{})}
	go j.work()
	return j
}

func (j *janitor) work() {
	defer close(j.done)
	for {
		select {
		case f := <-j.kept:
			f.Close()
			continue
		default: // what is there goes first
		}
		select {
		case f := <-j.kept:
			f.Close()
		case <-j.quit:
			return
		}
	}
}

// release lets go of a reference; nil is none.
func (j *janitor) release(f *os.File) {
	if f == nil {
		return
	}
	select {
	case j.kept <- f:
	default:
		f.Close()
	}
}

func (j *janitor) close() {
	close(j.quit)
	<-j.done
}

// keepMounts takes a reference to the mount namespace of a process; nil where that is not allowed.
func keepMounts(pid int) *os.File {
	f, _ := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	return f
}
