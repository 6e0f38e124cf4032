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

// ErrBudget says that a source was too much work and the scan gave up without a finding. The run
// goes on: the jail does not depend on the scan.
var ErrBudget = errors.New("scan: the source is too much work")

// DefaultBudget bounds the work on one source, in wall time. Ordinary programs need less than a
// hundredth of it, so that it takes a very busy machine to deny one its findings; only text made for
// the purpose comes near.
const DefaultBudget = 250 * time.Millisecond

// MaxFindings bounds what one Scan returns. One is enough to refuse a program.
const MaxFindings = 64

// maxSource is the longest source that is looked at, in bytes: far above what a request can carry.
const maxSource = 64 << 20

// The rules, as labels of metrics.
const (
	RuleModule   = "module"   // a restricted module is imported, by whatever form
	RuleBuiltin  = "builtin"  // a restricted builtin is called or handed on
	RuleMember   = "member"   // a module's member that does what a restricted name does
	RuleDetour   = "detour"   // __builtins__, __loader__ or __spec__, used to reach something else
	RuleDunder   = "dunder"   // a ladder of attributes to all classes or to another's globals
	RuleEncoding = "encoding" // an encoding under which the text is not what it seems
)

// Rules returns every value that Finding.Rule can have.
func Rules() []string {
	return []string{RuleModule, RuleBuiltin, RuleMember, RuleDetour, RuleDunder, RuleEncoding}
}

// message is the sentence of the contract, which frontends show as it is.
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
	slots  chan struct{} // bounds the parses at work, and with them C memory; more than cores gain nothing
}

// New returns a Scanner, or an error that names the setting at fault.
func New(config Config) (*Scanner, error) {
	rules, err := newRuleset(config)
	if err != nil {
		return nil, err
	}
	return &Scanner{rules: rules, budget: DefaultBudget, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}, nil
}

// Nulled returns the builtins that are to be None in the user's module under this policy.
func (s *Scanner) Nulled() []string { return slices.Clone(s.rules.nulled) }

// Scan returns what the policy forbids in src, in source order, at most MaxFindings. The error is
// ErrBudget, or the context's cause when it ended while the source waited for its turn; there are
// no findings with an error. src is only read.
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

// place turns byte offsets into lines and columns. Verdicts are in order, so one pass does.
func place(src []byte, shift int, verdicts []verdict) []sandbox.Finding {
	var findings []sandbox.Finding
	line, lineStart, at := 1, shift, shift
	for _, v := range verdicts {
		for end := v.offset + shift; at < end; at++ {
			if src[at] == '\n' || src[at] == '\r' && (at+1 == len(src) || src[at+1] != '\n') {
				line, lineStart = line+1, at+1
			}
		}
		column := utf8.RuneCount(src[lineStart:at]) + 1
		findings = append(findings, sandbox.Finding{Rule: v.rule, Name: v.name, Message: message(v.rule, v.name), Line: line, Column: column})
	}
	return findings
}
