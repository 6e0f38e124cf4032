package sandbox

import (
	"cmp"
	"fmt"
	"strconv"
	"time"
)

// Limits bound one run. The zero value is not usable: start from DefaultLimits.
type Limits struct {
	Wall    time.Duration // wall clock from the program's start to its kill; > 0
	Memory  int64         // bytes for the whole jail, scratch space included; no swap on top; >= MinMemory
	CPU     float64       // cores, enforced as cpu.max; > 0
	Pids    int           // processes and threads at once, python3's own included; >= 1
	Scratch int64         // bytes of writable file system; >= MinScratch
	Inodes  int64         // files and directories in the scratch space; >= MinInodes
	Output  int64         // bytes kept of each stream, the rest is counted and dropped; >= 0

	// CPUTime bounds the CPU time of all processes together. If it is 0, only Wall and CPU bound it.
	CPUTime time.Duration
}

// The smallest limits with which python3 starts. Smaller values are refused, so that a wrong setting is an error when the daemon starts,
// and not the verdict of every run.
const (
	MinMemory  = 16 << 20
	MinScratch = 2 << 20 // the largest source (1 MiB), and its compiled form
	MinInodes  = 16
	MinPids    = 1
	MinWall    = 10 * time.Millisecond
)

// DefaultLimits returns the limits of a run without any configuration.
func DefaultLimits() Limits {
	return Limits{
		Wall:    5 * time.Second,
		Memory:  256 << 20,
		CPU:     1,
		Pids:    256,
		Scratch: 64 << 20,
		Inodes:  4096,
		Output:  1 << 20,
	}
}

// Bounds are limits that one run sets for itself. For a field that is 0, the limit of all runs applies.
type Bounds struct {
	Wall   time.Duration
	Memory int64
	Pids   int
	Output int64

	CPUTime time.Duration
}

// With returns the limits of a run with these bounds.
func (l Limits) With(b Bounds) Limits {
	l.Wall = cmp.Or(b.Wall, l.Wall)
	l.Memory = cmp.Or(b.Memory, l.Memory)
	l.Pids = cmp.Or(b.Pids, l.Pids)
	l.Output = cmp.Or(b.Output, l.Output)
	l.CPUTime = cmp.Or(b.CPUTime, l.CPUTime)
	return l
}

// Within returns an *InvalidError for the first bound that is above its maximum, or too small for a run to start.
func (b Bounds) Within(most Limits) error {
	for _, c := range []struct {
		field            string
		got, least, most int64
		text             func(int64) string
	}{
		{"wall_seconds", int64(b.Wall), int64(MinWall), int64(most.Wall), func(n int64) string { return seconds(time.Duration(n)) }},
		{"memory_bytes", b.Memory, MinMemory, most.Memory, decimal},
		{"processes", int64(b.Pids), MinPids, int64(most.Pids), decimal},
		{"output_bytes", b.Output, 1, most.Output, decimal},
		{"cpu_seconds", int64(b.CPUTime), int64(MinWall), int64(most.MostCPUTime()), func(n int64) string { return seconds(time.Duration(n)) }},
	} {
		switch {
		case c.got == 0:
		case c.got > c.most:
			return invalid("is above the maximum of this service, which is "+c.text(c.most), "limits", c.field)
		case c.got < c.least:
			return invalid("is below the minimum, which is "+c.text(c.least), "limits", c.field)
		}
	}
	return nil
}

// MostCPUTime returns the largest CPU time of a run with these limits: CPUTime, or if that is 0, the wall clock time multiplied by the
// number of processors that it may use.
func (l Limits) MostCPUTime() time.Duration {
	if l.CPUTime > 0 {
		return l.CPUTime
	}
	return time.Duration(float64(l.Wall) * max(1, l.CPU))
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

// Validate returns an error for the first limit that is too small for a run to start.
func (l Limits) Validate() error {
	for _, c := range []struct {
		name       string
		got, least int64
	}{
		{"wall (nanoseconds)", int64(l.Wall), 1},
		{"memory (bytes)", l.Memory, MinMemory},
		{"cpu (milli-cores)", int64(l.CPU * 1000), 10},
		{"pids", int64(l.Pids), MinPids},
		{"scratch (bytes)", l.Scratch, MinScratch},
		{"inodes", l.Inodes, MinInodes},
		{"output (bytes)", l.Output, 0},
	} {
		if c.got < c.least {
			return fmt.Errorf("limit %s is %d, but the minimum is %d", c.name, c.got, c.least)
		}
	}
	return nil
}
