package scan

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// ordinary returns a source of at least size bytes that looks like a usual program: classes, functions, docstrings, comments,
// f-strings. Its blocks have 1.7 KB each. In one of every `every` blocks, variables have the names of restricted builtins, so
// that the scan has to parse them. CPython's own library, without file access, has 20 to 60 such names in 100 KB. With every = 5
// the source has about 80.
func ordinary(size, every int) []byte {
	var b strings.Builder
	b.WriteString("\"\"\"Accounts and their history; import os is not needed here.\"\"\"\nimport json\nimport re\nfrom dataclasses import dataclass, field\n\n")
	for i := 0; b.Len() < size; i++ {
		stream, names := "stream", "names"
		if i%every == 0 {
			stream, names = "file", "input"
		}
		fmt.Fprintf(&b, `
@dataclass
class Account%[1]d:
    """An account that remembers (see open() and eval() in the manual)."""

    owner: str
    balance: float = 0.0
    history: list[tuple[str, float]] = field(default_factory=list)

    def __post_init__(self):
        # if os.path.exists(...) is what an older version did
        self.pattern = re.compile(r"^(\w+)-(\d+)$")

    def deposit(self, amount: float, *, note: str = "") -> float:
        if amount <= 0:
            raise ValueError(f"cannot deposit {amount:.2f} for {self.owner!r}")
        self.balance += amount
        self.history.append((note or "deposit", amount))
        return self.balance

    def statement(self):
        for number, (note, amount) in enumerate(self.history, start=1):
            sign = "+" if amount >= 0 else "-"
            yield f"{number:>3} {note:<20} {sign}{abs(amount):10.2f}"

    def export(self, %[2]s=None):
        data = {"owner": self.owner, "balance": self.balance, "history": [list(h) for h in self.history]}
        text = json.dumps(data, indent=2, sort_keys=True)
        print(text, file=%[2]s)
        return text


def total_%[1]d(accounts, %[3]s=()):
    result = 0
    for account in accounts:
        try:
            result += account.balance * (1 + %[1]d / 100)
        except (AttributeError, TypeError) as error:
            print("skipped", account, error)
        else:
            result = round(result, 2)
    while result > 10 ** 6 and %[3]s:
        result //= 2
    return {name: value for name, value in zip(%[3]s, range(int(result))) if value %% 2}
`, i, stream, names)
	}
	return []byte(b.String())
}

const ordinarySize = 100 << 10

func BenchmarkScan(b *testing.B) {
	s := mustNew(b, Config{Policy: Strict})
	for _, bb := range []struct {
		name string
		src  []byte
	}{
		{"ordinary100KB", ordinary(ordinarySize, 5)},
		{"dense100KB", ordinary(ordinarySize, 1)},
		{"refused100KB", append([]byte("import os\n"), ordinary(ordinarySize, 5)...)},
		{"hello", []byte("print('Hello, World!')\n")},
		{"open", []byte("open('x')\n")},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.SetBytes(int64(len(bb.src)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Scan(b.Context(), bb.src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkParse parses the same source without the reduction, to show what the reduction saves.
func BenchmarkParse(b *testing.B) {
	src := ordinary(ordinarySize, 5)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		tree, err := parse(src, time.Minute)
		if err != nil {
			b.Fatal(err)
		}
		tree.Close()
	}
}

func fastest(times int, f func()) time.Duration {
	best := time.Duration(1 << 62)
	for range times {
		start := time.Now()
		f()
		best = min(best, time.Since(start))
	}
	return best
}

// The goal is 5 ms for 100 KB. The test asserts the ratio to the parser alone, which holds on machines of any speed. The parser needs
// about 15 ms on the machine for which the goal was set.
func TestOrdinarySourceIsFast(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	src := ordinary(ordinarySize, 5)
	scan := fastest(20, func() {
		if findings, err := s.Scan(t.Context(), src); err != nil || len(findings) != 0 {
			t.Fatalf("got %v and %v, want nothing", findings, err)
		}
	})
	parsed := fastest(5, func() {
		tree, err := parse(src, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		tree.Close()
	})
	t.Logf("scan %v, bare parse %v", scan, parsed)
	if !raceDetector && scan > parsed/2 {
		t.Errorf("a scan takes %v, want less than half of the %v of a bare parse", scan, parsed)
	}
}

func TestConcurrentScans(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	sources := map[string]string{
		"import os": "module os 1:8", "open('x')": "builtin open 1:1", "print(1)": "",
		"def f(open): return open": "", string(ordinary(20<<10, 1)): "",
		"x = 1\n" + string(ordinary(5<<10, 2)) + "\nimport sys\n": "module sys",
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 20 {
				for src, want := range sources {
					findings, err := s.Scan(t.Context(), []byte(src))
					if got := describe(findings); err != nil || !strings.HasPrefix(got, want) || want == "" && got != "" {
						t.Errorf("got %q and %v, want %q", got, err, want)
					}
				}
			}
		})
	}
	group.Wait()
}

func TestScanOnlyReadsTheSource(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	for _, src := range []string{"\xef\xbb\xbfimport os # \x00 x\r\nopen('x')\r", "# coding: latin-1\n\xe9 = open"} {
		text := []byte(src)
		if _, err := s.Scan(t.Context(), text); err != nil || string(text) != src {
			t.Errorf("%q became %q (%v)", src, text, err)
		}
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	s := mustNew(t, Config{Policy: Strict})
	for range cap(s.slots) {
		s.slots <- struct{}{}
	}
	gone := errors.New("the client went away")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := s.Scan(ctx, []byte("open('x')")); !errors.Is(err, gone) {
		t.Errorf("got %v, want the cause", err)
	}
	if _, err := s.Scan(ctx, []byte("print('x')")); err != nil {
		t.Errorf("a source without a word of interest waited: %v", err)
	}
}

func TestExhaustedBudgetIsAnError(t *testing.T) {
	for _, tt := range []struct{ name, src string }{
		{"in the parser", "x = " + strings.Repeat("-", 1<<20) + "open"},
		{"in broken text", "open" + strings.Repeat(".", 1<<18)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustNew(t, Config{Policy: Strict})
			s.budget = time.Millisecond
			if findings, err := s.Scan(t.Context(), []byte(tt.src)); !errors.Is(err, ErrBudget) || findings != nil {
				t.Errorf("got %v and %v, want ErrBudget", findings, err)
			}
			if findings, err := s.Scan(t.Context(), []byte("import os")); err != nil || len(findings) != 1 {
				t.Errorf("the scan after it: got %v and %v", findings, err)
			}
		})
	}
	t.Run("in the walk", func(t *testing.T) {
		text, rules := []byte(strings.Repeat("open('x')\n", 1000)), mustNew(t, Config{Policy: Strict}).rules
		r, _ := reduce(text, rules)
		tree, err := parse(r.text, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		defer tree.Close()
		if err := newWalk(r, rules, time.Now()).run(tree); !errors.Is(err, ErrBudget) {
			t.Errorf("got %v, want ErrBudget", err)
		}
	})
}

// residentBytes returns the resident set of the process, including C memory (proc_pid_status(5)).
func residentBytes(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skipf("no /proc: %v", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(text))[1])
	if err != nil {
		t.Fatal(err)
	}
	return pages * os.Getpagesize()
}

// Trees and parsers are in C memory, which Go's garbage collector does not free. A leaked tree of these sources has more than 100 KiB,
// so 300 of them would be noticed.
func TestNoMemoryIsLeaked(t *testing.T) {
	if testing.Short() {
		t.Skip("this test is slow, and its result is the same everywhere")
	}
	if raceDetector {
		t.Skip("the race detector uses memory of its own")
	}
	s := mustNew(t, Config{Policy: Strict})
	impatient := mustNew(t, Config{Policy: Strict})
	impatient.budget = time.Millisecond
	src := []byte(strings.Repeat("x = [open, a.b(c), 'd']\n", 200))
	long := []byte("x = " + strings.Repeat("-", 1<<16) + "open")
	round := func() {
		if _, err := s.Scan(t.Context(), src); err != nil {
			t.Fatal(err)
		}
		_, _ = impatient.Scan(t.Context(), long) // gives up half-way
	}
	for range 100 {
		round()
	}
	runtime.GC()
	before := residentBytes(t)
	for range 300 {
		round()
	}
	runtime.GC()
	if grown := residentBytes(t) - before; grown > 16<<20 {
		t.Errorf("300 scans grew the process by %d bytes", grown)
	}
}

func TestLimitsAreThoseOfCPython(t *testing.T) {
	brackets := func(depth int) string { return strings.Repeat("(", depth) + "open" + strings.Repeat(")", depth) }
	for _, tt := range []struct {
		name string
		src  string
		want bool
	}{
		{"99 blocks", deepBlocks(99), true},
		{"100 blocks", deepBlocks(100), false},
		{"200 brackets", brackets(200), true},
		{"201 brackets", brackets(201), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			findings, err := mustNew(t, Config{Policy: Strict}).Scan(t.Context(), []byte(tt.src))
			if err != nil || (len(findings) > 0) != tt.want {
				t.Errorf("got %v and %v", findings, err)
			}
		})
	}
}

// The parser has buffers of a fixed size, which must not overflow. The form of the reduced text guarantees that.
func TestReducedTextFitsTheParsersBuffers(t *testing.T) {
	rules := mustNew(t, Config{Policy: Strict}).rules
	for name, src := range hostile(64 << 10) {
		r, ok := reduce([]byte(src), rules)
		if !ok {
			continue
		}
		checkTame(t, name, r)
	}
}

func checkTame(t *testing.T, name string, r *reduced) {
	t.Helper()
	for line := range strings.Lines(string(r.text)) {
		if indent := len(line) - len(strings.TrimLeft(line, " ")); indent >= maxIndent {
			t.Fatalf("%s: a line is indented by %d", name, indent)
		}
		for _, c := range []byte(line[:len(line)-1]) {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%s: the line %q is not plain", name, line)
			}
		}
	}
	if !slices.IsSortedFunc(r.words, func(a, b word) int { return a.from.start - b.from.start }) {
		t.Fatalf("%s: the words are out of order", name)
	}
}
