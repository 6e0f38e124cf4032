package jail

import "testing"

// A baseline is an upper bound for the memory of a run, even if processes give memory back. If a process has ended, there is no bound.
func TestBaseline(t *testing.T) {
	const unknown = 1<<63 - 1
	process := func(faults int64) footprint { return footprint{faults: faults} }
	begin := look{processes: map[int]footprint{1: process(100), 2: process(7)}}
	for _, tt := range []struct {
		name string
		seen []look // one after the other; the last is judged
		want int64
	}{
		{"nothing happened", []look{begin}, 5000},
		{"a process took pages", []look{{processes: map[int]footprint{1: process(100), 2: process(9)}}}, 5000 + 2*pageSize},
		{"page tables are as they are", []look{{processes: begin.processes, pageTables: 300}}, 5300},
		{"a process was born", []look{{processes: map[int]footprint{1: process(100), 2: process(7), 3: process(4)}}}, 5000 + 4*pageSize},
		{"one that had been there ended", []look{{processes: map[int]footprint{1: process(100)}}}, unknown},
		{"one that was born since ended", []look{
			{processes: map[int]footprint{1: process(100), 2: process(7), 3: process(4)}}, begin}, unknown},
		{"one ended while it was looked at", []look{{processes: begin.processes, ended: true}}, unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := begin.baseline(5000)
			var got int64
			for _, seen := range tt.seen {
				got = b.most(seen)
			}
			if got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
	if got := (*baseline)(nil).most(begin); got != unknown {
		t.Errorf("without a baseline: %d", got)
	}
}
