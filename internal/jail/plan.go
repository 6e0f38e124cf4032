package jail

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// The file system that a program sees, described as data by the daemon (rootPlan) and replayed
// by the init (inside, mounts.go) over a tmpfs that becomes read-only when it is filled:
//
//	/usr /bin /lib …   the host's, read-only
//	/etc               some files, ours or the host's: see etc.go
//	/dev               null, zero, full, random, urandom; shm is scratch
//	/proc              of the new pid namespace: processes, and what a run is told of its machine, read-only
//	/sandbox           the launcher
//	/home/sandbox      main.py and whatever it writes   ┐ one scratch tmpfs: one quota
//	/tmp /dev/shm /run writable                         ┘
const (
	homeDir     = inside.Home
	userName    = "sandbox"
	launcherDir = "/sandbox"
	runDir      = "/run"
	mainPath    = homeDir + "/main.py" // the program, see launcher.py
)

// rootPlan describes the new root on this host.
func rootPlan(python interpreter, limits sandbox.Limits) []inside.Node {
	plan := hostTree("/usr")
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		plan = append(plan, mirror(dir)...)
	}
	plan = append(plan, etcPlan()...)
	plan = append(plan, inside.Node{Op: inside.Dir, Path: "/dev", Mode: 0o755})
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		plan = append(plan, inside.Node{Op: inside.Device, Path: "/dev/" + name, Source: "/dev/" + name})
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
		inside.Node{Op: inside.Scratch, Path: homeDir, Mode: 0o700},
		inside.Node{Op: inside.Scratch, Path: "/tmp", Mode: 0o1777},
		inside.Node{Op: inside.Scratch, Path: "/dev/shm", Mode: 0o1777},
		inside.Node{Op: inside.Scratch, Path: runDir, Mode: 0o700},
		inside.Node{Op: inside.Dir, Path: launcherDir, Mode: 0o755},
		inside.Node{Op: inside.File, Path: launcherDir + "/sitecustomize.pyc", Data: string(python.launcher)},
	)
	for _, prefix := range python.prefixes {
		for _, dir := range parents(prefix) {
			plan = append(plan, inside.Node{Op: inside.Dir, Path: dir, Mode: 0o755})
		}
		plan = append(plan, hostTree(prefix)...)
	}
	for _, path := range python.relics {
		plan = append(plan, inside.Node{Op: inside.Cover, Path: path})
	}
	return plan
}

// templateOrder is what the init of a template is told: it is confined to the same root, but with the
// rights that its children need to be jailed in turn. What they are to have inodes of their own of it
// binds; and it has all of /proc, of its own pid namespace.
func (j *Jail) templateOrder() *inside.Order {
	root := j.root.Load()
	o := j.order(root)
	o.UID, o.GID = j.templateID.uid, j.templateID.gid
	o.Role = inside.Template
	o.Filter, o.Listen = inside.Silence(encodeFilter(templateFilter(j.cfg.Filter, root.script))), false
	// Nothing may be mounted below a tree that an overlay is to show, nor on a procfs that others are to be mounted beside.
	o.Plan = slices.DeleteFunc(slices.Clone(o.Plan), func(n inside.Node) bool { return n.Op == inside.Cover || n.Op == inside.Subset })
	for i, n := range o.Plan {
		switch n.Op {
		case inside.Tree:
			o.Plan[i].Op = inside.Bind
		case inside.Proc:
			o.Plan[i].Op = inside.AllProc
		}
	}
	o.Plan = append(o.Plan, inside.Node{Op: inside.File, Path: launcherDir + "/sandboxd_template.pyc", Data: string(j.python.template)})
	return o
}

// mirror plans a file, link or directory of the host at its own path; nothing where it is
// not there.
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

// hostTree plans a directory of the host: with inodes of the jail's own, unless something is mounted
// below it. The kernel then lets nobody look at the directory without that
// (mount_namespaces(7), "Restrictions on mount namespaces"), as an overlay would.
func hostTree(path string) []inside.Node {
	op := inside.Tree
	if mountedBelow(path) {
		op = inside.Bind
	}
	return []inside.Node{{Op: inside.Dir, Path: path, Mode: 0o755}, {Op: op, Path: path, Source: path}}
}

// mountedBelow reports whether something is mounted below path.
func mountedBelow(path string) bool {
	below, _ := mountinfo.GetMounts(func(m *mountinfo.Info) (skip, stop bool) { // that /proc is there has been probed
		return !strings.HasPrefix(m.Mountpoint, path+"/"), false
	})
	return len(below) > 0
}

// parents lists the directories above path, the topmost first, without the root.
func parents(path string) []string {
	dir := filepath.Dir(path)
	if dir == "/" {
		return nil
	}
	return append(parents(dir), dir)
}

// scratchOptions bound what a program can write.
func scratchOptions(limits sandbox.Limits) []string {
	return []string{
		"size=" + strconv.FormatInt(limits.Scratch, 10),
		"nr_inodes=" + strconv.FormatInt(limits.Inodes, 10),
		"mode=755",
	}
}
