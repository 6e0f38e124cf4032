package seccompprofiles

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// agrees compares a filter with its profile on random calls, with arguments near the values in its rules and far from them. A difference is
// a bug, because Compile must refuse such a filter.
func agrees(t *testing.T, text []byte, f *Filter) {
	t.Helper()
	m := machines[slices.IndexFunc(machines, func(m machine) bool { return m.goarch == runtime.GOARCH })]
	p, err := parse(text, m)
	if err != nil {
		t.Fatalf("compiled, and then: %v", err)
	}
	hash := fnv.New64a()
	hash.Write(text)
	random := rand.New(rand.NewPCG(hash.Sum64(), 0)) //nolint:gosec // it must be repeatable
	for range 200 {
		s := f.Syscalls[random.IntN(len(f.Syscalls))]
		var args [6]uint64
		for i := range args {
			args[i] = random.Uint64() >> random.IntN(64)
			for _, r := range s.Rules {
				for _, a := range r.Args {
					if int(a.Index) == i && random.IntN(2) == 0 {
						args[i] = witness(a) ^ 1<<random.IntN(64)&-(random.Uint64()&1)
					}
				}
			}
		}
		got, err := run(f.Program, m.audit, s.Number, args)
		if want := p.decide(s.Name, args).answerTo(s.Number); err != nil || got != want {
			t.Errorf("%s%#x is answered with %s, %v; the profile says %s", s.Name, args, got, err, want)
		}
	}
	for _, foreign := range []uint32{0, unix.AUDIT_ARCH_I386, unix.AUDIT_ARCH_ARM, random.Uint32()} {
		if got, err := f.Decide(foreign, random.Uint32N(600), [6]uint64{}); foreign != m.audit && (err != nil || got.Allows()) {
			t.Errorf("architecture %#x is answered with %s, %v", foreign, got, err)
		}
	}
}

// FuzzRules generates profiles with a few rules for a few calls, because libseccomp has had bugs there. Each must compile to a correct program
// or be refused, and must compile to the same program each time.
func FuzzRules(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0})
	f.Add([]byte{1, 2, 3, 4, 5, 1, 2, 4, 4, 5, 1, 2, 5, 4, 5})
	f.Add([]byte{0, 6, 0, 9, 1, 0, 6, 1, 9, 2, 0, 6, 2, 9, 3, 0, 6, 3, 9, 4})
	f.Add([]byte{2, 1, 1, 1, 0, 2, 1, 1, 2, 1, 2, 0, 7, 7, 7, 3, 6, 6, 6, 6})
	names := []string{"ioctl", "clone", "prctl", "socket"}
	actions := []string{`"SCMP_ACT_ALLOW"`, `"SCMP_ACT_ERRNO","errnoRet":1`, `"SCMP_ACT_KILL_PROCESS"`, `"SCMP_ACT_LOG"`}
	values := []string{"0", "1", "2", "255", "4294967295", "4294967296", "9223372036854775808", "18446744073709551615", "2114060288", "65537"}
	f.Fuzz(func(t *testing.T, from []byte) {
		rules := ""
		for n := 0; len(from) >= 5 && n < 8; n++ {
			op := knownOperators[int(from[1])%len(knownOperators)]
			two := "0"
			if op == specs.OpMaskedEqual {
				two = values[int(from[4])%len(values)]
			}
			rules += fmt.Sprintf(`,{"names":[%q],"action":%s,"args":[{"index":%d,"op":%q,"value":%s,"valueTwo":%s}]}`,
				names[from[0]%4], actions[from[0]/4%4], from[2]%6, op, values[int(from[3])%len(values)], two)
			from = from[5:]
		}
		text := []byte(fmt.Sprintf(small, "", rules))
		filter, err := Compile(text)
		if err != nil {
			return
		}
		agrees(t, text, filter)
		if again, err := Compile(text); err != nil || !slices.Equal(filter.Program, again.Program) {
			t.Errorf("the second program is different, %v: %s", err, text)
		}
	})
}
