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

// templates are the modules that each template imports, by the template's name. In the file they are a map of lists. As a flag
// and in the environment they are NAME=MODULE,MODULE;NAME=MODULE.
type templates map[string][]string

var (
	templateName = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	moduleName   = regexp.MustCompile(`^[\pL_][\pL\pN_]*(\.[\pL_][\pL\pN_]*)*$`)
)

// Decode adds the templates of one flag, of the environment variable, or of the file. kong calls it.
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
				return fmt.Errorf("%q: give NAME=MODULE,MODULE (NAME= for a template without modules)", one)
			}
			name = strings.TrimSpace(name)
			if _, twice := (*t)[name]; twice {
				return fmt.Errorf("template %q is given twice: give all of its modules at once", name)
			}
			(*t)[name] = []string{}
			for _, module := range strings.Split(modules, ",") {
				if module = strings.TrimSpace(module); module != "" {
					(*t)[name] = append((*t)[name], module)
				}
			}
		}
	case map[string]any: // from the file
		for name, listed := range value {
			list, ok := listed.([]any)
			if !ok {
				return fmt.Errorf("template %q: give a list of modules, such as [numpy, pandas], not %v", name, listed)
			}
			(*t)[name] = []string{}
			for _, module := range list {
				(*t)[name] = append((*t)[name], fmt.Sprint(module))
			}
		}
	default:
		return fmt.Errorf("give templates, not %v", value)
	}
	return nil
}

// validate returns an error for a name of a template or module that is malformed.
func (t templates) validate() error {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if !templateName.MatchString(name) {
			return fmt.Errorf("%q: a template's name has 1 to 32 of the characters a-z, 0-9, _ and -", name)
		}
		for _, module := range t[name] {
			if !moduleName.MatchString(module) {
				return fmt.Errorf("template %q: %q is not the name of a module, such as matplotlib.pyplot", name, module)
			}
		}
	}
	return nil
}

// stageTemplate is the stage of jail.Stages at which a template that does not start fails.
const stageTemplate = "template"

// templateFault turns the error of a template that does not start into a configuration error with the origin of the templates. It
// returns other errors unchanged.
func (s *settings) templateFault(err error) error {
	var failed *sandbox.SetupError
	if len(s.Templates) == 0 || !errors.As(err, &failed) || failed.Stage != stageTemplate {
		return err
	}
	return &configError{[]string{fmt.Sprintf("%s: %v: install the modules that it imports for %s, or remove it", s.origins["templates"].where, err, s.Python)}}
}

// templateNames returns the sorted names that a request may select.
func (s *settings) templateNames() []string {
	names := append(slices.Collect(maps.Keys(s.Templates)), sandbox.DefaultTemplate)
	slices.Sort(names)
	return slices.Compact(names)
}

// forks reports whether the engine is fork. Otherwise the only template name is default, and no template process exists.
func (s *settings) forks() bool { return s.Engine == "fork" }

// jails returns the maximum number of concurrent jails: runs, waiting jails and templates.
func (s *settings) jails() int {
	kinds := len(s.templateNames())
	n := s.Concurrency + s.Warm*kinds
	if s.forks() {
		n += kinds
	}
	return n
}
