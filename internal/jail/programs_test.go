package jail_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// testdata/programs contains programs as people write them. Each must behave in the same way inside and outside of a jail. Comments at its
// beginning can describe exceptions:
//
//	# packages: python3-h5py …   Debian packages that it needs
//	# varies: REGEXP             text that differs from run to run, and so is not compared
//	# differs: REGEXP: WHY       lines that match at their beginning differ inside; if they do not, the test fails
//	# fails: WHY                 the program fails inside; if it does not, the test fails
const programsDir = "testdata/programs"

// installedAnyway lists packages that make installs for other tests. Programs that need only these are always tried. `make programs`
// installs the packages of the others and tries them too, which takes minutes.
var installedAnyway = []string{"python3-numpy", "python3-pandas", "python3-matplotlib"}

type program struct {
	name     string
	source   string
	packages []string
	varies   []*regexp.Regexp
	differs  []*regexp.Regexp
	fails    string
}

func loadPrograms(t *testing.T) (programs []program) {
	t.Helper()
	files, err := filepath.Glob(programsDir + "/*.py")
	if err != nil || len(files) == 0 {
		t.Fatalf("no programs: %v", err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		p := program{name: strings.TrimSuffix(filepath.Base(file), ".py"), source: string(source)}
		for line := range strings.Lines(p.source) {
			comment, is := strings.CutPrefix(line, "# ")
			if !is {
				break
			}
			key, value, _ := strings.Cut(strings.TrimSpace(comment), ": ")
			switch key {
			case "packages":
				p.packages = strings.Fields(value)
			case "varies":
				p.varies = append(p.varies, regexp.MustCompile(value))
			case "differs":
				prefix, _, _ := strings.Cut(value, ": ")
				p.differs = append(p.differs, regexp.MustCompile(`^(?:`+prefix+`)`))
			case "fails":
				p.fails = value
			default:
				t.Fatalf("%s: unknown head %q", file, key)
			}
		}
		programs = append(programs, p)
	}
	return programs
}

// missing returns the packages that a program needs and that are not installed.
func (p program) missing() []string {
	return slices.DeleteFunc(slices.Clone(p.packages), func(name string) bool {
		status, err := exec.Command("dpkg-query", "--show", "--showformat=${db:Status-Status}", name).Output()
		return err == nil && string(status) == "installed"
	})
}

// mainFile matches the program's file in a traceback and at the beginning of a warning.
var mainFile = regexp.MustCompile(`(?m)(File "|^)/home/sandbox/main\.py("|:\d+: )`)

// compared splits a stream into the text that must be the same inside and outside, and the lines that must differ. Text that varies is
// removed.
func (p program) compared(text string) (same string, other []string) {
	text = mainFile.ReplaceAllString(text, "${1}main.py${2}")
	for _, pattern := range p.varies {
		text = pattern.ReplaceAllString(text, "…")
	}
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if slices.ContainsFunc(p.differs, func(r *regexp.Regexp) bool { return r.MatchString(strings.TrimSuffix(line, "\n")) }) {
			other = append(other, line)
		} else {
			kept.WriteString(line)
		}
	}
	return kept.String(), other
}

// Real programs behave inside a jail as they do outside for an unprivileged user without a network.
func TestPrograms(t *testing.T) {
	if testenv.InLab() {
		t.Log("left to the native tests: it is the same there, and quicker")
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can start the program outside as another user, without a network: the same suite runs as root")
	}
	all := os.Getenv("SANDBOXD_TEST_PROGRAMS") == "all"
	ways := []string{"exec", "fork"}
	if all {
		ways = nil // cold and warm
	}
	var programs []program
	for _, p := range loadPrograms(t) {
		more := slices.ContainsFunc(p.packages, func(name string) bool { return !slices.Contains(installedAnyway, name) })
		if more && !all {
			continue
		}
		if missing := p.missing(); len(missing) > 0 {
			testenv.Missing(t, "%s, which %s needs", strings.Join(missing, " "), p.name)
		}
		programs = append(programs, p)
	}
	limits := sandbox.DefaultLimits()
	limits.Wall, limits.Memory, limits.Output = 3*time.Minute, 1<<30, 16<<20
	outside := map[string]did{}
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) {
			edit(c)
			c.Limits = limits
		})
		environment := environmentInside(t, j)
		for _, p := range programs {
			t.Run(p.name, func(t *testing.T) {
				want, ran := outside[p.name]
				if !ran {
					var err error
					if want, err = runOutside(t.Context(), p.source, environment, limits); err != nil {
						t.Fatalf("outside: %v", err)
					}
					outside[p.name] = want
				}
				r := jailtest.Run(t, j, p.source)
				if r.Verdict != sandbox.Exited {
					t.Fatalf("verdict %s, signal %v; denied %v\n%s", r.Verdict, r.Signal, r.Denials, r.Stderr.Kept)
				}
				p.judge(t, did{string(r.Stdout.Kept), string(r.Stderr.Kept), r.ExitCode}, want, r.Denials)
			})
		}
	}, ways...)
}

func (p program) judge(t *testing.T, got, want did, denials map[string]int) {
	gotOut, gotOther := p.compared(got.stdout)
	wantOut, wantOther := p.compared(want.stdout)
	gotErr, _ := p.compared(got.stderr)
	wantErr, _ := p.compared(want.stderr)
	same := gotOut == wantOut && gotErr == wantErr && got.status == want.status
	switch {
	case p.fails != "" && same:
		t.Errorf("it does what it does outside: take off its head that it fails (%s)", p.fails)
	case p.fails != "":
		t.Logf("it fails, as its head says: %s", p.fails)
	case !same:
		t.Errorf("status %d, outside %d; denied %v\nstdout:\n%s\noutside:\n%s\nstderr:\n%s\noutside:\n%s",
			got.status, want.status, denials, gotOut, wantOut, gotErr, wantErr)
	}
	for _, pattern := range p.differs {
		of := func(lines []string) []string {
			return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return !pattern.MatchString(strings.TrimSuffix(line, "\n")) })
		}
		if slices.Equal(of(gotOther), of(wantOther)) {
			t.Errorf("lines %s are as outside: take that off its head", pattern)
		}
	}
}
