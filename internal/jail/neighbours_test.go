package jail_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// While a run attacks the host's resources, another run works, and the host does not lose memory. Only attacks with limits in their heads
// use resources. `make test` tries every second one of them.
func TestNeighboursOfAttacks(t *testing.T) {
	host := newHost(t)
	neighbours := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = time.Minute })
	taking := slices.DeleteFunc(loadAttacks(t), func(a attack) bool { return a.family != "resources" || a.limits == "" })
	for n, a := range taking {
		if !testenv.All() && n%2 == 1 {
			continue
		}
		t.Run(a.String(), func(t *testing.T) {
			var limits sandbox.Limits
			j := jailtest.New(t, func(c *jail.Config) { a.limit(t, &c.Limits); limits = c.Limits })
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			before := available(t)
			ended := make(chan error, 1)
			go func() {
				_, err := j.Run(ctx, sandbox.Program{Source: []byte(host.program(a))}, nil)
				ended <- err
			}()
			least := before
			for attacked := true; attacked; {
				select {
				case err := <-ended:
					attacked = false
					if err != nil {
						t.Error(err)
					}
				case <-time.After(watchEvery):
				}
				least = min(least, available(t))
				if attacked {
					if got := jailtest.Output(t, neighbours, `
import os
os.fork() or os._exit(0)
open('/tmp/x', 'w').write('x' * 100000)
print(sum(range(10 ** 5)))
`); got != "4999950000\n" {
						t.Errorf("the neighbour printed %q", got)
					}
				}
			}
			if taken, allowed := before-least, limits.Memory+slack(t); taken > allowed {
				t.Errorf("the host had %d MiB less, of a run that may have %d", taken>>20, limits.Memory>>20)
			}
		})
	}
}

// watchEvery is the interval at which the host's memory is measured during an attack.
const watchEvery = 20 * time.Millisecond

// slack is the memory in bytes that other processes may use during an attack: the neighbours, and other programs of this machine.
func slack(t *testing.T) int64 {
	if testenv.InLab() {
		return 256 << 20
	}
	return meminfo(t, "MemTotal") / 4
}

func available(t *testing.T) int64 { return meminfo(t, "MemAvailable") }

// meminfo returns the value of a line of /proc/meminfo, in bytes.
func meminfo(t *testing.T, key string) int64 {
	t.Helper()
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(data) {
		if fields := strings.Fields(string(line)); fields[0] == key+":" {
			return atoi(t, fields[1]) << 10
		}
	}
	t.Fatalf("no %s", key)
	return 0
}

// Programs whose source is an attack: on the compiler in the jail, or on code that copies or quotes the source.
func TestSourcesThatAreAttacks(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = 5 * time.Second; c.Limits.Memory = 128 << 20 })
	before := jailtest.Count(t, os.Getpid())
	fill := func(s string) string { return strings.Repeat(s, sandbox.MaxSource/len(s)) }
	t.Run("all", func(t *testing.T) {
		for _, tt := range []struct{ name, source string }{
			{"empty", ""},
			{"open brackets", fill("(")},
			{"nested lists", strings.Repeat("[", sandbox.MaxSource/2) + strings.Repeat("]", sandbox.MaxSource/2)},
			{"one giant line", "x=1" + fill("+1")[:sandbox.MaxSource-10]},
			{"a chain of attributes", "x=0\nx" + fill(".a")[:sandbox.MaxSource-10]},
			{"a chain of calls", "f" + fill("()")[:sandbox.MaxSource-10]},
			{"lambdas", fill("lambda:")},
			{"nots", fill("not ")},
			{"minus signs", "x=" + fill("-")[:sandbox.MaxSource-10] + "1"},
			{"powers", "x=" + fill("9**")[:sandbox.MaxSource-10] + "9"},
			{"a constant without end", "x='x'*(1<<60)"},
			{"deep indentation", deep(1400)},
			{"line breaks", fill("\n")},
			{"carriage returns", fill("\r")},
			{"NUL bytes", fill("\x00")},
			{"invalid UTF-8", fill("\xff")},
			{"a byte order mark for each line", fill("\ufeff\n")},
			{"right to left", "print('\u202e" + fill("\u202e")[:sandbox.MaxSource-20] + "')"},
			{"a huge number", "x=" + fill("9")[:sandbox.MaxSource-10]},
			{"a huge hexadecimal number", "x=0x" + fill("f")[:sandbox.MaxSource-10]},
			{"a string that does not end", `x="""` + fill("x")[:sandbox.MaxSource-10]},
			{"strings in strings", "x=" + strings.Repeat("f'{", 1000) + "1" + strings.Repeat("}'", 1000)},
			{"names", func() string {
				var b strings.Builder
				for b.Len() < sandbox.MaxSource-20 {
					b.WriteString("a")
					b.WriteString(strings.Repeat("b", b.Len()%50))
					b.WriteString("=1\n")
				}
				return b.String()
			}()},
			{"an unknown encoding", `# coding: rot13
print(1)`},
			{"an encoding that is a path", `# coding: ../../../../etc/passwd
print(1)`},
			{"UTF-7", "# coding: utf-7\n+AHAAcgBpAG4AdAAoADEAKQ-"},
			{"stars", "(" + fill("*a,")[:sandbox.MaxSource-10] + ")=1"},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if took := r.Timing.Program; took > 5*time.Second+grace {
					t.Errorf("took %v", took)
				}
			})
		}
	})
	jailtest.Settled(t, os.Getpid(), before)
	if got := jailtest.Output(t, j, "print(1)"); got != "1\n" {
		t.Errorf("the next run printed %q", got)
	}
}

// deep returns as many nested blocks as fit.
func deep(levels int) string {
	var b strings.Builder
	for i := range levels {
		b.WriteString(strings.Repeat(" ", i))
		b.WriteString("if 1:\n")
	}
	return b.String()
}

func atoi(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
