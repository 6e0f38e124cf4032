package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"

	seccompprofiles "github.com/sandboxd/sandboxd/seccomp-profiles"
)

type profileCommand struct {
	Check profileCheckCommand `cmd:"" help:"Compile a seccomp profile for this machine and print what it allows."`
}

type profileCheckCommand struct {
	File string `arg:"" help:"The profile, or - for standard input."`
}

// maxProfile limits what is read, in bytes. It is above the compiler's own limit, so that the compiler reports the error.
const maxProfile = 4 << 20

// Run compiles a profile and explains it. Its error names the part of the profile that is wrong.
func (c profileCheckCommand) Run() error {
	file, name := os.Stdin, "standard input"
	if c.File != "-" {
		var err error
		if file, err = os.Open(c.File); err != nil {
			return err
		}
		defer file.Close()
		name = c.File
	}
	text, err := io.ReadAll(io.LimitReader(file, maxProfile))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	filter, err := seccompprofiles.Compile(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	e, err := seccompprofiles.Explain(filter)
	if err != nil {
		return err
	}
	return printExplanation(os.Stdout, name, e)
}

func printExplanation(w io.Writer, name string, e *seccompprofiles.Explanation) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: a filter of %d BPF instructions for %s\n\n", name, e.Instructions, runtime.GOARCH)
	for _, c := range e.Counts {
		fmt.Fprintf(&text, "%5d  %s\n", c.Calls, c.Kind)
	}
	fmt.Fprintf(&text, "       every call of another architecture is killed\n")
	for _, part := range []struct {
		title string
		lines []string
	}{
		{"adds to the default profile", e.Adds},
		{"removes from the default profile", e.TakesAway},
		{"denies with another action", e.Otherwise},
		{"WARNINGS", e.Warnings},
	} {
		if len(part.lines) > 0 {
			fmt.Fprintf(&text, "\n%s:\n  %s\n", part.title, strings.Join(part.lines, "\n  "))
		}
	}
	if len(e.Adds)+len(e.TakesAway)+len(e.Otherwise) == 0 {
		fmt.Fprintf(&text, "\nno difference from the default profile\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}
