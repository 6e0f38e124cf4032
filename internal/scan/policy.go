package scan

import (
	"fmt"
	"slices"
	"strings"
	"sync"
)

// Policy is the name of a policy.
type Policy string

// The policies.
const (
	Strict     Policy = "strict"     // refuses the lists of the contract and ways around them, and all that Permissive refuses
	Permissive Policy = "permissive" // refuses modules whose only purpose is to communicate with another host
	Off        Policy = "off"        // refuses nothing
)

// Config selects what the scan refuses. A nil list means the policy's own list. Any other list, even an empty one, replaces it. Detours
// around names that are no longer restricted are then allowed too. The policy Off ignores both lists.
type Config struct {
	Policy Policy

	// Modules are dotted names: "os" means os and its submodules, "urllib.request" means that module and
	// its submodules.
	Modules []string

	// Builtins are names that the user's module must not read.
	Builtins []string
}

// The lists of the contract, in its order.
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

// permissiveModules can only fail without a network. Strict refuses them too, so that it never allows more than permissive.
var permissiveModules = []string{
	"requests", "urllib3", "httpx",
	"ftplib", "imaplib", "nntplib", "poplib", "smtplib", "telnetlib",
}

// A detour is a module, or a member of a module, with the same effect as a restricted name. It is only refused if one of the names in
// insteadOf is restricted. anyModule and anyBuiltin stand for all names.
type detour struct {
	path      string
	insteadOf []string
}

const (
	anyModule  = "module *"
	anyBuiltin = "builtin *"
)

// detourModules does not contain tempfile, glob, sqlite3, gzip, multiprocessing, pickle, inspect, timeit and similar modules, because
// learners use them. ctypes is allowed for its arrays and integers; only its members that load a library are refused.
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

// leaked are restricted modules that other modules contain under this name, as in `from glob import os`. Network modules are not
// listed: `from django import http` is another http.
var leaked = sync.OnceValue(func() map[string]string {
	return map[string]string{
		"os": "os", "_os": "os", "sys": "sys", "_sys": "sys", "subprocess": "subprocess",
		"pathlib": "pathlib", "shutil": "shutil", "_shutil": "shutil",
	}
})

// starExports are restricted builtins that `from module import *` replaces by a harmless function of the same name. For all other
// modules the scan assumes that * replaces no builtin. Otherwise `from math import *` would allow input().
var starExports = sync.OnceValue(func() map[string][]string {
	return map[string][]string{
		"re": {"compile"}, "torch": {"compile"}, "pandas": {"eval"}, "numexpr": {"eval"},
		"codecs": {"open"}, "gzip": {"open"}, "bz2": {"open"}, "lzma": {"open"}, "tarfile": {"open"},
		"wave": {"open"}, "aifc": {"open"}, "sunau": {"open"}, "shelve": {"open"}, "dbm": {"open"},
		"webbrowser": {"open"}, "tokenize": {"open"}, "fileinput": {"input"},
		"PIL.Image": {"open", "eval"},
	}
})

// importFunctions are functions that import the module named by their first argument.
var importFunctions = setOf("importlib.import_module importlib.__import__ builtins.__import__")

// ladderEnds are attributes that return every class, the globals of a foreign function, or the builtins. Every ladder needs one of
// them.
var ladderEnds = setOf("__subclasses__ __globals__ __builtins__ func_globals f_globals f_builtins")

// ruleset is a Config in a form for look-ups.
type ruleset struct {
	modules  map[string]bool // dotted names, including detours
	members  map[string]bool // dotted
	builtins map[string]bool
	detours  bool // whether __builtins__, ladders and rewriting encodings count
	nulled   []string

	words   map[string]wordClass // identifiers that may matter
	strings map[string]bool      // strings that may matter everywhere
	imports map[string]bool      // first parts of strings that may matter as arguments of importFunctions
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

// checkName refuses a name that can never match. The operator would believe in a restriction that has no effect.
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

// indexWords collects every word that the later steps need. The lexer does not report a word that is missing here. A superfluous word
// only costs time.
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

// restrictedModule returns the restricted module that contains a dotted path.
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
