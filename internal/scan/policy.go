package scan

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Policy names how much the scan refuses.
type Policy string

const (
	Strict     Policy = "strict"
	Permissive Policy = "permissive"
	Off        Policy = "off"
)

// Config chooses what the scan refuses. A nil list is the policy's own; a list that is set, even to
// nothing, replaces it, and with it the detours around what it no longer names. Off ignores both.
type Config struct {
	Policy Policy

	// Modules are dotted names: "os" stands for os and all below it, "urllib.request" for that
	// and all below that.
	Modules []string

	// Builtins are names that the user's module must not load.
	Builtins []string
}

// The contract's lists, in its order.
var (
	strictModules = []string{
		"os", "sys", "pathlib", "shutil",
		"socket", "urllib", "requests", "http",
		"subprocess",
	}
	strictBuiltins = []string{
		"eval", "exec", "compile", "__import__",
		"open", "file", "input", "raw_input",
	}
)

// Without a network these can only fail. Strict has them too, so that it is never the laxer one.
var permissiveModules = []string{
	"requests", "urllib3", "httpx",
	"ftplib", "imaplib", "nntplib", "poplib", "smtplib", "telnetlib",
}

// A detour is a module, or a member of one, that does what a restricted name does. It counts only
// while one of the names it stands in for is restricted; anyModule and anyBuiltin stand for all.
type detour struct {
	path      string
	insteadOf []string
}

const (
	anyModule  = "module *"
	anyBuiltin = "builtin *"
)

// What is not here is left to the jail on purpose: tempfile, glob, sqlite3, gzip, multiprocessing,
// pickle, inspect, timeit, and the like are ordinary things to learn with. So is ctypes, for its
// arrays and integers; what loads a library is not.
var detourModules = []detour{
	{"posix", []string{"os"}},
	{"nt", []string{"os"}},
	{"pty", []string{"os", "subprocess"}},
	{"_posixsubprocess", []string{"subprocess"}},
	{"_socket", []string{"socket"}},
	{"builtins", []string{anyBuiltin}},
	{"__builtin__", []string{anyBuiltin}},
	{"_io", []string{"open"}},
	{"_pyio", []string{"open"}},
	{"code", []string{"eval", "exec"}},
	{"codeop", []string{"compile"}},
	{"runpy", []string{"exec"}},
	{"imp", []string{anyModule}},
	{"_imp", []string{anyModule}},
	{"_frozen_importlib", []string{anyModule}},
	{"_frozen_importlib_external", []string{anyModule}},
	{"_ctypes", []string{"os", "subprocess"}},
}

var detourMembers = []detour{
	{"io.open", []string{"open"}},
	{"io.open_code", []string{"open"}},
	{"io.FileIO", []string{"open"}},
	{"io.OpenWrapper", []string{"open"}},
	{"codecs.open", []string{"open"}},
	{"tokenize.open", []string{"open"}},
	{"asyncio.create_subprocess_exec", []string{"subprocess"}},
	{"asyncio.create_subprocess_shell", []string{"subprocess"}},
	{"asyncio.subprocess", []string{"subprocess"}},
	{"importlib.machinery", []string{anyModule}},
	{"importlib._bootstrap", []string{anyModule}},
	{"importlib._bootstrap_external", []string{anyModule}},
	{"ctypes.CDLL", []string{"os", "subprocess"}},
	{"ctypes.PyDLL", []string{"os", "subprocess"}},
	{"ctypes.cdll", []string{"os", "subprocess"}},
	{"ctypes.pydll", []string{"os", "subprocess"}},
	{"ctypes.pythonapi", []string{"os", "subprocess"}},
	{"ctypes.LibraryLoader", []string{"os", "subprocess"}},
}

// leaked are modules that others keep under their own or this name (`from glob import os`). The
// network modules are not among them: `from django import http` is somebody else's http.
var leaked = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"os": "os", "_os": "os", "sys": "sys", "_sys": "sys", "subprocess": "subprocess",
		"pathlib": "pathlib", "shutil": "shutil", "_shutil": "shutil",
	}
})

// starExports are the restricted builtins that `from module import *` hides behind a harmless
// namesake. Other modules' stars are taken to hide none, or `from math import *` would be a way
// to have input() pass.
var starExports = sync.OnceValue(func() map[string][]string {
	return map[string][]string{
		"re": {"compile"}, "torch": {"compile"}, "pandas": {"eval"}, "numexpr": {"eval"},
		"codecs": {"open"}, "gzip": {"open"}, "bz2": {"open"}, "lzma": {"open"}, "tarfile": {"open"},
		"wave": {"open"}, "aifc": {"open"}, "sunau": {"open"}, "shelve": {"open"}, "dbm": {"open"},
		"webbrowser": {"open"}, "tokenize": {"open"}, "fileinput": {"input"},
		"PIL.Image": {"open", "eval"},
	}
})

// importFunctions import what their first argument names.
var importFunctions = setOf("importlib.import_module importlib.__import__ builtins.__import__")

// ladderEnds are attributes that hand over every class, the globals of somebody else's function, or
// the builtins. There is no other way up a ladder than through one of them.
var ladderEnds = setOf("__subclasses__ __globals__ __builtins__ func_globals f_globals f_builtins")

// ruleset is a Config made ready for look-ups.
type ruleset struct {
	modules  map[string]bool // dotted; detours included
	members  map[string]bool // dotted
	builtins map[string]bool
	detours  bool // whether __builtins__, ladders and rewriting encodings count
	nulled   []string

	words   map[string]wordClass // identifiers that may matter
	strings map[string]bool      // strings that may matter anywhere
	imports map[string]bool      // first parts of strings that may matter to a function that imports
}

func newRuleset(config Config) (*ruleset, error) {
	r := &ruleset{modules: map[string]bool{}, members: map[string]bool{}, builtins: map[string]bool{}}
	modules, builtins := config.Modules, config.Builtins
	switch config.Policy {
	case Strict:
		if modules == nil {
			modules = slices.Concat(strictModules, permissiveModules)
		}
		if builtins == nil {
			builtins = strictBuiltins
		}
		r.detours = true
	case Permissive:
		if modules == nil {
			modules = permissiveModules
		}
	case Off:
		return r, nil
	default:
		return nil, fmt.Errorf("scan policy %q is unknown: use strict, permissive or off", config.Policy)
	}
	for _, name := range modules {
		for part := range strings.SplitSeq(name, ".") {
			if err := checkName(part); err != nil {
				return nil, fmt.Errorf("restricted module %q: %w", name, err)
			}
		}
		r.modules[name] = true
	}
	for _, name := range builtins {
		if err := checkName(name); err != nil {
			return nil, fmt.Errorf("restricted builtin %q: %w", name, err)
		}
		if !r.builtins[name] {
			r.nulled = append(r.nulled, name)
		}
		r.builtins[name] = true
	}
	if r.detours {
		r.addDetours()
	}
	r.indexWords()
	return r, nil
}

// checkName refuses what could never match: such an entry is a slip that would leave the operator
// believing in a restriction that is not there.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("a name is empty")
	case pythonKeywords.has(name):
		return fmt.Errorf("%q is a keyword of Python, not a name", name)
	}
	for i := range len(name) {
		if !isNameByte(name[i]) || name[i] >= 0x80 || i == 0 && isDigit(name[i]) {
			return fmt.Errorf("%q is not an ASCII identifier of Python", name)
		}
	}
	return nil
}

func (r *ruleset) addDetours() {
	around := func(d detour) bool {
		return slices.ContainsFunc(d.insteadOf, func(name string) bool {
			switch name {
			case anyModule:
				return len(r.modules) > 0
			case anyBuiltin:
				return len(r.builtins) > 0
			}
			return r.modules[name] || r.builtins[name]
		})
	}
	var found []string // added after the look-ups, so that no detour counts as a restricted module
	for _, d := range detourModules {
		if around(d) {
			found = append(found, d.path)
		}
	}
	for _, d := range detourMembers {
		if around(d) {
			r.members[d.path] = true
		}
	}
	for _, name := range found {
		r.modules[name] = true
	}
}

// indexWords lists every word that the later steps ask about. A word that is missing here is not
// seen at all, a word too many only costs time.
func (r *ruleset) indexWords() {
	r.words, r.strings, r.imports = map[string]wordClass{}, map[string]bool{}, map[string]bool{}
	first := func(path string) string {
		name, _, _ := strings.Cut(path, ".")
		return name
	}
	last := func(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

	for path := range r.modules {
		r.words[first(path)] |= inImport
		r.words[last(path)] |= inImport
		r.imports[first(path)] = true
	}
	for name := range r.builtins {
		r.words[name] |= asName
		for module, hidden := range starExports() {
			if slices.Contains(hidden, name) {
				r.words[first(module)] |= inImport
			}
		}
	}
	if len(r.modules) > 0 {
		r.words["importlib"] |= inImport
		r.words["import_module"] |= asAttribute
		r.words["__import__"] |= asName
	}
	for path := range r.members {
		r.words[first(path)] |= inImport
		r.words[last(path)] |= asAttribute
	}
	if !r.detours {
		return
	}
	for name := range leaked() {
		r.words[name] |= inImport
	}
	for _, names := range []wordSet{ladderEnds} {
		for name := range names.make() {
			r.words[name] |= asAttribute
		}
	}
	for name := range ladderEnds.make() {
		r.strings[name] = true
	}
	for _, name := range []string{"__builtins__", "__loader__", "__spec__"} {
		r.words[name] |= asName | asAttribute
	}
	r.words["__self__"] |= asAttribute
	r.words["__code__"] |= asAttribute
}

// restrictedModule returns the entry that a dotted path falls under.
func (r *ruleset) restrictedModule(path string) (string, bool) { return prefixIn(r.modules, path) }

// restrictedMember is restrictedModule for members such as io.open.
func (r *ruleset) restrictedMember(path string) (string, bool) { return prefixIn(r.members, path) }

func prefixIn(set map[string]bool, path string) (string, bool) {
	for i := 0; i <= len(path); i++ {
		if (i == len(path) || path[i] == '.') && set[path[:i]] {
			return path[:i], true
		}
	}
	return "", false
}
