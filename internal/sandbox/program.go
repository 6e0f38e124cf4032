package sandbox

// Program is what a run is asked to do.
type Program struct {
	Source []byte // main.py; at most MaxSource bytes

	// Nulled are the names of builtins that are None in the program's own module, and only
	// there: what it imports keeps them.
	Nulled []string

	// Check is whether the program is only compiled. It exits with status 0 if that succeeds, and otherwise as
	// python3 does, with python3's words for what is wrong.
	Check bool

	// Template is the one that the run is forked from; "" is DefaultTemplate.
	Template string
}

// DefaultTemplate is the name of the template that there always is. It has imported nothing.
const DefaultTemplate = "default"

// Finding is one place in the source that a policy forbids.
type Finding struct {
	Rule    string // one of scan.Rules
	Name    string // what is forbidden: "os", "open", "io.open", "__subclasses__"
	Message string // the sentence of the contract, which frontends show as it is

	// Line and Column count from 1; columns are characters, and a tab is one.
	Line, Column int
}
