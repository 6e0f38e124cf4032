package output

import "time"

const (
	// LongestPause is the longest time that output stays in the pipe while the program writes. A program prints some 5,000
	// lines in that time.
	LongestPause = 5 * time.Millisecond

	// shortestPause follows the first read after a silence, since more output usually follows soon.
	shortestPause = 250 * time.Microsecond
)

// pacer chooses the pause after each read. Long pauses mean few reads, but a full pipe makes the program wait. So the pause
// follows the rate at which the pipe is filled: a read should find the pipe a quarter to half full.
//
// When the reader keeps no more of the stream, all pauses are as long as possible. The program then waits for the reader,
// and the daemon reads at most 200 times a second.
type pacer struct {
	size   int   // capacity of the pipe
	wanted int64 // bytes that the reader will still keep
	pause  time.Duration
}

// next returns the pause after a read of n bytes.
func (p *pacer) next(n int) time.Duration {
	p.wanted -= int64(n)
	switch {
	case p.flooded():
		p.pause = LongestPause
	case n >= p.size/2:
		p.pause /= 2
	case n < p.size/4:
		p.pause *= 2
	}
	p.pause = min(max(p.pause, shortestPause), LongestPause)
	return p.pause
}

// flooded reports whether the rest of the stream is only counted.
func (p *pacer) flooded() bool { return p.wanted < 0 }

// idle records that the pipe was empty for some time. After a long silence the next read is not delayed. After a short one it
// is: otherwise each byte of a program that writes single bytes with short breaks would be read alone.
func (p *pacer) idle(d time.Duration) {
	if d >= LongestPause {
		p.pause = 0
	}
}
