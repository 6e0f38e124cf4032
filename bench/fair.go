package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	ownPause   = 100 * time.Millisecond // mean pause between two requests of the measured caller
)

// from returns a client whose connections come from a loopback address, because the daemon counts callers without a key by address.
func from(address string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 64, MaxConnsPerHost: 64}}
}

// fair measures the latency of one caller alone, and while another caller sends 1,000 requests per second, with a rate for each caller.
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
	var alone, flooded []time.Duration
	var served, refused int
	turns := make([]bool, 2*floodTurns)
	for i := range turns {
		turns[i] = i%2 == 0
	}
	rand.Shuffle(len(turns), func(i, j int) { turns[i], turns[j] = turns[j], turns[i] })
	for _, withFlood := range turns {
		turn, stop := context.WithTimeout(ctx, floodTurn)
		var all sync.WaitGroup
		if withFlood {
			all.Go(func() { s, r := w.flood(turn, other); served, refused = served+s, refused+r })
		}
		took, err := w.askAlone(turn, own)
		stop()
		all.Wait()
		if err != nil {
			return err
		}
		if withFlood {
			flooded = append(flooded, took...)
		} else {
			alone = append(alone, took...)
		}
	}
	if refused == 0 {
		return fmt.Errorf("the flood was not refused: %d runs", served)
	}
	add := func(of, unit string, value float64) { b.report.add("fair", "print", of, w, unit, value) }
	add("p99 alone", "ms", ms(quantile(alone, .99)))
	add("p99 beside a flood", "ms", ms(quantile(flooded, .99)))
	add("p99 beside a flood / alone", "", float64(quantile(flooded, .99))/float64(quantile(alone, .99)))
	add("answers to the flood", "/s", float64(served+refused)/(floodTurns*floodTurn.Seconds()))
	return ctx.Err()
}

// askAlone sends one request after another, with pauses, until the context ends. It returns how long the answers took.
func (w *way) askAlone(ctx context.Context, by *http.Client) (took []time.Duration, err error) {
	for {
		select {
		case <-ctx.Done():
			return took, nil
		case <-time.After(time.Duration(rand.ExpFloat64() * float64(ownPause))):
		}
		begin := time.Now()
		status, err := w.status(context.WithoutCancel(ctx), by)
		if err != nil || status != http.StatusOK {
			return took, errors.Join(err, fmt.Errorf("status %d", status))
		}
		took = append(took, time.Since(begin))
	}
}

// flood sends requests at a constant rate until the context ends.
func (w *way) flood(ctx context.Context, by *http.Client) (served, refused int) {
	tick := time.NewTicker(time.Second / flood)
	defer tick.Stop()
	var all sync.WaitGroup
	var mu sync.Mutex
	for {
		select {
		case <-ctx.Done():
			all.Wait()
			return served, refused
		case <-tick.C:
		}
		all.Go(func() {
			status, err := w.status(ctx, by)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil: // the turn has ended
			case status == http.StatusOK:
				served++
			default:
				refused++
			}
		})
	}
}

// status sends the program print, and returns the status of the answer.
func (w *way) status(ctx context.Context, by *http.Client) (int, error) {
	body, err := json.Marshal(map[string]string{"code": printing.source})
	if err != nil {
		return 0, err
	}
	request, err := http.NewRequestWithContext(ctx, "POST", w.url+"/playground/execute", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := by.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}
