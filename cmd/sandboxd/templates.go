package main

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// templates are the modules that each template imports, by its name. In the file they are a map of
// lists; as a flag, or in the environment, NAME=MODULE,MODULE;NAME=MODULE.
type templates map[string][]string

var (
	templateName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	moduleName   = regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`)
)

// Decode adds what one flag, the variable or the file says. kong calls it.
func (t *templates) Decode(ctx *kong.DecodeContext) error {
	if *t == nil {
		*t = templates{}
	}
	switch value := ctx.Scan.Pop().Value.(type) {
	case string:
		for _, one := range strings.Split(value, ";") {
			if strings.TrimSpace(one) == "" {
				continue
			}
			name, modules, ok := strings.Cut(one, "=")
			if !ok {
				return fmt.Errorf("%q: give NAME=MODULE,MODULE (NAME= for one without)", one)
			}
			name = strings.TrimSpace(name)
			if _, twice := (*t)[name]; twice {
				return fmt.Errorf("template %q is given twice: name all of its modules in one", name)
			}
			(*t)[name] = []string{}
			for _, module := range strings.Split(modules, ",") {
				if module = strings.TrimSpace(module); module != "" {
					(*t)[name] = append((*t)[name], module)
				}
			}
		}
	case map[string]any: // of the file
		for name, listed := range value {
			list, ok := listed.([]any)
			if !ok {
				return fmt.Errorf("template %q wants a list of modules, such as [numpy, pandas], not %v", name, listed)
			}
			(*t)[name] = []string{}
			for _, module := range list {
				(*t)[name] = append((*t)[name], fmt.Sprint(module))
			}
		}
	default:
		return fmt.Errorf("want templates, not %v", value)
	}
	return nil
}

// validate refuses names that could be none.
func (t templates) validate() error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if !templateName.MatchString(name) {
			return fmt.Errorf("%q: a name is 1 to 32 of a-z, 0-9, _ and -", name)
		}
		for _, module := range t[name] {
			if !moduleName.MatchString(module) {
				return fmt.Errorf("template %q: %q is no name of a module, such as matplotlib.pyplot", name, module)
			}
		}
	}
	return nil
}

// stageTemplate is where a template fails that does not start: one of jail.Stages.
const stageTemplate = "template"

// templateFault makes the error of a template that does not start one of the configuration, which names its modules. Other errors
// stay what they are.
func (s *settings) templateFault(err error) error {
	var failed *sandbox.SetupError
	if len(s.Templates) == 0 || !errors.As(err, &failed) || failed.Stage != stageTemplate {
		return err
	}
	return &configError{[]string{fmt.Sprintf("%s: %v: install what it imports for %s, or leave it out", s.origins["templates"].where, err, s.Python)}}
}

// templateNames are those that a run may ask for.
func (s *settings) templateNames() []string {
	names := append(slices.Collect(maps.Keys(s.Templates)), sandbox.DefaultTemplate)
	slices.Sort(names)
	return slices.Compact(names)
}

// forks says whether there are templates at all, or one in name only.
func (s *settings) forks() bool { return s.Engine == "fork" }

// jails is how many there can be at once: of runs, those that wait for one, and the templates.
func (s *settings) jails() int {
	kinds := len(s.templateNames())
	n := s.Concurrency + s.Warm*kinds
	if s.forks() {
		n += kinds
	}
	return n
}
