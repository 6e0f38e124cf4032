package main

import (
	"context"
	"errors"
	"os/exec"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

const (
	visits    = 20 // with an empty cache, and as many with the page in the cache
	paint     = `new Promise(seen => new PerformanceObserver(list => seen(list.getEntriesByName("first-contentful-paint")[0].startTime)).observe({type: "paint", buffered: true}))`
	paintName = "first paint"
)

// page measures the time from the navigation to the playground page until the browser paints something of it, as the browser reports it
// (First Contentful Paint of the Paint Timing specification).
func page(ctx context.Context, b *bench) error {
	w := b.way("cold")
	if err := b.paints(ctx, w); err != nil {
		b.failed("page", w, err)
	}
	return ctx.Err()
}

func (b *bench) paints(ctx context.Context, w *way) error {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		return err
	}
	if w.start(ctx); w.Absent != "" {
		return errors.New(w.Absent)
	}
	defer w.stop()
	ctx, cancel := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox)...)
	defer cancel()
	browser, cancel := chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Run(browser); err != nil { // starts it
		return err
	}
	var first, again []float64
	for range visits {
		if err := visit(browser, w.url+"/play", &first, &again); err != nil {
			return err
		}
	}
	b.report.add("page", paintName, "p50", w, "ms", quantile(first, .5))
	b.report.add("page", paintName, "p50 from the cache", w, "ms", quantile(again, .5))
	return nil
}

func awaits(call *runtime.EvaluateParams) *runtime.EvaluateParams { return call.WithAwaitPromise(true) }

// visit opens the page twice. The browser's cache is empty the first time.
func visit(browser context.Context, url string, first, again *[]float64) error {
	if err := chromedp.Run(browser, network.ClearBrowserCache()); err != nil {
		return err
	}
	for _, took := range []*[]float64{first, again} {
		var ms float64
		if err := chromedp.Run(browser, chromedp.Navigate(url), chromedp.Evaluate(paint, &ms, awaits), chromedp.Navigate("about:blank")); err != nil {
			return err
		}
		*took = append(*took, ms)
	}
	return nil
}
