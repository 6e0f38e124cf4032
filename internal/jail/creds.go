package jail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// dropPrivileges empties every capability set for good and sees to it that no execve gives
// anything back. From here on we are an ordinary user, in a namespace that has no root.
func dropPrivileges() error {
	for capability := uintptr(0); ; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err == unix.EINVAL && capability > unix.CAP_AUDIT_READ {
			break // past the last one that this kernel knows
		}
		if err != nil {
			return failed(fmt.Sprintf("PR_CAPBSET_DROP %d", capability), err)
		}
	}
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, secureBits, 0, 0, 0); err != nil {
		return failed("PR_SET_SECUREBITS", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return failed("PR_CAP_AMBIENT_CLEAR_ALL", err)
	}
	none := [2]unix.CapUserData{}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if err := unix.Capset(&header, &none[0]); err != nil {
		return failed("capset", err)
	}
	return failed("PR_SET_NO_NEW_PRIVS", unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
}

// secureBits, each with its lock: uid 0 means nothing, setuid changes no capability, none is
// kept over setuid, none can become ambient (capabilities(7); the header is not in x/sys).
const secureBits = 1<<0 | 1<<1 | // NOROOT
	1<<2 | 1<<3 | // NO_SETUID_FIXUP
	1<<5 | // KEEP_CAPS_LOCKED, with the bit itself off
	1<<6 | 1<<7 // NO_CAP_AMBIENT_RAISE

// UIDRange are host uids (and gids of the same numbers) that belong to nobody else. A run gets
// one of them for itself.
type UIDRange struct {
	First, Count int
}

// DefaultUIDs lie in a range that no distribution and no container runtime hands out (systemd,
// "Users, Groups, UIDs and GIDs on systemd Systems": 1879048192 to 2147483647 is unused).
func DefaultUIDs() UIDRange { return UIDRange{First: 1_900_000_000, Count: 65536} }

// idPool gives concurrent runs different host uids, and hands each out as late again as it can.
type idPool struct {
	mu    sync.Mutex
	uids  UIDRange
	next  int
	taken map[int]bool
	own   bool // only our own uid is ours to give
}

func newIDPool(uids UIDRange) (*idPool, error) {
	if !mayChooseIDs() {
		return &idPool{own: true}, nil
	}
	if uids.First < 1 || uids.Count < 1 || int64(uids.First)+int64(uids.Count) >= 1<<32-1 {
		return nil, fmt.Errorf("uids %d to %d are no range of unprivileged uids", uids.First, uids.First+uids.Count-1)
	}
	// Another daemon may use the same range: begin somewhere else.
	return &idPool{uids: uids, next: rand.IntN(uids.Count), taken: map[int]bool{}}, nil
}

// mayChooseIDs reports whether we may map any host uid into a namespace (user_namespaces(7):
// CAP_SETUID and CAP_SETGID in the parent namespace).
func mayChooseIDs() bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return false
	}
	const want = 1<<unix.CAP_SETUID | 1<<unix.CAP_SETGID
	return data[0].Effective&want == want
}

func (p *idPool) take() (hostID, error) {
	if p.own {
		return hostID{uid: os.Geteuid(), gid: os.Getegid(), ours: true}, nil
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
	return hostID{uid: p.uids.First + n, gid: p.uids.First + n}, nil
}

func (p *idPool) give(id hostID) {
	if p.own {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.taken, id.uid-p.uids.First)
}
