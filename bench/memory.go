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
	asleep = 8 // runs whose memory is taken at once
	kept   = 8 // waiting jails whose memory is taken
)

// memory is what one more run takes while it sleeps, and what one more waiting jail takes, of
// processes: their proportional set size. One way is there at a time, or they would share.
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
			return nil // reported as such
		}
		root = w.up.Process.Pid
	}
	if _, err := w.run(ctx, printing); err != nil { // what is made once is there
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

	// The same daemon with jails waiting and with none: what there is besides is in both.
	var with [2]usage
	for i, n := range []int{0, kept} {
		if w.start(ctx, "--warm="+strconv.Itoa(n)); w.Absent != "" {
			return errors.New(w.Absent)
		}
		time.Sleep(time.Second) // they are made
		with[i], err = settled(w.up.Process.Pid, 0)
		if err := errors.Join(err, w.stop()); err != nil {
			return err
		}
	}
	jails := with[1].namespaces - with[0].namespaces
	if jails < 1 {
		return errors.New("no waiting jail is to be seen")
	}
	b.report.add("memory", "waiting", "a jail", w, "MiB", float64(with[1].pss-with[0].pss)/float64(jails)/(1<<20))
	return nil
}

// settled waits until there are so many processes and three readings in a row are the same, by a
// hundredth, for 10 s at most.
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
	return u, errors.New("its memory does not settle")
}

// sleep begins a run every so often, n in all. They sleep until the same moment; it returns when each did.
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
	return spans, cmp.Or(errs...) // one says enough
}

const crowd = 1000

// sleeping has a crowd of runs asleep at once, and sees what memory the machine has left then.
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
	// They come half as fast as few could, and the last have time: where many sleep, one more takes
	// longer to start.
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
