package jail_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// documented returns the first columns of the table below a heading of the threat model.
func documented(t *testing.T, heading string, columns int) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/threat-model.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the threat model has no section %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) < columns || !strings.HasPrefix(line, "| ") {
			continue
		}
		for i, c := range cells {
			cells[i] = strings.TrimSpace(c)
		}
		rows = append(rows, cells[:columns])
	}
	if len(rows) < 3 {
		t.Fatalf("no table in section %q", heading)
	}
	return rows[2:] // without the header and the line below it
}

// talker is a running program whose lines are read when it prints them.
type talker struct {
	lines  chan string
	end    func() // kills it and waits for its end
	ended  chan struct{}
	result *jail.Result
	err    error
	rest   []byte // an incomplete line
}

func talk(t *testing.T, j *jail.Runner, source string) *talker {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	p := &talker{lines: make(chan string, 1<<14), ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		p.result, p.err = j.Run(ctx, sandbox.Program{Source: []byte(source)}, jailtest.Live(p, nil))
	}()
	p.end = func() { cancel(); <-p.ended }
	t.Cleanup(p.end)
	return p
}

func (p *talker) Write(b []byte) (int, error) {
	p.rest = append(p.rest, b...)
	for {
		line, rest, whole := bytes.Cut(p.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		p.lines <- string(line)
		p.rest = rest
	}
}

// line returns the next line, which maps aspects to what the program saw.
func (p *talker) line(t *testing.T) map[string]string {
	t.Helper()
	select {
	case line := <-p.lines:
		raw := map[string]json.RawMessage{}
		_ = json.Unmarshal([]byte(line), &raw) // fails for the line "sent" of a sender
		found := map[string]string{}
		for aspect, what := range raw {
			found[aspect] = string(what)
		}
		return found
	case <-p.ended:
		if p.err != nil {
			t.Fatal(p.err)
		}
		t.Fatalf("it ended: verdict %s, status %d, signal %v, stderr:\n%s", p.result.Verdict, p.result.ExitCode, p.result.Signal, p.result.Stderr.Kept)
		return nil
	}
}

// news returns the first line for which the program looked after this call.
func (p *talker) news(t *testing.T) map[string]string {
	t.Helper()
	for len(p.lines) > 0 {
		<-p.lines
	}
	p.line(t)
	return p.line(t)
}

// compareWithBare runs a program in a jail and as `python3 main.py`. Both must end in the same way and write the same to both streams.
func compareWithBare(t *testing.T, j *jail.Runner, source string) {
	t.Helper()
	want, status := bareOnce(t, source)
	r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(source)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := end(r), ended(status); got != want {
		t.Errorf("ended with %s, and python3 with %s", got, want)
	}
	for i, got := range []string{string(r.Stdout.Kept), string(r.Stderr.Kept)} {
		if got, want := address.ReplaceAllString(got, "0x"), address.ReplaceAllString(want[i], "0x"); got != want {
			t.Errorf("said:\n%s\npython3:\n%s", got, want)
		}
	}
}

// ended returns how a process ended, in the form of end.
func ended(status unix.WaitStatus) string {
	if status.Signaled() {
		return "signal=" + unix.SignalName(status.Signal())
	}
	return "exit=" + strconv.Itoa(status.ExitStatus())
}

// bareOnce calls bare once for both engines, since python3 behaves in the same way for both.
func bareOnce(t *testing.T, source string) (said [2]string, status unix.WaitStatus) {
	type end struct {
		said   [2]string
		status unix.WaitStatus
	}
	t.Helper()
	if known, ok := bareEnds.Load(source); ok {
		return known.(end).said, known.(end).status
	}
	said, status = bare(t, source)
	bareEnds.Store(source, end{said, status})
	return said, status
}

// bare runs a program with python3 outside of a jail and returns both streams and how it ended.
func bare(t *testing.T, source string) (said [2]string, status unix.WaitStatus) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "main.py")
	if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(jailtest.Config(t).Python, "main.py")
	cmd.Dir, cmd.Stdout, cmd.Stderr = filepath.Dir(path), &stdout, &stderr
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // as in a jail, so that a signal to its process group reaches only the program
	err := cmd.Run()
	var exited *exec.ExitError
	if err != nil && !errors.As(err, &exited) {
		t.Fatal(err)
	}
	status = unix.WaitStatus(cmd.ProcessState.Sys().(syscall.WaitStatus))
	// Outside of a jail, tracebacks contain the whole path.
	return [2]string{stdout.String(), strings.ReplaceAll(stderr.String(), path, "main.py")}, status
}

// underEngines runs a test in each of the ways that it names. If it names none, testenv.Tries selects them.
func underEngines(t *testing.T, test func(t *testing.T, edit func(*jail.Config)), names ...string) {
	t.Helper()
	for way, engine := range engines {
		if len(names) == 0 && testenv.Tries(way, len(t.Name())) || slices.Contains(names, engine.name) {
			t.Run(engine.name, func(t *testing.T) { test(t, engine.edit) })
		}
	}
}

// end returns how a run ended, in the form of an expectation of an attack: "exit=N", "signal=SIGNAME" or the verdict.
func end(r *jail.Result) string {
	switch r.Verdict {
	case sandbox.Exited:
		return "exit=" + strconv.Itoa(r.ExitCode)
	case sandbox.Signaled:
		return "signal=" + unix.SignalName(r.Signal)
	default:
		return string(r.Verdict)
	}
}

// bad matches the output of an attack that succeeded or could not be carried out.
var bad = regexp.MustCompile(`(?m)^(ESCAPED|UNCLEAR): .*$`)

// denyAllButReports is a filter under which the init can only report and exit.
var denyAllButReports = assemble(
	bpf.LoadAbsolute{Off: 0, Size: 4}, // the number of the system call
	bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.SYS_EXECVE, SkipTrue: 0, SkipFalse: 1},
	bpf.RetConstant{Val: 0x0005_0000 | uint32(unix.EACCES)}, // SECCOMP_RET_ERRNO
	bpf.RetConstant{Val: 0x7fff_0000},                       // SECCOMP_RET_ALLOW
)

// allowAll is a filter that allows all calls.
var allowAll = assemble(bpf.RetConstant{Val: 0x7fff_0000})

// hostShm creates a System V shared memory segment on the host. No jail may see it.
func hostShm(t *testing.T) (key int) {
	t.Helper()
	key = 0x5a0d0000 | os.Getpid()&0xffff
	id, err := unix.SysvShmGet(key, 4096, unix.IPC_CREAT|0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	return key
}

// layersPage is the page with the results of TestEachLayerAlone.
const layersPage = "../../SECURITY.md"

// environmentInside returns the environment of a run.
func environmentInside(t *testing.T, j *jail.Runner) (environment map[string]string) {
	t.Helper()
	said := jailtest.Output(t, j, "import json, os; print(json.dumps(dict(os.environ)))")
	if err := json.Unmarshal([]byte(said), &environment); err != nil {
		t.Fatal(err)
	}
	return environment
}

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}

func alive(pid int) bool {
	return unix.Kill(pid, 0) != unix.ESRCH // by kill, because the files of the process in /proc may be hidden from this test
}

// self runs the calling test again in another process, with a variable in its environment. It returns the lines that the process prints,
// until it has ended.
func self(t *testing.T, variable string) (cmd *exec.Cmd, lines <-chan string) {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var patterns []string
	for part := range strings.SplitSeq(t.Name(), "/") {
		patterns = append(patterns, "^"+regexp.QuoteMeta(part)+"$")
	}
	cmd = exec.Command(executable, "-test.run="+strings.Join(patterns, "/"), "-test.v")
	cmd.Env = append(os.Environ(), variable)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	said := make(chan string)
	go func() {
		defer close(said)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			said <- scanner.Text()
		}
	}()
	return cmd, said
}

// grace bounds how long after its limit a run may end. The programs whose end is tested would otherwise go on for a minute, or forever. The
// lab computes several times slower, and even slower if its host is busy.
var grace = map[bool]time.Duration{false: 3 * time.Second, true: 15 * time.Second}[testenv.InLab()]

type notifyWriter struct {
	once    sync.Once
	written chan struct{}
}

func (w *notifyWriter) Write(p []byte) (int, error) {
	w.once.Do(func() { close(w.written) })
	return len(p), nil
}

// table returns the cells of the table of a page that has this header.
func table(t *testing.T, page, header string) (rows [][]string) {
	t.Helper()
	_, _, lines := cutTable(t, page, header)
	for _, line := range lines {
		cells := strings.Split(strings.Trim(line, "|"), " | ")
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(cell)
		}
		rows = append(rows, cells)
	}
	return rows
}

// virtualEnvironment makes a virtual environment with additional modules, given as source by name, or as other files by their names. It
// has the packages of the system.
func virtualEnvironment(t *testing.T, modules map[string]string) (python string) {
	t.Helper()
	return virtualEnvironmentBelow(t, "/var/tmp", modules, "--system-site-packages") // not /tmp: see TestNewRefuses
}

func virtualEnvironmentBelow(t *testing.T, parent string, modules map[string]string, options ...string) (python string) {
	t.Helper()
	dir, err := os.MkdirTemp(parent, jailtest.NamePrefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if out, err := exec.Command(jailtest.Python, slices.Concat([]string{"-m", "venv", "--without-pip", dir + "/v"}, options)...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	packages, _ := filepath.Glob(dir + "/v/lib/python3*/site-packages")
	for name, source := range modules {
		if filepath.Ext(name) == "" {
			name += ".py"
		}
		if err := os.WriteFile(packages[0]+"/"+name, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil { // because a run has another uid
		t.Fatal(err)
	}
	return dir + "/v/bin/python3"
}

// status returns /proc/PID/status as a map.
func status(t *testing.T, pid int) map[string]string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(data)) {
		key, value, _ := strings.Cut(line, ":")
		found[key] = strings.Join(strings.Fields(value), " ")
	}
	return found
}

func signalZygotes(t *testing.T, j *jail.Runner, signal unix.Signal) {
	t.Helper()
	for _, pid := range j.Zygotes() {
		if err := unix.Kill(pid, signal); err != nil {
			t.Error(err)
		}
	}
}
