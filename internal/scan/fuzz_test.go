package scan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// FuzzScan checks properties that hold for any bytes. `go test -fuzz FuzzScan ./internal/scan` continues from the committed corpus.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"import os\n", "x = f\"{open('x'):{w}}\"", "if a:\n  import os\nelse:\n\tx = 1\n",
		"\xef\xbb\xbf# coding: latin-1\r\n\xe9 = eval\r", "def f(open=open): return [open for x in open]",
		"match x:\n case [open, *r] if open: pass\n", "().__class__.__base__", "ｏｐｅｎ('x')",
	} {
		f.Add([]byte(seed))
	}
	s, err := New(Config{Policy: Strict})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		start := time.Now()
		findings, err := s.Scan(t.Context(), src)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %v", took)
		}
		if err != nil {
			if !errors.Is(err, ErrBudget) || findings != nil {
				t.Fatalf("got %v and %v", findings, err)
			}
			return
		}
		checkFindings(t, src, findings)
		again, err := s.Scan(t.Context(), src)
		if err == nil && !slices.Equal(findings, again) {
			t.Errorf("first %v, then %v", findings, again)
		}
		if r, ok := reduce(src, s.rules); ok {
			checkTame(t, "source", r)
		}
		checkMuted(t, s, src)
		checkShifted(t, s, src, findings)
	})
}

// checkShifted puts an empty line before the source. Every finding must move down by one line.
func checkShifted(t *testing.T, s *Scanner, src []byte, findings []sandbox.Finding) {
	t.Helper()
	if bytes.Contains(src, []byte("coding")) || bytes.HasPrefix(src, []byte("\xef\xbb\xbf")) {
		return // byte order marks and encoding declarations only count at the beginning
	}
	shifted, err := s.Scan(t.Context(), append([]byte("\n"), src...))
	for i := range shifted {
		shifted[i].Line--
		shifted[i].EndLine--
	}
	if err == nil && !slices.Equal(findings, shifted) {
		t.Errorf("%v, and after an empty line %v", findings, shifted)
	}
}

func checkFindings(t *testing.T, src []byte, findings []sandbox.Finding) {
	t.Helper()
	if len(findings) > MaxFindings {
		t.Errorf("%d findings", len(findings))
	}
	lines := strings.Split(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(string(src)), "\n")
	for i, f := range findings {
		if !slices.Contains(Rules(), f.Rule) || f.Name == "" {
			t.Errorf("finding %+v", f)
		}
		if f.Line < 1 || f.Line > len(lines) || f.Column < 1 || f.Column > utf8.RuneCountInString(lines[f.Line-1]) {
			t.Errorf("finding %+v is outside of the source", f)
		}
		if f.EndLine < f.Line || f.EndLine > len(lines) || f.EndLine == f.Line && f.EndColumn <= f.Column ||
			f.EndColumn < 2 || f.EndColumn > utf8.RuneCountInString(lines[f.EndLine-1])+1 {
			t.Errorf("the end of finding %+v is outside of the source, or before its beginning", f)
		}
		if i > 0 && (f.Line < findings[i-1].Line || f.Line == findings[i-1].Line && f.Column < findings[i-1].Column) {
			t.Errorf("finding %+v comes after %+v", f, findings[i-1])
		}
	}
}

// checkMuted makes the source one comment, and one string. Neither may have findings.
func checkMuted(t *testing.T, s *Scanner, src []byte) {
	t.Helper()
	text := strings.NewReplacer("\n", " ", "\r", " ", "\\", " ", "'", " ", "coding", " ").Replace(string(src))
	for _, muted := range []string{
		"#" + text, "x = '" + text + "'", "x = r'''" + text + "'''  # open",
		fmt.Sprintf("def f():\n '''%s'''\n return '%s' # %s\n", text, text, text),
	} {
		if findings, err := s.Scan(t.Context(), []byte(muted)); err == nil && len(findings) > 0 {
			t.Errorf("%v in %q, which is only text", findings, muted)
		}
	}
}
