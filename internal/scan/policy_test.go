package scan

import (
	"slices"
	"strings"
	"testing"
)

func TestMessagesAreThoseOfTheContract(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	for _, tt := range []struct{ src, want string }{
		{"import os", "Security Error: Module 'os' is not allowed for security reasons."},
		{"import os.path", "Security Error: Module 'os' is not allowed for security reasons."},
		{"from urllib.request import urlopen", "Security Error: Module 'urllib' is not allowed for security reasons."},
		{"f = open('x')", "Security Error: Operation 'open(' is not allowed for security reasons."},
		{"eval('1')", "Security Error: Operation 'eval(' is not allowed for security reasons."},
		{"__import__(x)", "Security Error: Operation '__import__(' is not allowed for security reasons."},
		{"import io; io.open('x')", "Security Error: Operation 'io.open' is not allowed for security reasons."},
		{"object.__subclasses__()", "Security Error: Operation '__subclasses__' is not allowed for security reasons."},
	} {
		t.Run(tt.src, func(t *testing.T) {
			findings, err := s.Scan(t.Context(), []byte(tt.src))
			if err != nil || len(findings) != 1 {
				t.Fatalf("got %v and %v, want one finding", findings, err)
			}
			if got := findings[0].Message; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPermissive(t *testing.T) {
	testSources(t, Config{Policy: Permissive}, []sourceCase{
		{src: "import os, sys, subprocess, socket, urllib.request, http.client, shutil, builtins, posix, code"},
		{src: "open('x'); eval('1'); exec('1'); compile('', '', 'exec'); __import__('os'); input()"},
		{src: "().__class__.__base__.__subclasses__(); __builtins__['open']; f.__globals__; import_ = open"},
		{src: "# coding: utf-7\n"},
		{src: "import io, ctypes\nio.open('x'); ctypes.CDLL(None)"},
		{src: "import requests", want: "module requests 1:8"},
		{src: "__import__('requests')", want: "module requests 1:1"},
		{src: "import importlib\nimportlib.import_module('smtplib')", want: "module smtplib 2:25"},
	})
}

func TestStrictRefusesWhatPermissiveDoes(t *testing.T) {
	strict := mustNew(t, Config{Policy: Strict})
	for _, module := range permissiveModules {
		if findings, err := strict.Scan(t.Context(), []byte("import "+module)); err != nil || len(findings) != 1 {
			t.Errorf("strict lets %s pass", module)
		}
	}
}

func TestOff(t *testing.T) {
	testSources(t, Config{Policy: Off, Modules: []string{"os"}, Builtins: []string{"open"}}, []sourceCase{
		{src: "import os, requests\nopen('x'); ().__class__.__base__.__subclasses__()"},
	})
}

func TestListsOfTheOperator(t *testing.T) {
	t.Run("replace the modules", func(t *testing.T) {
		testSources(t, Config{Policy: Strict, Modules: []string{"turtle", "urllib.request"}}, []sourceCase{
			{src: "import os, sys, posix, requests, smtplib, pty"},
			{src: "import turtle", want: "module turtle 1:8"},
			{src: "import urllib, urllib.parse"},
			{src: "import urllib.request as r", want: "module urllib.request 1:8"},
			{src: "from urllib import parse"},
			{src: "from urllib import parse, request", want: "module urllib.request 1:27"},
			{src: "from urllib.request import urlopen", want: "module urllib.request 1:6"},
			{src: "__import__('urllib.request')", want: "module urllib.request 1:1"},
			{src: "open('x')", want: "builtin open 1:1"},
		})
	})
	t.Run("replace the builtins", func(t *testing.T) {
		testSources(t, Config{Policy: Strict, Builtins: []string{"print"}}, []sourceCase{
			{src: "open('x'); eval('1'); input(); import_ = compile"},
			{src: "import io, codecs, code\nio.open('x'); codecs.open('x')"},
			{src: "print('x')", want: "builtin print 1:1"},
			{src: "__builtins__.print('x')", want: "builtin print 1:1"},
			{src: "__import__('os')", want: "module os 1:1"},
			{src: "__import__('math')"},
		})
	})
	t.Run("may be empty", func(t *testing.T) {
		testSources(t, Config{Policy: Strict, Modules: []string{}, Builtins: []string{}}, []sourceCase{
			{src: "import os, posix, builtins, io\nopen('x'); io.open('x'); __import__('os')"},
			{src: "object.__subclasses__()", want: "dunder __subclasses__ 1:8"},
		})
	})
	t.Run("add to permissive", func(t *testing.T) {
		testSources(t, Config{Policy: Permissive, Modules: []string{"os"}, Builtins: []string{"input"}}, []sourceCase{
			{src: "import posix, sys, requests"},
			{src: "import os; input()", want: "module os 1:8, builtin input 1:12"},
			{src: "from glob import os"},
		})
	})
}

func TestNulled(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		want   []string
	}{
		{"strict", Config{Policy: Strict},
			[]string{"eval", "exec", "compile", "__import__", "open", "file", "input", "raw_input"}},
		{"permissive", Config{Policy: Permissive}, nil},
		{"off", Config{Policy: Off, Builtins: []string{"open"}}, nil},
		{"strict with a list", Config{Policy: Strict, Builtins: []string{"open", "open", "input"}}, []string{"open", "input"}},
		{"strict with an empty list", Config{Policy: Strict, Builtins: []string{}}, nil},
		{"permissive with a list", Config{Policy: Permissive, Builtins: []string{"open"}}, []string{"open"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustNew(t, tt.config)
			got := s.Nulled()
			if !slices.Equal(got, tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			if len(got) > 0 { // the caller may change the result
				got[0] = "changed"
				if s.Nulled()[0] == "changed" {
					t.Error("the list is shared")
				}
			}
		})
	}
}

func TestInvalidConfigurationIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		config Config
		want   string // a part of the error
	}{
		{"no policy", Config{}, `""`},
		{"unknown policy", Config{Policy: "Strict"}, `"Strict"`},
		{"empty module", Config{Policy: Strict, Modules: []string{"os", ""}}, `module ""`},
		{"blank module", Config{Policy: Strict, Modules: []string{" os"}}, `" os"`},
		{"statement", Config{Policy: Strict, Modules: []string{"import os"}}, `"import os"`},
		{"module that ends in a dot", Config{Policy: Strict, Modules: []string{"os."}}, `"os."`},
		{"pattern", Config{Policy: Permissive, Modules: []string{"os.*"}}, `"os.*"`},
		{"keyword", Config{Policy: Strict, Modules: []string{"import"}}, `"import"`},
		{"number", Config{Policy: Strict, Builtins: []string{"1st"}}, `"1st"`},
		{"call", Config{Policy: Strict, Builtins: []string{"open("}}, `"open("`},
		{"dotted builtin", Config{Policy: Strict, Builtins: []string{"io.open"}}, `"io.open"`},
		{"letters that fold", Config{Policy: Strict, Builtins: []string{"ｏｐｅｎ"}}, `"ｏｐｅｎ"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error that names %s", err, tt.want)
			}
		})
	}
}

func TestRulesAreClosed(t *testing.T) {
	src := "# x\nimport os, io\nopen('x'); io.open('x'); b = __builtins__; f.__globals__"
	findings, err := mustNew(t, Config{Policy: Strict}).Scan(t.Context(), []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	seen := []string{RuleEncoding}
	for _, f := range findings {
		if !slices.Contains(Rules(), f.Rule) {
			t.Errorf("%q is not among the rules", f.Rule)
		}
		seen = append(seen, f.Rule)
	}
	for _, rule := range Rules() {
		if !slices.Contains(seen, rule) {
			t.Errorf("no finding for %q", rule)
		}
	}
}

// No entry is in two lists.
func TestNoEntryIsInTwoLists(t *testing.T) {
	r, err := newRuleset(Config{Policy: Strict})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range slices.Concat(detourModules, detourMembers) {
		for _, name := range d.insteadOf {
			if name != anyModule && name != anyBuiltin && !slices.Contains(strictModules, name) &&
				!slices.Contains(strictBuiltins, name) {
				t.Errorf("%s stands in for %s, which strict does not restrict", d.path, name)
			}
		}
		if _, ok := r.restrictedModule(d.path); !ok && !r.members[d.path] {
			t.Errorf("%s is lost", d.path)
		}
	}
}
