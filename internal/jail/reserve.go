package jail

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

const (
	// hostReserve is the part of the host's memory that best effort does not let runs take: below
	// it every watched run is killed. It is for memory that no sum over processes shows, such
	// as socket buffers and shared pages that nobody maps any more.
	hostReserve = 1. / 20

	// reserveInterval is how often the host's memory is looked at when it is near the reserve.
	reserveInterval = 10 * time.Millisecond

	// longestReserveRest is how long it is not looked at when it is far from it.
	longestReserveRest = 10 * reserveInterval
)

// reserve looks at the host's memory on behalf of all watched runs. It is one loop with an interval of its own: what a
// run does to make it hard to watch delays nobody else.
type reserve struct {
	// open returns how to tell how many bytes the host has above the reserve; less than nothing if it is short
	// of memory.
	open func() (left func() int64, close func())

	mu      sync.Mutex
	runs    map[chan struct{}]struct{} // each is closed when the host is short of memory
	looking bool
}

// ofHost is the only one in a daemon.
var ofHost = &reserve{open: openMeminfo}

// watch returns a channel that is closed when the host is short of memory. The caller must call leave.
func (r *reserve) watch() (short <-chan struct{}, leave func()) {
	run := make(chan struct{})
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = map[chan struct{}]struct{}{}
	}
	r.runs[run] = struct{}{}
	if !r.looking {
		r.looking = true
		go r.loop()
	}
	return run, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.runs, run)
	}
}

// loop looks as long as there are runs.
func (r *reserve) loop() {
	left, closeAll := r.open()
	defer closeAll()
	for {
		room := left()
		if !r.tell(room < 0) {
			return
		}
		time.Sleep(min(max(reserveInterval, timeToTake(room)), longestReserveRest))
	}
}

// tell ends all runs if the host is short of memory, and reports whether there are any.
func (r *reserve) tell(short bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for run := range r.runs {
		if short {
			close(run)
			delete(r.runs, run)
		}
	}
	r.looking = len(r.runs) > 0
	return r.looking
}

// openMeminfo keeps the file open: with no more descriptors to be had in the machine it is read all the same.
func openMeminfo() (left func() int64, closeAll func()) {
	fd := -1
	buffer := make([]byte, 16<<10)
	sight := time.Now()
	left = func() int64 {
		if fd < 0 {
			fd, _ = kernfs.Open("/proc/meminfo", unix.O_RDONLY)
		}
		n, err := unix.Pread(fd, buffer, 0)
		switch {
		case err == nil:
			sight = time.Now()
			return above(buffer[:n], hostReserve)
		case time.Since(sight) > blindPatience:
			return -1 // for all we know
		default:
			return 0
		}
	}
	return left, func() { unix.Close(fd) }
}

// hostHasLess reports whether less than a part of the host's memory is available. It has, for all we
// know, when we cannot look (ENFILE, ENOMEM).
func hostHasLess(part float64) bool {
	info, err := kernfs.Read("/proc/meminfo")
	return err != nil || above(info, part) < 0
}

// above is how many bytes of the host's memory are available above a part of all (proc_meminfo(5)).
func above(meminfo []byte, part float64) int64 {
	var total, available int64
	for line := range bytes.Lines(meminfo) {
		switch key, value, _ := bytes.Cut(line, []byte(":")); string(key) {
		case "MemTotal":
			total = kernfs.Number(value) << 10
		case "MemAvailable":
			available = kernfs.Number(value) << 10
		}
	}
	return available - int64(part*float64(total))
}
