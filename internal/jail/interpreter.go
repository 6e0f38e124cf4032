package jail

import (
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
)

// launcher is what python3 imports before the program. See its own comments.
//
//go:embed launcher.py
var launcher []byte

// interpreter is a python3 of the host.
type interpreter struct {
	path     string   // absolute, as configured
	prefixes []string // directories outside /usr that it lives in
}

// interpreterPatience bounds the one start of the interpreter outside of a jail.
const interpreterPatience = 30 * time.Second

// inspectInterpreter asks python3 where it lives. It runs the operator's interpreter on a line
// of ours, with nothing of a user's.
func inspectInterpreter(ctx context.Context, path string) (interpreter, error) {
	if !filepath.IsAbs(path) {
		return interpreter{}, fmt.Errorf("python %q: not an absolute path", path)
	}
	ctx, cancel := context.WithTimeout(ctx, interpreterPatience)
	defer cancel()
	const question = `import sys, json; print(json.dumps([list(sys.version_info[:2]), sys.prefix, sys.base_prefix, sys.exec_prefix]))`
	out, err := exec.CommandContext(ctx, path, "-I", "-S", "-c", question).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return interpreter{}, fmt.Errorf("python %s: %w: %s", path, err, strings.TrimSpace(string(failed.Stderr)))
	}
	if err != nil {
		return interpreter{}, fmt.Errorf("python: %w", err)
	}
	var version [2]int
	var prefixes [3]string
	if err := json.Unmarshal(out, &[]any{&version, &prefixes[0], &prefixes[1], &prefixes[2]}); err != nil {
		return interpreter{}, fmt.Errorf("python %s: no answer that makes sense: %q", path, out)
	}
	if version[0] != 3 || version[1] < 9 {
		return interpreter{}, fmt.Errorf("python %s is version %d.%d; 3.9 or later is needed", path, version[0], version[1])
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return interpreter{}, err
	}
	i := interpreter{path: path}
	for _, dir := range append(prefixes[:], filepath.Dir(path), filepath.Dir(real)) {
		if !strings.HasPrefix(dir+"/", "/usr/") && !strings.HasPrefix(dir+"/", "/bin/") && !slices.Contains(i.prefixes, dir) {
			i.prefixes = append(i.prefixes, dir)
		}
	}
	slices.Sort(i.prefixes) // a directory before what is inside it, and then only the first
	i.prefixes = slices.CompactFunc(i.prefixes, func(outer, inner string) bool {
		return strings.HasPrefix(inner, outer+"/")
	})
	return i, nil
}

func (i interpreter) argv() []string { return []string{i.path, compiledPath} }
