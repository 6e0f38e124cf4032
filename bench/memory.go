package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	asleep = 8 // concurrent runs whose memory is measured
	kept   = 8 // waiting jails whose memory is measured
)

// memory measures the proportional set size of one more run that sleeps, and of one more waiting jail. It measures one way at a time, because
// the processes of two ways would share pages.
func memory(ctx context.Context, b *bench) error {
	for _, w := range b.ways {
		if w.Absent != "" {
			continue
		}
		if err := b.memoryOf(ctx, w); err != nil {
			b.failed("memory", w, errors.Join(err, w.stop()))
		}
	}
	return ctx.Err()
}

func (b *bench) memoryOf(ctx context.Context, w *way) error {
	root := os.Getpid()
	if w.server != nil {
		if w.start(ctx); w.Absent != "" {
			return nil // the way is reported as absent
		}
		root = w.up.Process.Pid
	}
	if _, err := w.run(ctx, printing); err != nil { // so that memory of the first run is not counted
		return err
	}
	idle, err := settled(root, 0)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() { _, err := w.sleep(ctx, asleep, 0, time.Now().Add(4*time.Second)); done <- err }()
	used, err := settled(root, idle.processes+asleep)
	if err := errors.Join(err, <-done); err != nil {
		return err
	}
	b.report.add("memory", "sleep", "a run", w, "MiB", float64(used.pss-idle.pss)/asleep/(1<<20))
	if err := w.stop(); err != nil || !w.waiting {
		return err
	}

	// Measure the same daemon with and without waiting jails. The difference is the memory of the jails.
	var with [2]usage
	for i, n := range []int{0, kept} {
		if w.start(ctx, "--warm="+strconv.Itoa(n)); w.Absent != "" {
			return errors.New(w.Absent)
		}
		time.Sleep(time.Second) // until the jails are made
		with[i], err = settled(w.up.Process.Pid, 0)
		if err := errors.Join(err, w.stop()); err != nil {
			return err
		}
	}
	jails := with[1].namespaces - with[0].namespaces
	if jails < 1 {
		return errors.New("there are no waiting jails")
	}
	b.report.add("memory", "waiting", "a jail", w, "MiB", float64(with[1].pss-with[0].pss)/float64(jails)/(1<<20))
	return nil
}

// settled waits until there are that many processes and three readings in a row differ by less than one percent. It fails after 10 s.
func settled(root, processes int) (u usage, err error) {
	same := 0
	for range 100 {
		before := u
		if u, err = below(root); err != nil {
			return u, err
		}
		difference := u.pss - before.pss
		if u.processes < processes || u.processes != before.processes || max(difference, -difference) > u.pss/100 {
			same = 0
		} else if same++; same == 3 {
			return u, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return u, errors.New("the memory does not settle")
}

// sleep starts n runs at intervals. They sleep until the same moment. sleep returns when each of them slept.
func (w *way) sleep(ctx context.Context, n int, apart time.Duration, until time.Time) ([]span, error) {
	var all sync.WaitGroup
	spans, errs := make([]span, n), make([]error, n)
	begin := time.Now()
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * apart)))
		all.Go(func() {
			a, err := w.run(ctx, sleeper(until))
			if err == nil && a.refused {
				err = errors.New("refused")
			}
			if err == nil {
				spans[i].begin, err = strconv.ParseFloat(strings.TrimSpace(a.stdout), 64)
				spans[i].end = float64(until.UnixMilli()) / 1000
			}
			errs[i] = err
		})
	}
	all.Wait()
	return spans, cmp.Or(errs...) // the first error
}

const crowd = 1000

// sleeping lets many runs sleep at the same time, and measures the memory that the machine has left.
func sleeping(ctx context.Context, b *bench) error {
	for _, w := range b.ways {
		if w.Absent == "" && (w.Name == "cold" || w.Name == "forked") {
			if err := b.crowd(ctx, w); err != nil {
				b.failed("sleeping", w, errors.Join(err, w.stop()))
			}
		}
	}
	return ctx.Err()
}

func (b *bench) crowd(ctx context.Context, w *way) error {
	if w.start(ctx, fmt.Sprintf("--concurrency=%d", crowd), fmt.Sprintf("--connections=%d", 2*crowd), "--wall=2m"); w.Absent != "" {
		return nil
	}
	perSecond, err := w.ask(ctx, printing, busy, slice)
	if err != nil {
		return err
	}
	// The runs start at half the possible rate, because a start takes longer while many runs sleep.
	apart := time.Duration(2 / perSecond * float64(time.Second))
	starting := crowd*apart*2 + 10*time.Second
	before := available()
	until := time.Now().Add(starting)
	left := make(chan int64, 1)
	go func() { time.Sleep(starting - 200*time.Millisecond); left <- available() }()
	spans, err := w.sleep(ctx, crowd, apart, until)
	if err != nil {
		return err
	}
	b.report.add("sleeping", "sleep", "at once", w, "runs", float64(atOnce(spans)))
	b.report.add("sleeping", "sleep", "a run, the kernel's part too", w, "MiB", float64(before-<-left)/crowd/(1<<20))
	return w.stop()
}
