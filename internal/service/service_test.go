package service

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/metrics"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// runs is a fake jail that can fail on demand. Programs that contain "(" do not compile.
type runs func(live *sandbox.Stream) (sandbox.Outcome, error)

func (f runs) Run(_ context.Context, program sandbox.Program, live *sandbox.Stream) (*jail.Result, error) {
	broken := strings.Contains(string(program.Source), "(")
	if program.Check && !broken {
		return &jail.Result{Outcome: sandbox.Outcome{Verdict: sandbox.Exited, Stderr: wrote("a warning")}}, nil
	}
	if broken {
		return &jail.Result{Outcome: sandbox.Outcome{Verdict: sandbox.Exited, ExitCode: 1, Stderr: wrote("SyntaxError")}}, nil
	}
	outcome, err := f(live)
	if err != nil {
		return nil, err
	}
	return &jail.Result{Outcome: outcome}, nil
}

func wrote(text string) sandbox.Output {
	return sandbox.Output{Kept: []byte(text), Total: int64(len(text))}
}

// forbids refuses programs that contain "import".
type forbids struct{}

func (forbids) Scan(_ context.Context, source []byte) ([]sandbox.Finding, error) {
	switch {
	case strings.Contains(string(source), "hard"):
		return nil, errors.New("too much work")
	case strings.Contains(string(source), "import"):
		return []sandbox.Finding{{Rule: "module", Name: "os", Message: "no os", Line: 1, Column: 8}}, nil
	}
	return nil, nil
}

type logged struct {
	*Service
	log bytes.Buffer
}

func (l *logged) has(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(l.log.String(), word) {
			t.Errorf("no %q in the log: %s", word, l.log.String())
		}
	}
}

func newService(run runs) *logged {
	l := &logged{}
	limits := sandbox.DefaultLimits()
	l.Service = New(Config{
		Runner: run, Scanner: forbids{}, Limits: limits,
		Gate: admission.New(1, 0), Memory: AnswerMemory(1, limits),
		Metrics: metrics.New("test", []string{"clone"}, []string{"module"}, nil),
		Log:     slog.New(slog.NewTextHandler(&l.log, nil)),
	})
	return l
}

// transcript is a sink that keeps each event in a few words.
type transcript []string

func (t *transcript) Event(e sandbox.Event) {
	said := fmt.Sprintf("%d %s %s", e.Seq, e.Kind, e.Data)
	if e.Outcome != nil {
		said += string(e.Outcome.Verdict)
	}
	*t = append(*t, strings.TrimSpace(said))
}

func prints(live *sandbox.Stream) (sandbox.Outcome, error) {
	live.Start()
	live.Output(sandbox.Stdout, []byte("1"))
	return sandbox.Outcome{Verdict: sandbox.Exited, Stdout: wrote("1")}, nil
}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		name, source string
		verdict      sandbox.Verdict
		events       []string
		log          []string
	}{
		{"a program", "print", sandbox.Exited, []string{"0 started", "1 stdout 1", "2 finished exited"},
			[]string{"msg=run", "request_id=r1", "client=192.0.2.1", "verdict=exited", "exit_code=0", "stdout_bytes=1"}},
		{"one that the policy forbids", "import", sandbox.Rejected, []string{"0 finished rejected"},
			[]string{"verdict=rejected", "rule=module", "line=1", "column=8"}},
		{"one that does not compile either", "import (", sandbox.Exited, []string{"0 started", "1 stderr SyntaxError", "2 finished exited"},
			[]string{"verdict=exited", "exit_code=1"}},
		{"one that the scan gives up", "hard import", sandbox.Exited, []string{"0 started", "1 stdout 1", "2 finished exited"},
			[]string{"verdict=exited"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newService(prints)
			var seen transcript
			reply, err := s.Run(t.Context(), Request{ID: "r1", Caller: callers.Caller{Address: "192.0.2.1"}, Program: sandbox.Program{Source: []byte(tt.source)}}, &seen)
			if err != nil {
				t.Fatal(err)
			}
			defer reply.Close()
			if reply.Verdict != tt.verdict || !slices.Equal(seen, tt.events) {
				t.Errorf("verdict %s, events %q", reply.Verdict, seen)
			}
			s.has(t, tt.log...)
			if strings.Count(s.log.String(), "msg=run") != 1 {
				t.Errorf("the log: %s", s.log.String())
			}
		})
	}
}

func TestNoRun(t *testing.T) {
	t.Run("no slot", func(t *testing.T) {
		s := newService(prints)
		release, _, err := s.Gate().Acquire(t.Context(), admission.Caller{})
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if _, err := s.Run(t.Context(), Request{}, nil); !errors.Is(err, admission.ErrFull) || s.log.Len() > 0 {
			t.Errorf("%v; the log: %s", err, s.log.String())
		}
	})
	t.Run("no memory for a reply", func(t *testing.T) {
		s := newService(prints)
		for s.cfg.Memory.Take(1 << 20) {
		}
		if _, err := s.Run(t.Context(), Request{}, nil); !errors.Is(err, ErrBusyReplies) || s.Gate().InFlight() != 0 {
			t.Errorf("%v; %d slots are held", err, s.Gate().InFlight())
		}
	})
	t.Run("the sandbox fails", func(t *testing.T) {
		s := newService(func(*sandbox.Stream) (sandbox.Outcome, error) {
			return sandbox.Outcome{}, &sandbox.SetupError{Stage: "clone", Err: errors.New("EPERM")}
		})
		_, err := s.Run(t.Context(), Request{ID: "r2"}, nil)
		if failed := (*Error)(nil); !errors.As(err, &failed) || failed.Gone {
			t.Errorf("%v", err)
		}
		s.has(t, "level=ERROR", "request_id=r2", "verdict=error", "stage=clone", "EPERM")
	})
	t.Run("the client goes away meanwhile", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		s := newService(func(*sandbox.Stream) (sandbox.Outcome, error) {
			cancel()
			return sandbox.Outcome{}, fmt.Errorf("clone: %w", context.Canceled)
		})
		_, err := s.Run(ctx, Request{}, nil)
		if failed := (*Error)(nil); !errors.As(err, &failed) || !failed.Gone {
			t.Errorf("%v", err)
		}
		s.has(t, "verdict=cancelled")
	})
}

// Every run releases its slot and its memory, whatever its outcome.
func TestNothingIsKept(t *testing.T) {
	for name, run := range map[string]runs{
		"a reply that is closed": prints,
		"the sandbox fails":      func(*sandbox.Stream) (sandbox.Outcome, error) { return sandbox.Outcome{}, errors.New("EPERM") },
		"a panic":                func(*sandbox.Stream) (sandbox.Outcome, error) { panic("x") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(run)
			func() {
				defer func() { _ = recover() }()
				if reply, err := s.Run(t.Context(), Request{}, nil); err == nil {
					reply.Close()
				}
			}()
			if !s.cfg.Memory.Take(unreadMemory + largestReply(s.Limits())) {
				t.Error("memory is held")
			}
			if s.Gate().InFlight() != 0 {
				t.Error("a slot is held")
			}
		})
	}
}

func TestClipGivesBackWhatAStreamGrewInto(t *testing.T) {
	for _, tt := range []struct{ size, spare, left int }{
		{0, 0, 0}, {1 << 20, 200 << 10, clipFrom - 1}, {10, clipFrom - 1, clipFrom - 1}, {10, clipFrom, 100},
	} {
		o := sandbox.Output{Kept: make([]byte, tt.size, tt.size+tt.spare)}
		clip(&o)
		if len(o.Kept) != tt.size || cap(o.Kept)-len(o.Kept) > tt.left {
			t.Errorf("%d bytes with %d to spare became %d with %d", tt.size, tt.spare, len(o.Kept), cap(o.Kept)-len(o.Kept))
		}
	}
}

// An InvalidError of the jail is an error of the request, unless the sandbox failed as well.
func TestInvalidProgramIsNoRun(t *testing.T) {
	fault := &sandbox.InvalidError{Path: []string{"files"}, Reason: "do not fit"}
	s := newService(func(*sandbox.Stream) (sandbox.Outcome, error) { return sandbox.Outcome{}, errors.Join(fault) })
	if _, err := s.Run(t.Context(), Request{}, nil); err != fault || s.log.Len() > 0 {
		t.Errorf("%v; the log: %s", err, s.log.String())
	}
	s = newService(func(*sandbox.Stream) (sandbox.Outcome, error) {
		return sandbox.Outcome{}, errors.Join(fault, &sandbox.SetupError{Stage: "kill", Err: errors.New("survives")})
	})
	if failed := (*Error)(nil); !errors.As(mustFail(s.Run(t.Context(), Request{}, nil)), &failed) {
		t.Error("what is left of a run is forgotten")
	}
	s.has(t, "level=ERROR", "stage=kill")
}

func mustFail(_ *Reply, err error) error { return err }

// named is a policy that rejects one word and warns of another.
type named string

func (n named) Scan(_ context.Context, source []byte) ([]sandbox.Finding, error) {
	if strings.Contains(string(source), string(n)) {
		return []sandbox.Finding{{Rule: "module", Name: string(n), Line: 1, Column: 8}}, nil
	}
	return nil, nil
}

func TestPolicies(t *testing.T) {
	s := newService(prints)
	s.cfg.Policy = "strict"
	cfg := s.cfg
	cfg.Policies = map[string]Policy{"lax": {Scanner: named("net"), Warn: named("os")}, "off": {Scanner: named("\x00")}}
	s.Service = New(cfg)
	if names, standard := s.Policies(); !slices.Equal(names, []string{"lax", "off", "strict"}) || standard != "strict" {
		t.Errorf("%v, %s", names, standard)
	}
	for _, tt := range []struct {
		policy, source string
		warn           bool
		verdict        sandbox.Verdict
		findings       int
	}{
		{"", "import os", true, sandbox.Rejected, 1},
		{"strict", "import os", true, sandbox.Rejected, 1},
		{"lax", "import os", true, sandbox.Exited, 1},
		{"lax", "import os", false, sandbox.Exited, 0},
		{"lax", "import net", true, sandbox.Rejected, 1},
		{"off", "import os net", true, sandbox.Exited, 0},
	} {
		reply, err := s.Run(t.Context(), Request{Policy: tt.policy, Warn: tt.warn, Program: sandbox.Program{Source: []byte(tt.source)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Verdict != tt.verdict || len(reply.Findings) != tt.findings {
			t.Errorf("%s of %q: %s, %v", tt.policy, tt.source, reply.Verdict, reply.Findings)
		}
		reply.Close()
	}
	s.has(t, "policy=lax", "policy=strict", "environment=default")
	if invalid := (*sandbox.InvalidError)(nil); !errors.As(mustFail(s.Run(t.Context(), Request{Policy: "none"}, nil)), &invalid) {
		t.Error("a policy that there is not")
	}
}

// A policy that refuses input() refuses standard input.
func TestPolicyWithoutInput(t *testing.T) {
	s := newService(prints)
	cfg := s.cfg
	cfg.Policy, cfg.Nulled = "strict", []string{"eval", "input"}
	cfg.Policies = map[string]Policy{"lax": {Scanner: forbids{}, Nulled: []string{"eval"}}}
	s.Service = New(cfg)
	for policy, want := range map[string]string{"": "stdin cannot be read: the policy strict refuses input()", "lax": "<nil>"} {
		reply, err := s.Run(t.Context(), Request{Policy: policy, Program: sandbox.Program{Stdin: []byte("x")}}, nil)
		if got := fmt.Sprint(err); got != want {
			t.Errorf("%q: %s", policy, got)
		}
		if err == nil {
			reply.Close()
		}
	}
	if reply, err := s.Run(t.Context(), Request{}, nil); err != nil {
		t.Error(err)
	} else {
		reply.Close()
	}
}

// A request above the limits is refused before it takes a slot or memory.
func TestInvalidRequestsTakeNothing(t *testing.T) {
	s := newService(func(*sandbox.Stream) (sandbox.Outcome, error) { panic("it runs") })
	for _, program := range []sandbox.Program{
		{Stdin: make([]byte, sandbox.MaxStdin+1)},
		{Limits: sandbox.Bounds{Wall: s.Max().Wall + 1}},
	} {
		if invalid := (*sandbox.InvalidError)(nil); !errors.As(mustFail(s.Run(t.Context(), Request{Program: program}, nil)), &invalid) {
			t.Errorf("%+v passes", program.Limits)
		}
	}
	if s.log.Len() > 0 {
		t.Error(s.log.String())
	}
}
