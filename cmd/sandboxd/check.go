package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/sandboxd/sandboxd/internal/api"
	"github.com/sandboxd/sandboxd/internal/callers"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/tracing"
	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

// The kinds of values that settings have. Error messages name them.
const (
	kindSwitch = "switch"
	kindCount  = "whole number"
	kindCores  = "number"
	kindSize   = "size"
	kindTime   = "time"
	kindLevel  = "level"
	kindWord   = "word"
	kindList   = "list"
	kindText   = "text"
)

func kindOf(v *kong.Value) string {
	switch v.Target.Interface().(type) {
	case bool:
		return kindSwitch
	case int, int64:
		return kindCount
	case float64:
		return kindCores
	case size:
		return kindSize
	case time.Duration:
		return kindTime
	case slog.Level:
		return kindLevel
	case []string, templates:
		return kindList
	}
	if v.Enum != "" {
		return kindWord
	}
	return kindText
}

// bound is the value of a numeric setting and the range that it must be in. The unit depends on the setting: bytes, nanoseconds,
// thousandths, or 1.
type bound struct{ got, least, most int64 }

// bounds returns the bounds of all numeric settings, by name.
func (s *settings) bounds() map[string]bound {
	return map[string]bound{
		"concurrency":            {int64(s.Concurrency), 1, 10_000},
		"warm":                   {int64(s.Warm), 0, 10_000},
		"renew-templates":        {int64(s.RenewTemplates), int64(time.Second), int64(30 * 24 * time.Hour)},
		"queue":                  {int64(s.Queue), 0, 1_000_000},
		"queue-per-caller":       {int64(s.QueuePerCaller), 0, 1_000_000},
		"connections":            {int64(s.Connections), 1, 1_000_000},
		"connections-per-client": {int64(s.ConnectionsPerClient), 0, 1_000_000},
		"rate":                   {thousandths(s.Rate), 0, 1_000_000_000},
		"burst":                  {int64(s.Burst), 0, 1_000_000},
		"wall":                   {int64(s.Wall), int64(100 * time.Millisecond), int64(time.Hour)},
		"memory":                 {int64(s.Memory), sandbox.MinMemory, 1 << 50},
		"cpu":                    {thousandths(s.CPU), 10, 1_000_000},
		"pids":                   {int64(s.Pids), sandbox.MinPids, 1 << 22},
		"scratch":                {int64(s.Scratch), sandbox.MinScratch, 1 << 50},
		"inodes":                 {s.Inodes, sandbox.MinInodes, math.MaxInt32},
		"output-limit":           {int64(s.OutputLimit), 0, 1 << 30},
		"max-wall":               maximum(int64(s.MaxWall), int64(s.Wall), int64(time.Hour)),
		"max-memory":             maximum(int64(s.MaxMemory), int64(s.Memory), 1<<50),
		"max-cpu":                {cmp.Or(int64(s.MaxCPU), int64(time.Second)), int64(sandbox.MinWall), int64(1000 * time.Hour)},
		"max-pids":               maximum(int64(s.MaxPids), int64(s.Pids), 1<<22),
		"max-output":             maximum(int64(s.MaxOutput), int64(s.OutputLimit), 1<<30),
		// The readiness probe needs a uid although it is not counted as a jail, so some uids more than jails.
		"uid-count": {int64(s.UIDCount), int64(s.jails()) + 8, 1 << 31},
		// Lower uids belong to the system and its users.
		"uid-first":     {int64(s.UIDFirst), 100_000, 1<<32 - 2 - int64(s.UIDCount)},
		"drain-timeout": {int64(s.DrainTimeout), 0, int64(time.Hour)},
	}
}

// thousandths rounds up, so that a small number is not taken for 0. What is no number is too little.
func thousandths(n float64) int64 {
	if math.IsNaN(n) {
		return -1
	}
	return int64(math.Ceil(max(-1, min(n, 1e12)) * 1000))
}

// maximum returns the bound of a --max-… setting. It must be at least the standard limit, which is also its default.
func maximum(set, standard, most int64) bound {
	return bound{cmp.Or(set, standard), standard, max(standard, most)}
}

// written formats a number as it may be written for a setting.
func written(v *kong.Value, n int64) string {
	switch kindOf(v) {
	case kindSize:
		return size(n).String()
	case kindTime:
		text := time.Duration(n).String() // 1h0m0s
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	case kindCores:
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	}
	return strconv.FormatInt(n, 10)
}

// accepted describes the values that a setting accepts, for error messages.
func accepted(v *kong.Value, b bound) string {
	example := ""
	switch kind := kindOf(v); kind {
	case kindSwitch:
		return "true or false"
	case kindLevel:
		return "debug, info, warn or error"
	case kindWord:
		words := v.EnumSlice()
		last := len(words) - 1
		return strings.Join(words[:last], ", ") + " or " + words[last]
	case kindList:
		if v.IsMap() {
			return "names with lists of modules, such as {data: [numpy, pandas]}"
		}
		return "a list, such as [a, b]"
	case kindText:
		return "a text"
	case kindSize:
		example = ", such as 256MiB"
	case kindTime:
		example = ", such as 500ms or 5s"
	}
	return fmt.Sprintf("a %s from %s to %s%s", kindOf(v), written(v, b.least), written(v, b.most), example)
}

// check returns one line for each setting that is wrong. faults has the values that could not be parsed, by setting. check
// reads the seccomp profile and starts nothing.
func (s *settings) check(flags []*kong.Flag, faults map[string]string) (lines []string) {
	faults, bounds, words := maps.Clone(faults), s.bounds(), s.faultsOfWords()
	for _, flag := range flags {
		b, isNumber := bounds[flag.Name]
		_, unread := faults[flag.Name]
		from := s.origins[flag.Name]
		where := cmp.Or(from.where, "--"+flag.Name)
		if value := cmp.Or(from.value, written(flag.Value, b.got)); isNumber && !unread {
			switch {
			case b.got < b.least:
				faults[flag.Name] = value + " is too small"
			case b.got > b.most:
				faults[flag.Name] = value + " is too large"
			}
		}
		if fault, wrong := faults[flag.Name]; wrong {
			lines = append(lines, fmt.Sprintf("%s: %s: give %s", where, fault, accepted(flag.Value, b)))
		} else if err := words[flag.Name]; err != nil {
			lines = append(lines, fmt.Sprintf("%s: %v", where, err))
		}
	}
	return lines
}

// faultsOfWords returns the errors of settings that are not numbers, by name. An error is nil if the setting is right.
func (s *settings) faultsOfWords() map[string]error {
	faults := map[string]error{
		"templates": s.Templates.validate(), "cors-origin": api.CheckOrigins(s.CORSOrigin), "offer-policy": checkPolicies(s.OfferPolicy),
	}
	if !s.forks() && len(s.Templates) > 0 {
		faults["templates"] = fmt.Errorf("engine %s has no templates: set --engine=fork, or remove the templates", s.Engine)
	}
	_, faults["host"] = api.NamedHosts(s.Host)
	_, faults["trusted-proxy"] = callers.ParseProxies(s.TrustedProxy)
	faults["root-path"] = api.CheckRootPath(s.RootPath)
	if len(s.Listen) == 0 {
		faults["listen"] = errors.New("no address: give one, such as " + defaultListen)
	}
	for _, address := range s.Listen {
		if faults["listen"] == nil {
			faults["listen"] = cmp.Or(checkAddress(address), s.checkOpen(address))
		}
	}
	faults["tls-cert"] = s.checkTLS()
	_, faults["socket-mode"] = s.socketMode()
	_, faults["socket-group"] = s.socketGroup()
	if s.serves && s.KeysFile != "" {
		_, faults["keys"] = callers.Read(s.KeysFile)
	}
	if s.AdminListen != "" {
		faults["admin-listen"] = checkAddress(s.AdminListen)
	}
	if !filepath.IsAbs(s.Python) {
		faults["python"] = fmt.Errorf("%q is not an absolute path: give one such as /usr/bin/python3", s.Python)
	}
	_, faults["seccomp-profile"] = s.filter()
	if _, err := s.scanner(); err != nil {
		faults["restrict-module"] = err
	}
	return faults
}

// filter compiles the seccomp profile when it is called for the first time.
func (s *settings) filter() (*seccompprofiles.Filter, error) {
	if s.compiled != nil {
		return s.compiled, nil
	}
	profile := seccompprofiles.Default
	if s.SeccompProfile != "" {
		var err error
		if profile, err = os.ReadFile(s.SeccompProfile); err != nil {
			return nil, err
		}
	}
	filter, err := seccompprofiles.Compile(profile)
	if err != nil {
		return nil, fmt.Errorf("%s: %w (see `sandboxd profile check`)", cmp.Or(s.SeccompProfile, "built in"), err)
	}
	s.compiled = filter
	return filter, nil
}

type checkCommand struct{}

// Run reports that the configuration is valid. An invalid configuration ends the program earlier, in readSettings.
func (checkCommand) Run(s *settings) error {
	if err := tracing.Check(os.Getenv); err != nil {
		return &configError{lines: []string{err.Error()}}
	}
	_, err := fmt.Println("the configuration is valid:", s.sources())
	return err
}

// sources lists the settings that do not have their default, by source.
func (s *settings) sources() string {
	var flags, variables, keys []string
	for _, setting := range slices.Sorted(maps.Keys(s.origins)) {
		switch where := s.origins[setting].where; {
		case setting == "config":
		case strings.HasPrefix(where, "--"):
			flags = append(flags, where)
		case where == variableOf(setting):
			variables = append(variables, where)
		default:
			keys = append(keys, setting)
		}
	}
	var all []string
	if s.Config != "" {
		all = append(all, s.Config+" ("+cmp.Or(strings.Join(keys, ", "), "no setting that has an effect")+")")
	}
	if len(variables) > 0 {
		all = append(all, strings.Join(variables, ", ")+" from the environment")
	}
	if len(flags) > 0 {
		all = append(all, strings.Join(flags, ", ")+" from the command line")
	}
	return strings.Join(append(all, "defaults for all other settings"), "; ")
}
