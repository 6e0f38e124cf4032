package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counted are the events that the kernel counts for a process and its descendants. Their number is nearly the same on all machines, while
// their cost differs: a page fault takes half a microsecond on one machine and twenty on another.
var counted = []struct {
	name  string
	event uint64 // perf_event_open(2)
}{
	{"page faults", unix.PERF_COUNT_SW_PAGE_FAULTS_MIN},
	{"context switches", unix.PERF_COUNT_SW_CONTEXT_SWITCHES},
}

// hold is a command that waits for a line on standard input, and then executes another command in its place. The counters are attached
// while it waits.
var hold = []string{"sh", "-c", `read -r _ && exec "$@"`, "sh"}

// counters are the counters of one process tree.
type counters [2]*os.File

// count attaches counters to a held process and releases it.
func count(cmd *exec.Cmd, told io.WriteCloser) (c counters, err error) {
	for i, what := range counted {
		attr := unix.PerfEventAttr{
			Type: unix.PERF_TYPE_SOFTWARE, Config: what.event,
			Bits: unix.PerfBitInherit | unix.PerfBitDisabled | unix.PerfBitEnableOnExec,
		}
		attr.Size = uint32(unsafe.Sizeof(attr))
		fd, err := unix.PerfEventOpen(&attr, cmd.Process.Pid, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
		if err != nil {
			return c, errors.Join(os.NewSyscallError("perf_event_open", err), told.Close(), c.close())
		}
		c[i] = os.NewFile(uintptr(fd), what.name)
	}
	_, err = io.WriteString(told, "\n")
	return c, errors.Join(err, told.Close())
}

// read returns the current values.
func (c counters) read() (n [2]uint64, err error) {
	for i, file := range c {
		var wire [8]byte
		if _, e := file.Read(wire[:]); e != nil {
			err = errors.Join(err, e)
		}
		n[i] = binary.NativeEndian.Uint64(wire[:])
	}
	return n, err
}

func (c counters) close() (err error) {
	for _, file := range c {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	return err
}

// counts measures page faults and context switches for a run of print, including the work of the server. One client makes one run at a
// time. Servers first answer a few runs that are not counted.
func counts(ctx context.Context, b *bench) error {
	n := max(b.n/4, 10)
	for _, w := range b.ways {
		if w.Absent != "" || w.hides { // it does not wait for the program, so its counts do not contain it
			continue
		}
		taken, err := w.counted(ctx, n)
		if errors.Is(err, os.ErrPermission) {
			log.Printf("counts: %v: as root, or with a lower kernel.perf_event_paranoid", err)
			return nil
		}
		if err != nil {
			b.failed("counts", w, err)
			continue
		}
		for i, what := range counted {
			b.report.add("counts", "print", what.name, w, "", taken[i])
		}
	}
	return ctx.Err()
}

// counted returns the mean of n runs.
func (w *way) counted(ctx context.Context, n int) (mean [2]float64, err error) {
	var before, after [2]uint64
	if w.server == nil {
		for range n {
			one, err := w.countOne(ctx)
			if err != nil {
				return mean, err
			}
			for i := range after {
				after[i] += one[i]
			}
		}
	} else {
		held := &way{Name: w.Name, ours: w.ours, forks: w.forks, env: w.env, server: append(append([]string{}, hold...), w.server...)}
		c, err := held.startCounted(ctx)
		if err != nil {
			return mean, err
		}
		defer func() { err = errors.Join(err, held.stop(), c.close()) }()
		for i := range n + n/2 {
			if i == n/2 { // the daemon makes new waiting jails
				time.Sleep(10 * pause)
				if before, err = c.read(); err != nil {
					return mean, err
				}
			}
			if _, err = held.run(ctx, printing); err != nil {
				return mean, err
			}
			time.Sleep(pause)
		}
		time.Sleep(10 * pause)
		if after, err = c.read(); err != nil {
			return mean, err
		}
	}
	for i := range mean {
		mean[i] = float64(after[i]-before[i]) / float64(n)
	}
	return mean, nil
}

// countOne returns the counts of one command.
func (w *way) countOne(ctx context.Context) (n [2]uint64, err error) {
	argv := append(append(append([]string{}, hold...), w.command...), printing.source)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	told, err := cmd.StdinPipe()
	if err != nil {
		return n, err
	}
	if err := cmd.Start(); err != nil {
		return n, err
	}
	c, err := count(cmd, told)
	err = errors.Join(err, cmd.Wait())
	if err != nil {
		return n, err
	}
	n, err = c.read()
	return n, errors.Join(err, c.close())
}

// startCounted starts a held server with counters.
func (w *way) startCounted(ctx context.Context) (c counters, err error) {
	w.held = func(cmd *exec.Cmd, told io.WriteCloser) { c, err = count(cmd, told) }
	w.start(ctx)
	if err == nil && w.Absent != "" {
		err = fmt.Errorf("the server does not start: %s", w.Absent)
	}
	return c, err
}
