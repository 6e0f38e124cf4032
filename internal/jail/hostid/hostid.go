// Package hostid gives runs user and group ids of the host, and maps them into the runs' user namespaces.
//
// A run that has a host uid of its own cannot send signals to another run, or read its memory, even if its namespaces fail.
package hostid

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

	"github.com/sandboxd/sandboxd/internal/jail/kernfs"
)

// Range is a range of host uids, and of gids with the same numbers, that nothing else on the host uses.
type Range struct {
	First, Count int
}

// Default returns a range that no distribution and no container runtime assigns (systemd, "Users, Groups, UIDs and GIDs on
// systemd Systems": 1879048192 to 2147483647 is unused).
func Default() Range { return Range{First: 1_900_000_000, Count: 65536} }

// ID is the host uid and gid of a run.
type ID struct {
	UID, GID int
}

// Mapper says which process maps host ids into the user namespace of a run.
type Mapper int

// The ways to map the ids of a run.
const (
	ByDaemon Mapper = iota // the daemon: it has CAP_SETUID and CAP_SETGID, and may map any id (user_namespaces(7))
	ByHelper               // newuidmap(1) and newgidmap(1) map the ids that /etc/subuid and /etc/subgid give to the daemon's user
	ByOwner                // the daemon, which may map only its own ids
)

// Pool assigns host ids, so that concurrent runs have different ones. It reuses ids in rotation, so that an id stays unused as
// long as possible.
type Pool struct {
	by         Mapper
	uids, gids Range // of the same length; unused with ByOwner
	helpers    helpers

	mu    sync.Mutex
	next  int
	taken map[int]bool
}

// ErrNotMapped means that a range of ids has no mapping in the daemon's own user namespace.
var ErrNotMapped = errors.New("do not exist in the daemon's user namespace (/proc/self/uid_map)")

// NewPool returns a pool of the ids that the daemon has a right to: those of the range if it may map any id, otherwise its
// subordinate ids, otherwise only its own.
func NewPool(uids Range) (*Pool, error) {
	p := &Pool{by: ByOwner, uids: uids, gids: uids, taken: map[int]bool{}}
	switch {
	case mayMapAny():
		if uids.First < 1 || uids.Count < 1 || int64(uids.First)+int64(uids.Count) >= 1<<32-1 {
			return nil, fmt.Errorf("uids %d to %d are not a range of unprivileged uids", uids.First, uids.First+uids.Count-1)
		}
		if !mapped(uids) {
			return nil, fmt.Errorf("uids %d to %d %w", uids.First, uids.First+uids.Count-1, ErrNotMapped)
		}
		p.by = ByDaemon
	default:
		helpers, subUIDs, subGIDs, err := findHelpers()
		if err != nil {
			return p, nil // Shared returns the reason
		}
		p.by, p.helpers, p.uids, p.gids = ByHelper, helpers, subUIDs, subGIDs
	}
	// Another daemon may use the same range. A random start makes it unlikely that both assign the same id.
	p.next = rand.IntN(p.uids.Count)
	return p, nil
}

// Mapper returns which process maps the ids of the pool.
func (p *Pool) Mapper() Mapper { return p.by }

// Range returns the uids of the pool. It is meaningless with ByOwner.
func (p *Pool) Range() Range { return p.uids }

// Shared returns why runs share the daemon's uid, and nil if each has its own.
func (p *Pool) Shared() error {
	if p.by != ByOwner {
		return nil
	}
	_, _, _, err := findHelpers()
	return fmt.Errorf("all runs share the daemon's uid %d, because the daemon may not use other uids (%w)", os.Geteuid(), err)
}

// mayMapAny reports whether the daemon may map any host id into a user namespace.
func mayMapAny() bool { return Capable(unix.CAP_SETUID) && Capable(unix.CAP_SETGID) }

// Capable reports whether the daemon has a capability (CAP_… of capabilities(7)) in its effective set.
func Capable(capability int) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	return data[capability/32].Effective&(1<<(capability%32)) != 0
}

// mapped reports whether the uids exist in the daemon's user namespace. A container may have few ids. Each line of uid_map has
// the first id inside, the first id outside, and the count (user_namespaces(7)).
func mapped(uids Range) bool {
	table, _ := kernfs.Read("/proc/self/uid_map")
	for line := range strings.Lines(string(table)) {
		var first, outside, count int
		if n, _ := fmt.Sscan(line, &first, &outside, &count); n == 3 && first <= uids.First && uids.First+uids.Count <= first+count {
			return true
		}
	}
	return false
}

// Take assigns an ID. It fails if all are taken.
func (p *Pool) Take() (ID, error) {
	if p.by == ByOwner {
		return ID{UID: os.Geteuid(), GID: os.Getegid()}, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.taken) == p.uids.Count {
		return ID{}, fmt.Errorf("all %d host uids are taken", p.uids.Count)
	}
	for p.taken[p.next] {
		p.next = (p.next + 1) % p.uids.Count
	}
	n := p.next
	p.taken[n] = true
	p.next = (n + 1) % p.uids.Count
	return ID{UID: p.uids.First + n, GID: p.gids.First + n}, nil
}

// Give returns an ID of Take to the pool. No process may use it any more.
func (p *Pool) Give(id ID) {
	if p.by == ByOwner {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, id.UID-p.uids.First)
}

// helpers are the paths of the two programs of the package uidmap. They are setuid root, and map for any user the ids that
// /etc/subuid and /etc/subgid give to that user.
type helpers struct{ uid, gid string }

// findHelpers finds the helpers, and the largest range of subordinate ids of the daemon's user.
func findHelpers() (h helpers, uids, gids Range, err error) {
	var notUID, notGID error
	h.uid, notUID = exec.LookPath("newuidmap")
	h.gid, notGID = exec.LookPath("newgidmap")
	if err := errors.Join(notUID, notGID); err != nil {
		return h, uids, gids, err
	}
	// Under no_new_privs, execve ignores the setuid bit of the helpers. systemd's NoNewPrivileges= sets it.
	if noNewPrivs, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || noNewPrivs != 0 {
		return h, uids, gids, errors.New("no_new_privs is set, so newuidmap gets no privilege")
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
		return h, uids, gids, errors.New("/etc/subuid and /etc/subgid contain no ids for its user")
	}
	return h, uids, gids, nil
}

func largest(ranges []user.SubID) Range {
	var best Range
	for _, r := range ranges {
		if r.Count > int64(best.Count) {
			best = Range{First: int(r.SubID), Count: int(r.Count)}
		}
	}
	return best
}

// Map maps inside to id in the user namespace of a process. The process must be a child of the daemon that has not been waited
// for, so that its process id cannot be that of another one.
func (p *Pool) Map(pid int, inside, id ID) error {
	return p.writeMaps(pid, idMap{inside.UID, id.UID, 1}, idMap{inside.GID, id.GID, 1})
}

// Try maps an id of the pool into the user namespace of a process that has no other purpose.
func (p *Pool) Try(pid int) error {
	id, err := p.Take()
	if err != nil {
		return err
	}
	defer p.Give(id)
	return p.Map(pid, id, id)
}

// MapAll maps every id of the pool to itself in the user namespace of a template, which maps them to its runs. With ByOwner,
// id is the only one.
func (p *Pool) MapAll(pid int, id ID) error {
	if p.by == ByOwner {
		return p.writeMaps(pid, idMap{id.UID, id.UID, 1}, idMap{id.GID, id.GID, 1})
	}
	return p.writeMaps(pid, idMap{p.uids.First, p.uids.First, p.uids.Count}, idMap{p.gids.First, p.gids.First, p.gids.Count})
}

// idMap is one line of a map (user_namespaces(7)).
type idMap struct{ inside, outside, count int }

func (m idMap) String() string { return fmt.Sprintf("%d %d %d", m.inside, m.outside, m.count) }

func (p *Pool) writeMaps(pid int, uids, gids idMap) error {
	if p.by == ByHelper {
		return p.helpers.write(pid, uids, gids)
	}
	if p.by == ByOwner { // an unprivileged process may map its own gid only after it has written "deny" to setgroups (user_namespaces(7))
		if err := writeMap(pid, "setgroups", "deny"); err != nil {
			return err
		}
	}
	return errors.Join(writeMap(pid, "uid_map", uids.String()), writeMap(pid, "gid_map", gids.String()))
}

func writeMap(pid int, name, content string) error {
	return kernfs.Write(fmt.Sprintf("/proc/%d/%s", pid, name), content)
}

func (h helpers) write(pid int, uids, gids idMap) error {
	for _, m := range []struct {
		helper string
		idMap
	}{{h.uid, uids}, {h.gid, gids}} {
		cmd := exec.Command(m.helper, strconv.Itoa(pid), strconv.Itoa(m.inside), strconv.Itoa(m.outside), strconv.Itoa(m.count))
		cmd.Env = []string{}
		if said, err := cmd.CombinedOutput(); err != nil {
			return &HelperError{m.helper, err, strings.TrimSpace(string(said))}
		}
	}
	return nil
}

// HelperError means that newuidmap or newgidmap refused to map an id.
type HelperError struct {
	Helper string // the path of the helper
	Err    error
	Output string // what the helper printed
}

func (e *HelperError) Error() string { return fmt.Sprintf("%s: %v: %s", e.Helper, e.Err, e.Output) }
func (e *HelperError) Unwrap() error { return e.Err }
