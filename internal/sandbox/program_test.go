package sandbox

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestProgramsThatCannotBeRun(t *testing.T) {
	files := func(paths ...string) (p Program) {
		for _, path := range paths {
			p.Files = append(p.Files, File{Path: path})
		}
		return p
	}
	env := func(name, value string) Program { return Program{Env: map[string]string{name: value}} }
	many := make([]string, MaxFiles+1)
	variables := map[string]string{}
	for i := range many {
		many[i] = fmt.Sprint("f", i)
		variables[many[i]] = ""
	}
	for _, tt := range []struct {
		name    string
		program Program
		at      string // path of the invalid field; "" if the program is valid
	}{
		{"an empty program", Program{}, ""},
		{"the longest source", Program{Source: make([]byte, MaxSource)}, ""},
		{"a longer source", Program{Source: make([]byte, MaxSource+1)}, "code"},
		{"the longest input", Program{Stdin: make([]byte, MaxStdin)}, ""},
		{"a longer input", Program{Stdin: make([]byte, MaxStdin+1)}, "stdin"},
		{"arguments", Program{Args: []string{"", "-x", "é"}}, ""},
		{"an argument with a NUL", Program{Args: []string{"a", "b\x00"}}, "args/1"},
		{"too many arguments", Program{Args: make([]string, MaxArgs+1)}, "args"},
		{"long arguments", Program{Args: []string{strings.Repeat("x", MaxArgBytes), "x"}}, "args"},
		{"a variable", env("PATH", "é=\n"), ""},
		{"a variable whose name only contains what is refused", env("MY_PYTHONPATH", "x"), ""},
		{"a variable without a name", env("", "x"), "env/"},
		{"a name with =", env("A=B", "x"), "env/A=B"},
		{"a name with a NUL", env("A\x00", "x"), "env/A\x00"},
		{"a value with a NUL", env("A", "\x00"), "env/A"},
		{"a variable of python3", env("PYTHONPATH", "x"), "env/PYTHONPATH"},
		{"a variable of the dynamic linker", env("LD_PRELOAD", "x"), "env/LD_PRELOAD"},
		{"a variable of the allocator", env("MALLOC_ARENA_MAX", "1"), "env/MALLOC_ARENA_MAX"},
		{"too many variables", Program{Env: variables}, "env"},
		{"long variables", env("A", strings.Repeat("x", MaxEnvBytes)), "env"},
		{"files", files("a", "b/c", "b/d/e", ".hidden", "…", "a.b", "..a", "main.pyc", "x/main.py"), ""},
		{"no path", files("a", ""), "files/1/path"},
		{"the directory itself", files("."), "files/0/path"},
		{"an absolute path", files("/etc/passwd"), "files/0/path"},
		{"a path with ..", files("a/../../b"), "files/0/path"},
		{"a path that ends with ..", files("a/.."), "files/0/path"},
		{"a directory", files("a/"), "files/0/path"},
		{"two slashes", files("a//b"), "files/0/path"},
		{"a dot", files("./a"), "files/0/path"},
		{"a NUL", files("a\x00b"), "files/0/path"},
		{"no UTF-8", files("a\xff"), "files/0/path"},
		{"the name of the program", files("main.py"), "files/0/path"},
		{"the name of the program before it starts", files(".main.py"), "files/0/path"},
		{"a path below the program", files("main.py/x"), "files/0/path"},
		{"a file twice", files("a", "b", "a"), "files/2/path"},
		{"a file that is a directory", files("a/b/c", "a/b"), "files/1/path"},
		{"a directory that is a file", files("a", "a/b"), "files/0/path"},
		{"the longest name", files(strings.Repeat("x", MaxName)), ""},
		{"a longer name", files("a/" + strings.Repeat("x", MaxName+1)), "files/0/path"},
		{"the longest path", files(strings.Repeat(strings.Repeat("x", 127)+"/", 7) + strings.Repeat("y", 128)), ""},
		{"a longer path", files(strings.Repeat(strings.Repeat("x", 127)+"/", 8) + "y"), "files/0/path"},
		{"the deepest path", files(strings.Repeat("d/", MaxDepth-1) + "f"), ""},
		{"a deeper path", files(strings.Repeat("d/", MaxDepth) + "f"), "files/0/path"},
		{"too many files", files(many...), "files"},
		{"large files", Program{Files: []File{{"a", make([]byte, MaxFileBytes)}, {"b", []byte{1}}}}, "files"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.program.Validate()
			if tt.at == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var invalid *InvalidError
			if !errors.As(err, &invalid) || strings.Join(invalid.Path, "/") != tt.at || invalid.Reason == "" {
				t.Errorf("got %v", err)
			}
		})
	}
}
