package seccompprofiles

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"
)

// Limits for a profile. They are about a hundred times the size of the default profile.
const (
	maxProfileBytes = 1 << 20
	maxRules        = 8192 // a rule is one name in one entry of "syscalls"
)

// document is a profile as it is written. It is the OCI format with additional properties. In the entries of "syscalls", "comment" and
// "includes" are also known to Docker and Podman, and "quiet" is our own. A reader of plain OCI "MUST ignore unknown properties"
// (runtime-spec, config.md, "Extensibility"). Without "comment" and "quiet" it returns the same errnos. Without "includes", which the
// default profile does not use, an entry applies to all machines. With "extends" a profile is incomplete for such a reader.
type document struct {
	Extends          string                   `json:"extends"`
	DefaultAction    specs.LinuxSeccompAction `json:"defaultAction"`
	DefaultErrnoRet  *uint                    `json:"defaultErrnoRet"`
	Architectures    []specs.Arch             `json:"architectures"`
	Flags            []specs.LinuxSeccompFlag `json:"flags"`
	ListenerPath     string                   `json:"listenerPath"`
	ListenerMetadata string                   `json:"listenerMetadata"`
	Syscalls         []entry                  `json:"syscalls"`
}

type entry struct {
	specs.LinuxSyscall
	Comment  string   `json:"comment"`
	Includes includes `json:"includes"`
	Quiet    bool     `json:"quiet"` // the denial is not counted: see Rule
}

// includes restricts an entry to machines, by their names in Go ("amd64", "arm64").
type includes struct {
	Arches []string `json:"arches"`
}

var documentKeys = []string{
	"defaultAction", "defaultErrnoRet", "architectures", "flags", "listenerPath", "listenerMetadata",
	"syscalls", "names", "action", "errnoRet", "args", "comment", "includes", "arches",
	"index", "value", "valueTwo", "op", "extends", "quiet",
}

// profile is a checked profile for one machine.
type profile struct {
	machine  machine
	fallback Action            // for a call that no rule matches
	syscalls map[string][]Rule // only names that exist on the machine
}

// parse reads a profile for one machine. It is strict: anything that looks like a rule but would have no effect is an error.
func parse(text []byte, m machine) (*profile, error) {
	doc, err := decode(text)
	if err != nil {
		return nil, err
	}
	base, err := parseBase(doc.Extends, m)
	if err != nil {
		return nil, err
	}
	var fallback Action
	if base != nil && doc.DefaultAction == "" && doc.DefaultErrnoRet == nil {
		fallback = base.fallback
	} else if fallback, err = parseAction(doc.DefaultAction, doc.DefaultErrnoRet); err != nil {
		return nil, fmt.Errorf("defaultAction: %w", err)
	}
	if fallback.Allows() {
		return nil, fmt.Errorf("defaultAction: %s would turn the profile into a deny list; it must list what is allowed", doc.DefaultAction)
	}
	if len(doc.Flags) > 0 {
		return nil, fmt.Errorf("flags: %q: the jail loads the filter without flags; remove them", doc.Flags)
	}
	if doc.ListenerPath != "" || doc.ListenerMetadata != "" {
		return nil, errors.New("listenerPath, listenerMetadata: the jail does not support them; remove them")
	}
	if err := checkArchitectures(doc.Architectures, m); err != nil {
		return nil, err
	}

	p := &profile{machine: m, fallback: fallback, syscalls: make(map[string][]Rule)}
	total := 0
	for i, e := range doc.Syscalls {
		if total += len(e.Names); total > maxRules {
			return nil, fmt.Errorf("syscalls: more than %d rules", maxRules)
		}
		if err := p.add(e); err != nil {
			return nil, fmt.Errorf("syscalls[%d]: %w", i, err)
		}
	}
	if base != nil {
		for name, rules := range base.syscalls {
			if _, replaced := p.syscalls[name]; !replaced {
				p.syscalls[name] = rules
			}
		}
	}
	return p, p.check()
}

// parseBase reads the profile that another one extends. It returns nil if there is none. If the extending profile has an entry for a name on
// this machine, the entry replaces all rules of the base for that name.
func parseBase(name string, m machine) (*profile, error) {
	switch name {
	case "":
		return nil, nil
	case "default":
		return parse(Default, m)
	}
	return nil, fmt.Errorf("extends: unknown profile %q: only \"default\" can be extended", name)
}

func decode(text []byte) (*document, error) {
	if len(text) > maxProfileBytes {
		return nil, fmt.Errorf("the file has %d bytes, more than %d", len(text), maxProfileBytes)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	doc := new(document)
	if err := dec.Decode(doc); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("the file has more data after the profile, at byte %d", dec.InputOffset())
	}
	return doc, checkKeys(json.NewDecoder(bytes.NewReader(text)))
}

// checkKeys refuses keys that encoding/json accepts: a duplicate key, of which the last one would count, and a key in another case.
func checkKeys(dec *json.Decoder) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'):
		seen := make(map[string]bool)
		for dec.More() {
			token, err := dec.Token()
			if err != nil {
				return err
			}
			key, _ := token.(string)
			if !slices.Contains(documentKeys, key) {
				return fmt.Errorf("unknown field %q", key)
			}
			if seen[key] {
				return fmt.Errorf("duplicate field %q in one object, at byte %d", key, dec.InputOffset())
			}
			seen[key] = true
			if err := checkKeys(dec); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	case json.Delim('['):
		for dec.More() {
			if err := checkKeys(dec); err != nil {
				return err
			}
		}
		_, err = dec.Token()
	}
	return err
}

func checkArchitectures(arches []specs.Arch, m machine) error {
	for _, a := range arches {
		if !slices.Contains(knownArches, a) {
			return fmt.Errorf("architectures: unknown architecture %q", a)
		}
	}
	// Other architectures than the machine's own are allowed, but get no rules: their calls kill the process.
	if len(arches) > 0 && !slices.Contains(arches, m.oci) {
		return fmt.Errorf("architectures: %q: the profile is not made for this machine, %s", arches, m.oci)
	}
	return nil
}

// add adds one entry of "syscalls".
func (p *profile) add(e entry) error {
	if len(e.Names) == 0 {
		return errors.New("names: empty")
	}
	action, err := parseAction(e.Action, e.ErrnoRet)
	if err != nil {
		return fmt.Errorf("%q: action: %w", e.Names, err)
	}
	if e.Quiet && action.Errno() == 0 {
		return fmt.Errorf("%q: quiet: no effect with %s: only denials with an errno are counted", e.Names, e.Action)
	}
	if err := checkArgs(e.Args); err != nil {
		return fmt.Errorf("%q: args: %w", e.Names, err)
	}
	for _, arch := range e.Includes.Arches {
		if !slices.ContainsFunc(machines, func(m machine) bool { return m.goarch == arch }) {
			return fmt.Errorf("%q: includes.arches: unknown architecture %q", e.Names, arch)
		}
	}
	here := len(e.Includes.Arches) == 0 || slices.Contains(e.Includes.Arches, p.machine.goarch)
	for _, name := range e.Names {
		exists, err := p.machine.has(name)
		if err != nil {
			return err
		}
		if here && exists {
			p.syscalls[name] = append(p.syscalls[name], Rule{Action: action, Args: e.Args, Comment: e.Comment, Quiet: e.Quiet})
		}
	}
	return nil
}

// has reports whether the machine has a system call of that name. If no machine has it, the profile has a mistake, and has returns an
// error.
func (m machine) has(name string) (bool, error) {
	nr, err := seccomp.GetSyscallFromNameByArch(name, m.scmp)
	cut := strings.ContainsRune(name, 0) // C reads a string only up to the NUL
	if cut || errors.Is(err, seccomp.ErrSyscallDoesNotExist) {
		major, minor, micro := seccomp.GetLibraryVersion()
		return false, fmt.Errorf("names: unknown system call %q (libseccomp %d.%d.%d does not know it for any architecture)",
			name, major, minor, micro)
	}
	if err != nil {
		return false, fmt.Errorf("names: %q: %w", name, err)
	}
	return nr >= 0, nil // libseccomp returns negative numbers for calls that only other architectures have
}

func parseAction(a specs.LinuxSeccompAction, errno *uint) (Action, error) {
	if errno != nil && a != specs.ActErrno {
		return 0, fmt.Errorf("an errno is given, but %s does not return one", a)
	}
	switch a {
	case specs.ActAllow:
		return unix.SECCOMP_RET_ALLOW, nil
	case specs.ActLog:
		return unix.SECCOMP_RET_LOG, nil
	case specs.ActTrap:
		return unix.SECCOMP_RET_TRAP, nil
	case specs.ActKillProcess:
		return unix.SECCOMP_RET_KILL_PROCESS, nil
	case specs.ActErrno:
		if errno == nil {
			return unix.SECCOMP_RET_ERRNO | Action(unix.EPERM), nil // the default of the OCI specification
		}
		if *errno == 0 || *errno > 4095 {
			return 0, fmt.Errorf("errno %d: must be from 1 to 4095", *errno)
		}
		return unix.SECCOMP_RET_ERRNO | Action(*errno), nil
	case specs.ActKill, specs.ActKillThread:
		return 0, fmt.Errorf("%s kills one thread, and the program hangs: use %s", a, specs.ActKillProcess)
	case specs.ActNotify, specs.ActTrace:
		return 0, fmt.Errorf("%s: no process would answer: use %s", a, specs.ActErrno)
	case "":
		return 0, errors.New("missing")
	}
	return 0, fmt.Errorf("unknown action %q", a)
}

func checkArgs(args []specs.LinuxSeccompArg) error {
	var seen [6]bool
	for _, a := range args {
		switch {
		case a.Index > 5:
			return fmt.Errorf("index %d: a system call has arguments 0 to 5", a.Index)
		case seen[a.Index]:
			return fmt.Errorf("index %d is compared twice in one rule, which OCI runtimes treat as \"or\": write two rules", a.Index)
		case !slices.Contains(knownOperators, a.Op):
			return fmt.Errorf("index %d: unknown operator %q", a.Index, a.Op)
		case a.Op == specs.OpMaskedEqual && a.ValueTwo&^a.Value != 0:
			return fmt.Errorf("index %d: valueTwo %#x has bits outside the mask, value %#x: it never matches", a.Index, a.ValueTwo, a.Value)
		case a.Op == specs.OpMaskedEqual && a.Value == 0:
			return fmt.Errorf("index %d: the mask (value) is 0: it always matches", a.Index)
		case a.Op != specs.OpMaskedEqual && a.ValueTwo != 0:
			return fmt.Errorf("index %d: valueTwo is only for %s", a.Index, specs.OpMaskedEqual)
		case a.Op == specs.OpLessThan && a.Value == 0, a.Op == specs.OpGreaterThan && a.Value == math.MaxUint64:
			return fmt.Errorf("index %d: %s %d never matches", a.Index, a.Op, a.Value)
		case a.Op == specs.OpGreaterEqual && a.Value == 0, a.Op == specs.OpLessEqual && a.Value == math.MaxUint64:
			return fmt.Errorf("index %d: %s %d always matches", a.Index, a.Op, a.Value)
		}
		seen[a.Index] = true
	}
	return nil
}

// needed are the calls that the init makes after it has loaded the filter: sendmsg sends the listener to the daemon, then comes execve. If
// execve fails, write and exit_group report it. The arguments are those of the init. These calls must be allowed, because a denied call
// would wait for a listener that the daemon does not have yet.
var needed = []struct {
	name string
	args [6]uint64
}{
	{"execve", [6]uint64{somewhere, somewhere, somewhere}},
	{"exit_group", [6]uint64{1}},
	{"sendmsg", [6]uint64{3, somewhere, 0}},
	{"write", [6]uint64{3, somewhere, 64}},
}

const somewhere = 0xc000000000 // any address; this one is in Go's heap

// check checks the rules as a whole.
func (p *profile) check() error {
	names := p.names()
	if !slices.ContainsFunc(names, p.allows) {
		return errors.New("syscalls: nothing is allowed")
	}
	for _, n := range needed {
		if !p.decide(n.name, n.args).Allows() {
			return fmt.Errorf("syscalls: %s is not allowed, but the jail needs it after it has loaded the filter", n.name)
		}
	}
	for _, name := range names {
		if err := checkContradiction(p.syscalls[name]); err != nil {
			return fmt.Errorf("syscalls: %s: %w", name, err)
		}
	}
	if p.allows("clone3") && slices.ContainsFunc(p.syscalls["clone"], func(r Rule) bool { return len(r.Args) > 0 }) {
		return errors.New("syscalls: clone3 is allowed, which makes the conditions on clone useless: a filter cannot see the flags of clone3, which are in memory")
	}
	return nil
}

// checkContradiction refuses two rules with different actions that may both match one call. Which of them counts would depend on
// libseccomp.
func checkContradiction(rules []Rule) error {
	for i, a := range rules {
		for _, b := range rules[:i] {
			if a.returns() != b.returns() && !disjoint(a.Args, b.Args) {
				return fmt.Errorf("contradiction: one call may match both %s and %s", b, a)
			}
		}
	}
	return nil
}

// disjoint reports whether it is certain that no call meets both lists of conditions.
func disjoint(a, b []specs.LinuxSeccompArg) bool {
	for _, x := range a {
		for _, y := range b {
			if x.Index == y.Index && exclude(x, y) {
				return true
			}
		}
	}
	return false
}

// exclude reports whether it is certain that no value meets both conditions.
func exclude(x, y specs.LinuxSeccompArg) bool {
	if x.Op == specs.OpNotEqual || y.Op == specs.OpNotEqual {
		return x.Value == y.Value && (x.Op == specs.OpEqualTo || y.Op == specs.OpEqualTo)
	}
	xm, xv, xMasked := masked(x)
	ym, yv, yMasked := masked(y)
	if xMasked && yMasked {
		return (xv^yv)&xm&ym != 0
	}
	xlo, xhi := interval(x)
	ylo, yhi := interval(y)
	return xhi < ylo || yhi < xlo
}

func masked(a specs.LinuxSeccompArg) (mask, value uint64, ok bool) {
	switch a.Op {
	case specs.OpMaskedEqual:
		return a.Value, a.ValueTwo, true
	case specs.OpEqualTo:
		return math.MaxUint64, a.Value, true
	}
	return 0, 0, false
}

// interval returns the lowest and the highest value that may meet the condition.
func interval(a specs.LinuxSeccompArg) (lo, hi uint64) {
	switch a.Op {
	case specs.OpEqualTo:
		return a.Value, a.Value
	case specs.OpLessThan:
		return 0, a.Value - 1
	case specs.OpLessEqual:
		return 0, a.Value
	case specs.OpGreaterThan:
		return a.Value + 1, math.MaxUint64
	case specs.OpGreaterEqual:
		return a.Value, math.MaxUint64
	case specs.OpMaskedEqual:
		return a.ValueTwo, a.ValueTwo | ^a.Value
	}
	return 0, math.MaxUint64
}

func matches(a specs.LinuxSeccompArg, value uint64) bool {
	switch a.Op {
	case specs.OpEqualTo:
		return value == a.Value
	case specs.OpNotEqual:
		return value != a.Value
	case specs.OpLessThan:
		return value < a.Value
	case specs.OpLessEqual:
		return value <= a.Value
	case specs.OpGreaterThan:
		return value > a.Value
	case specs.OpGreaterEqual:
		return value >= a.Value
	case specs.OpMaskedEqual:
		return value&a.Value == a.ValueTwo
	}
	return false
}

// decide returns the action that the rules of the profile give for a call of the machine's own architecture.
func (p *profile) decide(name string, args [6]uint64) Action {
	for _, r := range p.syscalls[name] {
		if !slices.ContainsFunc(r.Args, func(a specs.LinuxSeccompArg) bool { return !matches(a, args[a.Index]) }) {
			return r.returns()
		}
	}
	return p.fallback.counted()
}

func (p *profile) allows(name string) bool {
	return slices.ContainsFunc(p.syscalls[name], func(r Rule) bool { return r.Action.Allows() })
}

// names returns the names that the profile has rules for, sorted.
func (p *profile) names() []string {
	names := make([]string, 0, len(p.syscalls))
	for name := range p.syscalls {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
