package jail

import (
	"fmt"
	"os"
)

// janitor drops the last references to mount namespaces in the background. When the last reference is dropped, the kernel frees the
// namespace and waits for the other processors. If that reference were the init's, the wait would delay the exit of the init and so
// the answer. So the daemon holds a reference too, and the janitor drops it after the answer.
type janitor struct {
	kept chan *os.File
	quit chan struct{}
	done chan struct{}
}

// janitorBacklog bounds the references that wait to be dropped. If there are more, the run drops its own.
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
		default: // none waits, so quit may end the janitor
		}
		select {
		case f := <-j.kept:
			f.Close()
		case <-j.quit:
			return
		}
	}
}

// release drops a reference in the background. It does nothing for nil.
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

// keepMounts returns a reference to the mount namespace of a process, or nil if the daemon may not open it.
func keepMounts(pid int) *os.File {
	f, _ := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	return f
}
