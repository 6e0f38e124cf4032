package jail

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
)

// launcherSource is what python3 imports before the program. See its own comments.
//
//go:embed launcher.py
var launcherSource []byte

// templateSource is what a template is. See its own comments.
//
//go:embed template.py
var templateSource []byte

// inspectProgram is what the interpreter is asked at start.
//
//go:embed inspect.py
var inspectProgram string

// interpreter is a python3 of the host.
type interpreter struct {
	path     string   // absolute, as configured
	prefixes []string // directories outside /usr that it lives in
	launcher []byte   // compiled for it: a run need not do that again
	template []byte   // likewise
	relics   []string // files that its start is faster without, see inspect.py
}

// notItsOwn are directories in which other things of the host live, or into which a program writes. What an interpreter
// lives in is shown whole.
var notItsOwn = []string{"/", "/boot", "/dev", "/dev/shm", "/etc", "/home", homeDir, "/media", "/mnt", "/opt", "/proc", "/root", runDir,
	launcherDir, "/srv", "/sys", "/var", "/var/lib"}

// interpreterPatience bounds the one start of the interpreter outside of a jail.
const interpreterPatience = 30 * time.Second

// inspectInterpreter asks python3 where it lives and has it compile the launcher. It runs the
// operator's interpreter on a program of ours, with nothing of a user's.
func inspectInterpreter(ctx context.Context, path string) (interpreter, error) {
	if !filepath.IsAbs(path) {
		return interpreter{}, fmt.Errorf("python %q: not an absolute path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, interpreterPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-I", "-c", inspectProgram) // with site: it knows a virtual environment
	sources, err := json.Marshal(map[string]string{"launcher": string(launcherSource), "template": string(templateSource)})
	if err != nil {
		return interpreter{}, err
	}
	cmd.Stdin = bytes.NewReader(sources)
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return interpreter{}, fmt.Errorf("python %s: %w: %s", path, err, lastLine(failed.Stderr))
	}
	if err != nil {
		return interpreter{}, fmt.Errorf("python: %w", err)
	}
	var told struct {
		Version  [2]int
		Prefixes []string
		Modules  map[string][]byte
		Relics   []string
	}
	if err := json.Unmarshal(out, &told); err != nil {
		return interpreter{}, fmt.Errorf("python %s: no answer that makes sense: %.100q", path, out)
	}
	if told.Version[0] != 3 || told.Version[1] < 9 {
		return interpreter{}, fmt.Errorf("python %s is version %d.%d; 3.9 or later is needed", path, told.Version[0], told.Version[1])
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return interpreter{}, err
	}
	i := interpreter{path: path, launcher: told.Modules["launcher"], template: told.Modules["template"], relics: told.Relics}
	for _, dir := range append(told.Prefixes, filepath.Dir(path), filepath.Dir(real)) {
		dir = filepath.Clean(dir)
		if !strings.HasPrefix(dir+"/", "/usr/") && !strings.HasPrefix(dir+"/", "/bin/") && !slices.Contains(i.prefixes, dir) {
			i.prefixes = append(i.prefixes, dir)
		}
	}
	i.prefixes = outermost(i.prefixes)
	for _, dir := range i.prefixes {
		if strings.HasPrefix(dir+"/", inside.Assembly+"/") {
			return interpreter{}, fmt.Errorf("python %s lives in %s: the jail is put together over %s, so it cannot come along", path, dir, inside.Assembly)
		}
		if slices.Contains(notItsOwn, dir) {
			return interpreter{}, fmt.Errorf("python %s lives in %s itself, and all of that would be seen by every program: give it a directory of its own", path, dir)
		}
	}
	return i, nil
}

// outermost are the directories that are inside no other.
func outermost(dirs []string) []string {
	return slices.DeleteFunc(slices.Clone(dirs), func(inner string) bool {
		return slices.ContainsFunc(dirs, func(outer string) bool { return strings.HasPrefix(inner, outer+"/") })
	})
}

func (i interpreter) argv() []string { return []string{i.path, mainPath} }
