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

// What the processes of a run hold, as /proc shows it. Pages of the system tree are not in it: they are the
// host's cache.

// footprint is what one process holds.
type footprint struct {
	parent     int   // process id, 0 for none that we see
	resident   int64 // bytes of private and of shared memory, swapped out or not
	private    int64 // the part of it that cannot be mapped twice in one process
	pageTables int64 // bytes: a program can make many of them with no resident page at all
	faults     int64 // pages that it has taken so far; valid when the run is over its limit by the sums
	thread     int   // the id of a thread that has the memory: the first one's may have ended
}

// errAway says that a process has ended.
var errAway = errors.New("the process is away")

// footprintOf reads /proc/PID/status. No lock is taken for it that a program could hold.
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

// readStatus fails with errAway for a thread that has ended, or has given up its memory.
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

// awayOr makes errAway of the errors that the files of an ended process have, and those of a leaf that was removed.
func awayOr(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENODEV) {
		return errAway
	}
	return err
}

// faultsOf is how many pages a process has taken so far, by whatever means (proc_pid_stat(5): minor and major
// faults are the 10th and the 12th field, of which the first two come before the last bracket).
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

// proportionalSet is the share of a process in the memory of all who map it, in bytes: /proc/PID/smaps_rollup, private and
// shared memory apart from files (Linux 5.3). The kernel walks through all that the process maps, and waits for who changes that.
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

// look is what a cheap look at a run saw.
type look struct {
	processes  map[int]footprint // by process id
	resident   int64             // the sum of resident sets, without page tables
	private    int64             // the largest private part of them
	pageTables int64             // the sum of page tables
	ended      bool              // a process was listed, and away when its turn came
}

// most and least are what the run has at most, as if no page were shared, and at least: page tables never are, nor is
// one process's private memory mapped twice.
func (l look) most() int64  { return l.resident + l.pageTables }
func (l look) least() int64 { return l.private + l.pageTables }

// baseline is what the run had at the moment of the look.
func (l look) baseline(share int64) *baseline {
	b := &baseline{share: share, faults: map[int]int64{}}
	for pid, f := range l.processes {
		b.faults[pid] = f.faults
	}
	return b
}

// look looks at all processes of a run. Where their sum is over the limit it looks closer: at which share an address space,
// and at what they have taken so far.
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
			continue // between vfork and execve: it has its parent's memory, which is counted
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

// add counts one process, unless it is away.
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

// shared is what the processes of a look hold together, each page counted once.
type shared struct {
	bytes int64
	cost  time.Duration // of processor time, to find out
}

func (p *process) share(l look) (all shared) {
	runtime.LockOSThread() // whose time it is
	defer runtime.UnlockOSThread()
	begin := threadTime()
	for pid, f := range l.processes {
		share, err := proportionalSet(f.thread)
		if err != nil { // it has ended, or its thread has
			f, _ = footprintOf(pid)
			share = f.resident
		}
		all.bytes += share
	}
	all.cost = threadTime() - begin
	return all
}

// threadTime is the processor time that this thread has taken.
func threadTime() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now) // it knows this clock
	return time.Duration(now.Nano())
}

// sawMemory remembers the most memory that was seen.
func (p *process) sawMemory(bytes int64) { p.peak.Store(max(p.peak.Load(), bytes)) }

// pids lists the jail's processes but for the init, which is ours: those of the leaf, or where there is none the init's
// descendants (the init adopts every orphan).
func (p *process) pids() ([]int, error) {
	if p.leaf != nil {
		pids, err := p.leaf.Procs()
		if errors.Is(awayOr(err), errAway) {
			return nil, nil // the leaf is
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
