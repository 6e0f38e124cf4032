package jail

import (
	"bytes"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

const (
	// hostReserve is the part of the host's memory that must stay available in best effort. If less is available, all runs
	// without a memory controller are killed. It covers memory that the watchdog cannot attribute to a process, such as socket
	// buffers and shared pages that no process maps any more.
	hostReserve = 1. / 20

	// reserveInterval is the shortest pause between two reads of the host's memory.
	reserveInterval = 10 * time.Millisecond

	// longestReserveRest is the longest pause. It applies when much more than the reserve is available.
	longestReserveRest = 10 * reserveInterval
)

// reserve watches the host's memory for all runs that have a watchdog. It is a single loop, so a run that makes its watchdog slow does
// not delay it.
type reserve struct {
	// open returns a function that returns the number of bytes above the reserve, negative if the host is short of memory, and a
	// function that releases it.
	open func() (left func() int64, release func())

	mu      sync.Mutex
	runs    map[chan struct{}]struct{} // each is closed when the host is short of memory
	looking bool                       // the loop runs
}

// ofHost is the only reserve of a daemon.
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

// loop reads the host's memory as long as there are runs.
func (r *reserve) loop() {
	left, closeAll := r.open()
	defer closeAll()
	for {
		room := left()
		if !r.notify(room < 0) {
			return
		}
		time.Sleep(min(max(reserveInterval, timeToTake(room)), longestReserveRest))
	}
}

// notify closes the channels of all runs if the host is short of memory. It reports whether runs are left to watch.
func (r *reserve) notify(short bool) bool {
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

// openMeminfo keeps /proc/meminfo open, so that it can be read even if the machine has run out of descriptors.
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
			return -1 // unknown for too long: assume that the host is short of memory
		default:
			return 0
		}
	}
	return left, func() { unix.Close(fd) }
}

// hostHasLess reports whether less than this part of the host's memory is available. If /proc/meminfo cannot be read (ENFILE, ENOMEM),
// it returns true, because the host is short of resources then.
func hostHasLess(part float64) bool {
	info, err := kernfs.Read("/proc/meminfo")
	return err != nil || above(info, part) < 0
}

// above returns the available memory minus this part of the total memory, in bytes (proc_meminfo(5)).
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
