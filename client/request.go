package client

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// Request is a program to run. Only Code is required.
type Request struct {
	Code        string            `json:"code"`                  // at most 1 MiB of UTF-8
	Stdin       string            `json:"stdin,omitempty"`       // the content of standard input
	Args        []string          `json:"args,omitempty"`        // sys.argv[1:]
	Env         map[string]string `json:"env,omitempty"`         // environment variables
	Files       []File            `json:"files,omitempty"`       // files in the working directory
	Collect     []string          `json:"collect,omitempty"`     // patterns of files to return, such as out/**/*.csv
	Environment string            `json:"environment,omitempty"` // the interpreter and its packages; "": the default of the service
	Policy      string            `json:"policy,omitempty"`      // the policy of the scan; "": the default of the service
	Limits      *Limits           `json:"limits,omitempty"`      // nil: the limits of the service
}

// validate returns an error for a text that is not UTF-8. JSON text is UTF-8, and encoding/json would replace invalid bytes.
func (r Request) validate() error {
	texts := map[string]string{"the code": r.Code, "the standard input": r.Stdin}
	for i, arg := range r.Args {
		texts[fmt.Sprintf("argument %d", i)] = arg
	}
	for i, pattern := range r.Collect {
		texts[fmt.Sprintf("pattern %d", i)] = pattern
	}
	for name, value := range r.Env {
		texts[fmt.Sprintf("the variable %q", name)] = name + value
	}
	for _, f := range r.Files {
		texts[fmt.Sprintf("the path %q", f.Path)] = f.Path
		if f.Base64 == nil {
			texts[fmt.Sprintf("the text of %q", f.Path)] = f.Text
		}
	}
	for what, text := range texts {
		if !utf8.ValidString(text) {
			return fmt.Errorf("%s is not UTF-8", what)
		}
	}
	return nil
}

// File is a file in the working directory of a program.
type File struct {
	Path   string `json:"path"`             // relative to the working directory, with slashes
	Text   string `json:"text,omitempty"`   // the content, if Base64 is nil
	Base64 []byte `json:"base64,omitempty"` // the content, as bytes
}

// MarshalJSON encodes exactly one of text and base64, also for an empty file.
func (f File) MarshalJSON() ([]byte, error) {
	if f.Base64 != nil {
		return json.Marshal(struct {
			Path   string `json:"path"`
			Base64 []byte `json:"base64"`
		}{f.Path, f.Base64})
	}
	return json.Marshal(struct {
		Path string `json:"path"`
		Text string `json:"text"`
	}{f.Path, f.Text})
}

// Limits are limits that a run sets for itself, within the bounds in Meta.Limits. For a field that is 0, the default of the service
// applies.
type Limits struct {
	WallSeconds float64 `json:"wall_seconds,omitempty"` // wall-clock time of the program
	CPUSeconds  float64 `json:"cpu_seconds,omitempty"`  // user and system time of all processes together
	MemoryBytes int64   `json:"memory_bytes,omitempty"` // of all processes together, with the files that they write
	Processes   int     `json:"processes,omitempty"`    // processes and threads at the same time, with the interpreter itself
	OutputBytes int64   `json:"output_bytes,omitempty"` // kept of each stream; the rest is counted and dropped
}
