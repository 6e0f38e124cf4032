// Package internal_test checks which packages import which.
package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sandboxd/sandboxd/"

// arrows are the packages of this module that each package may import. docs/design.md draws them. A row may only name packages of
// rows above it, so there is no cycle.
var arrows = []struct {
	from string
	to   []string
}{
	{"client", nil},
	{"internal/sandbox", nil},
	{"internal/admission", nil},
	{"internal/filewatch", nil},
	{"internal/hostile", nil},
	{"internal/jsonout", nil},
	{"internal/network", nil},
	{"internal/page", nil},
	{"internal/schematest", nil},
	{"internal/testenv", nil},
	{"internal/jail/kernfs", nil},
	{"internal/jail/inside", nil},
	{"seccomp-profiles", nil},
	{"internal/browsertest", []string{"internal/testenv"}},
	{"internal/promtest", []string{"internal/testenv"}},
	{"internal/tracing", []string{"internal/sandbox"}},
	{"internal/callers", []string{"internal/network", "internal/sandbox"}},
	{"internal/connlimit", []string{"internal/network"}},
	{"internal/scan", []string{"internal/sandbox"}},
	{"internal/metrics", []string{"internal/sandbox"}},
	{"internal/jail/denials", []string{"internal/sandbox", "seccomp-profiles"}},
	{"internal/jail/output", []string{"internal/sandbox"}},
	{"internal/jail/collect", []string{"internal/sandbox"}},
	{"internal/jail/display", []string{"internal/sandbox"}},
	{"internal/jail/cgroup", []string{"internal/jail/kernfs"}},
	{"internal/jail/hostid", []string{"internal/jail/kernfs"}},
	{"internal/jail/rootfs", []string{"internal/jail/inside", "internal/jail/kernfs", "internal/sandbox"}},
	{"internal/jail/python", []string{"internal/jail/inside", "internal/jail/rootfs"}},
	{"internal/jail/spawn", []string{"internal/jail/cgroup", "internal/jail/hostid", "internal/jail/inside", "internal/jail/kernfs",
		"internal/jail/output"}},
	{"internal/jail", []string{"internal/jail/cgroup", "internal/jail/collect", "internal/jail/denials", "internal/jail/display", "internal/jail/hostid", "internal/jail/inside",
		"internal/jail/kernfs", "internal/jail/output", "internal/jail/python", "internal/jail/rootfs", "internal/jail/spawn",
		"internal/sandbox"}},
	{"internal/doctor", []string{"internal/jail", "internal/jail/cgroup", "internal/jail/hostid", "internal/jail/inside",
		"internal/jail/python", "internal/jail/rootfs", "internal/jail/spawn", "internal/sandbox"}},
	{"internal/jailtest", []string{"internal/jail", "internal/jail/hostid", "internal/jail/inside", "internal/sandbox", "internal/testenv", "seccomp-profiles"}},
	{"internal/service", []string{"internal/admission", "internal/callers", "internal/jail", "internal/metrics", "internal/sandbox", "internal/tracing"}},
	{"internal/api/v1", []string{"internal/admission", "internal/callers", "internal/jsonout", "internal/metrics", "internal/sandbox", "internal/service"}},
	{"internal/api", []string{"internal/admission", "internal/api/v1", "internal/callers", "internal/jsonout", "internal/metrics", "internal/page", "internal/sandbox", "internal/service", "internal/tracing"}},
	{"cmd/sandboxd", []string{"client", "internal/admission", "internal/api", "internal/callers", "internal/connlimit", "internal/doctor", "internal/filewatch", "internal/jail", "internal/jail/hostid", "internal/metrics",
		"internal/sandbox", "internal/scan", "internal/service", "internal/tracing", "seccomp-profiles"}},
	{"bench", nil},
	{"tools/dashboard", nil},
}

func TestImportsFollowTheDesign(t *testing.T) {
	above := map[string]bool{}
	allowed := map[string][]string{}
	for _, row := range arrows {
		for _, to := range row.to {
			if !above[to] {
				t.Errorf("%s may import %s, which is not above it", row.from, to)
			}
		}
		above[row.from], allowed[row.from] = true, row.to
	}
	for from, imports := range ours(t, "..") {
		to, ok := allowed[from]
		if !ok {
			t.Errorf("%s is in no row", from)
		}
		for _, imported := range imports {
			if !slices.Contains(to, imported) {
				t.Errorf("%s imports %s", from, imported)
			}
		}
	}
}

// ours returns the packages of this module that each package imports, without its tests.
func ours(t *testing.T, root string) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && path != root {
			// A directory with a go.mod is another module, such as a tool.
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil || strings.HasPrefix(entry.Name(), ".") {
				return fs.SkipDir
			}
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		from, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if found[from] == nil {
			found[from] = []string{}
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if name, is := strings.CutPrefix(imported, module); is && !slices.Contains(found[from], name) {
				found[from] = append(found[from], name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
