package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
)

type runCommand struct {
	File     string `arg:"" help:"The program; - is standard input."`
	Template string `default:"default" env:"-" placeholder:"NAME" help:"The template to fork from, one of those of --templates."`
}

// Exit statuses that are not the program's own: timeout(1)'s and the shell's.
const (
	statusRefused = 126
	statusTimeout = 124
	statusSignal  = 128 // and the signal's number on top; 137 is also out of memory
)

// Run runs one file through the scan and the jail, as a request would be.
func (c runCommand) Run(s *settings) error {
	if names := s.templateNames(); !slices.Contains(names, c.Template) {
		return fmt.Errorf("--template: there is none named %q, only %s (see --engine and --templates)", c.Template, strings.Join(names, ", "))
	}
	source, err := c.read()
	if err != nil {
		return err
	}
	scanner, err := s.scanner()
	if err != nil {
		return err
	}
	findings, err := scanner.Scan(context.Background(), source)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sandboxd: scan given up:", err)
	}
	signal.Ignore(unix.SIGPIPE) // of `sandboxd run … | head`: the program runs on unheard, and is cleaned up
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	config, err := s.jail(s.logger(os.Stderr))
	if err != nil {
		return err
	}
	// One run needs no other template, and nothing that waits for a second.
	config.Templates, config.Warm = map[string][]string{c.Template: s.Templates[c.Template]}, 0
	j, err := jail.New(ctx, config)
	if err != nil {
		return fmt.Errorf("%w (`sandboxd doctor` tells what to do; --isolation=best-effort accepts less)", err)
	}
	if !j.Enforced() {
		config.Log.Warn("no cgroup controllers: memory is watched, CPU is not limited (best effort)")
	}
	spec := jail.Spec{Source: source, Nulled: scanner.Nulled(), Template: c.Template, Stdout: os.Stdout, Stderr: os.Stderr}
	if len(findings) > 0 { // what does not compile is python3's to report
		spec.Check, spec.Stdout, spec.Stderr = true, nil, nil
	}
	result, err := j.Run(ctx, spec)
	closed := j.Close()
	if err != nil {
		return err
	}
	if closed != nil {
		return closed
	}
	if spec.Check {
		if result.Verdict == jail.Exited && result.ExitCode == 0 {
			for _, f := range findings {
				fmt.Fprintf(os.Stderr, "%s:%d:%d: %s\n", c.File, f.Line, f.Column, f.Message())
			}
			os.Exit(statusRefused)
		}
		os.Stderr.Write(result.Stderr.Kept)
	}
	if said := denied(result); said != "" {
		fmt.Fprintln(os.Stderr, "sandboxd:", said)
	}
	status, why := exitStatus(result, s.limits())
	if why != "" {
		fmt.Fprintln(os.Stderr, "sandboxd:", why)
	}
	os.Exit(status)
	return nil
}

// read reads the program, and no more than can be run.
func (c runCommand) read() ([]byte, error) {
	file := os.Stdin
	if c.File != "-" {
		var err error
		if file, err = os.Open(c.File); err != nil {
			return nil, err
		}
		defer file.Close()
	}
	source, err := io.ReadAll(io.LimitReader(file, jail.MaxSource+1))
	if err == nil && len(source) > jail.MaxSource {
		err = fmt.Errorf("%s is longer than %d bytes", c.File, jail.MaxSource)
	}
	return source, err
}

// denied says which system calls the filter denied; "" for none.
func denied(r *jail.Result) string {
	var calls []string
	for _, call := range slices.Sorted(maps.Keys(r.Denials)) {
		if n := r.Denials[call]; n > 1 {
			call = fmt.Sprintf("%s (%d times)", call, n)
		}
		calls = append(calls, call)
	}
	if len(calls) == 0 {
		return ""
	}
	return "denied by the seccomp filter: " + strings.Join(calls, ", ")
}

// exitStatus mirrors how the program ended, and says what the status cannot.
func exitStatus(r *jail.Result, limits jail.Limits) (status int, why string) {
	switch r.Verdict {
	case jail.Timeout:
		return statusTimeout, fmt.Sprintf("killed: still running after %v (--wall)", limits.Wall)
	case jail.OOM:
		return statusSignal + int(unix.SIGKILL), fmt.Sprintf("killed: wanted more than %d MiB of memory (--memory)", limits.Memory>>20)
	case jail.Cancelled:
		return statusSignal + int(unix.SIGINT), fmt.Sprintf("killed: interrupted after %v", r.Timing.Program.Round(time.Millisecond))
	case jail.Signaled:
		return statusSignal + int(r.Signal), fmt.Sprintf("killed by %s", unix.SignalName(r.Signal))
	default:
		return r.ExitCode, ""
	}
}
