package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// origin is the source of a setting's value, and the value as it is written there.
type origin struct {
	where string // --memory, SANDBOXD_MEMORY, or /etc/sandboxd/config.yaml:3: memory
	value string
}

// configError lists all errors of the configuration. Each line names the origin, the value and the accepted values.
type configError struct{ lines []string }

func (e *configError) Error() string { return strings.Join(e.lines, "\n") }

// usageError is the error of a command line that kong cannot parse.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// invocation is one start of the program: its command line, and the settings from the command line, the environment and the
// configuration file.
type invocation struct {
	commands
	*kong.Context

	mappers map[string]kong.Mapper // of the settings, by name
	traced  bool                   // kong has parsed the whole command line and now applies defaults
	faults  map[string]string      // errors of values that could not be parsed, by setting
	others  []string               // errors of the file that belong to no setting
}

// parseArguments parses a command line. It keeps wrong values of settings for readSettings, since kong would report only the
// first one.
func parseArguments(args []string) (*invocation, error) {
	in := &invocation{mappers: map[string]kong.Mapper{}, faults: map[string]string{}}
	in.origins = map[string]origin{}
	app, err := kong.New(&in.commands, append(options(), kong.WithBeforeReset(func() error { in.traced = true; return nil }))...)
	if err != nil {
		return nil, err
	}
	for _, flag := range settingsOf(app.Model) {
		in.mappers[flag.Name] = flag.Mapper
		flag.Mapper = flagMapper{flag.Mapper, in}
		flag.Help = fmt.Sprintf("%s ($%s).", strings.TrimSuffix(flag.Help, "."), variableOf(flag.Name))
	}
	in.Context, err = app.Parse(args)
	if err != nil {
		return nil, explainUsage(err, app.Model, args)
	}
	return in, nil
}

// settingsOf returns the flags that are settings. Each has a variable in the environment and, except --config, a key in the
// configuration file.
func settingsOf(app *kong.Application) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(app.Flags), func(f *kong.Flag) bool { return f.Name == "help" || f.Name == "version" })
}

// variableOf returns the name of a setting's environment variable.
func variableOf(setting string) string {
	return "SANDBOXD_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// flagMapper takes the value of a flag from the command line.
type flagMapper struct {
	kong.Mapper
	in *invocation
}

// Decode accepts wrong values as well; see parseArguments. kong calls it.
func (m flagMapper) Decode(ctx *kong.DecodeContext, target reflect.Value) error {
	if m.in.traced {
		return m.Mapper.Decode(ctx, target)
	}
	flag, next := ctx.Value, ctx.Scan.Peek()
	from := origin{where: "--" + flag.Name}
	switch text, _ := next.Value.(string); {
	case flag.IsBool() && next.Type != kong.FlagValueToken:
		from.value = "true"
		m.in.decode(flag, true, target, from)
	case next.IsEOL(), next.InferredType().IsAny(kong.FlagToken, kong.ShortFlagToken) && !negative(text):
		m.in.origins[flag.Name] = from
		m.in.faults[flag.Name] = "has no value"
	default:
		ctx.Scan.Pop()
		from.value = fmt.Sprint(next.Value)
		m.in.decode(flag, next.Value, target, from)
	}
	return nil
}

// negative reports whether an argument is a negative number, which is a value, not a flag.
func negative(text string) bool {
	return len(text) > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9'
}

// decode sets a setting. If the value is invalid, the setting keeps its default and the fault is recorded.
func (in *invocation) decode(v *kong.Value, value any, target reflect.Value, from origin) {
	in.origins[v.Name] = from
	if !v.IsCumulative() {
		delete(in.faults, v.Name) // the last value of a repeated flag counts
	}
	mapper := in.mappers[v.Name]
	scan := func(value any) *kong.DecodeContext {
		return &kong.DecodeContext{Value: v, Scan: kong.ScanFromTokens(kong.Token{Type: kong.FlagValueToken, Value: value})}
	}
	err := mapper.Decode(scan(value), target)
	if err == nil && (v.Enum == "" || slices.Contains(v.EnumSlice(), target.String())) {
		return
	}
	in.faults[v.Name] = fault(v, from.value, err)
	if v.HasDefault {
		_ = mapper.Decode(scan(v.Default), target) // the default is a constant and valid
	}
}

// fault describes an invalid value.
func fault(v *kong.Value, value string, err error) string {
	if _, ok := v.Target.Interface().(templates); ok {
		return err.Error()
	}
	if kind := kindOf(v); kind != kindWord && kind != kindSwitch {
		return fmt.Sprintf("%q is not a %s", value, kind)
	}
	return fmt.Sprintf("%q is unknown", value)
}

// readSettings completes the settings of the command line from the environment and then from the configuration file. Its error
// is a *configError.
func (in *invocation) readSettings() (*settings, error) {
	flags := settingsOf(in.Model)
	in.serves = in.Command() == "serve" || in.Command() == "check" // other commands may lack the permission to read the keys
	in.take(flags, func(flag *kong.Flag) (any, origin, error) {
		name := variableOf(flag.Name)
		value, set := os.LookupEnv(name)
		if !set {
			return nil, origin{}, nil
		}
		return value, origin{name, value}, nil
	})
	if in.Config != "" {
		file, err := readFile(kong.ExpandPath(in.Config), flags)
		switch {
		case errors.Is(err, errNotYAML):
			in.others = []string{err.Error()}
		case err != nil:
			in.others = []string{in.origins["config"].where + ": " + err.Error()}
		default:
			in.others = file.faults
			in.take(flags, file.value)
		}
	}
	lines := slices.Concat(in.others, in.check(flags, in.faults))
	if len(lines) > 0 {
		return nil, &configError{lines}
	}
	return &in.settings, nil
}

// take sets the settings that have no value yet from one source.
func (in *invocation) take(flags []*kong.Flag, value func(*kong.Flag) (any, origin, error)) {
	for _, flag := range flags {
		if _, set := in.origins[flag.Name]; set {
			continue
		}
		switch value, from, err := value(flag); {
		case err != nil:
			in.origins[flag.Name], in.faults[flag.Name] = from, err.Error()
		case value != nil:
			target := reflect.New(flag.Target.Type()).Elem()
			in.decode(flag.Value, value, target, from)
			flag.Target.Set(target)
		}
	}
}

// unknownVariable is an environment variable that is named like a setting but is not one. meant is the variable with the most similar
// name, or "".
type unknownVariable struct{ name, meant string }

// unknownVariables returns the unknownVariables in an environment, without the key of `sandboxd run --remote` and the variables of the
// tests and of make.
func unknownVariables(app *kong.Application, environ []string) (found []unknownVariable) {
	var known []string
	for _, flag := range settingsOf(app) {
		known = append(known, variableOf(flag.Name))
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "SANDBOXD_") && !strings.HasPrefix(name, "SANDBOXD_TEST_") &&
			name != keyVariable && name != "SANDBOXD_PROMETHEUS_DIR" && name != "SANDBOXD_NO_INSTALL" && !slices.Contains(known, name) {
			found = append(found, unknownVariable{name, nearest(name, known)})
		}
	}
	return found
}

// explainUsage turns an error of kong into one line that says what to do.
func explainUsage(err error, app *kong.Application, args []string) error {
	text := err.Error()
	for _, arg := range args { // kong parses -memory as -m -e -m -o -r -y
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "-"), "=")
		if len(name) > 1 && strings.HasPrefix(text, "unknown flag -"+name[:1]+",") && arg[0] == '-' {
			text = "unknown flag -" + name
			for _, flag := range app.Flags {
				if flag.Name == name {
					text += fmt.Sprintf(", did you mean %q?", "--"+name)
				}
			}
		}
	}
	if !strings.Contains(text, "did you mean") {
		command := "sandboxd help"
		var failed *kong.ParseError
		if errors.As(err, &failed) && failed.Context.Selected() != nil {
			command += strings.TrimPrefix(failed.Context.Selected().FullPath(), app.Name)
		}
		text += fmt.Sprintf(" (see `%s`)", command)
	}
	return &usageError{text}
}

// meant returns the end of an error message about an unknown word. It suggests the similar known word, if there is one.
func meant(known string) string {
	if known != "" {
		return fmt.Sprintf(", did you mean %q?", known)
	}
	return "; `sandboxd help` lists the settings"
}

// nearest returns the known word with the smallest distance to word, or "" if no known word is similar.
func nearest(word string, known []string) string {
	distances := map[string]int{}
	for _, k := range known {
		if d := distance(word, k); d <= max(1, min(3, len(word)/3)) {
			distances[k] = d
		}
	}
	if len(distances) == 0 {
		return ""
	}
	return slices.MinFunc(slices.Sorted(maps.Keys(distances)), func(a, b string) int { return cmp.Compare(distances[a], distances[b]) })
}

// distance returns the Levenshtein distance of two words: the number of letters to insert, delete or replace.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
