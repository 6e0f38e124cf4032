// Package python knows the interpreter of the host: where it lives, what a jail needs of it, and the code that it runs before the
// program (launcher.py) and as a template (template.py).
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
	"time"

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

// displaySource is the module that sends what a program shows.
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
	prefixes []string // directories outside of /usr that it needs
	launcher []byte   // the launcher, compiled once by this interpreter
	template []byte   // likewise
	display  []byte   // likewise
	relics   []string // files without which it starts faster, see inspect.py
}

// notItsOwn are directories that also hold other things of the host, or in which a program may write. A directory that an
// interpreter lives in is shown to programs as a whole, so it cannot be one of these.
var notItsOwn = []string{"/", "/boot", "/dev", "/dev/shm", "/etc", "/home", rootfs.Home, "/media", "/mnt", "/opt", "/proc", "/root", rootfs.Run,
	rootfs.Launcher, "/srv", "/sys", "/var", "/var/lib"}

// Patience bounds the one start of the interpreter outside of a jail.
const Patience = 30 * time.Second

// Inspect asks the interpreter at an absolute path where it lives, and has it compile the launcher and the template module. It
// runs only code of the daemon. It fails for versions before 3.9, and for an interpreter that a jail cannot show.
func Inspect(ctx context.Context, path string) (Interpreter, error) {
	if !filepath.IsAbs(path) {
		return Interpreter{}, fmt.Errorf("python %q: not an absolute path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-c", inspectProgram) // with site: it knows a virtual environment
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
	var told struct {
		Version  [2]int
		Prefixes []string
		Modules  map[string][]byte
		Relics   []string
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return Interpreter{}, fmt.Errorf("python %s: no answer that makes sense: %.100q", path, out)
	}
	if told.Version[0] != 3 || told.Version[1] < 9 {
		return Interpreter{}, fmt.Errorf("python %s is version %d.%d; 3.9 or later is needed", path, told.Version[0], told.Version[1])
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return Interpreter{}, err
	}
	i := Interpreter{Path: path, launcher: told.Modules["launcher"], template: told.Modules["template"], display: told.Modules["display"], relics: told.Relics}
	for _, dir := range append(told.Prefixes, filepath.Dir(path), filepath.Dir(real)) {
		dir = filepath.Clean(dir)
		if !strings.HasPrefix(dir+"/", "/usr/") && !strings.HasPrefix(dir+"/", "/bin/") && !slices.Contains(i.prefixes, dir) {
			i.prefixes = append(i.prefixes, dir)
		}
	}
	i.prefixes = outermost(i.prefixes)
	for _, dir := range i.prefixes {
		if strings.HasPrefix(dir+"/", inside.Assembly+"/") {
			return Interpreter{}, fmt.Errorf("python %s lives in %s: the jail is put together over %s, so it cannot come along", path, dir, inside.Assembly)
		}
		if slices.Contains(notItsOwn, dir) {
			return Interpreter{}, fmt.Errorf("python %s lives in %s itself, and all of that would be seen by every program: give it a directory of its own", path, dir)
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

// Files returns what the root of a jail needs of the interpreter.
func (i Interpreter) Files() rootfs.Python {
	return rootfs.Python{Prefixes: i.prefixes, Launcher: i.launcher, Relics: i.relics}
}

// TemplateFile returns the file that the root of a template has in addition.
func (i Interpreter) TemplateFile() inside.Node {
	return inside.Node{Op: inside.File, Path: rootfs.Launcher + "/sandboxd_template.pyc", Data: string(i.template)}
}

// Display returns the compiled module by which a program shows pictures.
func (i Interpreter) Display() []byte { return i.display }

// Argv is the command line of a run.
func (i Interpreter) Argv() []string { return []string{i.Path, rootfs.Main} }

// Environment is the whole environment of a run, in the form "NAME=value". The launcher removes the variables of the second part
// before the program starts.
func Environment() []string {
	return []string{
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"HOME=" + rootfs.Home,
		"USER=" + rootfs.User,
		"LANG=C.UTF-8",
		"TMPDIR=/tmp",
		"MPLCONFIGDIR=" + rootfs.Fonts,
		"MPLBACKEND=Agg",
		// A run has one processor, on which more threads of BLAS would only wait for each other.
		"OPENBLAS_NUM_THREADS=1",
		"OMP_NUM_THREADS=1",
		"MKL_NUM_THREADS=1",
		"NUMEXPR_NUM_THREADS=1",

		"PYTHONPATH=" + rootfs.Launcher, // sitecustomize.pyc is the launcher
		"PYTHONNOUSERSITE=1",
	}
}

// LastLine returns the last line of what an interpreter printed: of a traceback, the exception.
func LastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}
