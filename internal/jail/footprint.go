package jail

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// This file measures the memory of a run's processes in /proc. Pages of the system tree do not count: they belong to the host's page
// cache.

// footprint is the memory of one process.
type footprint struct {
	parent     int   // process id; 0 if the daemon cannot see the parent
	resident   int64 // private and shared memory without files, and private memory that is swapped out; in bytes
	private    int64 // anonymous and swapped memory, which one process cannot map twice; part of resident
	pageTables int64 // bytes; a program can make many page tables without a resident page
	faults     int64 // page faults so far; only valid if the run's sums are over its limit
	thread     int   // id of a thread that still has the memory; the first thread may have ended
}

// errAway means that a process has ended.
var errAway = errors.New("the process has ended")

// footprintOf reads /proc/PID/status. The kernel takes no lock for it that a program could hold.
func footprintOf(pid int) (footprint, error) {
	f, err := readStatus(pid)
	if !errors.Is(err, errAway) {
		return f, err
	}
	threads, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // none, if it has ended
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		if f, err := readStatus(id); !errors.Is(err, errAway) {
			return f, err
		}
	}
	return footprint{}, errAway
}

// readStatus reads the status of a thread. The error is errAway if the thread has ended, or has released its memory while it ends.
func readStatus(thread int) (f footprint, err error) {
	f.thread = thread
	status, err := kernfs.Read(fmt.Sprintf("/proc/%d/status", thread))
	if err != nil {
		return f, awayOr(err)
	}
	err = errAway
	for line := range bytes.Lines(status) {
		key, value, _ := bytes.Cut(line, []byte(":"))
		switch string(key) {
		case "PPid":
			f.parent = int(kernfs.Number(value))
		case "RssAnon", "VmSwap":
			f.private += kernfs.Number(value) << 10
			f.resident += kernfs.Number(value) << 10
			err = nil
		case "RssShmem":
			f.resident += kernfs.Number(value) << 10
		case "VmPTE":
			f.pageTables = kernfs.Number(value) << 10
		}
	}
	return f, err
}

// awayOr returns errAway if the error means that a process has ended or a leaf has been removed. It returns other errors unchanged.
func awayOr(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return errAway
	}
	return err
}

// faultsOf returns the number of page faults of a process so far: minor and major faults, the fields 10 and 12 of /proc/PID/stat
// (proc_pid_stat(5)). The third field is the first one after the last bracket.
func faultsOf(pid int) (int64, error) {
	stat, err := kernfs.Read(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, awayOr(err)
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 10 {
		return 0, errAway
	}
	return kernfs.Number(fields[7]) + kernfs.Number(fields[9]), nil
}

// proportionalSet returns the proportional set size of a process without files, in bytes: each page counts divided by the number of
// processes that map it (/proc/PID/smaps_rollup; Linux 5.3). The kernel walks through all mappings of the process, and waits for the
// lock that a change of the mappings holds.
func proportionalSet(thread int) (share int64, err error) {
	rollup, err := kernfs.Read(fmt.Sprintf("/proc/%d/smaps_rollup", thread))
	if err != nil {
		return 0, awayOr(err)
	}
	for line := range bytes.Lines(rollup) {
		switch key, value, _ := bytes.Cut(line, []byte(":")); string(key) {
		case "Pss_Anon", "Pss_Shmem", "SwapPss":
			share += kernfs.Number(value) << 10
		}
	}
	return share, nil
}

// sameMemory reports whether two processes share one address space (kcmp(2), KCMP_VM).
func sameMemory(a, b int) bool {
	const kcmpVM = 1
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(a), uintptr(b), kcmpVM, 0, 0, 0)
	return errno == 0 && order == 0
}

// look is the result of a quick measurement of a run.
type look struct {
	processes  map[int]footprint // by process id
	resident   int64             // sum of the resident sets, without page tables
	private    int64             // the largest private part
	pageTables int64             // sum of the page tables
	ended      bool              // a listed process had ended before it was measured
}

// most returns an upper bound for the memory of the run: no page is shared.
func (l look) most() int64 { return l.resident + l.pageTables }

// least returns a lower bound: processes do not share page tables, and one process cannot map a private page twice.
func (l look) least() int64 { return l.private + l.pageTables }

// baseline returns a baseline from this measurement and the sum of proportional sets.
func (l look) baseline(share int64) *baseline {
	b := &baseline{share: share, faults: map[int]int64{}}
	for pid, f := range l.processes {
		b.faults[pid] = f.faults
	}
	return b
}

// look measures all processes of a run. If their sum is over the limit, it also finds out which processes share an address space, and
// reads the page faults.
func (p *process) look(limit int64) (look, error) {
	pids, err := p.pids()
	if err != nil {
		return look{}, err
	}
	l := look{processes: make(map[int]footprint, len(pids))}
	for _, pid := range pids {
		if err := l.add(pid, footprintOf); err != nil {
			return l, err
		}
	}
	if l.most() <= limit {
		return l, nil
	}
	closer := look{processes: make(map[int]footprint, len(pids)), ended: l.ended}
	for pid, f := range l.processes {
		if parent, ours := l.processes[f.parent]; ours && sameMemory(f.thread, parent.thread) {
			continue // between vfork and execve it uses the memory of its parent, which is counted already
		}
		err := closer.add(pid, func(pid int) (footprint, error) {
			f.faults, err = faultsOf(pid)
			return f, err
		})
		if err != nil {
			return l, err
		}
	}
	return closer, nil
}

// add measures one process and adds it, unless it has ended.
func (l *look) add(pid int, read func(pid int) (footprint, error)) error {
	f, err := read(pid)
	switch {
	case errors.Is(err, errAway):
		l.ended = true
	case err != nil:
		return err
	default:
		l.processes[pid] = f
		l.resident += f.resident
		l.pageTables += f.pageTables
		l.private = max(l.private, f.private)
	}
	return nil
}

// shared is the result of a full measurement.
type shared struct {
	bytes int64         // memory of all processes; each page counts once
	cost  time.Duration // processor time of the measurement
}

// share adds up the proportional sets of the processes of a quick measurement.
func (p *process) share(l look) (all shared) {
	runtime.LockOSThread() // threadTime is the time of this thread
	defer runtime.UnlockOSThread()
	begin := threadTime()
	for pid, f := range l.processes {
		share, err := proportionalSet(f.thread)
		if err != nil { // the process or this thread has ended
			f, _ = footprintOf(pid)
			share = f.resident
		}
		all.bytes += share
	}
	all.cost = threadTime() - begin
	return all
}

// threadTime returns the processor time that the calling thread has used.
func threadTime() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) // fails only for an unknown clock
	return time.Duration(now.Nano())
}

// sawMemory raises the peak to this value if it is higher.
func (p *process) sawMemory(bytes int64) { p.peak.Store(max(p.peak.Load(), bytes)) }

// pids lists the processes of the jail without the init: those in the leaf, or without a leaf the descendants of the init. The list is
// complete, because the init adopts every orphan.
func (p *process) pids() ([]int, error) {
	if p.leaf != nil {
		pids, err := p.leaf.Procs()
		if errors.Is(awayOr(err), errAway) {
			return nil, nil // the leaf has been removed
		}
		return slices.DeleteFunc(pids, func(pid int) bool { return pid == p.PID }), err
	}
	found := []int{p.PID}
	for i := 0; i < len(found); i++ {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", found[i]))
		for _, thread := range threads {
			var children []byte
			children, err = kernfs.Read(fmt.Sprintf("/proc/%d/task/%s/children", found[i], thread.Name()))
			for _, child := range strings.Fields(string(children)) {
				if pid, err := strconv.Atoi(child); err == nil {
					found = append(found, pid)
				}
			}
		}
		if err != nil && !errors.Is(awayOr(err), errAway) {
			return nil, err
		}
	}
	return found[1:], nil
}
