package jail

import (
	"fmt"
	"math/rand/v2"
	"os"
	"sync"

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
