package scan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A finding is the part of the source between the marks « and », in lines and in columns of Unicode code points.
func TestPlaces(t *testing.T) {
	s, err := New(Config{Policy: Strict})
	if err != nil {
		t.Fatal(err)
	}
	for _, marked := range []string{
		"import «os»",
		"import «os.path» as p, math, «sys»  # more",
		"import «os . path»",
		"from «os» import path, sep",
		"from «os.path» import (join,\n  split)",
		"import math, «os.\\\n  path»\n«open»('x')",
		"«open»('x')",
		"x = [«eval», «exec»]",
		"s = 'é🐍'; «eval»('1')",
		"# é🐍\nif 1:\n\t«eval»('x')",
		"«ｏｐｅｎ»('x')",
		"().__class__.__base__.«__subclasses__»()",
		"«__builtins__»['open']('x')",
		"import io\nio.«open»('x')",
		"import importlib\nimportlib.import_module(«'os'»)",
		"import importlib\nimportlib.import_module(«r\"os.path\"», None)",
		"import importlib\nimportlib.import_module(«'''os'''»)",
		"print(f\"é{«open»('x')}\")",
		"x = 1\r\n«open»('x')\r\n",
		"x = 1\r«open»('x')\r",
		"\xef\xbb\xbf«open»('x')",
		"# coding: «utf-7»\n",
		"#!/usr/bin/python3\n# é -*- coding: «utf-7» -*-\n",
		"# coding: latin-1\nx = '\xe9\xe9'; «open»('x')",
	} {
		t.Run(marked, func(t *testing.T) {
			source, want := "", []string(nil)
			for i, part := range strings.FieldsFunc(strings.ReplaceAll(" "+marked, "»", "«"), func(c rune) bool { return c == '«' }) {
				if i == 0 {
					source = part[1:] // the blank keeps an empty part
					continue
				}
				if i%2 == 1 {
					want = append(want, placeAfter(source)+"-"+placeAfter(source+part))
				}
				source += part
			}
			findings, err := s.Scan(t.Context(), []byte(source))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range findings {
				got = append(got, fmt.Sprintf("%d:%d-%d:%d", f.Line, f.Column, f.EndLine, f.EndColumn))
			}
			if len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
}

// placeAfter returns the line and the column after a text.
func placeAfter(text string) string {
	text = strings.TrimPrefix(text, "\xef\xbb\xbf")
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	return fmt.Sprintf("%d:%d", strings.Count(text, "\n")+1, utf8.RuneCountInString(text[strings.LastIndex(text, "\n")+1:])+1)
}
