package rootfs

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// This file makes the files of /proc that describe the machine. psutil, joblib and many other packages fail if these files are missing.
// As with lxcfs, they contain the limits of the run and nothing about the host or other runs: the counters in the host's files would be
// a channel between runs. The content does not change during a run, because that would need a process that serves the files.

// ownProc plans these files for runs with these limits.
func ownProc(limits sandbox.Limits) []inside.Node {
	cpus := runtime.NumCPU()
	if most := int(math.Ceil(limits.CPU)); most < cpus {
		cpus = most
	}
	var nodes []inside.Node
	for _, file := range []struct{ name, content string }{
		{"cpuinfo", cpuInfo(cpus)},
		{"loadavg", "0.00 0.00 0.00 1/2 2\n"},
		{"meminfo", memInfo(limits)},
		{"stat", kernelStat(cpus)},
		{"uptime", "1.00 1.00\n"},
	} {
		nodes = append(nodes, inside.Node{Op: inside.Cover, Path: "/proc/" + file.name, Data: file.content})
	}
	return nodes
}

// memInfo returns the fields of /proc/meminfo that programs read (proc_meminfo(5)), in kB like the kernel.
func memInfo(limits sandbox.Limits) string {
	const started = 16 << 20 // memory of the interpreter before the program starts, in bytes
	total := limits.Memory
	free := max(0, total-started)
	var b strings.Builder
	for _, field := range []struct {
		name  string
		bytes int64
	}{
		{"MemTotal", total}, {"MemFree", free}, {"MemAvailable", free}, {"Buffers", 0}, {"Cached", 0}, {"SwapCached", 0},
		{"Active", total - free}, {"Inactive", 0}, {"Active(anon)", total - free}, {"Inactive(anon)", 0}, {"Active(file)", 0},
		{"Inactive(file)", 0}, {"SwapTotal", 0}, {"SwapFree", 0}, {"Dirty", 0}, {"Writeback", 0}, {"AnonPages", total - free},
		{"Mapped", 0}, {"Shmem", 0}, {"Slab", 0}, {"SReclaimable", 0}, {"SUnreclaim", 0}, {"CommitLimit", total},
		{"Committed_AS", total - free},
	} {
		fmt.Fprintf(&b, "%-15s %8d kB\n", field.name+":", field.bytes>>10)
	}
	return b.String()
}

// kernelStat returns /proc/stat of a machine that has just started (proc_stat(5)).
func kernelStat(cpus int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cpu  0 0 0 %d 0 0 0 0 0 0\n", 100*cpus)
	for n := range cpus {
		fmt.Fprintf(&b, "cpu%d 0 0 0 100 0 0 0 0 0 0\n", n)
	}
	fmt.Fprintf(&b, "intr 0\nctxt 0\nbtime %d\nprocesses 2\nprocs_running 1\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		time.Now().Unix())
	return b.String()
}

// cpuInfo returns /proc/cpuinfo with the features of the processor, which every program can query from it, but without its name and
// speed.
func cpuInfo(cpus int) string {
	kept := map[string]bool{"flags": true, "Features": true} // amd64, arm64
	var features string
	host, _ := kernfs.Read("/proc/cpuinfo")
	for line := range strings.Lines(string(host)) {
		if key, _, _ := strings.Cut(line, ":"); kept[strings.TrimSpace(key)] {
			features = line
			break
		}
	}
	var b strings.Builder
	for n := range cpus {
		fmt.Fprintf(&b, "processor\t: %d\nmodel name\t: %s\nphysical id\t: 0\nsiblings\t: %d\ncore id\t\t: %d\ncpu cores\t: %d\n%s\n",
			n, runtime.GOARCH, cpus, n, cpus, features)
	}
	return b.String()
}
