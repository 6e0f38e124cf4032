package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// settings measures the cost of protection from leaks through the processor. It compares a daemon with a setting to one without.
func settings(ctx context.Context, b *bench) error {
	without := b.way("cold")
	if without.start(ctx); without.Absent != "" {
		return errors.New(without.Absent)
	}
	defer without.stop()
	for _, setting := range []string{"--core-scheduling", "--restrict-speculation"} {
		cost, err := b.settingCost(ctx, without, setting)
		if err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
		b.report.Settings = append(b.report.Settings, fmt.Sprintf("%-23s %s", setting, cost))
	}
	return nil
}

func (b *bench) settingCost(ctx context.Context, without *way, setting string) (cost string, err error) {
	with := &way{Name: setting, ours: true, server: without.server, env: without.env}
	if with.start(ctx, setting); with.Absent != "" {
		return "not on this machine: " + with.Absent, nil
	}
	defer func() { err = errors.Join(err, with.stop()) }()
	took := map[*way][]time.Duration{}
	b.alternate(ctx, "settings", b.n, []*way{with, without}, func(w *way) error {
		begin := time.Now()
		_, err := w.run(ctx, printing)
		took[w] = append(took[w], time.Since(begin))
		return err
	})
	return fmt.Sprintf("ratio of the medians with and without: %.2f",
		float64(quantile(took[with], .5))/float64(quantile(took[without], .5))), nil
}
