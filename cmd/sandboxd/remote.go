package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/client"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// keyVariable is the environment variable with the API key for --remote.
const keyVariable = "SANDBOXD_KEY"

// remoteFlags are the settings that have a meaning with --remote. All others are the service's.
var remoteFlags = []string{"policy", "wall", "memory", "pids", "output-limit", "log-format", "log-level"}

// runRemote runs the program on a service. It reads neither the environment nor the configuration file for settings, since these
// are for a daemon on this machine.
func (c runCommand) runRemote(in *invocation) error {
	request, err := c.request(in)
	if err != nil {
		return err
	}
	key, err := c.key()
	if err != nil {
		return err
	}
	service, err := client.New(c.Remote, client.WithKey(key))
	if err != nil {
		return &configError{[]string{"--remote: " + err.Error()}}
	}
	source, err := c.read()
	if err != nil {
		return err
	}
	request.Code = string(source)
	if c.File != "-" {
		if request.Stdin, err = input(); err != nil {
			return err
		}
	}
	ctx, stop := untilSignal() // until now, signals end this process as every other
	defer stop()
	outcome, reason, err := c.follow(ctx, service, request)
	if err != nil {
		return err
	}
	c.report(outcome, reason)
	os.Exit(outcome.ExitStatus())
	return nil
}

// request returns the request that the command line asks for, without its texts. Its error is a *configError.
func (c runCommand) request(in *invocation) (client.Request, error) {
	var lines []string
	var given []*kong.Flag
	for _, flag := range settingsOf(in.Model) {
		if _, is := in.origins[flag.Name]; !is {
			continue
		}
		if slices.Contains(remoteFlags, flag.Name) {
			given = append(given, flag)
		} else {
			lines = append(lines, "--"+flag.Name+": the service decides this, and the program runs there (--remote): leave it out")
		}
	}
	lines = append(lines, in.check(given, in.faults)...)
	isGiven := func(name string) bool {
		return slices.ContainsFunc(given, func(f *kong.Flag) bool { return f.Name == name })
	}
	if isGiven("output-limit") && in.OutputLimit == 0 && len(lines) == 0 {
		lines = append(lines, "--output-limit: 0 is too little with --remote: give at least 1")
	}
	if len(lines) > 0 {
		return client.Request{}, &configError{lines}
	}
	request := client.Request{Args: c.Args, Limits: &client.Limits{}}
	if c.Template != sandbox.DefaultTemplate {
		request.Environment = c.Template
	}
	if isGiven("policy") {
		request.Policy = in.Policy
	}
	if isGiven("wall") {
		request.Limits.WallSeconds = in.Wall.Seconds()
	}
	if isGiven("memory") {
		request.Limits.MemoryBytes = int64(in.Memory)
	}
	if isGiven("pids") {
		request.Limits.Processes = in.Pids
	}
	if isGiven("output-limit") {
		request.Limits.OutputBytes = int64(in.OutputLimit)
	}
	return request, nil
}

// key returns the API key, or "" if there is none.
func (c runCommand) key() (string, error) {
	if c.KeyFile == "" {
		return os.Getenv(keyVariable), nil
	}
	file, err := os.Open(c.KeyFile)
	if err != nil {
		return "", fmt.Errorf("--key-file: %w", err)
	}
	defer file.Close()
	const longest = 4 << 10
	text, err := io.ReadAll(io.LimitReader(file, longest+1))
	if err != nil {
		return "", fmt.Errorf("--key-file: %w", err)
	}
	key := string(bytes.TrimSpace(text))
	if key == "" || len(text) > longest {
		return "", &configError{[]string{"--key-file: " + c.KeyFile + " has no key: give a file with the key and nothing else"}}
	}
	return key, nil
}

// input reads standard input for the program, unless it is a terminal.
func input() (string, error) {
	if _, err := unix.IoctlGetTermios(unix.Stdin, unix.TCGETS); err == nil {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(os.Stdin, sandbox.MaxStdin+1))
	if err != nil {
		return "", fmt.Errorf("standard input: %w", err)
	}
	if len(text) > sandbox.MaxStdin {
		return "", fmt.Errorf("standard input is longer than %d bytes, which a program may have at most", sandbox.MaxStdin)
	}
	return string(text), nil
}

// follow runs the program, and writes its output as it comes. reason is the sentence that a local run would have.
func (c runCommand) follow(ctx context.Context, service *client.Client, request client.Request) (o *sandbox.Outcome, reason string, err error) {
	var started time.Time
	for e, err := range ahead(service.Stream(ctx, request), maxAhead) {
		if err != nil && ctx.Err() != nil { // the service cancels the run, since its client has gone
			o := &sandbox.Outcome{Verdict: sandbox.Cancelled}
			if !started.IsZero() {
				o.Timing.Program = time.Since(started)
			}
			return o, o.Reason(sandbox.Limits{}), nil
		}
		if err != nil {
			return nil, "", explainProblem(err)
		}
		switch e.Kind {
		case client.Started:
			started = time.Now()
		case client.Stdout: // nobody may be left to read it: the program runs on unheard
			_, _ = os.Stdout.WriteString(e.Text)
		case client.Stderr:
			_, _ = os.Stderr.WriteString(e.Text)
		case client.Finished:
			missing("stdout", e.Outcome.Truncated.StdoutBytes)
			missing("stderr", e.Outcome.Truncated.StderrBytes)
			o, err := outcomeOf(e.Outcome)
			return o, reasonOf(ctx, service, request, o, e.Outcome), err
		}
	}
	return nil, "", io.ErrUnexpectedEOF // a stream ends with an event or an error: please report this bug
}

// maxAhead bounds the output that waits for the reader of this command, in bytes.
const maxAhead = 64 << 20

// ahead reads a stream while its events are handled. A service does not wait for its clients: it drops what they do not take, and
// after a while the run. The reader of this command, such as a pager, may take its time.
func ahead(stream iter.Seq2[client.Event, error], most int) iter.Seq2[client.Event, error] {
	type item struct {
		client.Event
		err error
	}
	return func(yield func(client.Event, error) bool) {
		var (
			mu      sync.Mutex
			changed = sync.NewCond(&mu)
			waiting []item
			bytes   int  // of those that wait, and of the one that is handled
			ended   bool // by the stream
			left    bool // by the loop
		)
		go func() {
			defer func() {
				mu.Lock()
				ended = true
				changed.Broadcast()
				mu.Unlock()
			}()
			for e, err := range stream {
				mu.Lock()
				for bytes >= most && !left {
					changed.Wait()
				}
				waiting, bytes = append(waiting, item{e, err}), bytes+len(e.Text)
				goOn := !left
				changed.Broadcast()
				mu.Unlock()
				if !goOn {
					return
				}
			}
		}()
		for {
			mu.Lock()
			for len(waiting) == 0 && !ended {
				changed.Wait()
			}
			if len(waiting) == 0 {
				mu.Unlock()
				return
			}
			next := waiting[0]
			waiting = waiting[1:]
			mu.Unlock()
			goOn := yield(next.Event, next.err)
			mu.Lock()
			bytes -= len(next.Text)
			left = !goOn
			changed.Broadcast()
			mu.Unlock()
			if !goOn {
				return
			}
		}
	}
}

// missing says that output is missing. A local run shows all of it.
func missing(stream string, bytes int64) {
	if bytes > 0 {
		fmt.Fprintf(os.Stderr, "sandboxd: %d bytes of %s are missing: they were above the output limit, or they came faster than they were read\n", bytes, stream)
	}
}

// explainProblem adds to a problem when to try again.
func explainProblem(err error) error {
	if p := (*client.Problem)(nil); errors.As(err, &p) && p.RetryAfter > 0 {
		return fmt.Errorf("%w: try again in %v", err, p.RetryAfter)
	}
	return err
}

// verdictsOf has the verdicts of outcomes of a service.
var verdictsOf = map[client.Verdict]sandbox.Verdict{
	client.Exited: sandbox.Exited, client.Signaled: sandbox.Signaled, client.Timeout: sandbox.Timeout, client.OutOfMemory: sandbox.OOM,
	client.CPULimit: sandbox.CPULimit, client.Rejected: sandbox.Rejected, client.Cancelled: sandbox.Cancelled,
}

// outcomeOf turns an outcome of a service into one of this program, so that both have the same exit status and the same words.
func outcomeOf(r *client.Outcome) (*sandbox.Outcome, error) {
	verdict, known := verdictsOf[r.Verdict]
	if !known {
		return nil, fmt.Errorf("the run ended in a way that this version of sandboxd does not know (%s): %s", r.Verdict, r.Reason)
	}
	o := &sandbox.Outcome{Verdict: verdict, Denials: map[string]int{}}
	o.Timing.Program = time.Duration(r.Phases.RunSeconds * float64(time.Second))
	if r.ExitCode != nil {
		o.ExitCode = *r.ExitCode
	}
	if r.Signal != nil {
		o.Signal = unix.SignalNum(*r.Signal)
		if number, err := strconv.Atoi(*r.Signal); err == nil { // it has no name
			o.Signal = syscall.Signal(number)
		}
	}
	if verdict == sandbox.Rejected { // findings of programs that were run are no concern of this command
		for _, f := range r.Findings {
			o.Findings = append(o.Findings, sandbox.Finding{Rule: f.Rule, Message: f.Message, Line: f.Line, Column: f.Column})
		}
	}
	for _, d := range r.Denials {
		o.Denials[d.Syscall] = d.Count
	}
	return o, nil
}

// reasonOf returns the sentence that a local run would have. For a limit that the request does not set, the service says how large
// it is. A run here has no limit of CPU time, so the sentence of the service tells of one.
func reasonOf(ctx context.Context, service *client.Client, request client.Request, o *sandbox.Outcome, r *client.Outcome) string {
	switch {
	case o == nil:
		return ""
	case o.Verdict == sandbox.CPULimit:
		return r.Reason
	}
	limits := sandbox.Limits{Wall: time.Duration(request.Limits.WallSeconds * float64(time.Second)), Memory: request.Limits.MemoryBytes}
	if o.Verdict == sandbox.Timeout && limits.Wall == 0 || o.Verdict == sandbox.OOM && limits.Memory == 0 {
		meta, err := service.Meta(ctx)
		if err != nil {
			return r.Reason
		}
		limits.Wall = cmp.Or(limits.Wall, time.Duration(meta.Limits.WallSeconds.Default*float64(time.Second)))
		limits.Memory = cmp.Or(limits.Memory, meta.Limits.MemoryBytes.Default)
	}
	return o.Reason(limits)
}
