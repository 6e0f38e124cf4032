package main

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// quantile returns an exact quantile, because there are few samples. It is 0 if there are none.
func quantile[T float64 | time.Duration](samples []T, q float64) T {
	if len(samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(samples))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// parseTiming reads a Server-Timing header: name;dur=milliseconds, …
func parseTiming(header string) map[string]time.Duration {
	parts := map[string]time.Duration{}
	for entry := range strings.SplitSeq(header, ", ") {
		name, dur, ok := strings.Cut(entry, ";dur=")
		if ms, err := strconv.ParseFloat(dur, 64); ok && err == nil {
			parts[name] = time.Duration(ms * float64(time.Millisecond))
		}
	}
	return parts
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// span is an interval in seconds.
type span struct{ begin, end float64 }

// atOnce returns the largest number of spans that overlap at one moment.
func atOnce(spans []span) int {
	type change struct {
		at float64
		by int
	}
	var changes []change
	for _, s := range spans {
		if s.begin < s.end {
			changes = append(changes, change{s.begin, 1}, change{s.end, -1})
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		switch {
		case a.at != b.at && a.at < b.at:
			return -1
		case a.at != b.at:
			return 1
		}
		return a.by - b.by // at the same moment ends come first, because such spans do not overlap
	})
	now, most := 0, 0
	for _, c := range changes {
		now += c.by
		most = max(most, now)
	}
	return most
}
