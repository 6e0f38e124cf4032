// Command bench compares the ways to run a program: a bare python3 -I, other sandboxes, a subprocess
// behind an HTTP server, and ours. Start it with `make bench`.
//
// All is measured in alternation: in each round every way has its turn once, in an order that is
// drawn anew, so that what the machine does meanwhile hits all alike. What counts is therefore the
// ratio to the bare python3 of the same rounds, not the milliseconds. The load generator is this
// program, on the same cores. A way that this machine or this daemon does not have is named and left
// out; a wrong answer ends its part, is named too, and makes the exit status 1.
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

// parts are what can be measured, in the order in which it is done.
var parts = []struct {
	name string
	// of says which ways it is about; nil where it starts them itself.
	of      func(*way) bool
	measure func(context.Context, *bench) error
}{
	{"latency", every, latency},
	{"throughput", every, throughput},
	{"overload", func(w *way) bool { return w.ours || w.Name == "bare" }, overload},
	{"inside", func(w *way) bool { return w.Name == "bare" || w.Name == "cold" || w.Name == "forked" }, inside},
	{"counts", nil, counts},
	{"memory", nil, memory},
	{"sleeping", nil, sleeping},
	{"settings", nil, settings},
}

func every(*way) bool { return true }

// bench is one go of it.
type bench struct {
	python, daemon, isolation string
	n                         int
	loads                     []string // programs of the throughput
	ways, ready               []*way
	report                    report
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("bench: ")
	b := &bench{report: report{Results: []result{}}}
	flag.StringVar(&b.daemon, "daemon", "bin/sandboxd", "the daemon `program`")
	flag.StringVar(&b.isolation, "isolation", "", "its --isolation; what the machine can enforce by default")
	flag.StringVar(&b.python, "python", "/usr/bin/python3", "the interpreter of all ways")
	flag.IntVar(&b.n, "n", 120, "rounds of print; slower programs have fewer")
	out := flag.String("out", ".cache/bench", "`directory` for the JSON, the table and the picture; none if empty")
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

// list splits the value of a flag, and refuses what it does not know.
func list(name, value string, known []string) []string {
	items := strings.Split(value, ",")
	for _, item := range items {
		if !slices.Contains(known, item) {
			log.Fatalf("-%s: %q is none of %s", name, item, strings.Join(known, ", "))
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
				w.Absent = err.Error() // it is here, and does not work here
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

// serve makes these ways ready, and stops the servers of all others.
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

// way finds one by its name.
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
