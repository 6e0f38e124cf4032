package jail_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// testdata/programs are programs as people write them. Each must do inside what it does outside. A head of
// comments says what is particular to one:
//
//	# packages: python3-h5py …   Debian packages that it needs
//	# varies: REGEXP             what differs from one run to the next, and so is not compared
//	# differs: REGEXP: WHY       lines that begin so are other ones inside; when they no longer are, the test fails
//	# fails: WHY                 it does something else inside; when it no longer does, the test fails
const programsDir = "testdata/programs"

// installedAnyway are the packages that make installs for other tests. A program that needs no more is
// always tried, the others by `make programs`, which installs theirs: they take minutes.
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

// missing are the packages that a program lacks.
func (p program) missing() []string {
	return slices.DeleteFunc(slices.Clone(p.packages), func(name string) bool {
		status, err := exec.Command("dpkg-query", "--show", "--showformat=${db:Status-Status}", name).Output()
		return err == nil && string(status) == "installed"
	})
}

// did is what a program did.
type did struct {
	stdout, stderr string
	status         int
}

var mainFile = regexp.MustCompile(`File "(/home/sandbox/)?main\.py"`)

// compared is what is compared of a stream: all but what varies, and apart from that the lines that differ.
func (p program) compared(text string) (same string, other []string) {
	text = mainFile.ReplaceAllString(text, `File "main.py"`)
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

// Real programs do inside what they do outside, as an unprivileged user without a network.
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
	outside := map[string]did{}
	underEngines(t, func(t *testing.T, edit func(*jail.Config)) {
		j := jailtest.New(t, func(c *jail.Config) {
			edit(c)
			c.Limits.Wall, c.Limits.Memory, c.Limits.Output = 3*time.Minute, 1<<30, 16<<20 // the lab computes slowly
		})
		var environment map[string]string
		if err := json.Unmarshal([]byte(jailtest.Output(t, j, "import json, os; print(json.dumps(dict(os.environ)))")), &environment); err != nil {
			t.Fatal(err)
		}
		for _, p := range programs {
			t.Run(p.name, func(t *testing.T) {
				want, ran := outside[p.name]
				if !ran {
					want = runOutside(t, p.source, environment)
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

// outsideScript makes a directory and a user like those inside, in namespaces of its own, and becomes python3.
// Arguments: the program, then the environment.
const outsideScript = `
set -e
` + jailtest.Python + ` -c 'import fcntl, socket, struct; fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1))' # SIOCSIFFLAGS: up
hostname sandbox
mount -t tmpfs -o size=2g,mode=755 none /home
mkdir -m 700 /home/sandbox
cat >/home/sandbox/main.py
printf '%s\n' root:x:0:0:root:/root:/bin/bash nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin sandbox:x:1000:1000::/home/sandbox:/bin/sh >/home/passwd
printf '%s\n' root:x:0: nogroup:x:65534: sandbox:x:1000: >/home/group
mount --bind /home/passwd /etc/passwd
mount --bind /home/group /etc/group
printf '%s\n' '127.0.0.1 localhost sandbox' '::1 localhost' >/home/hosts
mount --bind /home/hosts /etc/hosts
mount -t tmpfs -o size=1g,mode=1777 none /tmp
mount -t tmpfs -o size=1g,mode=1777 none /dev/shm
chown -R 1000:1000 /home/sandbox
cd /home/sandbox
exec </dev/null
exec setsid --wait setpriv --reuid 1000 --regid 1000 --clear-groups --bounding-set=-all env -i "$@" ` + jailtest.Python + ` main.py
`

// runOutside runs a program as `python3 main.py`.
func runOutside(t *testing.T, source string, environment map[string]string) did {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	arguments := []string{"--net", "--uts", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", outsideScript, "sh"}
	for name, value := range environment {
		arguments = append(arguments, name+"="+value)
	}
	cmd := exec.CommandContext(ctx, "unshare", arguments...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(source), &stdout, &stderr
	var ended *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &ended) || ctx.Err() != nil {
		t.Fatalf("outside: %v, %v", err, ctx.Err())
	}
	return did{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
