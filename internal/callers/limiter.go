package callers

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is a token bucket that limits how often a caller may request a run. The zero value means no limit.
type Rate struct {
	PerSecond float64 // on average
	Burst     int     // runs at once; 0: PerSecond rounded up, at least 1
}

// Size returns the size of the bucket.
func (r Rate) Size() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return max(1, int(math.Ceil(r.PerSecond)))
}

// Window returns the time that an empty bucket needs to fill.
func (r Rate) Window() time.Duration { return seconds(float64(r.Size()) / r.PerSecond) }

// maxAddresses is the maximum number of networks with a bucket. It bounds the memory of a Limiter to 4 MiB.
const maxAddresses = 16 << 10

// Limiter bounds how often each caller asks for runs. It is safe for concurrent use.
//
// Networks share a bounded number of buckets: a new bucket replaces the least recently used one. Keys have separate buckets, so a
// client with many addresses cannot evict the bucket of a key.
type Limiter struct {
	standard Rate // for callers whose key sets no rate

	mu       sync.Mutex
	keys     map[Digest]*bucket
	networks map[netip.Prefix]*list.Element
	recent   list.List // of *bucket, least recently used first
}

// bucket is the token bucket of one caller.
type bucket struct {
	*rate.Limiter
	of      Rate
	network netip.Prefix
}

func newBucket(r Rate, network netip.Prefix) *bucket {
	return &bucket{rate.NewLimiter(rate.Limit(r.PerSecond), r.Size()), r, network}
}

// NewLimiter returns a limiter with a rate for callers whose key sets none.
func NewLimiter(standard Rate) *Limiter {
	return &Limiter{standard: standard, keys: map[Digest]*bucket{}, networks: map[netip.Prefix]*list.Element{}}
}

// Grant is the decision about a request for a run.
type Grant struct {
	Rate      Rate // the zero Rate: the caller has no limit
	Refused   bool
	Remaining int           // runs that the caller may request now
	Next      time.Duration // time until Remaining grows by 1
}

// Take takes one token from the caller's bucket, if there is one.
func (l *Limiter) Take(c Caller, now time.Time) Grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucketLocked(c)
	if b == nil {
		return Grant{}
	}
	grant := Grant{Rate: b.of, Refused: !b.AllowN(now, 1)}
	left := max(0, b.TokensAt(now))
	grant.Remaining = int(left)
	grant.Next = seconds((math.Floor(left) + 1 - left) / b.of.PerSecond)
	return grant
}

// bucketLocked returns the bucket of a caller, or nil if it has no limit.
func (l *Limiter) bucketLocked(c Caller) *bucket {
	if c.Key != nil {
		return l.keyLocked(c.Key)
	}
	if l.standard.PerSecond == 0 {
		return nil
	}
	network := networkOf(c.Address) // the zero Prefix for callers without an address
	if known := l.networks[network]; known != nil {
		l.recent.MoveToBack(known)
		return known.Value.(*bucket)
	}
	if l.recent.Len() >= maxAddresses {
		oldest := l.recent.Front()
		delete(l.networks, l.recent.Remove(oldest).(*bucket).network)
	}
	b := newBucket(l.standard, network)
	l.networks[network] = l.recent.PushBack(b)
	return b
}

func (l *Limiter) keyLocked(key *Key) *bucket {
	own := Rate{key.Rate, key.Burst}
	if own.PerSecond == 0 {
		own = l.standard
	}
	if own.PerSecond == 0 {
		return nil
	}
	b := l.keys[key.SHA256]
	if b == nil || b.of != own {
		if len(l.keys) >= 2*maxKeys { // at least half of them are revoked
			clear(l.keys)
		}
		b = newBucket(own, netip.Prefix{})
		l.keys[key.SHA256] = b
	}
	return b
}

// seconds returns a duration, at most a year.
func seconds(n float64) time.Duration {
	return time.Duration(min(n, maxWall.Seconds()) * float64(time.Second))
}
