package sandbox

// Program is what a run is asked to do.
type Program struct {
	Source []byte // main.py; at most MaxSource bytes

	// Nulled are the names of builtins that are None in the program's own module, and only
	// there: what it imports keeps them.
	Nulled []string

	// Check compiles the program without running it. The exit status is 0 if it compiles. Otherwise the exit status and
	// standard error are those of python3 for a program that does not compile.
	Check bool

	// Template names the template that the run is forked from; "" means DefaultTemplate.
	Template string
}

// DefaultTemplate is the name of the template that always exists. It has imported no modules.
const DefaultTemplate = "default"

// Finding is one place in the source that a policy forbids.
type Finding struct {
	Rule    string // one of scan.Rules
	Name    string // what is forbidden: "os", "open", "io.open", "__subclasses__"
	Message string // the sentence of the contract, which frontends show as it is

	// Line and Column count from 1; columns are characters, and a tab is one.
	Line, Column int
}
