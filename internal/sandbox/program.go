package sandbox

import (
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Program is a program with its input, as a run executes it.
type Program struct {
	Source []byte            // main.py; at most MaxSource bytes
	Args   []string          // sys.argv[1:]
	Env    map[string]string // variables in addition to those of every run
	Stdin  []byte            // the content of standard input; at most MaxStdin bytes
	Files  []File            // in the working directory when the program starts

	// Input is standard input that arrives while the program runs. If it is not nil, Stdin must be empty.
	Input *Input

	// Displays reports whether display() and the backend for pictures are available to the program. Otherwise Outcome.Displays is
	// empty.
	Displays bool

	// Collect lists patterns of the files that are returned, relative to the working directory: *, ?, [a-z], {a,b}, and ** for any
	// directories. At most MaxPatterns.
	Collect []string

	// Limits are the limits that this run sets for itself.
	Limits Bounds

	// Nulled lists builtins that are None in the program's main module. Imported modules have the real builtins.
	Nulled []string

	// Check compiles the program without running it. The exit status is 0 if it compiles. Otherwise the exit status and
	// standard error are those of python3 for a program that does not compile.
	Check bool

	// Template names the template that the run is forked from; "" means DefaultTemplate.
	Template string
}

// Input is the input of a program while it runs.
type Input struct {
	Stdin     <-chan []byte   // closed at the end of standard input; nil: standard input is empty
	Interrupt <-chan struct{} // each value is one SIGINT
}

// File is a file in the working directory of a run.
type File struct {
	Path string // relative, with slashes; missing directories on the way are created
	Data []byte
}

// DefaultTemplate is the name of the template that always exists. It has imported no modules.
const DefaultTemplate = "default"

// Maximum sizes of the parts of a program.
const (
	MaxSource    = 1 << 20  // bytes of UTF-8
	MaxStdin     = 1 << 20  // bytes
	MaxArgs      = 256      // their number
	MaxArgBytes  = 64 << 10 // of all arguments together
	MaxEnv       = 128      // the number of variables
	MaxEnvBytes  = 64 << 10 // of all names and values together; far below the limit of execve(2) for one variable
	MaxFiles     = 256      // their number
	MaxFileBytes = 8 << 20  // of all files together
	MaxPath      = 1 << 10  // bytes of a path
	MaxName      = 255      // bytes of a part of it (NAME_MAX)
	MaxDepth     = 16       // parts of a path

	MaxPatterns     = 32      // patterns of files to collect
	MaxPattern      = 1 << 10 // bytes of one
	MaxOutFiles     = 256     // files that are returned
	MaxOutBytes     = 8 << 20 // bytes of all files that are returned
	MaxDisplays     = 64      // displays that are returned
	MaxDisplayBytes = 8 << 20 // bytes of all displays that are returned
)

// RefusedEnv lists prefixes of variables that a program may not set. They configure the interpreter and the C library when a
// process starts, which is before the program's variables are set, so only child processes would see them.
var RefusedEnv = []string{"PYTHON", "LD_", "MALLOC_"}

// refusedFiles lists the names of the program's own file: while it runs, and just before it starts.
var refusedFiles = []string{"main.py", ".main.py"}

// InvalidError describes a part of a program that cannot be run.
type InvalidError struct {
	Path   []string // path of the field, outermost first: "files", "0", "path"
	Reason string   // a predicate whose subject is the field: "is longer than 5 bytes"
}

func (e *InvalidError) Error() string { return strings.Join(e.Path, ".") + " " + e.Reason }

func invalid(reason string, path ...string) error { return &InvalidError{path, reason} }

// Validate returns an *InvalidError for the first part of the program that cannot be run.
func (p *Program) Validate() error {
	if len(p.Source) > MaxSource {
		return invalid(fmt.Sprintf("is longer than %d bytes", MaxSource), "code")
	}
	if len(p.Stdin) > MaxStdin {
		return invalid(fmt.Sprintf("is longer than %d bytes", MaxStdin), "stdin")
	}
	if err := p.validateArgs(); err != nil {
		return err
	}
	if err := p.validateEnv(); err != nil {
		return err
	}
	if err := p.validateCollect(); err != nil {
		return err
	}
	return p.validateFiles()
}

func (p *Program) validateArgs() error {
	total := 0
	for i, arg := range p.Args {
		if strings.Contains(arg, "\x00") {
			return invalid("contains a NUL byte", "args", strconv.Itoa(i))
		}
		total += len(arg)
	}
	switch {
	case len(p.Args) > MaxArgs:
		return invalid(fmt.Sprintf("exceed the maximum number of %d", MaxArgs), "args")
	case total > MaxArgBytes:
		return invalid(fmt.Sprintf("exceed %d bytes in total", MaxArgBytes), "args")
	}
	return nil
}

func (p *Program) validateEnv() error {
	total := 0
	for _, name := range slices.Sorted(maps.Keys(p.Env)) {
		if reason := refusedName(name); reason != "" {
			return invalid(reason, "env", name)
		}
		if strings.Contains(p.Env[name], "\x00") {
			return invalid("contains a NUL byte", "env", name)
		}
		total += len(name) + len(p.Env[name])
	}
	switch {
	case len(p.Env) > MaxEnv:
		return invalid(fmt.Sprintf("has more than %d variables", MaxEnv), "env")
	case total > MaxEnvBytes:
		return invalid(fmt.Sprintf("exceeds %d bytes in total", MaxEnvBytes), "env")
	}
	return nil
}

// refusedName returns what is wrong with the name of a variable, or "".
func refusedName(name string) string {
	if name == "" || strings.ContainsAny(name, "=\x00") {
		return "is not a valid name: it is empty, or contains = or a NUL byte"
	}
	for _, prefix := range RefusedEnv {
		if strings.HasPrefix(name, prefix) {
			return "cannot be set: names that begin with " + strings.Join(RefusedEnv, ", ") + " are reserved for the sandbox"
		}
	}
	return ""
}

func (p *Program) validateCollect() error {
	if len(p.Collect) > MaxPatterns {
		return invalid(fmt.Sprintf("has more than %d patterns", MaxPatterns), "collect")
	}
	for i, pattern := range p.Collect {
		refuse := func(reason string) error { return invalid(reason, "collect", strconv.Itoa(i)) }
		switch {
		case len(pattern) > MaxPattern:
			return refuse(fmt.Sprintf("is longer than %d bytes", MaxPattern))
		case pattern == "" || strings.HasPrefix(pattern, "/") || slices.Contains(strings.Split(pattern, "/"), ".."):
			return refuse("is not relative to the working directory: it must not be empty, begin with / or contain ..")
		case !doublestar.ValidatePattern(pattern):
			return refuse("is not a valid pattern: a bracket, a brace or a backslash is incomplete")
		}
	}
	return nil
}

func (p *Program) validateFiles() error {
	if len(p.Files) > MaxFiles {
		return invalid(fmt.Sprintf("exceed the maximum number of %d", MaxFiles), "files")
	}
	total, files, dirs := 0, map[string]bool{}, map[string]bool{}
	for i, f := range p.Files {
		refuse := func(reason string) error { return invalid(reason, "files", strconv.Itoa(i), "path") }
		if reason := refusedPath(f.Path); reason != "" {
			return refuse(reason)
		}
		if files[f.Path] {
			return refuse("is given twice")
		}
		files[f.Path] = true
		for dir := f.Path; ; {
			slash := strings.LastIndexByte(dir, '/')
			if slash < 0 {
				break
			}
			dir = dir[:slash]
			dirs[dir] = true
		}
		total += len(f.Data)
	}
	for i, f := range p.Files {
		if dirs[f.Path] {
			return invalid("is a file, and a directory of another file", "files", strconv.Itoa(i), "path")
		}
	}
	if total > MaxFileBytes {
		return invalid(fmt.Sprintf("exceed %d bytes in total", MaxFileBytes), "files")
	}
	return nil
}

// refusedPath returns what is wrong with the path of a file, or "".
func refusedPath(path string) string {
	parts := strings.Split(path, "/")
	switch {
	case len(path) > MaxPath:
		return fmt.Sprintf("is longer than %d bytes", MaxPath)
	case !fs.ValidPath(path) || path == "." || strings.Contains(path, "\x00"):
		return "is not a relative path: it must be UTF-8 without NUL, . and .., and must not begin or end with /"
	case len(parts) > MaxDepth:
		return fmt.Sprintf("has more than %d parts", MaxDepth)
	case slices.ContainsFunc(parts, func(part string) bool { return len(part) > MaxName }):
		return fmt.Sprintf("has a name of more than %d bytes", MaxName)
	case slices.Contains(refusedFiles, parts[0]):
		return "is reserved for the program"
	}
	return ""
}

// Finding is one place in the source that a policy forbids.
type Finding struct {
	Rule    string // one of scan.Rules
	Name    string // what is forbidden: "os", "open", "io.open", "__subclasses__"
	Message string // the sentence of the old contract, which front ends show unchanged

	// Lines and columns count from 1. Columns are Unicode code points, and a tab is one. The end is the place after the last
	// character.
	Line, Column       int
	EndLine, EndColumn int
}
