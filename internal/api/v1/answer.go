package v1

import (
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// Answer is the answer to a run.
type Answer struct {
	Outcome
	Displays []Display    `json:"displays" nullable:"false" doc:"Pictures, tables and formulas that the program showed, in order."`
	Files    []OutputFile `json:"files" nullable:"false" doc:"Files that collect names, sorted by path."`
	Stdout   string       `json:"stdout" doc:"The output of the program. Bytes that are not UTF-8 become U+FFFD."`
	Stderr   string       `json:"stderr" doc:"The same for standard error. Nothing is added to it."`
}

// Outcome is an answer without the streams.
type Outcome struct {
	ID        string    `json:"id" pattern:"^run_[0-9A-Z]+$" doc:"The name of the run, which is in the log too."`
	Verdict   string    `json:"verdict" enum:"exited,signaled,timeout,out_of_memory,cpu_limit,rejected,cancelled" doc:"How the run ended, as the service saw it."`
	ExitCode  *int      `json:"exit_code" nullable:"true" minimum:"0" maximum:"255" doc:"For exited."`
	Signal    *string   `json:"signal" nullable:"true" doc:"For signaled." example:"SIGSEGV"`
	Reason    string    `json:"reason" doc:"One sentence for the author of the program." example:"The program ended by itself with exit code 0."`
	Truncated Truncated `json:"truncated"`
	Findings  []Finding `json:"findings" nullable:"false" doc:"For rejected: places that the policy forbids. Otherwise: places that a stricter policy would forbid."`
	Denials   []Denial  `json:"denials" nullable:"false" doc:"System calls that the sandbox denied. The program went on, as a rule."`
	Usage     Usage     `json:"usage"`
	Phases    Phases    `json:"phases"`
	Isolation Isolation `json:"isolation"`
}

// Truncated has the amounts of dropped output.
type Truncated struct {
	StdoutBytes int64 `json:"stdout_bytes" minimum:"0" doc:"Bytes that the program wrote and that are not here."`
	StderrBytes int64 `json:"stderr_bytes" minimum:"0"`
	Displays    int   `json:"displays" minimum:"0" doc:"Displays that are not here, because there were too many, they were too large, or they could not be understood."`
	Files       int   `json:"files" minimum:"0" doc:"Files that match and are not here, because there were too many, they were too large or unreadable, or their names are not UTF-8."`
}

// Display is a picture, table or other output that the program displayed. It has either text or base64.
type Display struct {
	MIMEType string `json:"mime_type" enum:"image/png,image/jpeg,image/gif,image/webp,image/svg+xml,application/vnd.plotly.v1+json,application/vnd.vegalite.v5+json,application/vnd.bokehjs_exec.v0+json,text/html,text/latex,text/markdown,application/json,text/plain" doc:"Its type, the richest that the object offered."`
	Title    string `json:"title,omitempty" doc:"For people who cannot see it." example:"Figure 1"`
	Text     string `json:"text,omitempty" doc:"The content, of a type that is text."`
	Base64   string `json:"base64,omitempty" encoding:"base64" doc:"The content, of any other type."`
}

// OutputFile is a file that a run returns. It has either text or base64.
type OutputFile struct {
	Path      string `json:"path" doc:"Relative to the working directory." example:"out/a.csv"`
	SizeBytes int64  `json:"size_bytes" minimum:"0"`
	MIMEType  string `json:"mime_type" doc:"By the extension of the name." example:"text/csv"`
	Text      string `json:"text,omitempty" doc:"The content, if it is UTF-8."`
	Base64    string `json:"base64,omitempty" encoding:"base64" doc:"The content, if it is not."`
}

// Finding is a place in the source that violates the policy.
type Finding struct {
	Rule      string `json:"rule"`
	Message   string `json:"message"`
	Line      int    `json:"line" minimum:"1"`
	Column    int    `json:"column" minimum:"1" doc:"From 1, in characters, which are Unicode code points."`
	EndLine   int    `json:"end_line" minimum:"1"`
	EndColumn int    `json:"end_column" minimum:"1" doc:"Of the place after the last character."`
}

// Denial is a system call that the sandbox denied.
type Denial struct {
	Syscall     string `json:"syscall"`
	Count       int    `json:"count" minimum:"1"`
	Explanation string `json:"explanation"`
}

// Usage has the resources that a run used.
type Usage struct {
	WallSeconds     float64 `json:"wall_seconds" minimum:"0"`
	CPUSeconds      float64 `json:"cpu_seconds" minimum:"0" doc:"User and system time of all processes."`
	PeakMemoryBytes int64   `json:"peak_memory_bytes" minimum:"0" doc:"0 where it is not known."`
}

// Phases has the durations of the phases of a run.
type Phases struct {
	QueueSeconds float64 `json:"queue_seconds" minimum:"0" doc:"Until there was a slot."`
	SetupSeconds float64 `json:"setup_seconds" minimum:"0" doc:"Until the program started."`
	RunSeconds   float64 `json:"run_seconds" minimum:"0"`
	Warm         bool    `json:"warm" doc:"Whether a jail was waiting for the program."`
}

// Isolation says which layers of the isolation were in force.
type Isolation struct {
	Enforced bool     `json:"enforced" doc:"Whether all required layers were in force."`
	Missing  []string `json:"missing" nullable:"false" doc:"Layers that were not in force, those that are not required included."`
}

// verdicts has the API's names of the verdicts.
var verdicts = map[sandbox.Verdict]string{
	sandbox.Exited: "exited", sandbox.Signaled: "signaled", sandbox.Timeout: "timeout", sandbox.OOM: "out_of_memory",
	sandbox.CPULimit: "cpu_limit",
	sandbox.Rejected: "rejected", sandbox.Cancelled: "cancelled",
}

// outcome describes a run. stdout and stderr are the bytes of each stream that the client receives.
func (a *API) outcome(id string, o *sandbox.Outcome, limits sandbox.Limits, stdout, stderr int64) Outcome {
	out := Outcome{
		ID: id, Verdict: verdicts[o.Verdict], Reason: o.Sentence(limits),
		Truncated: Truncated{o.Stdout.Total - stdout, o.Stderr.Total - stderr, o.LostDisplays, o.LostFiles},
		Findings:  []Finding{}, Denials: []Denial{},
		Usage: Usage{o.Timing.Program.Seconds(), o.Usage.CPU.Seconds(), o.Usage.PeakMemory},
		Phases: Phases{
			QueueSeconds: o.Timing.Queued.Seconds(),
			SetupSeconds: (o.Timing.Clone + o.Timing.Setup).Seconds(),
			RunSeconds:   o.Timing.Program.Seconds(),
			Warm:         o.Warm,
		},
		Isolation: a.cfg.Isolation,
	}
	switch o.Verdict {
	case sandbox.Rejected: // the program was not run
		out.Usage, out.Phases.RunSeconds = Usage{}, 0
	case sandbox.Exited:
		out.ExitCode = &o.ExitCode
	case sandbox.Signaled:
		name := sandbox.SignalName(o.Signal)
		out.Signal = &name
	}
	for _, f := range o.Findings {
		out.Findings = append(out.Findings, Finding{f.Rule, f.Message, f.Line, f.Column, f.EndLine, f.EndColumn})
	}
	for _, call := range slices.Sorted(maps.Keys(o.Denials)) {
		out.Denials = append(out.Denials, Denial{call, o.Denials[call], sandbox.ExplainDenial(call)})
	}
	return out
}

// object returns v as JSON without the closing brace, so that the caller can append more fields.
func object(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // all values are strings and numbers: please report this bug
	}
	return strings.TrimSuffix(b.String(), "}\n")
}

// writeAnswer writes an Answer in pieces (see jsonout).
func writeAnswer(to io.Writer, out Outcome, o *sandbox.Outcome) error {
	w := jsonout.New(to)
	w.Raw(object(out))
	w.Raw(`,"displays":[`)
	for i, d := range o.Displays {
		comma(w, i)
		writeDisplay(w, object(displayHead(d)), d)
		w.Raw("}")
	}
	w.Raw(`],`)
	writeFiles(w, o.Files)
	w.Raw(`,"stdout":"`)
	w.Text(o.Stdout.Whole())
	w.Raw(`","stderr":"`)
	w.Text(o.Stderr.Whole())
	w.Raw("\"}\n")
	return w.Flush()
}

// whole returns b without an incomplete character at its end.
func whole(b []byte) []byte {
	return sandbox.Output{Kept: b, Total: int64(len(b)) + 1}.Whole()
}
