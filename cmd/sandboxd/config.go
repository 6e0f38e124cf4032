package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// settings is the whole configuration. A value comes from its flag, else from SANDBOXD_ and
// the flag's name in capitals, else from the YAML file under the flag's name, else from its
// default.
type settings struct {
	Config string `placeholder:"FILE" help:"YAML file with the names below as keys."`

	Listen         string        `default:"${listen}" help:"Address to serve HTTP on, or unix:PATH. A socket that is passed by systemd takes its place."`
	AdminListen    string        `placeholder:"ADDRESS" help:"A listener of their own for /healthz, /readyz and /metrics, which the public one then does not have: an address or unix:PATH."`
	Isolation      string        `enum:"required,best-effort" default:"required" help:"Without a layer: refuse to start (required), or go on without the cgroup, and nothing else (best-effort): memory is then watched, CPU not limited."`
	Python         string        `default:"/usr/bin/python3" help:"The interpreter, an absolute path."`
	Policy         string        `enum:"strict,permissive,off" default:"strict" help:"What the scan of the source refuses before the jail: ${enum}. The jail is the same under all."`
	OfferPolicy    []string      `placeholder:"NAME" help:"Policies beside --policy that a request to /v1 may name: strict, permissive, off."`
	RestrictModule []string      `placeholder:"NAME" help:"Modules that the scan refuses, instead of the policy's own list."`
	RestrictName   []string      `placeholder:"NAME" help:"Builtins that the scan refuses, instead of the policy's own list."`
	SeccompProfile string        `placeholder:"FILE" help:"Seccomp profile in the OCI format, instead of the built-in one."`
	Concurrency    int           `default:"${concurrency}" help:"Runs at once."`
	Engine         string        `enum:"exec,fork" default:"exec" help:"How a run gets its interpreter: exec starts one in every jail, fork forks one that has started (docs/threat-model.md says what that gives up)."`
	Warm           int           `default:"0" help:"Jails at most that wait for a program, with the interpreter started. 0: every run starts its own."`
	Templates      templates     `placeholder:"NAME=MODULE,..." help:"With engine fork, what else there is to fork from: interpreters that have imported modules. A run asks for one by its name, or gets default. In the file: templates: {data: [numpy, pandas]}."`
	RenewTemplates time.Duration `default:"1h" help:"How long a template lives until another takes its place."`
	PrepareFonts   bool          `default:"true" negatable:"" help:"Make matplotlib's list of fonts once at start, and not in each run that plots."`
	Queue          int           `default:"64" help:"Runs that wait for a slot. One more is answered 503."`
	Connections    int           `default:"1024" help:"Open HTTP connections at once. One more takes the place of the one that has been idle longest, or gets a 503."`

	ConnectionsPerClient int `default:"0" placeholder:"N" help:"Of these from one address (IPv6: one /64). 0: half of them, or as many as one proxy needs to fill all slots and the queue, if that is more."`

	Host         []string      `placeholder:"NAME" help:"Names by which the service may be called (the Host header), such as example.com or *.example.com; * for all. On a loopback address: beside the loopback names. Elsewhere: all, unless some are given."`
	CORSOrigin   []string      `name:"cors-origin" default:"*" placeholder:"ORIGIN" help:"Origins that browsers may call from."`
	DrainTimeout time.Duration `default:"30s" help:"How long SIGTERM waits for what is running."`
	LogFormat    string        `enum:"text,json" default:"text" help:"Format of the log on standard error: ${enum}."`
	LogLevel     slog.Level    `default:"info" help:"debug, info, warn or error."`

	Wall        time.Duration `default:"5s" group:"Limits of one run:" help:"Wall clock."`
	Memory      size          `default:"256MiB" group:"Limits of one run:" help:"Memory, scratch space included; there is no swap on top."`
	CPU         float64       `default:"1" group:"Limits of one run:" help:"Cores."`
	Pids        int           `default:"256" group:"Limits of one run:" help:"Processes and threads."`
	Scratch     size          `default:"64MiB" group:"Limits of one run:" help:"Writable file system."`
	Inodes      int64         `default:"4096" group:"Limits of one run:" help:"Files in it."`
	OutputLimit size          `default:"1MiB" group:"Limits of one run:" help:"Kept of each stream; the rest is counted and dropped."`

	MaxWall   time.Duration `placeholder:"DURATION" group:"Limits that one run may set for itself (default: those above):" help:"Wall clock."`
	MaxMemory size          `placeholder:"SIZE" group:"Limits that one run may set for itself (default: those above):" help:"Memory."`
	MaxPids   int           `placeholder:"N" group:"Limits that one run may set for itself (default: those above):" help:"Processes and threads."`
	MaxOutput size          `placeholder:"SIZE" group:"Limits that one run may set for itself (default: those above):" help:"Kept of each stream."`

	CoreScheduling      bool `group:"Against leaks through the processor:" help:"Keep all else off the other hardware threads of a run's core."`
	RestrictSpeculation bool `group:"Against leaks through the processor:" help:"Switch off what the kernel lets a task switch off: speculative store bypass and indirect branches."`

	UIDFirst int `name:"uid-first" default:"${uid_first}" group:"As root:" help:"First of the host uids that runs get."`
	UIDCount int `name:"uid-count" default:"${uid_count}" group:"As root:" help:"How many they are."`

	origins  map[string]origin       // of the values that are no defaults, by setting
	compiled *seccompprofiles.Filter // what filter has compiled
}

// vars are the defaults that are not literals.
func vars() kong.Vars {
	uids := jail.DefaultUIDs()
	return kong.Vars{
		"version":     versionText(),
		"listen":      defaultListen,
		"concurrency": fmt.Sprint(max(8, 2*runtime.NumCPU())),
		"uid_first":   fmt.Sprint(uids.First),
		"uid_count":   fmt.Sprint(uids.Count),
	}
}

func (s *settings) limits() sandbox.Limits {
	return sandbox.Limits{
		Wall:    s.Wall,
		Memory:  int64(s.Memory),
		CPU:     s.CPU,
		Pids:    s.Pids,
		Scratch: int64(s.Scratch),
		Inodes:  s.Inodes,
		Output:  int64(s.OutputLimit),
	}
}

func (s *settings) jail(log *slog.Logger) (jail.Config, error) {
	filter, err := s.filter()
	if err != nil {
		return jail.Config{}, err
	}
	return jail.Config{
		Python:     s.Python,
		Limits:     s.limits(),
		Max:        s.maxima(),
		Filter:     filter.Program,
		BestEffort: s.Isolation == "best-effort",
		CPU:        jail.CPU{CoreScheduling: s.CoreScheduling, RestrictSpeculation: s.RestrictSpeculation},
		Fork:       s.forks(),
		Templates:  s.Templates,
		Warm:       s.Warm,
		UIDs:       jail.UIDRange{First: s.UIDFirst, Count: s.UIDCount},
		Log:        log,

		RenewTemplates: s.RenewTemplates,
	}, nil
}

func (s *settings) scanner() (*scan.Scanner, error) {
	return scan.New(scan.Config{Policy: scan.Policy(s.Policy), Modules: s.RestrictModule, Builtins: s.RestrictName})
}

func (s *settings) logger(to io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}
