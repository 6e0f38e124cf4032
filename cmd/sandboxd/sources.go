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

// origin is where a setting has its value from, and how the value is written there.
type origin struct {
	where string // --memory, SANDBOXD_MEMORY, or /etc/sandboxd/config.yaml:3: memory
	value string
}

// configError is all that is wrong with the configuration. Each line names the origin, the value and what is accepted.
type configError struct{ lines []string }

func (e *configError) Error() string { return strings.Join(e.lines, "\n") }

// usageError is a command line that kong cannot make sense of.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

// invocation is one start of the program: its command line, and the settings that come from it, the environment and the file.
type invocation struct {
	commands
	*kong.Context

	mappers map[string]kong.Mapper // of the settings, by name
	traced  bool                   // kong has read the whole command line, and goes on to the defaults
	faults  map[string]string      // values that are none, by setting
	others  []string               // what is wrong with the file as a whole
}

// parseArguments parses a command line. Values of settings that are wrong are kept for readSettings: kong would report
// the first and no other.
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

// settingsOf are the flags that are settings: they have a variable in the environment and, all but --config, a key in the file.
func settingsOf(app *kong.Application) []*kong.Flag {
	return slices.DeleteFunc(slices.Clone(app.Flags), func(f *kong.Flag) bool { return f.Name == "help" || f.Name == "version" })
}

// variableOf is the variable of a setting in the environment.
func variableOf(setting string) string {
	return "SANDBOXD_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// flagMapper takes the value of a flag from the command line.
type flagMapper struct {
	kong.Mapper
	in *invocation
}

// Decode takes a wrong value, too; see parseArguments. kong calls it.
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

// negative reports whether an argument is a number below 0, which is a value and no flag.
func negative(text string) bool {
	return len(text) > 1 && text[0] == '-' && text[1] >= '0' && text[1] <= '9'
}

// decode gives a setting a value. If the value is none the setting keeps its default, and the fault is kept.
func (in *invocation) decode(v *kong.Value, value any, target reflect.Value, from origin) {
	in.origins[v.Name] = from
	if !v.IsCumulative() {
		delete(in.faults, v.Name) // of a flag that is given again
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
		_ = mapper.Decode(scan(v.Default), target) // a constant of this program
	}
}

// fault says what is wrong with a value that is none of its kind.
func fault(v *kong.Value, value string, err error) string {
	if _, ok := v.Target.Interface().(templates); ok {
		return err.Error()
	}
	if kind := kindOf(v); kind != kindWord && kind != kindSwitch {
		return fmt.Sprintf("%q is no %s", value, kind)
	}
	return fmt.Sprintf("%q is unknown", value)
}

// readSettings adds what the environment and the file say to what the command line says: a flag outranks a variable, and a variable
// the file. Its error is a configError.
func (in *invocation) readSettings() (*settings, error) {
	flags := settingsOf(in.Model)
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

// take takes the values that one source has for settings that have none yet.
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

// stranger is a variable in the environment that looks like a setting and is none, and the one that was meant; "" if none
// resembles it.
type stranger struct{ name, meant string }

// strangers finds them. Those of the tests and of make are left out.
func strangers(app *kong.Application, environ []string) (found []stranger) {
	var known []string
	for _, flag := range settingsOf(app) {
		known = append(known, variableOf(flag.Name))
	}
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "SANDBOXD_") && !strings.HasPrefix(name, "SANDBOXD_TEST_") &&
			name != "SANDBOXD_PROMETHEUS_DIR" && name != "SANDBOXD_NO_INSTALL" && !slices.Contains(known, name) {
			found = append(found, stranger{name, nearest(name, known)})
		}
	}
	return found
}

// explainUsage makes an error of kong's a line that says what to do.
func explainUsage(err error, app *kong.Application, args []string) error {
	text := err.Error()
	for _, arg := range args { // kong reads -memory as -m -e -m -o -r -y
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

// meant is the end of an error on an unknown word: the known one that it resembles, if any.
func meant(known string) string {
	if known != "" {
		return fmt.Sprintf(", did you mean %q?", known)
	}
	return "; `sandboxd help` lists the settings"
}

// nearest is the known word that differs least from another one; "" if all differ in more than a third of it.
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

// distance is how many letters have to be added, left out or replaced to make one word of another (Levenshtein).
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
