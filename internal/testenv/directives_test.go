package testenv

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every directive must have the form that lab/payload understands. Otherwise the lab would skip its test silently.
func TestDirectivesAreUnderstood(t *testing.T) {
	understood := regexp.MustCompile(`(?m)^//lab:((as|all)( (user|own|root))+\n(//lab:all( (own|root))+\n)?|arm64( (user|own|root))+\n)func Test\w+\(t \*testing\.T\)`)
	written := regexp.MustCompile(`(?m)^\s*//\s*lab:.*$`)
	total := 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission): // lost+found of a disk
			return fs.SkipDir
		case err != nil:
			return err
		case entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && path != "../..":
			return fs.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		good := 0
		for _, found := range understood.FindAll(text, -1) {
			good += len(written.FindAll(found, -1))
		}
		if all := written.FindAll(text, -1); good != len(all) {
			t.Errorf("%s: %d directives are above a test and name its users, of these: %s", path, good, all)
		}
		total += good
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if total == 0 {
		t.Error("no test is for the lab")
	}
}
