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

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	"github.com/sandboxd/sandboxd/internal/service"
)

type runCommand struct {
	File     string   `arg:"" help:"The program; - is standard input."`
	Args     []string `arg:"" optional:"" help:"Its arguments. Put -- before the first that begins with a dash."`
	Template string   `default:"default" placeholder:"NAME" help:"The template to fork from, one of those of --templates. With --remote: the environment."`
	Remote   string   `placeholder:"URL" help:"Run the program on the service at this URL, or at unix:PATH, instead of here. Standard input goes along, unless it is a terminal. Of the settings, only --policy and the limits of one run that a request may set have a meaning then, and only as flags."`
	KeyFile  string   `placeholder:"FILE" help:"With --remote: the file with the API key. Without it, the key is $$SANDBOXD_KEY, if that is set."`
}

// Run runs one file through the scan and the jail, as a request would be.
func (c runCommand) Run(in *invocation) error {
	if c.Remote != "" {
		return c.runRemote(in)
	}
	if c.KeyFile != "" {
		return &configError{[]string{"--key-file: there is no service to send the key to: give --remote, or leave it out"}}
	}
	s, err := in.allSettings()
	if err != nil {
		return err
	}
	return c.runHere(s)
}

// runHere runs the program in a jail of this process.
func (c runCommand) runHere(s *settings) error {
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
	ctx, stop := untilSignal()
	defer stop()
	config, err := s.jail(s.logger(os.Stderr))
	if err != nil {
		return err
	}
	// One run needs no other template, and nothing that waits for a second.
	config.Templates, config.Warm = map[string][]string{c.Template: s.Templates[c.Template]}, 0
	j, err := jail.New(ctx, config)
	if fault := s.templateFault(err); fault != err {
		return fault
	}
	if err != nil {
		return fmt.Errorf("%w (`sandboxd doctor` tells what to do; --isolation=best-effort accepts less)", err)
	}
	if !j.Enforced() {
		config.Log.Warn("no cgroup controllers: memory is watched, CPU is not limited (best effort)")
	}
	reply, err := service.New(service.Config{
		Runner:  j,
		Scanner: scanner,
		Nulled:  scanner.Nulled(),
		Limits:  s.limits(),
		Gate:    admission.New(1, 0),
		Memory:  service.AnswerMemory(1, s.limits()),
		Metrics: metrics.New(version, jail.Stages(), scan.Rules(), nil),
		Log:     s.logger(io.Discard),
	}).Run(ctx, service.Request{Program: sandbox.Program{Source: source, Args: c.Args, Template: c.Template}}, terminal{})
	closed := j.Close()
	if err != nil {
		return err
	}
	if closed != nil {
		return closed
	}
	c.report(reply.Outcome, reply.Reason(s.limits()))
	os.Exit(reply.ExitStatus())
	return nil
}

// untilSignal returns a context that ends by the signals that end a program of `sandboxd run`.
func untilSignal() (ctx context.Context, stop func()) {
	signal.Ignore(unix.SIGPIPE) // of `sandboxd run … | head`: the program runs on unheard, and is cleaned up
	ending := []os.Signal{unix.SIGINT, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) { // as under nohup
		ending = append(ending, unix.SIGHUP)
	}
	return signal.NotifyContext(context.Background(), ending...)
}

// report prints what the output of the program does not tell: findings, denied system calls, and the reason of the end.
func (c runCommand) report(o *sandbox.Outcome, reason string) {
	for _, f := range o.Findings {
		fmt.Fprintf(os.Stderr, "%s:%d:%d: %s\n", c.File, f.Line, f.Column, f.Message)
	}
	if said := denied(o); said != "" {
		fmt.Fprintln(os.Stderr, "sandboxd:", said)
	}
	if reason != "" {
		fmt.Fprintln(os.Stderr, "sandboxd:", reason)
	}
}

// terminal shows what the program writes as it comes. It holds the program up where its own reader is slow, as a pipe
// would.
type terminal struct{}

func (terminal) Event(e sandbox.Event) { // nobody may be left to read it: the program runs on unheard
	switch e.Kind {
	case sandbox.Stdout:
		_, _ = os.Stdout.Write(e.Data)
	case sandbox.Stderr:
		_, _ = os.Stderr.Write(e.Data)
	}
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
	source, err := io.ReadAll(io.LimitReader(file, sandbox.MaxSource+1))
	if err == nil && len(source) > sandbox.MaxSource {
		err = fmt.Errorf("%s is longer than %d bytes", c.File, sandbox.MaxSource)
	}
	return source, err
}

// denied says which system calls the filter denied; "" for none.
func denied(o *sandbox.Outcome) string {
	var calls []string
	for _, call := range slices.Sorted(maps.Keys(o.Denials)) {
		if n := o.Denials[call]; n > 1 {
			call = fmt.Sprintf("%s (%d times)", call, n)
		}
		calls = append(calls, call)
	}
	if len(calls) == 0 {
		return ""
	}
	return "denied by the seccomp filter: " + strings.Join(calls, ", ")
}
