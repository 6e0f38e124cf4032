package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stat has fields of /proc/PID/stat: proc_pid_stat(5).
type stat struct {
	parent int
	cpu    time.Duration // of the process, and of its children that it has waited for
}

// tick is the unit of the CPU times. USER_HZ is 100 on all supported architectures.
const tick = time.Second / 100

func parseStat(line string) (s stat, err error) {
	// The command's name may contain blanks and parentheses.
	fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
	if len(fields) < 15 {
		return s, fmt.Errorf("not the stat of a process: %.100q", line)
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, err
	}
	for _, field := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.Atoi(field)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(ticks) * tick
	}
	return s, nil
}

// tree is a process and all its descendants.
func tree(root int) (map[int]stat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all, children := map[int]stat{}, map[int][]int{}
	for _, file := range files {
		line, err := os.ReadFile(file)
		if gone(err) {
			continue
		} else if err != nil {
			return nil, err
		}
		s, err := parseStat(string(line))
		if err != nil {
			return nil, err
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return nil, err
		}
		all[pid] = s
		children[s.parent] = append(children[s.parent], pid)
	}
	found := map[int]stat{}
	for next := []int{root}; len(next) > 0; next = next[1:] {
		found[next[0]] = all[next[0]]
		next = append(next, children[next[0]]...)
	}
	return found, nil
}

// gone reports whether the error means that the process no longer exists.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// cpuTime returns the CPU time of all runs so far, including the work of the server.
func (w *way) cpuTime() time.Duration {
	if w.server == nil {
		return time.Duration(w.cpu.Load())
	}
	processes, err := tree(w.up.Process.Pid)
	if err != nil {
		return 0
	}
	sum := time.Duration(0)
	for _, s := range processes {
		sum += s.cpu
	}
	return sum
}

// usage is the memory of a process tree without its root.
type usage struct {
	pss        int64 // proportional set size in bytes: a shared page is divided by the number of its processes
	processes  int
	namespaces int // pid namespaces other than that of this program
}

// below measures the descendants of a process. Memory of the kernel is not included.
func below(root int) (u usage, err error) {
	processes, err := tree(root)
	if err != nil {
		return u, err
	}
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return u, err
	}
	found := map[string]bool{own: true}
	for pid := range processes {
		if pid == root {
			continue
		}
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if gone(err) {
			continue
		} else if err != nil {
			return u, err
		}
		namespace, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", pid))
		if gone(err) {
			continue
		} else if err != nil {
			return u, err
		}
		found[namespace] = true
		u.processes++
		u.pss += field(rollup, "Pss:") << 10
	}
	u.namespaces = len(found) - 1
	return u, nil
}

// available returns the machine's available memory in bytes.
func available() int64 {
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	return field(meminfo, "MemAvailable:") << 10
}

// field returns the number after a name at the beginning of a line.
func field(text []byte, name string) (n int64) {
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte(name)); ok {
			fmt.Sscan(string(rest), &n)
		}
	}
	return n
}
