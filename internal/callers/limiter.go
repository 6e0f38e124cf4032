package callers

import (
	"container/list"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate is how often a caller may ask for a run: a token bucket. The zero value is no limit.
type Rate struct {
	PerSecond float64 // on average
	Burst     int     // at once; 0: what comes in one second, 1 at least
}

// Size returns the size of the bucket.
func (r Rate) Size() int {
	if r.Burst > 0 {
		return r.Burst
	}
	return max(1, int(math.Ceil(r.PerSecond)))
}

// Window returns the time in which an empty bucket becomes full.
func (r Rate) Window() time.Duration { return seconds(float64(r.Size()) / r.PerSecond) }

// maxAddresses bounds the memory of a Limiter, which is 4 MiB for so many networks.
const maxAddresses = 16 << 10

// Limiter bounds how often each caller asks for runs. It is safe for concurrent use.
//
// A key has a bucket as long as it exists. Networks share a bounded number of buckets: a new one takes the place of the one that
// was used longest ago. So a client with many addresses, which has as many bursts anyway, takes no bucket from a key.
type Limiter struct {
	standard Rate // of callers without a rate of their own

	mu       sync.Mutex
	keys     map[Digest]*bucket
	networks map[netip.Prefix]*list.Element
	recent   list.List // of *bucket, the one that was used longest ago first
}

// bucket is what one caller has left.
type bucket struct {
	*rate.Limiter
	of      Rate
	network netip.Prefix
}

func newBucket(r Rate, network netip.Prefix) *bucket {
	return &bucket{rate.NewLimiter(rate.Limit(r.PerSecond), r.Size()), r, network}
}

// NewLimiter returns a limiter with a rate for each caller that has none of its own.
func NewLimiter(standard Rate) *Limiter {
	return &Limiter{standard: standard, keys: map[Digest]*bucket{}, networks: map[netip.Prefix]*list.Element{}}
}

// Grant is the answer to a caller that asks for a run.
type Grant struct {
	Rate      Rate // the zero Rate: the caller has no limit
	Refused   bool
	Remaining int           // runs that the caller may ask for at once
	Next      time.Duration // until there is one more
}

// Take asks for one run.
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
	network := Network(c.Address) // the zero Prefix for all who have no address
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
		if len(l.keys) >= 2*maxKeys { // half of them have been revoked, at least
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
