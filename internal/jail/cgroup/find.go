package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// ErrNotMounted means that the machine has no cgroup v2 hierarchy.
var ErrNotMounted = errors.New("no cgroup v2 hierarchy is mounted")

// find returns the mount point of the cgroup v2 hierarchy and the directory of this process's cgroup, from /proc/self/mountinfo and
// /proc/self/cgroup. If the cgroup of this process is not visible below the mount point, the directory is the mount point.
func find(mounts, own string) (mountpoint, dir string, err error) {
	list, err := mountinfo.GetMountsFromReader(strings.NewReader(mounts), mountinfo.FSTypeFilter("cgroup2"))
	if err != nil {
		return "", "", err
	}
	root := "" // the cgroup that is the root of the mount, as seen from the cgroup namespace of this process
	for _, m := range list {
		// The first mount of the hierarchy, or a later mount at the same path, which hides it.
		if mountpoint == "" || mountpoint == m.Mountpoint {
			root, mountpoint = m.Root, m.Mountpoint
		}
	}
	if mountpoint == "" {
		return "", "", ErrNotMounted
	}
	for line := range strings.Lines(own) {
		path, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::") // cgroups(7)
		if !ok {
			continue
		}
		// A path outside of this process's cgroup namespace begins with "/..".
		below, ok := strings.CutPrefix(path+"/", strings.TrimSuffix(root, "/")+"/")
		if !ok || strings.HasPrefix(below, "..") {
			return mountpoint, mountpoint, nil
		}
		return mountpoint, filepath.Join(mountpoint, below), nil
	}
	return "", "", errors.New("this process is in no cgroup v2")
}

// claimBase returns a directory below which the daemon may make groups and distribute controllers to them. dir is the daemon's
// own cgroup. It tries, in this order:
//
//   - the daemon's own cgroup, if the daemon is alone in it: somebody made it for the daemon (Delegate= of systemd, a container).
//     The daemon moves into a child of it;
//   - the parent of such a child, if a daemon that started this one has done so;
//   - a group at the root of the mounted hierarchy, which usually requires root.
func claimBase(mountpoint, dir string) (string, error) {
	var refused []error
	if filepath.Base(dir) != daemonGroup && !isRootGroup(dir) {
		alone, err := onlyProcess(dir)
		if err == nil && alone {
			if err = moveInto(filepath.Join(dir, daemonGroup)); err == nil {
				return dir, nil
			}
		}
		refused = append(refused, err)
	}
	if filepath.Base(dir) == daemonGroup {
		parent := filepath.Dir(dir)
		err := writable(parent)
		if err == nil {
			return parent, nil
		}
		refused = append(refused, err)
	}
	base := filepath.Join(mountpoint, rootGroup)
	err := os.Mkdir(base, 0o755)
	if errors.Is(err, fs.ErrExist) {
		err = writable(base)
	}
	if err != nil {
		return "", fmt.Errorf("no cgroup to divide: %w", errors.Join(append(refused, err)...))
	}
	for _, c := range controllers {
		_ = distribute(mountpoint, c) // Open finds the controllers that base lacks
	}
	return base, nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return &fs.PathError{Op: "write to", Path: dir, Err: err}
	}
	return nil
}

// isRootGroup reports whether a group is the root of the whole hierarchy, which has no cgroup.type (cgroups(7)). Processes
// do not keep it from being divided. The root of a cgroup namespace, such as a container's, is a group like any other.
func isRootGroup(group string) bool {
	_, err := os.Stat(filepath.Join(group, "cgroup.type"))
	return errors.Is(err, fs.ErrNotExist)
}

// onlyProcess reports whether this process is the only one in the group.
func onlyProcess(group string) (bool, error) {
	procs, err := kernfs.Read(filepath.Join(group, "cgroup.procs"))
	return strings.TrimSpace(string(procs)) == strconv.Itoa(os.Getpid()), err
}

func moveInto(group string) error {
	if err := os.Mkdir(group, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return kernfs.Write(filepath.Join(group, "cgroup.procs"), "0")
}

// distribute hands one controller to the children of a group.
func distribute(group, controller string) error {
	return kernfs.Write(filepath.Join(group, "cgroup.subtree_control"), "+"+controller)
}
