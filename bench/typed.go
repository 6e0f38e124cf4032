package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// drawing draws a picture. Under bare python3 it writes the picture to /dev/null. A run returns it as a display.
var drawing = program{name: "picture", template: "data", source: `import matplotlib
import matplotlib.pyplot as plt
plt.plot([n * n for n in range(100)])
plt.title("Squares")
if matplotlib.get_backend().lower() == "agg":
    plt.savefig("/dev/null", format="png")
else:
    plt.show()
print("drawn")
`, want: "drawn\n"}

// telling prints the time at which it prints, and then runs on for 30 ms.
var telling = program{name: "first byte", source: `import time
print(time.time(), flush=True)
time.sleep(.03)
`}

// typed makes three measurements. It compares the typed API with the old route, by the same program on the same daemon. It measures runs
// that return a picture. And it measures the time until printed text reaches a client that reads the events of the run.
func typed(ctx context.Context, b *bench) error {
	// A round calls the two routes one after the other, so other work on the machine slows both down, and computes one ratio. Every second
	// round calls the typed API first.
	ratios := map[*way][]float64{}
	served := b.served()
	turn := func(w *way) error {
		var old, fresh time.Duration
		asks := []struct {
			took *time.Duration
			run  func(context.Context, program) (answer, error)
		}{{&old, w.run}, {&fresh, w.runTyped}}
		if len(ratios[w])%2 == 1 {
			slices.Reverse(asks)
		}
		for _, ask := range asks {
			begin := time.Now()
			if _, err := ask.run(ctx, printing); err != nil {
				return err
			}
			*ask.took = time.Since(begin)
			time.Sleep(pause)
		}
		ratios[w] = append(ratios[w], float64(fresh)/float64(old))
		return nil
	}
	b.alternate(ctx, "typed", max(b.n/10, 1), served, turn) // warm-up rounds
	clear(ratios)
	for _, w := range b.alternate(ctx, "typed", 2*b.n, served, turn) {
		b.report.add("typed", "print", "ratio to the old route, p50", w, "", quantile(ratios[w], .5))
	}
	return errors.Join(pictures(ctx, b), firstBytes(ctx, b, served))
}

// served returns the ways of sandboxd that are ready.
func (b *bench) served() (ways []*way) {
	for _, w := range b.ready {
		if w.ours {
			ways = append(ways, w)
		}
	}
	return ways
}

func pictures(ctx context.Context, b *bench) error {
	took := map[*way][]time.Duration{}
	ways := b.alternate(ctx, "picture", max(b.n/10, 3), b.ready, func(w *way) error {
		begin := time.Now()
		run := w.run
		if w.ours {
			run = w.runTyped
		}
		a, err := run(ctx, drawing)
		took[w] = append(took[w], time.Since(begin))
		if err == nil && w.ours {
			_, err = png.Decode(bytes.NewReader(a.picture))
		}
		time.Sleep(pause)
		return err
	})
	for _, w := range ways {
		b.report.add("typed", "picture", "p50", w, "ms", ms(quantile(took[w], .5)))
	}
	return ctx.Err()
}

func firstBytes(ctx context.Context, b *bench, ways []*way) error {
	took := map[*way][]time.Duration{}
	ways = b.alternate(ctx, "first byte", max(b.n/4, 5), ways, func(w *way) error {
		late, err := w.firstByte(ctx)
		took[w] = append(took[w], late)
		time.Sleep(pause)
		return err
	})
	for _, w := range ways {
		b.report.add("typed", "first byte", "p50", w, "ms", ms(quantile(took[w], .5)))
	}
	return ctx.Err()
}

// typedRequest sends a program to the typed API.
func (w *way) typedRequest(ctx context.Context, p program, accept string) (*http.Response, error) {
	response, err := w.send(ctx, &client, "/v1/runs", accept, "environment", p)
	if err == nil && response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		return nil, fmt.Errorf("%s: status %d: %.200s", p.name, response.StatusCode, text)
	}
	return response, err
}

func (w *way) runTyped(ctx context.Context, p program) (a answer, err error) {
	response, err := w.typedRequest(ctx, p, "application/json")
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	var said struct {
		Stdout, Stderr, Reason string
		Displays               []struct{ Base64 string }
	}
	if err := json.NewDecoder(response.Body).Decode(&said); err != nil {
		return a, err
	}
	a.stdout = said.Stdout
	if !p.right(a.stdout) {
		return a, fmt.Errorf("%s: %s stdout %.200q, stderr %.200q", p.name, said.Reason, said.Stdout, said.Stderr)
	}
	if len(said.Displays) > 0 {
		a.picture, err = base64.StdEncoding.DecodeString(said.Displays[0].Base64)
	}
	return a, err
}

// firstByte returns the time from the printing of a line to its arrival at this client.
func (w *way) firstByte(ctx context.Context) (time.Duration, error) {
	response, err := w.typedRequest(ctx, telling, "application/jsonl")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	late := time.Duration(-1)
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		now := time.Now()
		var event struct{ Event, Text string }
		if err := json.Unmarshal(lines.Bytes(), &event); err != nil {
			return 0, err
		}
		if event.Event == "stdout" && late < 0 {
			printed, err := seconds(strings.TrimSpace(event.Text))
			if err != nil {
				return 0, err
			}
			late = now.Sub(time.Unix(0, int64(printed*float64(time.Second))))
		}
	}
	if late < 0 {
		return 0, fmt.Errorf("no output came: %w", lines.Err())
	}
	return late, lines.Err()
}
