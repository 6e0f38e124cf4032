// Package rootfs plans the root file system of a jail as data, and what Landlock allows of it.
//
// The init (package inside) builds the root over a tmpfs, which becomes read-only when it is filled:
//
//	/usr /bin /lib …   the host's, read-only
//	/etc               some files of the host, and files made for the jail: see etc.go
//	/dev               null, zero, full, random, urandom; shm is in the scratch space
//	/proc              of the new pid namespace, read-only: processes, and files that describe the run's limits
//	/sandbox           the launcher; the directory in which files of child processes are mounted
//	/home/sandbox      main.py and what the program writes  ┐ one tmpfs, the scratch space, with one quota
//	/tmp /dev/shm /run writable                             ┘
package rootfs

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Paths in the jail, and the name of its user.
const (
	Home     = inside.Home
	User     = "sandbox"
	Launcher = "/sandbox" // directory of the launcher
	Run      = "/run"
	Main     = Home + "/main.py"   // the program
	Fonts    = Run + "/matplotlib" // matplotlib's font list (MPLCONFIGDIR): it must be writable, so it is in the scratch space
)

// devices lists the device nodes of the host that a jail has.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// Python describes the files of an interpreter in the root.
type Python struct {
	Prefixes []string // directories outside of /usr that it needs
	Launcher []byte   // sitecustomize.pyc: the compiled launcher
	Relics   []string // *-nspkg.pth files that are hidden because they slow down its start; see inspect.py
}

// Plan describes the root of the runs on this host.
func Plan(python Python, limits sandbox.Limits) []inside.Node {
	plan := hostTree("/usr")
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		plan = append(plan, mirror(dir)...)
	}
	plan = append(plan, etcPlan()...)
	plan = append(plan, inside.Node{Op: inside.Dir, Path: "/dev", Mode: 0o755})
	for _, path := range devices {
		plan = append(plan, inside.Node{Op: inside.Device, Path: path, Source: path})
	}
	plan = append(plan,
		inside.Node{Op: inside.Link, Path: "/dev/fd", Source: "/proc/self/fd"},
		inside.Node{Op: inside.Link, Path: "/dev/stdin", Source: "/proc/self/fd/0"},
		inside.Node{Op: inside.Link, Path: "/dev/stdout", Source: "/proc/self/fd/1"},
		inside.Node{Op: inside.Link, Path: "/dev/stderr", Source: "/proc/self/fd/2"},
		inside.Node{Op: inside.Proc, Path: "/proc"},
	)
	plan = append(plan, ownProc(limits)...)
	plan = append(plan,
		inside.Node{Op: inside.Subset, Path: "/proc"},
		inside.Node{Op: inside.Dir, Path: "/home", Mode: 0o755},
		inside.Node{Op: inside.Scratch, Path: Home, Mode: 0o700},
		inside.Node{Op: inside.Scratch, Path: "/tmp", Mode: 0o1777},
		inside.Node{Op: inside.Scratch, Path: "/dev/shm", Mode: 0o1777},
		inside.Node{Op: inside.Scratch, Path: Run, Mode: 0o700},
		inside.Node{Op: inside.Dir, Path: Launcher, Mode: 0o755},
		inside.Node{Op: inside.File, Path: Launcher + "/sitecustomize.pyc", Data: string(python.Launcher)},
		inside.Node{Op: inside.Dir, Path: inside.Own, Mode: 0o555},
		inside.Node{Op: inside.Dir, Path: inside.OwnFiles, Mode: 0o555},
	)
	for _, prefix := range python.Prefixes {
		for _, dir := range parents(prefix) {
			plan = append(plan, inside.Node{Op: inside.Dir, Path: dir, Mode: 0o755})
		}
		plan = append(plan, hostTree(prefix)...)
	}
	for _, path := range python.Relics {
		plan = append(plan, inside.Node{Op: inside.Cover, Path: path})
	}
	return plan
}

// mirror plans a file, link or directory of the host at the same path in the jail, and nothing if the host does not have it.
func mirror(path string) []inside.Node {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		if err != nil {
			return nil
		}
		return []inside.Node{{Op: inside.Link, Path: path, Source: target}}
	case info.IsDir():
		return hostTree(path)
	default:
		return []inside.Node{{Op: inside.Copy, Path: path, Source: path}}
	}
}

// hostTree plans a directory of the host. The jail gets inodes of its own, by an overlay, unless something is mounted below the
// directory: then the kernel does not let an overlay show the directory without that mount (mount_namespaces(7), "Restrictions on
// mount namespaces").
func hostTree(path string) []inside.Node {
	op := inside.Tree
	if mountedBelow(path) {
		op = inside.Bind
	}
	return []inside.Node{{Op: inside.Dir, Path: path, Mode: 0o755}, {Op: op, Path: path, Source: path}}
}

// mountedBelow reports whether something is mounted below path.
func mountedBelow(path string) bool {
	below, _ := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { // fails only without /proc, which the probe checks
		return !strings.HasPrefix(m.Mountpoint, path+"/"), false
	})
	return len(below) > 0
}

// parents lists the directories above path, the topmost first, without "/".
func parents(path string) []string {
	dir := filepath.Dir(path)
	if dir == "/" {
		return nil
	}
	return append(parents(dir), dir)
}

// ScratchOptions are the mount options of the scratch space (tmpfs(5)), which bound what a program can write.
func ScratchOptions(limits sandbox.Limits) []string {
	return []string{
		"size=" + strconv.FormatInt(limits.Scratch, 10),
		"nr_inodes=" + strconv.FormatInt(limits.Inodes, 10),
		"mode=755",
	}
}
