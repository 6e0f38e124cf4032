package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	flood      = 1000                   // requests per second of the busy caller
	floodRate  = "20"                   // runs per second that the daemon starts for one caller, --rate
	floodTurns = 6                      // turns with the flood, and as many without
	floodTurn  = 4 * time.Second        // one turn
	floodLead  = time.Second            // flood before a turn with it: uses up the burst, which refills in a turn without it
	ownPause   = 100 * time.Millisecond // mean pause between two requests of the measured caller
)

// from returns a client whose connections come from a loopback address, because the daemon counts callers without a key by address.
func from(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
}

// fair measures the latency of one caller alone, and beside another caller that sends 1,000 requests per second. The daemon limits the
// rate of each caller. The measurement begins when the other caller has used up its burst.
func fair(ctx context.Context, b *bench) error {
	var failed error
	for _, w := range b.ways {
		if !w.ours || ctx.Err() != nil {
			continue
		}
		if err := b.fairness(ctx, w); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", w.Name, err))
		}
	}
	return failed
}

func (b *bench) fairness(ctx context.Context, w *way) error {
	if w.start(ctx, "--rate="+floodRate, "--burst="+floodRate); w.Absent != "" {
		return errors.New(w.Absent)
	}
	defer w.stop()
	own, other := from("127.0.0.1"), from("127.0.0.2")
	random := drawn()
	took := map[bool][]time.Duration{} // of the measured caller, with and without the flood
	var seen arrivals
	for _, i := range random.Perm(2 * floodTurns) {
		withFlood := i%2 == 0
		var all sync.WaitGroup
		var floodFailed error
		if withFlood {
			all.Go(func() {
				var turn arrivals
				turn, floodFailed = offer(ctx, flood, floodLead+floodTurn, drawn(), func(ctx context.Context) (answer, error) { return w.post(ctx, other, printing) })
				seen.add(turn)
			})
			time.Sleep(floodLead)
		}
		answers, err := w.askWithPauses(ctx, own, random)
		all.Wait()
		if err := errors.Join(err, floodFailed); err != nil {
			return err
		}
		took[withFlood] = append(took[withFlood], answers...)
	}
	if len(seen.refused) == 0 {
		return fmt.Errorf("the flood was not refused: %d runs", len(seen.served))
	}
	alone, flooded := quantile(took[false], .99), quantile(took[true], .99)
	add := func(of, unit string, value float64) { b.report.add("fair", "print", of, w, unit, value) }
	add("p99 alone", "ms", ms(alone))
	add("p99 beside a flood", "ms", ms(flooded))
	add("p99 beside a flood / alone", "", float64(flooded)/float64(alone))
	add("answers to the flood", "/s", float64(len(seen.served)+len(seen.refused))/seen.took.Seconds())
	return ctx.Err()
}

// askWithPauses runs a program again and again for one turn, with random pauses. It returns how long the answers took.
func (w *way) askWithPauses(ctx context.Context, by *http.Client, random *rand.Rand) (took []time.Duration, err error) {
	for end := time.Now().Add(floodTurn); time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(time.Duration(random.ExpFloat64() * float64(ownPause)))
		begin := time.Now()
		a, err := w.post(ctx, by, printing)
		if err == nil && a.refused {
			err = errors.New("refused")
		}
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}
