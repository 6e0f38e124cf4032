package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	slice = 800 * time.Millisecond // duration of the load in one turn
	turns = 3                      // for each way
	busy  = 8                      // clients that keep all cores of a small machine busy

	places = 8 + 64 // slots and queue of a daemon with the default settings on at most 4 CPUs
)

// throughput measures the runs per second for clients that send the next request as soon as they have an answer.
func throughput(ctx context.Context, b *bench) error {
	for _, p := range programs {
		if !slices.Contains(b.loads, p.name) {
			continue
		}
		for _, clients := range []int{2, busy, 64} {
			done := map[*way][]float64{}
			part := fmt.Sprintf("throughput %s, %d clients", p.name, clients)
			ways := b.alternate(ctx, part, turns, b.ready, func(w *way) error {
				perSecond, err := w.ask(ctx, p, clients, slice)
				done[w] = append(done[w], perSecond)
				return err
			})
			for _, w := range ways {
				b.report.add("throughput", p.name, fmt.Sprintf("%d clients", clients), w, "/s", quantile(done[w], .5))
			}
		}
		log.Print("throughput of ", p.name)
	}
	return ctx.Err()
}

// ask lets several clients run a program repeatedly for some time, and returns the runs per second. Runs that are in progress at the end
// of that time are completed and counted, because otherwise slow runs would count less than fast ones.
func (w *way) ask(ctx context.Context, p program, clients int, d time.Duration) (perSecond float64, err error) {
	var all sync.WaitGroup
	counts, errs := make([]int, clients), make([]error, clients)
	begin := time.Now()
	for i := range clients {
		all.Go(func() {
			for ; time.Since(begin) < d; counts[i]++ {
				a, err := w.run(ctx, p)
				if err == nil && a.refused {
					err = errors.New("refused")
				}
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	all.Wait()
	took := time.Since(begin).Seconds()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / took, cmp.Or(errs...)
}

// overload measures the throughput of a way, and then sends half and twice as many requests per second, at random moments and without
// waiting for answers. Half load shows the latency of the slowest runs. Double load shows whether excess requests are refused at once while
// the others are served.
func overload(ctx context.Context, b *bench) error {
	type seen struct {
		can, served  []float64
		half, double arrivals
	}
	all := map[*way]*seen{}
	random := drawn()
	ways := b.alternate(ctx, "overload", turns, b.ready, func(w *way) error {
		if all[w] == nil {
			all[w] = &seen{}
		}
		s := all[w]
		printed := func(ctx context.Context) (answer, error) { return w.run(ctx, printing) }
		can, err := w.ask(ctx, printing, busy, slice)
		if err != nil {
			return err
		}
		s.can = append(s.can, can)
		half, err := offer(ctx, can/2, 3*slice, random, printed)
		s.half.add(half)
		if err != nil || !w.ours { // other ways refuse no requests
			return err
		}
		filling := time.Duration(places / can * float64(time.Second)) // no request is refused before the queue is full
		double, err := offer(ctx, 2*can, filling+2*slice, random, printed)
		s.double.add(double)
		s.served = append(s.served, float64(len(double.served))/double.took.Seconds()/can)
		return err
	})
	for _, w := range ways {
		s := all[w]
		add := func(of, unit string, value float64) { b.report.add("overload", "print", of, w, unit, value) }
		add("can do", "/s", quantile(s.can, .5))
		add("half: p50", "ms", ms(quantile(s.half.served, .5)))
		add("half: p99", "ms", ms(quantile(s.half.served, .99)))
		add("half: p99/p50", "", float64(quantile(s.half.served, .99))/float64(quantile(s.half.served, .5)))
		if !w.ours {
			continue
		}
		add("twice: served of what it can do", "", quantile(s.served, .5))
		add("twice: refused of all", "", float64(len(s.double.refused))/float64(len(s.double.refused)+len(s.double.served)))
		add("twice: p50", "ms", ms(quantile(s.double.served, .5)))
		add("twice: p99", "ms", ms(quantile(s.double.served, .99)))
		add("twice: p99 of a 503", "ms", ms(quantile(s.double.refused, .99)))
	}
	return ctx.Err()
}

// arrivals are the results of requests that did not wait for each other.
type arrivals struct {
	served, refused []time.Duration // counted from the planned time of a request
	took            time.Duration
}

func (a *arrivals) add(b arrivals) {
	a.served = append(a.served, b.served...)
	a.refused = append(a.refused, b.refused...)
	a.took += b.took
}

// offer makes requests at random moments (a Poisson process), perSecond on average, for the duration d.
func offer(ctx context.Context, perSecond float64, d time.Duration, random *rand.Rand, ask func(context.Context) (answer, error)) (arrivals, error) {
	var all sync.WaitGroup
	var mu sync.Mutex
	var seen arrivals
	var failed error
	begin := time.Now()
	for at := time.Duration(0); ; {
		at += time.Duration(random.ExpFloat64() / perSecond * float64(time.Second))
		if at >= d || ctx.Err() != nil {
			break
		}
		due := begin.Add(at)
		time.Sleep(time.Until(due))
		all.Go(func() {
			a, err := ask(ctx)
			took := time.Since(due)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed = err
			case a.refused:
				seen.refused = append(seen.refused, took)
			default:
				seen.served = append(seen.served, took)
			}
		})
	}
	all.Wait()
	seen.took = time.Since(begin)
	return seen, failed
}
