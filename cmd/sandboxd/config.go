package main

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/hostid"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/scan"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// settings is the whole configuration. Each value comes from the first of these sources that has it: its flag, the environment
// variable SANDBOXD_ with the flag's name in capitals, the YAML file with the flag's name as key, the default.
type settings struct {
	Config string `placeholder:"FILE" help:"YAML file with settings. The keys are the names below."`

	Listen         []string      `default:"${listen}" placeholder:"ADDRESS" help:"Addresses to serve HTTP on, or unix:PATH. Sockets passed by systemd replace them."`
	SocketMode     string        `placeholder:"MODE" help:"Permissions of the Unix sockets that the daemon makes, such as 0660. Default: by its umask."`
	SocketGroup    string        `placeholder:"GROUP" help:"The group of the Unix sockets that the daemon makes."`
	AdminListen    string        `placeholder:"ADDRESS" help:"Address or unix:PATH of a separate listener for /healthz, /readyz and /metrics. --listen then does not serve them."`
	Isolation      string        `enum:"required,best-effort" default:"required" help:"If an isolation layer is missing: required refuses to start. best-effort starts without the cgroup, but not without any other layer; memory is then watched, and CPU is not limited."`
	Python         string        `default:"/usr/bin/python3" help:"Absolute path of the interpreter."`
	Policy         string        `enum:"strict,permissive,off" default:"strict" help:"What the scan of the source refuses: ${enum}. The jail is the same for all policies."`
	OfferPolicy    []string      `placeholder:"NAME" help:"Other policies that a request to /v1 may select: strict, permissive, off."`
	RestrictModule []string      `placeholder:"NAME" help:"Modules that the scan refuses, instead of the policy's own list."`
	RestrictName   []string      `placeholder:"NAME" help:"Builtins that the scan refuses, instead of the policy's own list."`
	SeccompProfile string        `placeholder:"FILE" help:"Seccomp profile in the OCI format, instead of the built-in one."`
	Concurrency    int           `default:"${concurrency}" help:"Maximum number of concurrent runs."`
	Engine         string        `enum:"exec,fork" default:"exec" help:"How a run gets its interpreter: exec starts one in every jail, fork forks one that has already started. docs/threat-model.md describes what fork gives up."`
	Warm           int           `default:"0" help:"Maximum number of waiting jails for each template, with the interpreter started. With 0 every run makes its own jail."`
	Templates      templates     `placeholder:"NAME=MODULE,..." help:"With engine fork: interpreters to fork from that have already imported modules. A request selects one by its name; otherwise it gets default. In the file: templates: {data: [numpy, pandas]}."`
	RenewTemplates time.Duration `default:"1h" help:"How long a template lives before it is replaced."`
	PrepareFonts   bool          `default:"true" negatable:"" help:"Make matplotlib's font list once at start, instead of in each run that plots."`
	Queue          int           `default:"64" help:"Maximum number of runs that wait for a slot. Further requests get a 503."`
	QueuePerCaller int           `default:"0" placeholder:"N" help:"Maximum number of these from one caller: a key, or else a client address. With 0 it is half of them if there are keys, else all, because an address may be a proxy."`
	Connections    int           `default:"1024" help:"Maximum number of open HTTP connections. A new one replaces the connection that has been idle longest, or gets a 503."`

	ConnectionsPerClient int `default:"0" placeholder:"N" help:"Maximum number of connections from one address (IPv6: one /64). 0 means half of --connections, or more if one proxy needs more to fill all slots and the queue."`

	TLSCert string `name:"tls-cert" placeholder:"FILE" help:"Serve HTTPS and HTTP/2 at the TCP addresses of --listen, with this certificate chain (PEM). A changed file is read again."`
	TLSKey  string `name:"tls-key" placeholder:"FILE" help:"The private key of --tls-cert (PEM)."`

	KeysFile       string `name:"keys" placeholder:"FILE" help:"API keys, made by 'sandboxd keys create': a request for a run must bring one. Changes apply without a restart."`
	AllowAnonymous bool   `help:"Serve callers without a key: also at a listener that other machines reach, and also where there are keys."`

	Rate  float64 `default:"0" placeholder:"N" help:"Runs per second that each caller may ask for, on average: a key, or else a client address (IPv6: a /64). 0: no limit."`
	Burst int     `default:"0" placeholder:"N" help:"Runs that a caller may ask for at once. 0: as many as in one second, at least 1."`

	TrustedProxy []string `placeholder:"CIDR" help:"Reverse proxies whose X-Forwarded-For or Forwarded tells the client's address: a network, an address, or unix for those that connect by a Unix socket."`
	RootPath     string   `placeholder:"PATH" help:"The path below which a proxy serves this service, such as /api. Requests may come with or without it."`

	Host         []string      `placeholder:"NAME" help:"Accepted values of the Host header, such as example.com or *.example.com; * accepts all. On a loopback address, loopback names are accepted too. Elsewhere, all names are accepted unless some are given."`
	CORSOrigin   []string      `name:"cors-origin" default:"*" placeholder:"ORIGIN" help:"Origins whose web pages may call the service."`
	DrainTimeout time.Duration `default:"30s" help:"How long the daemon waits for runs in progress after SIGTERM."`
	LogFormat    string        `enum:"text,json" default:"text" help:"Format of the log on standard error: ${enum}."`
	LogLevel     slog.Level    `default:"info" help:"Lowest level that is logged: debug, info, warn or error."`

	Wall        time.Duration `default:"5s" group:"Limits of one run:" help:"Wall clock."`
	Memory      size          `default:"256MiB" group:"Limits of one run:" help:"Memory, scratch space included; there is no swap on top."`
	CPU         float64       `default:"1" group:"Limits of one run:" help:"Cores."`
	Pids        int           `default:"256" group:"Limits of one run:" help:"Processes and threads."`
	Scratch     size          `default:"64MiB" group:"Limits of one run:" help:"Writable file system."`
	Inodes      int64         `default:"4096" group:"Limits of one run:" help:"Files in the writable file system."`
	OutputLimit size          `default:"1MiB" group:"Limits of one run:" help:"Bytes that are kept of each stream. The rest is counted and dropped."`

	MaxWall   time.Duration `placeholder:"DURATION" group:"Limits that one run may set for itself (default: those above):" help:"Wall clock."`
	MaxMemory size          `placeholder:"SIZE" group:"Limits that one run may set for itself (default: those above):" help:"Memory."`
	MaxCPU    time.Duration `name:"max-cpu" placeholder:"DURATION" group:"Limits that one run may set for itself (default: those above):" help:"CPU time of all processes together (default: --max-wall times --cpu)."`
	MaxPids   int           `placeholder:"N" group:"Limits that one run may set for itself (default: those above):" help:"Processes and threads."`
	MaxOutput size          `placeholder:"SIZE" group:"Limits that one run may set for itself (default: those above):" help:"Bytes that are kept of each stream."`

	CoreScheduling      bool `group:"Protection from leaks through the processor:" help:"Let no other process use the other hardware threads of a run's core at the same time."`
	RestrictSpeculation bool `group:"Protection from leaks through the processor:" help:"Disable speculative store bypass and indirect branch speculation for runs."`

	UIDFirst int `name:"uid-first" default:"${uid_first}" group:"As root:" help:"First of the host uids that runs get."`
	UIDCount int `name:"uid-count" default:"${uid_count}" group:"As root:" help:"Number of these host uids."`

	origins  map[string]origin       // sources of the values that are not defaults, by setting
	compiled *seccompprofiles.Filter // result of filter
	serves   bool                    // whether the command serves, or checks whether that would work
}

// vars returns the defaults that are computed at run time.
func vars() kong.Vars {
	uids := hostid.Default()
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
		HostConfig: jail.HostConfig{
			BestEffort: s.Isolation == "best-effort",
			UIDs:       hostid.Range{First: s.UIDFirst, Count: s.UIDCount},
			Fork:       s.forks(),
			Log:        log,
		},
		EnvironmentConfig: jail.EnvironmentConfig{
			Python: s.Python,
			Limits: s.limits(),
			Max:    s.maxima(),
			Filter: filter.Program,
			CPU:    jail.CPU{CoreScheduling: s.CoreScheduling, RestrictSpeculation: s.RestrictSpeculation},
			Warm:   s.Warm,

			RenewTemplates: s.RenewTemplates,
		},
		Templates: s.Templates,
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
