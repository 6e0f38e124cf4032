package jail

import "time"

const (
	// longestPause is how long a line may lie in the pipe at most, and how often at least the reader
	// looks while a program prints line by line. A program prints some 5,000 lines in it.
	longestPause = 5 * time.Millisecond

	// shortestPause follows the first line after a silence: mostly there is more to come.
	shortestPause = 250 * time.Microsecond
)

// pacer decides how long a pipe is left alone after a read. After a long pause a read finds much, so that
// reads are few; but a pipe that is full makes the program wait. So the pause follows the rate at
// which the pipe is filled, and a read should find a quarter to a half of what fits.
//
// Once the reader wants no more, all pauses are long: the program is to wait for what it prints in vain, and
// the daemon works for it no more than 200 times a second, whatever it does.
type pacer struct {
	size   int   // capacity of the pipe
	wanted int64 // bytes that are still kept
	pause  time.Duration
}

// next is the pause after a read of n bytes.
func (p *pacer) next(n int) time.Duration {
	p.wanted -= int64(n)
	switch {
	case p.flooded():
		p.pause = longestPause
	case n >= p.size/2:
		p.pause /= 2
	case n < p.size/4:
		p.pause *= 2
	}
	p.pause = min(max(p.pause, shortestPause), longestPause)
	return p.pause
}

// flooded reports whether the rest is only counted.
func (p *pacer) flooded() bool { return p.wanted < 0 }

// idle tells of a time for which the pipe was empty. After a long one a read is at once followed by another.
// After a short one it is not: else a program that writes single bytes, with a moment between any two, would
// have each of them read alone.
func (p *pacer) idle(d time.Duration) {
	if d >= longestPause {
		p.pause = 0
	}
}
