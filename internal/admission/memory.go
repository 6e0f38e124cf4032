package admission

import "golang.org/x/sync/semaphore"

// Memory is a budget of bytes that requests share.
type Memory struct{ free *semaphore.Weighted }

// NewMemory returns a budget of this many bytes.
func NewMemory(bytes int64) *Memory { return &Memory{semaphore.NewWeighted(bytes)} }

// Take takes bytes from the budget and reports whether that many were free.
func (m *Memory) Take(bytes int64) bool { return m.free.TryAcquire(bytes) }

// Give returns bytes to the budget.
func (m *Memory) Give(bytes int64) { m.free.Release(bytes) }

// Share returns an empty share. A share is not safe for concurrent use.
func (m *Memory) Share() *Share { return &Share{of: m} }

// Share is the part of a Memory that one request holds. Its methods never wait.
type Share struct {
	of   *Memory
	held int64
}

// Held returns the size of the share in bytes.
func (s *Share) Held() int64 { return s.held }

// Grow makes the share at least this large and reports whether the budget had room for that.
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

// Shrink makes the share at most this large.
func (s *Share) Shrink(to int64) {
	if to < s.held {
		s.of.Give(s.held - to)
		s.held = to
	}
}

// Release returns the whole share to the budget.
func (s *Share) Release() { s.Shrink(0) }
