// Command bench compares ways to run a program: a bare python3 -I, other sandboxes, a subprocess behind an HTTP server, and sandboxd. Start
// it with `make bench`.
//
// All ways are measured in alternation: in each round every way has one turn, in a random order, so that other load on the machine affects all
// of them. The ratio to the bare python3 of the same rounds is therefore more reliable than the milliseconds. The load generator is this
// program, on the same cores. A way that this machine or daemon does not support is reported and left out. A wrong answer ends its part, is
// reported, and makes the exit status 1.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// parts are the parts of the measurement, in order.
var parts = []struct {
	name string
	// of selects the ways whose servers must be ready. It is nil if the part starts them itself.
	of      func(*way) bool
	measure func(context.Context, *bench) error
}{
	{"latency", every, latency},
	{"throughput", every, throughput},
	{"overload", func(w *way) bool { return w.ours || w.Name == "bare" }, overload},
	{"inside", func(w *way) bool { return w.Name == "bare" || w.Name == "cold" || w.Name == "forked" }, inside},
	{"typed", func(w *way) bool { return w.ours || w.Name == "bare" }, typed},
	{"fair", nil, fair},
	{"page", nil, page},
	{"counts", nil, counts},
	{"memory", nil, memory},
	{"sleeping", nil, sleeping},
	{"settings", nil, settings},
}

func every(*way) bool { return true }

// bench is the state of one execution.
type bench struct {
	python, daemon, isolation string
	n                         int
	loads                     []string // programs of the part throughput
	ways, ready               []*way
	report                    report
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	b := &bench{report: report{Results: []result{}}}
	flag.StringVar(&b.daemon, "daemon", "bin/sandboxd", "the daemon `program`")
	flag.StringVar(&b.isolation, "isolation", "", "--isolation of the daemon; by default the strongest that the machine supports")
	flag.StringVar(&b.python, "python", "/usr/bin/python3", "the interpreter of all ways")
	flag.IntVar(&b.n, "n", 120, "rounds of print; slower programs have fewer")
	out := flag.String("out", ".cache/bench", "`directory` for the JSON, the table and the picture; nothing is written if empty")
	load := flag.String("load", "print", "`programs` whose throughput is measured: print,compute,import,data")
	names := []string{}
	for _, part := range parts {
		names = append(names, part.name)
	}
	only := flag.String("only", strings.Join(names, ","), "`parts` to measure")
	flag.Parse()
	known := []string{}
	for _, p := range programs {
		known = append(known, p.name)
	}
	b.loads = list("load", *load, known)
	chosen := list("only", *only, names)
	if b.isolation == "" {
		b.isolation = "required"
		if exec.Command(b.daemon, "doctor").Run() != nil {
			b.isolation = "best-effort"
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := b.run(ctx, chosen)
	stop()
	if err != nil {
		log.Fatal(err)
	}
	b.report.conclude()
	if *out != "" {
		err = b.report.write(*out, b.python)
	}
	if err := errors.Join(err, b.report.print(os.Stdout)); err != nil {
		log.Fatal(err)
	}
	if len(b.report.Errors) > 0 {
		os.Exit(1)
	}
}

// list splits the value of a flag, and ends the program if it contains an unknown name.
func list(name, value string, known []string) []string {
	items := strings.Split(value, ",")
	for _, item := range items {
		if !slices.Contains(known, item) {
			log.Fatalf("-%s: %q is unknown: give some of %s", name, item, strings.Join(known, ", "))
		}
	}
	return items
}

func (b *bench) run(ctx context.Context, chosen []string) error {
	temp, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	config := filepath.Join(temp, "templates.yaml")
	if err := os.WriteFile(config, []byte(templates), 0o644); err != nil {
		return err
	}
	b.ways = everyWay(b.python, b.daemon, b.isolation, config)
	version, err := exec.CommandContext(ctx, b.python, "-V").Output()
	if err != nil {
		return fmt.Errorf("%s: %w", b.python, err)
	}
	b.report.Machine = machine{
		CPUs: runtime.NumCPU(), Kernel: kernel(), Python: strings.TrimSpace(string(version)), Isolation: b.isolation,
	}
	b.report.Ways = b.ways
	for _, w := range b.ways {
		if w.server == nil && w.Absent == "" {
			if _, err := w.run(ctx, printing); err != nil {
				w.Absent = err.Error() // it is installed, but does not work on this machine
			}
		}
	}
	for _, part := range parts {
		if !slices.Contains(chosen, part.name) {
			continue
		}
		begin := time.Now()
		err := errors.Join(b.serve(ctx, part.of), part.measure(ctx, b))
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err(), b.serve(context.WithoutCancel(ctx), nil))
		}
		log.Printf("%-10s %3.0f s", part.name, time.Since(begin).Seconds())
	}
	return b.serve(ctx, nil)
}

// serve starts the servers of these ways, and stops all others.
func (b *bench) serve(ctx context.Context, wanted func(*way) bool) (err error) {
	b.ready = nil
	for _, w := range b.ways {
		if wanted == nil || !wanted(w) {
			err = errors.Join(err, w.stop())
			continue
		}
		if w.server != nil && w.up == nil && w.Absent == "" {
			w.start(ctx)
		}
		if w.Absent == "" {
			b.ready = append(b.ready, w)
		}
	}
	return err
}

// way returns the way with this name.
func (b *bench) way(name string) *way {
	return b.ways[slices.IndexFunc(b.ways, func(w *way) bool { return w.Name == name })]
}

func (b *bench) failed(part string, w *way, err error) {
	b.report.Errors = append(b.report.Errors, fmt.Sprintf("%s, %s: %v", part, w.Name, err))
}

func kernel() string {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(release))
}
