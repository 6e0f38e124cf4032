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
	Environment string            `json:"environment,omitempty"` // the interpreter; "": the default one
	Policy      string            `json:"policy,omitempty"`      // the policy of the scan; "": the one of the service
	Limits      *Limits           `json:"limits,omitempty"`      // nil: the limits of the service
}

// validate returns an error for a text that is not UTF-8. JSON has no other text, and encoding/json would replace what is wrong.
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

// MarshalJSON gives exactly one of text and base64, also for an empty file.
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

// Limits are limits that a run sets for itself. For a field that is 0, the limit of the service applies.
type Limits struct {
	WallSeconds float64 `json:"wall_seconds,omitempty"`
	CPUSeconds  float64 `json:"cpu_seconds,omitempty"` // of all processes together
	MemoryBytes int64   `json:"memory_bytes,omitempty"`
	Processes   int     `json:"processes,omitempty"`
	OutputBytes int64   `json:"output_bytes,omitempty"` // of each stream
}
