package jail

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/sys/user"
	"golang.org/x/sys/unix"
)

// UIDRange are host uids (and gids of the same numbers) that belong to nobody else. A run gets
// one of them for itself.
type UIDRange struct {
	First, Count int
}

// DefaultUIDs lie in a range that no distribution and no container runtime hands out (systemd,
// "Users, Groups, UIDs and GIDs on systemd Systems": 1879048192 to 2147483647 is unused).
func DefaultUIDs() UIDRange { return UIDRange{First: 1_900_000_000, Count: 65536} }

// hostID is who the program is outside of its user namespace.
type hostID struct {
	uid, gid int
	by       mapper
}

// mapper is who may map a host uid into the user namespace of a run.
type mapper int

const (
	byDaemon mapper = iota // we have the right to map any (user_namespaces(7): CAP_SETUID and CAP_SETGID)
	byHelper               // newuidmap(1) and newgidmap(1) map those that /etc/subuid and /etc/subgid give us
	byOwner                // nobody: the daemon's own ids are all that there is
)

// idPool gives concurrent runs different host uids, and hands each out as late again as it can.
type idPool struct {
	by         mapper
	uids, gids UIDRange // of the same length; without meaning byOwner
	helpers    idHelpers

	mu    sync.Mutex
	next  int
	taken map[int]bool
}

var errNotMapped = errors.New("do not exist in the daemon's user namespace (/proc/self/uid_map)")

// newIDPool takes the host ids that we have a right to: uids as root, else subordinate ones, else
// none but our own.
func newIDPool(uids UIDRange) (*idPool, error) {
	p := &idPool{by: byOwner, uids: uids, gids: uids, taken: map[int]bool{}}
	switch {
	case mayChooseIDs():
		if uids.First < 1 || uids.Count < 1 || int64(uids.First)+int64(uids.Count) >= 1<<32-1 {
			return nil, fmt.Errorf("uids %d to %d are no range of unprivileged uids", uids.First, uids.First+uids.Count-1)
		}
		if !mapped(uids) {
			return nil, fmt.Errorf("uids %d to %d %w", uids.First, uids.First+uids.Count-1, errNotMapped)
		}
		p.by = byDaemon
	default:
		helpers, subUIDs, subGIDs, err := findHelpers()
		if err != nil {
			return p, nil // shared tells why, to who asks
		}
		p.by, p.helpers, p.uids, p.gids = byHelper, helpers, subUIDs, subGIDs
	}
	// Another daemon may use the same range: begin somewhere else.
	p.next = rand.IntN(p.uids.Count)
	return p, nil
}

// shared says why runs have no host uid of their own; nil when they do.
func (p *idPool) shared() error {
	if p.by != byOwner {
		return nil
	}
	_, _, _, err := findHelpers()
	return fmt.Errorf("all runs share the daemon's uid %d: it may not choose others (%w)", os.Geteuid(), err)
}

// mayChooseIDs reports whether we may map any host uid into a namespace.
func mayChooseIDs() bool { return capable(unix.CAP_SETUID) && capable(unix.CAP_SETGID) }

// capable reports whether we have a capability.
func capable(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// mapped reports whether there are such uids in our user namespace: in a container there may be few
// (user_namespaces(7): first inside, first outside, count).
func mapped(uids UIDRange) bool {
	table, _ := readKernelFile("/proc/self/uid_map")
	for line := range strings.Lines(string(table)) {
		var first, outside, count int
		if n, _ := fmt.Sscan(line, &first, &outside, &count); n == 3 && first <= uids.First && uids.First+uids.Count <= first+count {
			return true
		}
	}
	return false
}

func (p *idPool) take() (hostID, error) {
	if p.by == byOwner {
		return hostID{uid: os.Geteuid(), gid: os.Getegid(), by: byOwner}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) == p.uids.Count {
		return hostID{}, fmt.Errorf("all %d host uids are taken", p.uids.Count)
	}
	for p.taken[p.next] {
		p.next = (p.next + 1) % p.uids.Count
	}
	n := p.next
	p.taken[n] = true
	p.next = (n + 1) % p.uids.Count
	return hostID{uid: p.uids.First + n, gid: p.gids.First + n, by: p.by}, nil
}

func (p *idPool) give(id hostID) {
	if p.by == byOwner {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, id.uid-p.uids.First)
}

// idHelpers are the paths of the two programs of the package uidmap. They are setuid root, and map
// for anybody what the files of subordinate ids give to that user.
type idHelpers struct{ uid, gid string }

// findHelpers finds them and the largest range of subordinate ids that is ours.
func findHelpers() (h idHelpers, uids, gids UIDRange, err error) {
	var notUID, notGID error
	h.uid, notUID = exec.LookPath("newuidmap")
	h.gid, notGID = exec.LookPath("newgidmap")
	if err := errors.Join(notUID, notGID); err != nil {
		return h, uids, gids, err
	}
	// A program that is setuid is none under no_new_privs, which systemd's NoNewPrivileges= sets.
	if noNewPrivs, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || noNewPrivs != 0 {
		return h, uids, gids, errors.New("no_new_privs is set, under which newuidmap has no privilege")
	}
	ofUser, err := user.CurrentUserSubUIDs()
	if err != nil {
		return h, uids, gids, err
	}
	ofGroup, err := user.CurrentUserSubGIDs()
	if err != nil {
		return h, uids, gids, err
	}
	uids, gids = largest(ofUser), largest(ofGroup)
	uids.Count = min(uids.Count, gids.Count)
	gids.Count = uids.Count
	if uids.Count == 0 {
		return h, uids, gids, errors.New("/etc/subuid and /etc/subgid give it none")
	}
	return h, uids, gids, nil
}

func largest(ranges []user.SubID) UIDRange {
	var best UIDRange
	for _, r := range ranges {
		if r.Count > int64(best.Count) {
			best = UIDRange{First: int(r.SubID), Count: int(r.Count)}
		}
	}
	return best
}

// write maps the ids of the user namespace of a process. It is ours, alive or not yet waited for, so
// that its number means no other.
func (p *idPool) write(pid int, id hostID) error {
	return p.writeMaps(pid, idMap{insideUID, id.uid, 1}, idMap{insideGID, id.gid, 1})
}

// tryMap maps the ids of a run into the user namespace of a process that serves for nothing else.
func (p *idPool) tryMap(pid int) error {
	id, err := p.take()
	if err != nil {
		return err
	}
	defer p.give(id)
	return p.write(pid, id)
}

// writeAll maps all ids that runs may get, each to itself: a template hands them on. Where there are
// none but the daemon's own, id is these.
func (p *idPool) writeAll(pid int, id hostID) error {
	if p.by == byOwner {
		return p.writeMaps(pid, idMap{id.uid, id.uid, 1}, idMap{id.gid, id.gid, 1})
	}
	return p.writeMaps(pid, idMap{p.uids.First, p.uids.First, p.uids.Count}, idMap{p.gids.First, p.gids.First, p.gids.Count})
}

// idMap is one line of a map (user_namespaces(7)).
type idMap struct{ inside, outside, count int }

func (m idMap) String() string { return fmt.Sprintf("%d %d %d", m.inside, m.outside, m.count) }

func (p *idPool) writeMaps(pid int, uids, gids idMap) error {
	if p.by == byHelper {
		return p.helpers.write(pid, uids, gids)
	}
	if p.by == byOwner { // without the right to drop groups there is one to map the own gid
		if err := writeMap(pid, "setgroups", "deny"); err != nil {
			return err
		}
	}
	return errors.Join(writeMap(pid, "uid_map", uids.String()), writeMap(pid, "gid_map", gids.String()))
}

func writeMap(pid int, name, content string) error {
	return writeKernelFile(fmt.Sprintf("/proc/%d/%s", pid, name), content)
}

func (h idHelpers) write(pid int, uids, gids idMap) error {
	for _, m := range []struct {
		helper string
		idMap
	}{{h.uid, uids}, {h.gid, gids}} {
		cmd := exec.Command(m.helper, strconv.Itoa(pid), strconv.Itoa(m.inside), strconv.Itoa(m.outside), strconv.Itoa(m.count))
		cmd.Env = []string{}
		if said, err := cmd.CombinedOutput(); err != nil {
			return &helperError{m.helper, err, strings.TrimSpace(string(said))}
		}
	}
	return nil
}

// helperError says that newuidmap or newgidmap refused.
type helperError struct {
	helper string
	err    error
	said   string
}

func (e *helperError) Error() string { return fmt.Sprintf("%s: %v: %s", e.helper, e.err, e.said) }
func (e *helperError) Unwrap() error { return e.err }
