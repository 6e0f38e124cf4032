package jail_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jail/output"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Every test that the documents name as the proof of a claim exists.
func TestClaimsNameTests(t *testing.T) {
	const root = "../.."
	var sources strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission): // such as lost+found of a disk
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
	// Each claim names a test.
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

// The numbers in the threat model are those of the program and of its tests.
func TestNumbersOfTheThreatModel(t *testing.T) {
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(strings.Fields(string(text)), " ") // without line breaks
	for _, want := range []string{
		fmt.Sprintf("has less than %g%% of its memory left", 100*jail.HostReserve),
		fmt.Sprintf("killed %d to %d ms after", jail.WatchInterval.Milliseconds(), jail.LongestRest.Milliseconds()),
		fmt.Sprintf("under a limit of %d, however", int64(watchedLimit)>>20),
		fmt.Sprintf("The scratch space comes on top (`--scratch`, %d MiB)", sandbox.DefaultLimits().Scratch>>20),
		fmt.Sprintf("read every %d ms, at most %d KiB at a time", output.LongestPause.Milliseconds(), output.FloodSize>>10),
		fmt.Sprintf("less than %g%% of one processor", 100*maxFloodShare),
	} {
		if !strings.Contains(said, want) {
			t.Errorf("docs/threat-model.md does not say %q", want)
		}
	}
}
