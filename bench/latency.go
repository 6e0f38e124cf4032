package main

import (
	"context"
	"log"
	"math/rand/v2"
	"slices"
	"time"
)

// drawn returns a source of random numbers with a fixed seed, so that the results of two executions can be compared.
func drawn() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }

// alternate calls turn for every way in each of n rounds, in a random order. A way that fails is reported and gets no further turn. alternate
// returns the ways that did not fail.
func (b *bench) alternate(ctx context.Context, part string, n int, ways []*way, turn func(*way) error) []*way {
	ways = slices.Clone(ways)
	random := drawn()
	for range n {
		random.Shuffle(len(ways), func(i, j int) { ways[i], ways[j] = ways[j], ways[i] })
		ways = slices.DeleteFunc(ways, func(w *way) bool {
			if ctx.Err() != nil {
				return false
			}
			err := turn(w)
			if err != nil && ctx.Err() == nil {
				b.failed(part, w, err)
			}
			return err != nil
		})
	}
	return ways
}

// pause is the time between two turns. In that time the kernel removes the namespaces of the last run, and a warm daemon makes another
// waiting jail. This work must not slow the next turn down.
const pause = 30 * time.Millisecond

// latency measures the latency for one client that makes one run at a time, and the CPU time of a run. The CPU time does not contain work
// that the kernel does in its own threads, such as the removal of a namespace.
func latency(ctx context.Context, b *bench) error {
	for _, p := range programs {
		took := map[*way][]time.Duration{}
		parts := map[string][]time.Duration{}
		turn := func(w *way) error {
			begin := time.Now()
			a, err := w.run(ctx, p)
			all := time.Since(begin)
			if err != nil {
				return err
			}
			took[w] = append(took[w], all)
			if p.name == "print" && w.Name == "cold" {
				rest := all
				for part, d := range a.parts {
					parts[part] = append(parts[part], d)
					rest -= d
				}
				parts["http"] = append(parts["http"], rest)
			}
			time.Sleep(pause)
			return nil
		}
		n := max(b.n/p.one, 3)
		part := "latency " + p.name
		ways := b.alternate(ctx, part, max(n/10, 1), b.ready, turn) // warm-up rounds
		clear(took)
		clear(parts)
		before := map[*way]time.Duration{}
		for _, w := range ways {
			before[w] = w.cpuTime()
		}
		for _, w := range b.alternate(ctx, part, n, ways, turn) {
			b.report.add("latency", p.name, "p50", w, "ms", ms(quantile(took[w], .5)))
			b.report.add("latency", p.name, "p99", w, "ms", ms(quantile(took[w], .99)))
			if !w.hides {
				b.report.add("cpu", p.name, "a run", w, "ms", ms(w.cpuTime()-before[w])/float64(len(took[w])))
			}
		}
		for part, samples := range parts {
			for _, q := range []float64{.5, .9, .99} {
				b.report.add("breakdown", part, quantileName(q), b.way("cold"), "ms", ms(quantile(samples, q)))
			}
		}
		log.Printf("latency of %s: %d rounds", p.name, n)
	}
	return ctx.Err()
}

// inside compares the speed of a program in a jail and outside. The program measures the time itself, so the difference is the cost of the
// filter and the cgroup, a few percent at most. Other work on the machine often makes a program 10 % slower, but never faster. So inside
// compares the fastest round of each way.
func inside(ctx context.Context, b *bench) error {
	for _, p := range []program{computing, calling, talking} {
		took := map[*way][]float64{}
		ways := b.alternate(ctx, "inside "+p.name, max(b.n/3, 5), b.ready, func(w *way) error {
			a, err := w.run(ctx, p)
			if err != nil {
				return err
			}
			s, err := seconds(a.stdout)
			took[w] = append(took[w], 1000*s)
			return err
		})
		for _, w := range ways {
			b.report.add("inside", p.name, "fastest", w, "ms", slices.Min(took[w]))
		}
	}
	return ctx.Err()
}
