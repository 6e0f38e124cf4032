// Package python describes the interpreter of the host: its directories, its files in a jail, and the daemon's modules that it runs
// before the program (launcher.py), as a template (template.py) and for displays (display.py).
package python

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
	"github.com/sandboxd/sandboxd/internal/jail/rootfs"
)

// launcherSource is the module that python3 imports before the program.
//
//go:embed launcher.py
var launcherSource []byte

// templateSource is the module that makes an interpreter a template.
//
//go:embed template.py
var templateSource []byte

// displaySource is the module that sends the displays of a program.
//
//go:embed display.py
var displaySource []byte

// inspectProgram makes the interpreter describe itself when the daemon starts.
//
//go:embed inspect.py
var inspectProgram string

// Interpreter is a python3 of the host.
type Interpreter struct {
	Path     string   // absolute, as configured
	Minor    int      // of the version: 11 for Python 3.11
	prefixes []string // directories outside of /usr that it needs
	launcher []byte   // the launcher, compiled once by this interpreter
	template []byte   // likewise
	display  []byte   // likewise
	relics   []string // files that slow down its start; see inspect.py
}

// tested are the minor versions that the tests run with: Debian 12 has Python 3.11, Debian 13 has Python 3.13.
var tested = []int{11, 13}

// Untested returns a sentence if the tests do not cover the version of the interpreter, and otherwise "".
func (i Interpreter) Untested() string {
	if slices.Contains(tested, i.Minor) {
		return ""
	}
	return fmt.Sprintf("Python 3.%d is not tested: the tests run with 3.%d and 3.%d", i.Minor, tested[0], tested[1])
}

// notItsOwn lists directories that also contain other files of the host, or that a program may write. A jail shows the whole directory of
// an interpreter, so that directory cannot be one of these.
var notItsOwn = []string{"/", "/boot", "/dev", "/dev/shm", "/etc", "/home", rootfs.Home, "/media", "/mnt", "/opt", "/proc", "/root", rootfs.Run,
	rootfs.Launcher, "/srv", "/sys", "/var", "/var/lib"}

// Patience bounds the run of inspect.py.
const Patience = 30 * time.Second

// Inspect runs inspect.py with the interpreter at an absolute path, to find its directories and to compile the daemon's modules. It fails
// for versions before 3.9, and for an interpreter that a jail cannot show. An interpreter that has not changed is not run again, because
// a daemon inspects its interpreter several times when it starts.
func Inspect(ctx context.Context, path string) (Interpreter, error) {
	if !filepath.IsAbs(path) {
		return Interpreter{}, fmt.Errorf("python %q: not an absolute path", path)
	}
	now := identify(path)
	if known, ok := inspected.Load(now); ok {
		return known.(Interpreter), nil
	}
	i, err := inspect(ctx, path)
	if err == nil {
		inspected.Store(now, i)
	}
	return i, err
}

// inspected has the Interpreter of each identity.
var inspected sync.Map

// identity changes if an interpreter changes. A virtual environment is a link to an interpreter, and a file that names it.
type identity struct {
	path                      string
	link, interpreter, config stamp
}

// stamp identifies the content of a file. It is zero if there is no such file.
type stamp struct {
	device, inode uint64
	changed       unix.Timespec
}

func identify(path string) identity {
	return identity{
		path:        path,
		link:        stampOf(unix.Lstat, path),
		interpreter: stampOf(unix.Stat, path),
		config:      stampOf(unix.Stat, filepath.Join(filepath.Dir(filepath.Dir(path)), "pyvenv.cfg")),
	}
}

func stampOf(stat func(string, *unix.Stat_t) error, path string) stamp {
	var s unix.Stat_t
	if err := stat(path, &s); err != nil {
		return stamp{}
	}
	return stamp{s.Dev, s.Ino, s.Ctim}
}

func inspect(ctx context.Context, path string) (Interpreter, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-c", inspectProgram) // without -S: the module site recognizes a virtual environment
	sources, err := json.Marshal(map[string]string{"launcher": string(launcherSource), "template": string(templateSource), "display": string(displaySource)})
	if err != nil {
		return Interpreter{}, err
	}
	cmd.Stdin = bytes.NewReader(sources)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return Interpreter{}, fmt.Errorf("python %s: %w: %s", path, err, LastLine(failed.Stderr))
	}
	if err != nil {
		return Interpreter{}, fmt.Errorf("python: %w", err)
	}
	var answer struct {
		Version  [2]int
		Prefixes []string
		Modules  map[string][]byte
		Relics   []string
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		return Interpreter{}, fmt.Errorf("python %s is not a Python interpreter; it printed %.100q", path, out)
	}
	if answer.Version[0] != 3 || answer.Version[1] < 9 {
		return Interpreter{}, fmt.Errorf("python %s is version %d.%d; 3.9 or later is needed", path, answer.Version[0], answer.Version[1])
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Interpreter{}, err
	}
	i := Interpreter{Path: path, Minor: answer.Version[1], launcher: answer.Modules["launcher"], template: answer.Modules["template"], display: answer.Modules["display"], relics: answer.Relics}
	for _, dir := range append(answer.Prefixes, filepath.Dir(path), filepath.Dir(resolved)) {
		dir = filepath.Clean(dir)
		if !strings.HasPrefix(dir+"/", "/usr/") && !strings.HasPrefix(dir+"/", "/bin/") && !slices.Contains(i.prefixes, dir) {
			i.prefixes = append(i.prefixes, dir)
		}
	}
	i.prefixes = outermost(i.prefixes)
	for _, dir := range i.prefixes {
		if strings.HasPrefix(dir+"/", inside.Assembly+"/") {
			return Interpreter{}, fmt.Errorf("python %s is installed in %s: directories below %s cannot be shown in a jail; install it elsewhere", path, dir, inside.Assembly)
		}
		if slices.Contains(notItsOwn, dir) {
			return Interpreter{}, fmt.Errorf("python %s is installed directly in %s, and every program would see all files of that directory; install it in its own directory", path, dir)
		}
	}
	return i, nil
}

// outermost returns the directories that are not inside of another one.
func outermost(dirs []string) []string {
	return slices.DeleteFunc(slices.Clone(dirs), func(inner string) bool {
		return slices.ContainsFunc(dirs, func(outer string) bool { return strings.HasPrefix(inner, outer+"/") })
	})
}

// Files returns the files of the interpreter in the root of a jail.
func (i Interpreter) Files() rootfs.Python {
	return rootfs.Python{Prefixes: i.prefixes, Launcher: i.launcher, Relics: i.relics}
}

// TemplateFile returns the additional file in the root of a template: template.py, compiled.
func (i Interpreter) TemplateFile() inside.Node {
	return inside.Node{Op: inside.File, Path: rootfs.Launcher + "/sandboxd_template.pyc", Data: string(i.template)}
}

// Display returns display.py, compiled.
func (i Interpreter) Display() []byte { return i.display }

// Argv returns the command line of a run.
func (i Interpreter) Argv() []string { return []string{i.Path, rootfs.Main} }

// Environment returns the environment of a run, in the form "NAME=value". The launcher removes the variables of the second part before
// the program starts.
func Environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"HOME=" + rootfs.Home,
		"USER=" + rootfs.User,
		"LANG=C.UTF-8",
		"TMPDIR=/tmp",
		"MPLCONFIGDIR=" + rootfs.Fonts,
		"MPLBACKEND=Agg",
		// By default a run may use one processor, and several threads of BLAS would only wait for each other.
		"OPENBLAS_NUM_THREADS=1",
		"OMP_NUM_THREADS=1",
		"MKL_NUM_THREADS=1",
		"NUMEXPR_NUM_THREADS=1",

		"PYTHONPATH=" + rootfs.Launcher, // sitecustomize.pyc is the launcher
		"PYTHONNOUSERSITE=1",
	}
}

// LastLine returns the last line of the output of an interpreter. In a traceback this is the exception.
func LastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
