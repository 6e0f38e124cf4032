package admission

import "golang.org/x/sync/semaphore"

// Memory is a number of bytes that those who are under way share.
type Memory struct{ free *semaphore.Weighted }

// NewMemory returns a memory of so many bytes.
func NewMemory(bytes int64) *Memory { return &Memory{semaphore.NewWeighted(bytes)} }

// Take takes so many bytes if they are there, and reports whether they were.
func (m *Memory) Take(bytes int64) bool { return m.free.TryAcquire(bytes) }

// Give gives back what was taken.
func (m *Memory) Give(bytes int64) { m.free.Release(bytes) }

// Share returns a share of nothing yet. It is for one goroutine at a time.
func (m *Memory) Share() *Share { return &Share{of: m} }

// Share is what one of them holds. It never waits for more.
type Share struct {
	of   *Memory
	held int64
}

// Held is how many bytes it holds.
func (s *Share) Held() int64 { return s.held }

// Grow makes it at least this large, and reports whether there is room for that.
func (s *Share) Grow(to int64) bool {
	if to <= s.held {
		return true
	}
	if !s.of.Take(to - s.held) {
		return false
	}
	s.held = to
	return true
}

// Shrink makes it at most this large.
func (s *Share) Shrink(to int64) {
	if to < s.held {
		s.of.Give(s.held - to)
		s.held = to
	}
}

// Release gives all of it back.
func (s *Share) Release() { s.Shrink(0) }
