package scan

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// ErrBudget means that the source needed too much work. The scan gave up without a finding. The run continues, because the jail does
// not depend on the scan.
var ErrBudget = errors.New("scan: the source needs too much work")

// DefaultBudget limits the wall-clock time for one source. Ordinary programs need less than a hundredth of it. Only text that is made
// for that purpose comes close, or a very busy machine.
const DefaultBudget = 250 * time.Millisecond

// MaxFindings is the maximum number of findings of one Scan. One is enough to refuse a program.
const MaxFindings = 64

// maxSource is the size of the largest source that is scanned, in bytes. It is far above the limit of a request.
const maxSource = 64 << 20

// The rules. Metrics use them as labels.
const (
	RuleModule   = "module"   // a restricted module is imported, in any way
	RuleBuiltin  = "builtin"  // a restricted builtin is read
	RuleMember   = "member"   // a member of a module has the same effect as a restricted name
	RuleDetour   = "detour"   // __builtins__, __loader__ or __spec__ is used to reach something else
	RuleDunder   = "dunder"   // attributes lead to all classes or to the globals of a foreign function
	RuleEncoding = "encoding" // the text means something else in its encoding
)

// Rules returns every value that Finding.Rule can have.
func Rules() []string {
	return []string{RuleModule, RuleBuiltin, RuleMember, RuleDetour, RuleDunder, RuleEncoding}
}

// message returns the text that the contract requires. Front ends show it unchanged.
func message(rule, name string) string {
	switch rule {
	case RuleModule:
		return fmt.Sprintf("Security Error: Module '%s' is not allowed for security reasons.", name)
	case RuleBuiltin:
		return fmt.Sprintf("Security Error: Operation '%s(' is not allowed for security reasons.", name)
	default:
		return fmt.Sprintf("Security Error: Operation '%s' is not allowed for security reasons.", name)
	}
}

// Scanner applies one policy. It is safe for concurrent use.
type Scanner struct {
	rules  *ruleset
	budget time.Duration
	slots  chan struct{} // limits the concurrent parses and their C memory; more parses than cores gain nothing
}

// New returns a Scanner, or an error that names the invalid setting.
func New(config Config) (*Scanner, error) {
	rules, err := newRuleset(config)
	if err != nil {
		return nil, err
	}
	return &Scanner{rules: rules, budget: DefaultBudget, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

// Nulled returns the builtins that must be None in the user's module under this policy.
func (s *Scanner) Nulled() []string { return slices.Clone(s.rules.nulled) }

// Scan returns the findings in src, in source order, at most MaxFindings. It does not change src. The error is ErrBudget, or the cause
// of ctx if ctx ended while the source waited for a slot. With an error there are no findings.
func (s *Scanner) Scan(ctx context.Context, src []byte) ([]sandbox.Finding, error) {
	if len(s.rules.words) == 0 {
		return nil, nil
	}
	if len(src) > maxSource {
		return nil, ErrBudget
	}
	text, finding := decode(src)
	if finding != nil {
		if !s.rules.detours {
			return nil, nil
		}
		return []sandbox.Finding{*finding}, nil
	}
	if text == nil {
		return nil, nil
	}
	reduced, ok := reduce(text, s.rules)
	if !ok || len(reduced.words) == 0 {
		return nil, nil
	}

	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	deadline := time.Now().Add(s.budget)
	tree, err := parse(reduced.text, s.budget)
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	w := newWalk(reduced, s.rules, deadline)
	if err := w.run(tree); err != nil {
		return nil, err
	}
	verdicts, err := w.judge()
	if err != nil {
		return nil, err
	}
	return place(src, len(src)-len(text), verdicts), nil
}

// place converts byte offsets to lines and columns. The verdicts must be in source order.
func place(src []byte, shift int, verdicts []verdict) []sandbox.Finding {
	var findings []sandbox.Finding
	at := position{src: src, line: 1, lineStart: shift, offset: shift}
	for _, v := range verdicts {
		f := sandbox.Finding{Rule: v.rule, Name: v.name, Message: message(v.rule, v.name)}
		f.Line, f.Column = at.move(v.at.start + shift)
		end := at
		f.EndLine, f.EndColumn = end.move(v.at.end + shift)
		findings = append(findings, f)
	}
	return findings
}

// position is a place in a source, which only moves forward.
type position struct {
	src             []byte
	line, lineStart int
	offset          int
}

// move goes on to an offset, and returns the line and the column there.
func (p *position) move(offset int) (line, column int) {
	for ; p.offset < offset; p.offset++ {
		if p.src[p.offset] == '\n' || p.src[p.offset] == '\r' && (p.offset+1 == len(p.src) || p.src[p.offset+1] != '\n') {
			p.line, p.lineStart = p.line+1, p.offset+1
		}
	}
	return p.line, utf8.RuneCount(p.src[p.lineStart:p.offset]) + 1
}
