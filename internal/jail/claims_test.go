package jail_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every test that the documents name to show a claim is there.
func TestClaimsNameTests(t *testing.T) {
	const root = "../.."
	var sources strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission): // lost+found of a disk
			return fs.SkipDir
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != root:
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		sources.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []string{"docs/threat-model.md", "SECURITY.md", "docs/testing.md", "docs/design.md"} {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(string(text), -1) {
			if !strings.Contains(sources.String(), "func "+name+"(") {
				t.Errorf("%s names %s, which is no test", page, name)
			}
		}
	}
	// Each claim has one.
	text, _ := os.ReadFile(filepath.Join(root, "docs/threat-model.md"))
	_, table, _ := strings.Cut(string(text), "| claim |")
	table, _, _ = strings.Cut(table, "\n\n")
	rows := strings.Split(table, "\n")[2:]
	if len(rows) < 20 {
		t.Fatalf("%d claims", len(rows))
	}
	for _, row := range rows {
		cells := strings.Split(row, " | ")
		if shown := cells[len(cells)-1]; !strings.Contains(shown, "Test") && !strings.Contains(shown, "`lab/guest.sh`") && !strings.Contains(shown, "go test") {
			t.Errorf("no test shows: %s", row)
		}
	}
}
