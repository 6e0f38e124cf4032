package api

import (
	"bytes"

	"github.com/sandboxd/sandboxd/internal/jail"
	"golang.org/x/sync/semaphore"
)

const (
	// bodiesInMemory bounds the memory of all request bodies together, the first smallBody
	// bytes of each aside. A body lives only until the program in it is decoded.
	bodiesInMemory = 64 << 20
	smallBody      = 64 << 10

	// unreadInMemory bounds the memory of all answers that their clients have not taken yet.
	// What the runs under way may write comes on top of it, so that a run which has a slot
	// is sent away only if this much is waiting to be read.
	unreadInMemory = 256 << 20

	// answerSlack is what an answer takes besides both streams: its encoder's buffer, and
	// what clip leaves.
	answerSlack = 128 << 10
	clipFrom    = 16 << 10
)

// share is what one request holds of a budget of bytes. It never waits for it.
type share struct {
	of   *semaphore.Weighted
	held int64
}

// grow makes it at least this large, and reports whether there is room for that.
func (s *share) grow(to int64) bool {
	if to <= s.held {
		return true
	}
	if !s.of.TryAcquire(to - s.held) {
		return false
	}
	s.held = to
	return true
}

// shrink makes it at most this large.
func (s *share) shrink(to int64) {
	if to < s.held {
		s.of.Release(s.held - to)
		s.held = to
	}
}

func (s *share) release() { s.shrink(0) }

// largestAnswer is what a run may leave in memory until its client has read it.
func largestAnswer(limits jail.Limits) int64 { return 2*limits.Output + answerSlack }

// clip gives back what a stream was given to grow into, if it is much.
func clip(o *jail.Output) {
	if cap(o.Kept)-len(o.Kept) >= clipFrom {
		o.Kept = bytes.Clone(o.Kept)
	}
}
