package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// said runs a command until it ends.
func said(t testing.TB, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errors.String()
}

// Each error names the origin of the value, the value, and the accepted values, in one line. All errors are reported at once.
func TestWrongSettings(t *testing.T) {
	const aSize = "give a size from 16MiB to 1PiB, such as 256MiB"
	for _, tt := range []struct {
		name string
		file string // its content, at the path FILE; "" for no file
		env  string
		args []string
		want []string // lines, without "sandboxd: "
	}{
		{"a flag, too small", "", "", []string{"--memory", "1"}, []string{"--memory: 1 is too small: " + aSize}},
		{"a flag, too large", "", "", []string{"--wall=2h"}, []string{"--wall: 2h is too large: give a time from 100ms to 1h, such as 500ms or 5s"}},
		{"a flag, negative", "", "", []string{"--queue", "-1"}, []string{"--queue: -1 is too small: give a whole number from 0 to 1000000"}},
		{"a flag of the wrong kind", "", "", []string{"--cpu=all"}, []string{`--cpu: "all" is not a number: give a number from 0.01 to 1000`}},
		{"flags without a value", "", "", []string{"--memory", "--pids"}, []string{
			"--memory: has no value: " + aSize, "--pids: has no value: give a whole number from 1 to 4194304"}},
		{"a repeated flag", "", "", []string{"--memory=x", "--memory=1"}, []string{"--memory: 1 is too small: " + aSize}},
		{"a rate below nothing", "", "", []string{"--rate=-1"}, []string{"--rate: -1 is too small: give a number from 0 to 1000000"}},
		{"a rate without a bound", "", "", []string{"--rate=inf"}, []string{"--rate: inf is too large: give a number from 0 to 1000000"}},
		{"a rate that is no number", "", "", []string{"--rate=nan"}, []string{"--rate: nan is too small: give a number from 0 to 1000000"}},
		{"a proxy that is no network", "trusted-proxy: [10.0.0.0/8, proxy.example]", "", nil, []string{`FILE:1: trusted-proxy: "proxy.example" is no network: give one such as 10.0.0.0/8, ` +
			`192.0.2.1 or 2001:db8::/32, or unix for those that connect by a Unix socket`}},
		{"a root path", "", "", []string{"--root-path=api/"}, []string{`--root-path: "api/" is no root path: give one that begins with a slash and does not end with one, such as /api`}},
		{"a time without a unit", "", "", []string{"--wall=5"}, []string{`--wall: "5" is not a time: give a time from 100ms to 1h, such as 500ms or 5s`}},
		{"a variable", "", "SANDBOXD_MEMORY=x", nil, []string{`SANDBOXD_MEMORY: "x" is not a size: ` + aSize}},
		{"an empty variable", "", "SANDBOXD_MEMORY=", nil, []string{`SANDBOXD_MEMORY: "" is not a size: ` + aSize}},
		{"an unknown word", "", "SANDBOXD_POLICY=lax", nil, []string{`SANDBOXD_POLICY: "lax" is unknown: give strict, permissive or off`}},
		{"a level", "", "SANDBOXD_LOG_LEVEL=loud", nil, []string{`SANDBOXD_LOG_LEVEL: "loud" is not a level: give debug, info, warn or error`}},
		{"an unknown key similar to a known one", "# a comment\nwalls: 1s", "", nil, []string{`FILE:2: unknown key "walls", did you mean "wall"?`}},
		{"an unknown key", "colour: red", "", nil, []string{"FILE:1: unknown key \"colour\"; `sandboxd help` lists the settings"}},
		{"a duplicate key", "wall: 1s\n\nwall: 2s", "", nil, []string{"FILE:3: wall: duplicate key, it is already in line 1"}},
		{"a list instead of a value", "wall: 1s\nmemory: [1]", "", nil, []string{"FILE:2: memory: is a list: " + aSize}},
		{"a map instead of a value", "memory: {a: 1}", "", nil, []string{"FILE:1: memory: is a map: " + aSize}},
		{"a key without a value", "memory:", "", nil, []string{"FILE:1: memory: has no value: " + aSize}},
		{"a value in the file", "queue: 1\nmemory: 1", "", nil, []string{"FILE:2: memory: 1 is too small: " + aSize}},
		{"a switch in the file", "core-scheduling: maybe", "", nil, []string{`FILE:1: core-scheduling: "maybe" is unknown: give true or false`}},
		{"a host in the file", "host: [a.example, 'http://b.example']", "", nil, []string{`FILE:1: host: host "http://b.example": want a name without scheme and port, ` +
			`such as example.com, *.example.com or 192.0.2.1; letters beyond ASCII in their xn-- form; * for every name`}},
		{"a host that is a list", "host: [a.example, [b]]", "", nil, []string{"FILE:1: host: an item of the list is a list: give a list, such as [a, b]"}},
		{"an origin", "", "SANDBOXD_CORS_ORIGIN=a.example", nil, []string{`SANDBOXD_CORS_ORIGIN: origin "a.example": want scheme and host and nothing else, such as https://example.com`}},
		{"an address", "listen: 8000", "", nil, []string{`FILE:1: listen: "8000" is not an address: give HOST:PORT, such as 127.0.0.1:8000, or unix:PATH`}},
		{"a port", "", "", []string{"--admin-listen=127.0.0.1:http8"}, []string{`--admin-listen: "127.0.0.1:http8" is not an address: give HOST:PORT, such as 127.0.0.1:8000, or unix:PATH`}},
		{"a socket without a path", "", "", []string{"--listen=unix:"}, []string{"--listen: unix: has no path: give one, such as unix:/run/sandboxd/socket"}},
		{"a socket with a long path", "", "", []string{"--listen=unix:/" + strings.Repeat("x", 107)}, []string{"--listen: the path is 108 bytes long, but the path of a socket has at most 107: give a shorter one"}},
		{"one of several addresses", "listen: ['127.0.0.1:0', 8000]", "", nil, []string{`FILE:1: listen: "8000" is not an address: give HOST:PORT, such as 127.0.0.1:8000, or unix:PATH`}},
		{"no address", "listen: []", "", nil, []string{"FILE:1: listen: no address: give one, such as 127.0.0.1:8000"}},
		{"a mode", "", "", []string{"--socket-mode=0888"}, []string{`--socket-mode: "0888" is no mode for a socket: give an octal number with read and write for the owner, such as 0660`}},
		{"a mode that keeps the daemon out", "", "", []string{"--socket-mode=0060"}, []string{`--socket-mode: "0060" is no mode for a socket: give an octal number with read and write for the owner, such as 0660`}},
		{"a group", "", "", []string{"--socket-group=nobody-has-this"}, []string{`--socket-group: there is no group "nobody-has-this"`}},
		{"an interpreter", "", "", []string{"--python=python3"}, []string{`--python: "python3" is not an absolute path: give one such as /usr/bin/python3`}},
		{"a missing profile", "", "", []string{"--seccomp-profile=/nonexistent"}, []string{"--seccomp-profile: open /nonexistent: no such file or directory"}},
		{"an invalid profile", "seccomp-profile: FILE", "", nil, []string{
			"FILE:1: seccomp-profile: FILE: seccomp profile: invalid character 's' looking for beginning of value (see `sandboxd profile check`)"}},
		{"a template", "engine: fork\ntemplates: {a: ['os; x']}", "", nil, []string{`FILE:2: templates: template "a": "os; x" is not the name of a module, such as matplotlib.pyplot`}},
		{"a default that another setting makes invalid", "", "", []string{"--concurrency=10000", "--warm=10000", "--uid-count=8"}, []string{
			"--uid-count: 8 is too small: give a whole number from 20008 to 2147483648"}},
		{"a missing file", "", "SANDBOXD_CONFIG=/nonexistent", nil, []string{"SANDBOXD_CONFIG: open /nonexistent: no such file or directory"}},
		{"invalid YAML", "wall: 1s\nmemory: [", "", nil, []string{"FILE: not a YAML map of settings, such as `memory: 256MiB`: line 2: did not find expected node content"}},
		{"two documents", "wall: 1s\n---\nwall: 2s", "", nil, []string{"FILE: not a YAML map of settings, such as `memory: 256MiB`: it has a second document, which would be ignored"}},
		{"all at once", "wall: x\nwarm: 1\npids: 0", "SANDBOXD_QUEUE=x", []string{"--memory=1", "--warm=x"}, []string{
			`--warm: "x" is not a whole number: give a whole number from 0 to 10000`,
			`SANDBOXD_QUEUE: "x" is not a whole number: give a whole number from 0 to 1000000`,
			`FILE:1: wall: "x" is not a time: give a time from 100ms to 1h, such as 500ms or 5s`,
			"--memory: 1 is too small: " + aSize,
			"FILE:3: pids: 0 is too small: give a whole number from 1 to 4194304"}},
		{"overridden values are not checked", "memory: x", "SANDBOXD_PIDS=x", []string{"--memory=1", "--pids=1"}, []string{"--memory: 1 is too small: " + aSize}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.yaml")
			if tt.file != "" {
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(tt.file, "FILE", path)), 0o644); err != nil {
					t.Fatal(err)
				}
				tt.args = append(tt.args, "--config="+path)
			}
			want := "sandboxd: " + strings.ReplaceAll(strings.Join(tt.want, "\nsandboxd: "), "FILE", path) + "\n"
			for _, name := range []string{"serve", "check"} {
				cmd := command(t, append([]string{name}, tt.args...)...)
				if tt.env != "" {
					cmd.Env = append(cmd.Env, tt.env)
				}
				if status, stdout, stderr := said(t, cmd); status != 2 || stdout != "" || stderr != want {
					t.Errorf("%s: status %d, stdout %q, stderr\n%swant\n%s", name, status, stdout, stderr, want)
				}
			}
		})
	}
}

// Failures that do not come from the configuration, such as an address in use, exit with status 1 and not 2.
func TestOtherFailuresAreNotConfigurationErrors(t *testing.T) {
	taken := listenTCP(t)
	for _, args := range [][]string{
		{"serve", isolation(), "--listen=" + taken.Addr().String()},
		{"serve", isolation(), "--python=/nonexistent/python3"},
		{"doctor", isolation(), "--python=/nonexistent/python3"},
		{"run", isolation(), "/nonexistent/program.py"},
	} {
		if status, _, stderr := said(t, command(t, args...)); status != 1 {
			t.Errorf("%v: status %d: %s", args, status, stderr)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, tt := range []struct {
		text  string
		bytes int64 // -1 if it is refused
	}{
		{"268435456", 256 << 20}, {"0", 0}, {"256M", 256 << 20}, {"256MiB", 256 << 20}, {"256MB", 256 << 20}, {"256m", 256 << 20},
		{"256mib", 256 << 20}, {"256 MiB", 256 << 20}, {"256Mi", 256 << 20}, {"2k", 2048}, {"2K", 2048}, {"2kB", 2048}, {"2KB", 2048}, {"2KiB", 2048},
		{"1G", 1 << 30}, {"1gb", 1 << 30}, {"1T", 1 << 40}, {"1P", 1 << 50}, {"1.5G", 3 << 29}, {"7B", 7},
		{"", -1}, {"M", -1}, {"256X", -1}, {"256iB", -1}, {"-1", -1}, {"1e6", -1}, {"256MM", -1}, {"1GiB512MiB", -1}, {"0x10", -1}, {" 1", -1},
		{"9223372036854775807", -1}, {"8192P", -1}, {strings.Repeat("9", 400), -1},
	} {
		var s size
		err := s.UnmarshalText([]byte(tt.text))
		if tt.bytes < 0 != (err != nil) || err == nil && int64(s) != tt.bytes {
			t.Errorf("%q is %d, %v, want %d", tt.text, int64(s), err, tt.bytes)
		}
	}
	for n, want := range map[size]string{0: "0B", 1: "1B", 1 << 10: "1KiB", 1<<20 + 1: "1048577B", 3 << 29: "1536MiB", 1 << 50: "1PiB", 1 << 60: "1024PiB"} {
		var again size
		if n.String() != want || again.UnmarshalText([]byte(want)) != nil || again != n {
			t.Errorf("%d is written %s, want %s", int64(n), n, want)
		}
	}
}

func TestCheck(t *testing.T) {
	file := configFile(t, "memory: 128M\nwall: 2s\nengine: fork\ntemplates: {data: [no_such_module]}\n")
	cmd := command(t, "check", "--config="+file, "--wall=3s", "--listen=unix:/nonexistent/socket")
	cmd.Env = []string{beMain + "=1", "SANDBOXD_PIDS=64"}
	want := "the configuration is valid: " + file + " (engine, memory, templates); SANDBOXD_PIDS from the environment; " +
		"--listen, --wall from the command line; defaults for all other settings\n"
	if status, stdout, stderr := said(t, cmd); status != 0 || stdout != want || stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q, want %q", status, stdout, stderr, want)
	}
	cmd = command(t, "check")
	cmd.Env = []string{beMain + "=1"}
	if status, stdout, stderr := said(t, cmd); status != 0 || stdout != "the configuration is valid: defaults for all other settings\n" || stderr != "" {
		t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// A module that is missing is a configuration error, which names the origin of the template.
func TestTemplateThatFailsIsAConfigurationError(t *testing.T) {
	file := configFile(t, "engine: fork\ntemplates: {data: [no_such_module]}\n")
	line := regexp.QuoteMeta("sandboxd: "+file+`:2: templates: template "data": `) + ".*ModuleNotFoundError: No module named 'no_such_module'.*" +
		": install the modules that it imports for /usr/bin/python3, or remove it\n$"
	for _, args := range [][]string{{"serve", "--listen=127.0.0.1:0"}, {"doctor"}, {"run", "--template=data", "config_test.go"}} {
		status, _, stderr := said(t, command(t, append(args, isolation(), "--log-level=error", "--policy=off", "--config="+file)...))
		if status != 2 || !regexp.MustCompile(line).MatchString(stderr) {
			t.Errorf("%v: status %d, stderr %s", args, status, stderr)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"--memry", "1"}, `unknown flag --memry, did you mean "--memory"?`},
		{[]string{"serve", "--memry=1"}, `unknown flag --memry, did you mean "--memory"?`},
		{[]string{"-memory", "1"}, `unknown flag -memory, did you mean "--memory"?`},
		{[]string{"--colour"}, "unknown flag --colour (see `sandboxd help`)"},
		{[]string{"serve", "--colour"}, "unknown flag --colour (see `sandboxd help serve`)"},
		{[]string{"serv"}, `unexpected argument serv, did you mean "serve"?`},
		{[]string{"docter"}, `unexpected argument docter, did you mean "doctor"?`},
		{[]string{"fly"}, "unexpected argument fly (see `sandboxd help`)"},
		{[]string{"help", "serv"}, `unexpected argument serv, did you mean "serve"?`},
		{[]string{"run"}, "expected \"<file>\" (see `sandboxd help run`)"},
		{[]string{"profile", "chek", "-"}, `unexpected argument chek, did you mean "check"?`},
	} {
		if status, stdout, stderr := said(t, command(t, tt.args...)); status != 2 || stdout != "" || stderr != "sandboxd: "+tt.want+"\n" {
			t.Errorf("%v: status %d, stdout %q, stderr %q, want %q", tt.args, status, stdout, stderr, tt.want)
		}
	}
}

// Commands that need no configuration do not read it.
func TestVersionAndHelp(t *testing.T) {
	version, _, _ := strings.Cut(versionText(), "(")
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{"version"}, []string{version}},
		{[]string{"--version"}, []string{version}},
		{[]string{"-V"}, []string{version}},
		{[]string{"serve", "-V"}, []string{version}},
		{[]string{"help"}, []string{"Usage: sandboxd <command>", "\n  check ", "--memory=256MiB", "($SANDBOXD_MEMORY)", "Exit status: 0 on success, 1"}},
		{[]string{"--help"}, []string{"Usage: sandboxd <command>"}},
		{[]string{"help", "serve"}, []string{"Usage: sandboxd serve [flags]\n", "--listen="}},
		{[]string{"help", "run"}, []string{"Usage: sandboxd run <file> [<args> ...] [flags]\n", "--template=", "--remote=URL", "$SANDBOXD_KEY,"}},
		{[]string{"help", "profile", "check"}, []string{"Usage: sandboxd profile check <file>"}},
		{[]string{"help", "help"}, []string{"Usage: sandboxd help [<command> ...] [flags]\n"}},
	} {
		cmd := command(t, tt.args...)
		cmd.Env = append(cmd.Env, "SANDBOXD_MEMORY=x", "SANDBOXD_CONFIG=/nonexistent")
		status, stdout, stderr := said(t, cmd)
		for _, want := range tt.want {
			if status != 0 || stderr != "" || !strings.Contains(stdout, want) {
				t.Errorf("%v: status %d, stderr %q, no %q in %s", tt.args, status, stderr, want, stdout)
			}
		}
	}
}

// `make run ARGS="--memory 1"` reports the flag, and not a problem of the machine.
func TestMakeRunReportsTheFlag(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "bin"), 0o755), os.Symlink(must(os.Executable()), filepath.Join(dir, "bin", "sandboxd"))); err != nil {
		t.Fatal(err)
	}
	serve := func(args ...string) (int, string) {
		cmd := exec.Command(must(filepath.Abs("../../scripts/serve")), args...)
		cmd.Dir, cmd.Env = dir, daemonEnvironment()
		status, _, stderr := said(t, cmd)
		return status, stderr
	}
	if status, stderr := serve("--memory", "1"); status != 2 || stderr != "sandboxd: --memory: 1 is too small: give a size from 16MiB to 1PiB, such as 256MiB\n" {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, stderr := serve("--engine=fork", "--templates=data=no_such_module"); status != 2 || strings.Contains(stderr, "This machine") ||
		!strings.Contains(stderr, `sandboxd: --templates: template "data": `) {
		t.Errorf("status %d: %s", status, stderr)
	}
	if status, stderr := serve("--python=/nonexistent"); status != 1 || !strings.HasSuffix(stderr, "This machine cannot run a jail: see the remedies above\n") {
		t.Errorf("status %d: %s", status, stderr)
	}
}

// Every line that the daemon writes to standard error is one log record.
func TestLogFormat(t *testing.T) {
	logfmt := regexp.MustCompile(`^time=\S+ level=[A-Z]+ msg=("([^"\\]|\\.)*"|[^" ]+)( [a-z_.]+=("([^"\\]|\\.)*"|[^" ]*))*$`)
	formats := map[string]func(line string) bool{
		"text": logfmt.MatchString,
		"json": func(line string) bool {
			var record struct{ Time, Level, Msg string }
			return json.Unmarshal([]byte(line), &record) == nil && record.Time != "" && record.Level != "" && record.Msg != ""
		},
	}
	check := func(t *testing.T, format, stderr string, want ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
		for _, line := range lines {
			if !formats[format](line) {
				t.Errorf("no line of %s: %s", format, line)
			}
		}
		for _, want := range want {
			if !slices.ContainsFunc(lines, func(line string) bool { return strings.Contains(line, want) }) {
				t.Errorf("no %q in\n%s", want, stderr)
			}
		}
	}
	for format := range formats {
		t.Run(format, func(t *testing.T) {
			socket := filepath.Join(t.TempDir(), "socket")
			cmd := command(t, "serve", "--listen=unix:"+socket, isolation(), "--log-format="+format, "--log-level=debug")
			cmd.Env = append(cmd.Env, "SANDBOXD_WAL=1s")
			d := launch(t, cmd)
			waitFor(t, "the daemon", func() bool { _, err := os.Stat(socket); return err == nil })
			d.signal(t, unix.SIGHUP)
			waitFor(t, "the signal to be logged", func() bool { return strings.Contains(d.log.String(), "SIGHUP") })
			d.signal(t, unix.SIGTERM)
			d.ends(t)
			check(t, format, d.log.String(), "SANDBOXD_WALL", "SIGHUP", "serving")
			if lines := strings.Split(strings.TrimSpace(d.log.String()), "\n"); !strings.Contains(lines[len(lines)-1], "stopped") {
				t.Errorf("the last line is %s", lines[len(lines)-1])
			}
			for name, args := range map[string][]string{
				"an address":    {"--listen=unix:/nonexistent/socket"},
				"a machine":     {"--python=/nonexistent/python3"},
				"a few of both": {"--listen=unix:/nonexistent/socket", "--admin-listen=127.0.0.1:0"},
			} {
				cmd := command(t, append([]string{"serve", isolation(), "--log-format=" + format}, args...)...)
				cmd.Env = append(cmd.Env, "SANDBOXD_WAL=1s")
				status, _, stderr := said(t, cmd)
				if status != 1 {
					t.Errorf("%s: status %d", name, status)
				}
				check(t, format, stderr, "/nonexistent", "SANDBOXD_WALL", "ended by an error")
			}
		})
	}
	t.Run("errors of the configuration", func(t *testing.T) {
		for _, from := range []string{"--log-format=json", "--config=" + configFile(t, "log-format: json")} {
			status, _, stderr := said(t, command(t, "serve", from, "--memory=1", "--pids=0"))
			if status != 2 || strings.Count(stderr, "\n") != 2 {
				t.Errorf("status %d", status)
			}
			check(t, "json", stderr, "--memory: 1 is too small", "--pids: 0 is too small")
		}
	})
	t.Run("net/http", func(t *testing.T) {
		address := listenTCP(t)
		at := address.Addr().String()
		address.Close()
		d := launch(t, command(t, "serve", "--listen="+at, isolation(), "--log-format=json", "--log-level=debug"))
		d.url = "http://" + at
		waitFor(t, "the daemon", func() bool { _, err := d.do(t.Context(), "GET", "/healthz", nil); return err == nil })
		closeIdle()
		var usual unix.Rlimit
		pid := d.cmd.Process.Pid
		if err := errors.Join(unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &usual),
			unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: usual.Max}, nil)); err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", at) // the daemon cannot accept this connection
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		waitFor(t, "the word of net/http", func() bool { return strings.Contains(d.log.String(), "Accept error") })
		if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &usual, nil); err != nil {
			t.Fatal(err)
		}
		d.signal(t, unix.SIGTERM)
		d.ends(t)
		check(t, "json", d.log.String(), "http: Accept error")
	})
}
