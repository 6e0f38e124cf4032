package client

// Verdict is the way in which a run ended.
type Verdict string

// The verdicts.
const (
	Exited      Verdict = "exited"        // the program ended by itself, with Outcome.ExitCode
	Signaled    Verdict = "signaled"      // a signal ended the program: Outcome.Signal
	Timeout     Verdict = "timeout"       // the program exceeded its wall-clock time
	OutOfMemory Verdict = "out_of_memory" // the program exceeded its memory limit
	CPULimit    Verdict = "cpu_limit"     // the program exceeded its CPU time
	Rejected    Verdict = "rejected"      // the policy forbids the program, which was not run: Outcome.Findings
	Cancelled   Verdict = "cancelled"     // the run was cancelled
)

// Result has the outcome of a run and its output.
type Result struct {
	Outcome
	Displays []Display    `json:"displays"` // pictures, tables and formulas that the program showed, in order
	Files    []OutputFile `json:"files"`    // the files that Request.Collect names, sorted by path
	Stdout   string       `json:"stdout"`   // bytes that are not UTF-8 are U+FFFD
	Stderr   string       `json:"stderr"`
}

// Outcome is a Result without the output, displays and files.
type Outcome struct {
	ID        string    `json:"id"` // of the run, for Client.Cancel and the service's log
	Verdict   Verdict   `json:"verdict"`
	ExitCode  *int      `json:"exit_code"` // for Exited, otherwise nil
	Signal    *string   `json:"signal"`    // for Signaled, otherwise nil; such as SIGSEGV
	Reason    string    `json:"reason"`    // one sentence for the author of the program
	Truncated Truncated `json:"truncated"`
	Findings  []Finding `json:"findings"`
	Denials   []Denial  `json:"denials"`
	Usage     Usage     `json:"usage"`
	Phases    Phases    `json:"phases"`
	Isolation Isolation `json:"isolation"`
}

// Truncated counts the bytes of each stream, the displays and the files that a Result does not contain, because of limits or because
// they cannot be returned.
type Truncated struct {
	StdoutBytes int64 `json:"stdout_bytes"`
	StderrBytes int64 `json:"stderr_bytes"`
	Displays    int   `json:"displays"`
	Files       int   `json:"files"`
}

// Display is one thing that a program showed.
type Display struct {
	MIMEType string `json:"mime_type"`        // such as image/png
	Title    string `json:"title,omitempty"`  // a description for people who cannot see the display
	Text     string `json:"text,omitempty"`   // the content, of a type that is text
	Base64   []byte `json:"base64,omitempty"` // the content, of any other type
}

// Data returns the content.
func (d Display) Data() []byte { return content(d.Text, d.Base64) }

// OutputFile is a file that a program left.
type OutputFile struct {
	Path      string `json:"path"` // relative to the working directory
	SizeBytes int64  `json:"size_bytes"`
	MIMEType  string `json:"mime_type"`        // by the extension of the name
	Text      string `json:"text,omitempty"`   // the content, if it is UTF-8
	Base64    []byte `json:"base64,omitempty"` // the content, if it is not
}

// Data returns the content.
func (f OutputFile) Data() []byte { return content(f.Text, f.Base64) }

func content(text string, data []byte) []byte {
	if data != nil {
		return data
	}
	return []byte(text)
}

// Finding is a part of the source that a policy forbids.
type Finding struct {
	Rule      string `json:"rule"`
	Message   string `json:"message"`
	Line      int    `json:"line"`   // from 1
	Column    int    `json:"column"` // from 1, in Unicode code points
	EndLine   int    `json:"end_line"`
	EndColumn int    `json:"end_column"` // of the place after the last character
}

// Denial is a system call that the sandbox denied.
type Denial struct {
	Syscall     string `json:"syscall"`
	Count       int    `json:"count"`
	Explanation string `json:"explanation"`
}

// Usage has the resources that a run used.
type Usage struct {
	WallSeconds     float64 `json:"wall_seconds"`
	CPUSeconds      float64 `json:"cpu_seconds"`       // user and system time of all processes
	PeakMemoryBytes int64   `json:"peak_memory_bytes"` // 0 if unknown
}

// Phases has the durations of the phases of a run.
type Phases struct {
	QueueSeconds float64 `json:"queue_seconds"` // until the run got a slot
	SetupSeconds float64 `json:"setup_seconds"` // from then until the program started
	RunSeconds   float64 `json:"run_seconds"`
	Warm         bool    `json:"warm"` // whether a jail was waiting for the program
}

// Isolation describes the layers of the isolation during a run.
type Isolation struct {
	Enforced bool     `json:"enforced"` // whether all required layers were in force
	Missing  []string `json:"missing"`  // layers that were not in force, also those that are not required
}

// Meta has the environments, policies, limits and features that a service offers.
type Meta struct {
	Version            string     `json:"version"`
	Environments       []string   `json:"environments"` // names for Request.Environment
	DefaultEnvironment string     `json:"default_environment"`
	Policies           []string   `json:"policies"` // names for Request.Policy
	DefaultPolicy      string     `json:"default_policy"`
	Limits             MetaLimits `json:"limits"`
	Features           []string   `json:"features"` // parts of the API that a service of an earlier version may not have
}

// MetaLimits has the bounds of each of Limits.
type MetaLimits struct {
	WallSeconds MetaNumber  `json:"wall_seconds"`
	CPUSeconds  MetaNumber  `json:"cpu_seconds"`
	MemoryBytes MetaInteger `json:"memory_bytes"`
	Processes   MetaInteger `json:"processes"`
	OutputBytes MetaInteger `json:"output_bytes"`
}

// MetaNumber has the bounds of a limit that is a number.
type MetaNumber struct {
	Minimum float64 `json:"minimum"`
	Default float64 `json:"default"` // for a run that sets none
	Maximum float64 `json:"maximum"`
}

// MetaInteger has the bounds of a limit that is an integer.
type MetaInteger struct {
	Minimum int64 `json:"minimum"`
	Default int64 `json:"default"`
	Maximum int64 `json:"maximum"`
}
