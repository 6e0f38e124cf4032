package v1

import (
	"encoding/base64"
	"slices"
	"strconv"
	"time"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Request is the body of POST /v1/runs.
type Request struct {
	Code        string            `json:"code" maxLength:"1048576" doc:"The program, at most 1 MiB of UTF-8." example:"import sys\nprint(sys.argv[1], input())"`
	Stdin       string            `json:"stdin,omitempty" maxLength:"1048576" doc:"The content of standard input, at most 1 MiB of UTF-8."`
	Args        []string          `json:"args,omitempty" maxItems:"256" nullable:"false" doc:"sys.argv[1:], at most 64 KiB together, without NUL."`
	Env         map[string]string `json:"env,omitempty" doc:"Environment variables beside those of every run: 128 and 64 KiB at most. Names do not begin with PYTHON, LD_ or MALLOC_."`
	Files       []File            `json:"files,omitempty" maxItems:"256" nullable:"false" doc:"Files in the working directory when the program starts, at most 8 MiB together."`
	Collect     []string          `json:"collect,omitempty" maxItems:"32" nullable:"false" doc:"Patterns of files that are returned, relative to the working directory: *, ?, [a-z], {a,b}, and ** for any directories." example:"[\"out/**/*.csv\"]"`
	Environment string            `json:"environment,omitempty" doc:"The interpreter that the program is forked from, with what that has imported already."`
	Policy      string            `json:"policy,omitempty" doc:"The policy of the scan, which refuses programs before they are run."`
	Limits      *Limits           `json:"limits,omitempty"`
}

// File is a file in the working directory of a program.
type File struct {
	Path   string `json:"path" minLength:"1" maxLength:"1024" doc:"Relative to the working directory, with slashes, without . and .. in it. Directories on the way are made." example:"data/in.csv"`
	Text   string `json:"text,omitempty" doc:"The content, as text: it is written as UTF-8."`
	Base64 string `json:"base64,omitempty" encoding:"base64" doc:"The content, as bytes."`
}

// Limits are the limits that a run sets for itself.
type Limits struct {
	WallSeconds float64 `json:"wall_seconds,omitempty" doc:"Wall-clock time."`
	CPUSeconds  float64 `json:"cpu_seconds,omitempty" doc:"CPU time of all processes together."`
	MemoryBytes int64   `json:"memory_bytes,omitempty" doc:"Memory, with what is written to files in it."`
	Processes   int     `json:"processes,omitempty" doc:"Processes and threads at once, the interpreter's own included."`
	OutputBytes int64   `json:"output_bytes,omitempty" doc:"Bytes that are kept of each stream. The rest is counted and dropped."`
}

// requestFrom converts a body that has been validated.
func requestFrom(body map[string]any) (r Request) {
	r.Code, _ = body["code"].(string)
	r.Stdin, _ = body["stdin"].(string)
	r.Environment, _ = body["environment"].(string)
	r.Policy, _ = body["policy"].(string)
	r.Args = texts(body["args"])
	r.Collect = texts(body["collect"])
	if env, _ := body["env"].(map[string]any); len(env) > 0 {
		r.Env = map[string]string{}
		for name, value := range env {
			r.Env[name], _ = value.(string)
		}
	}
	files, _ := body["files"].([]any)
	for _, file := range files {
		fields, _ := file.(map[string]any)
		var f File
		f.Path, _ = fields["path"].(string)
		f.Text, _ = fields["text"].(string)
		f.Base64, _ = fields["base64"].(string)
		r.Files = append(r.Files, f)
	}
	if limits, found := body["limits"].(map[string]any); found {
		number := func(name string) float64 { n, _ := limits[name].(float64); return n }
		r.Limits = &Limits{number("wall_seconds"), number("cpu_seconds"), int64(number("memory_bytes")), int(number("processes")), int64(number("output_bytes"))}
	}
	return r
}

// texts converts a list of strings.
func texts(list any) (texts []string) {
	values, _ := list.([]any)
	for _, value := range values {
		text, _ := value.(string)
		texts = append(texts, text)
	}
	return texts
}

// program returns the program of a request.
func (r *Request) program() (p sandbox.Program, err error) {
	p = sandbox.Program{Source: []byte(r.Code), Stdin: []byte(r.Stdin), Args: r.Args, Env: r.Env, Template: r.Environment,
		Displays: true, Collect: r.Collect}
	for i, f := range r.Files {
		data := []byte(f.Text)
		if f.Base64 != "" {
			if data, err = base64.StdEncoding.Strict().DecodeString(f.Base64); err != nil {
				return p, fieldError("is not base64 with padding", "files", strconv.Itoa(i), "base64")
			}
		}
		p.Files = append(p.Files, sandbox.File{Path: f.Path, Data: data})
	}
	if l := r.Limits; l != nil {
		p.Limits = sandbox.Bounds{
			Wall:    time.Duration(l.WallSeconds * float64(time.Second)),
			CPUTime: time.Duration(l.CPUSeconds * float64(time.Second)),
			Memory:  l.MemoryBytes, Pids: l.Processes, Output: l.OutputBytes,
		}
	}
	return p, nil
}

// size returns the memory of the parts of a program, in bytes.
func size(p *sandbox.Program) int64 {
	n := len(p.Source) + len(p.Stdin)
	for _, f := range p.Files {
		n += len(f.Path) + len(f.Data)
	}
	for _, arg := range slices.Concat(p.Args, p.Collect) {
		n += len(arg)
	}
	for name, value := range p.Env {
		n += len(name) + len(value)
	}
	return int64(n)
}
