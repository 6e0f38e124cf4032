package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/alecthomas/units"
	"go.yaml.in/yaml/v3"

	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// settings is the whole configuration. A value comes from its flag, else from SANDBOXD_ and
// the flag's name in capitals, else from the YAML file under the flag's name, else from its
// default. Sizes take a unit: 64MiB, 1GiB.
type settings struct {
	Config kong.ConfigFlag `placeholder:"FILE" help:"YAML file with the names below as keys."`

	Listen         string        `default:"${listen}" help:"Address to serve HTTP on, or unix:PATH. A socket that is passed by systemd takes its place."`
	AdminListen    string        `placeholder:"ADDRESS" help:"A listener of their own for /healthz, /readyz and /metrics, which the public one then does not have: an address or unix:PATH."`
	Isolation      string        `enum:"required,best-effort" default:"required" help:"Without a layer: refuse to start (required), or go on without the cgroup, and nothing else (best-effort): memory is then watched, CPU not limited."`
	Python         string        `default:"/usr/bin/python3" help:"The interpreter, an absolute path."`
	Policy         string        `enum:"strict,permissive,off" default:"strict" help:"What the scan of the source refuses before the jail: ${enum}. The jail is the same under all."`
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

	Wall        time.Duration    `default:"5s" group:"Limits of one run:" help:"Wall clock."`
	Memory      units.Base2Bytes `default:"256MiB" group:"Limits of one run:" help:"Memory, scratch space included; there is no swap on top."`
	CPU         float64          `default:"1" group:"Limits of one run:" help:"Cores."`
	Pids        int              `default:"256" group:"Limits of one run:" help:"Processes and threads."`
	Scratch     units.Base2Bytes `default:"64MiB" group:"Limits of one run:" help:"Writable file system."`
	Inodes      int64            `default:"4096" group:"Limits of one run:" help:"Files in it."`
	OutputLimit units.Base2Bytes `default:"1MiB" group:"Limits of one run:" help:"Kept of each stream; the rest is counted and dropped."`

	CoreScheduling      bool `group:"Against leaks through the processor:" help:"Keep all else off the other hardware threads of a run's core."`
	RestrictSpeculation bool `group:"Against leaks through the processor:" help:"Switch off what the kernel lets a task switch off: speculative store bypass and indirect branches."`

	UIDFirst int `name:"uid-first" default:"${uid_first}" group:"As root:" help:"First of the host uids that runs get."`
	UIDCount int `name:"uid-count" default:"${uid_count}" group:"As root:" help:"How many they are."`
}

// vars are the defaults that are not literals.
func vars() kong.Vars {
	uids := jail.DefaultUIDs()
	return kong.Vars{
		"listen":      defaultListen,
		"concurrency": fmt.Sprint(max(8, 2*runtime.NumCPU())),
		"uid_first":   fmt.Sprint(uids.First),
		"uid_count":   fmt.Sprint(uids.Count),
	}
}

// Validate refuses values with which nothing could be run. kong calls it.
func (s *settings) Validate() error {
	count := func(n int64) string { return strconv.FormatInt(n, 10) }
	size := func(n int64) string { return units.Base2Bytes(n).String() }
	span := func(n int64) string { return time.Duration(n).String() }
	cores := func(n int64) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }
	for _, c := range []struct {
		flag  string
		got   int64
		least int64
		most  int64
		text  func(int64) string
	}{
		{"concurrency", int64(s.Concurrency), 1, 10_000, count},
		{"warm", int64(s.Warm), 0, 10_000, count},
		{"renew-templates", int64(s.RenewTemplates), int64(time.Second), int64(30 * 24 * time.Hour), span},
		{"queue", int64(s.Queue), 0, 1_000_000, count},
		{"connections", int64(s.Connections), 1, 1_000_000, count},
		{"connections-per-client", int64(s.ConnectionsPerClient), 0, 1_000_000, count},
		{"wall", int64(s.Wall), int64(100 * time.Millisecond), int64(time.Hour), span},
		{"memory", int64(s.Memory), sandbox.MinMemory, 1 << 50, size},
		{"cpu", int64(s.CPU * 1000), 10, 1_000_000, cores},
		{"pids", int64(s.Pids), sandbox.MinPids, 1 << 22, count},
		{"scratch", int64(s.Scratch), sandbox.MinScratch, 1 << 50, size},
		{"inodes", s.Inodes, sandbox.MinInodes, math.MaxInt32, count},
		{"output-limit", int64(s.OutputLimit), 0, 1 << 30, size},
		// Some more than jails: the readiness probe takes one outside of them.
		{"uid-count", int64(s.UIDCount), int64(s.jails()) + 8, 1 << 31, count},
		// Below are those of the system and of its users.
		{"uid-first", int64(s.UIDFirst), 100_000, 1<<32 - 2 - int64(s.UIDCount), count},
		{"drain-timeout", int64(s.DrainTimeout), 0, int64(time.Hour), span},
	} {
		if c.got < c.least || c.got > c.most {
			return fmt.Errorf("--%s: %s: give a value from %s to %s", c.flag, c.text(c.got), c.text(c.least), c.text(c.most))
		}
	}
	if !s.forks() && len(s.Templates) > 0 {
		return fmt.Errorf("--templates: engine %s forks nothing: set --engine=fork, or leave the templates out", s.Engine)
	}
	if _, err := api.NamedHosts(s.Host); err != nil {
		return fmt.Errorf("--host: %w", err)
	}
	return s.Templates.validate()
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
	profile := seccompprofiles.Default
	if s.SeccompProfile != "" {
		var err error
		if profile, err = os.ReadFile(s.SeccompProfile); err != nil {
			return jail.Config{}, fmt.Errorf("--seccomp-profile: %w", err)
		}
	}
	filter, err := seccompprofiles.Compile(profile)
	if err != nil {
		return jail.Config{}, fmt.Errorf("%s: %w", cmp.Or(s.SeccompProfile, "built in"), err)
	}
	return jail.Config{
		Python:     s.Python,
		Limits:     s.limits(),
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

// strangers are variables that look like settings and are none: misspelled, most likely. Those of
// the tests and of make are left out.
func strangers(app *kong.Application, environ []string) []string {
	var known, found []string
	for _, flag := range app.Flags {
		known = append(known, flag.Envs...)
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "SANDBOXD_") && !strings.HasPrefix(name, "SANDBOXD_TEST_") &&
			name != "SANDBOXD_PROMETHEUS_DIR" && name != "SANDBOXD_NO_INSTALL" && !slices.Contains(known, name) {
			found = append(found, name)
		}
	}
	return found
}

// yamlFile resolves flags from a YAML file of flat keys; only the templates are a map. kong-yaml would
// do, but lets unknown keys pass in silence and a file outrank the environment.
type yamlFile map[string]any

func loadYAML(r io.Reader) (kong.Resolver, error) {
	file := map[string]any{} // not yamlFile: maps within would be of that type too
	decoder := yaml.NewDecoder(r)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("not a YAML map of settings: %w", err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("not one YAML document: what follows the first would be lost")
	}
	return yamlFile(file), nil
}

// Validate refuses keys that are no setting.
func (f yamlFile) Validate(app *kong.Application) error {
	var known []string
	for _, flag := range app.Flags {
		known = append(known, flag.Name)
	}
	for key := range f {
		if !slices.Contains(known, key) || key == "config" || key == "help" {
			return fmt.Errorf("configuration file: unknown key %q; `sandboxd --help` lists the settings", key)
		}
	}
	return nil
}

// Resolve gives a flag its value from the file, unless the environment has one.
func (f yamlFile) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	for _, name := range flag.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil
		}
	}
	value, ok := f[flag.Name]
	if !ok {
		return nil, nil
	}
	if flag.IsMap() {
		if _, ok := value.(map[string]any); !ok {
			return nil, fmt.Errorf("configuration file: key %q wants a map of names, such as {data: [numpy, pandas]}, not %v", flag.Name, value)
		}
		return value, nil
	}
	switch v := value.(type) {
	case []any:
		var words []string
		for _, item := range v {
			words = append(words, fmt.Sprint(item))
		}
		return strings.Join(words, ","), nil
	case map[string]any, nil:
		return nil, fmt.Errorf("configuration file: key %q wants a value, not %v", flag.Name, v)
	default:
		return fmt.Sprint(v), nil
	}
}
