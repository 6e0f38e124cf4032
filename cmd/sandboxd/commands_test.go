package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

var (
	commandBlock = regexp.MustCompile("(?ms)^ *```sh\n(.*?)^ *```\n(?:\n```json\n(.*?)```\n)?")
	makeRun      = regexp.MustCompile(`(?m)^make run ARGS="(.*)"\n`)
)

// TestDocumentedCommands runs each block of commands in the documentation as a reader would paste it. There are three differences:
// the daemon has another port, sudo is removed, and the isolation is best effort if the machine needs it.
func TestDocumentedCommands(t *testing.T) {
	for _, page := range []struct {
		file   string
		blocks []struct{ begin, want, elsewhere string } // how it begins; a part of its output, or the other test that covers it
	}{
		{"README.md", []struct{ begin, want, elsewhere string }{
			{"make run  ", "", "make fresh"},
			{"curl -s http://127.0.0.1:8000/playground/execute", "", ""},
			{"curl -s http://127.0.0.1:8000/v1/runs", `"stdout":"42\n","stderr":""`, ""},
			{"curl -sN http://127.0.0.1:8000/v1/runs", "event: finished\n", ""},
			{"curl -s http://127.0.0.1:8000/v1/runs", " bytes\n", ""},
			{"sudo bin/sandboxd run examples/program.py", "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 \n", ""},
			{`make run ARGS="--engine fork`, `{"stdout":"6\n","stderr":""}`, ""},
			{"make deb", "", "make lab, make test-packages"},
			{"make build && sudo make install", "", "make lab, make test-install"},
		}},
		{"docs/api.md", []struct{ begin, want, elsewhere string }{
			{"curl -sN http://127.0.0.1:8000/v1/runs", `"reason":"The program ended by itself with exit code 0."`, ""},
		}},
		{"docs/callers.md", []struct{ begin, want, elsewhere string }{
			{"sandboxd keys create alice", "", "TestKeysCommand"},
			{"sudo install -o sandboxd", "", "TestChangeKeepsOwnerAndMode, by its parts"},
		}},
		{"docs/operations.md", []struct{ begin, want, elsewhere string }{
			{"make deb", "", "make lab, make test-packages"},
			{"docker build", "", "make test-containers, make test-podman"},
			{"sandboxd run --remote", "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 \n", ""},
			{"echo 'admin-listen:", "", "make lab"},
			{"sudo install -D", "", "make lab"},
			{`echo '{"extends"`, "adds to the default profile:\n  signalfd4\n", ""},
			{"sudo apt install ./sandboxd_NEWER", "", "make lab"},
			{"sudo apt remove", "", "make lab"},
			{"sudo systemctl disable", "", "make test-install"},
		}},
		{"docs/monitoring.md", []struct{ begin, want, elsewhere string }{
			{"sudo install -m 644 deploy/systemd", "", "make lab"},
		}},
	} {
		text, err := os.ReadFile(filepath.Join("../..", page.file))
		if err != nil {
			t.Fatal(err)
		}
		found := commandBlock.FindAllStringSubmatch(string(text), -1)
		if len(found) != len(page.blocks) {
			t.Errorf("%s has %d blocks of commands, but this test knows %d", page.file, len(found), len(page.blocks))
		}
		for i, block := range page.blocks[:min(len(found), len(page.blocks))] {
			commands, answer := strings.ReplaceAll(found[i][1], "\n  ", "\n"), found[i][2]
			if !strings.HasPrefix(strings.TrimSpace(commands), block.begin) {
				t.Errorf("%s: block %d does not begin with %q:\n%s", page.file, i+1, block.begin, commands)
				continue
			}
			if block.elsewhere != "" {
				continue
			}
			t.Run(block.begin, func(t *testing.T) {
				printed := paste(t, commands)
				if !strings.Contains(printed, block.want) || answer != "" && printed != strings.TrimSpace(answer) {
					t.Errorf("%s\nprinted\n%s\nwanted %s%s", commands, printed, block.want, answer)
				}
			})
		}
	}
}

// paste runs commands in a shell and returns their output. The directory looks like the clone after make build. A daemon runs
// if the commands use curl.
func paste(t *testing.T, commands string) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	clone := t.TempDir()
	for name, target := range map[string]string{
		"bin/sandboxd": program, "examples": examples, "program.py": filepath.Join(examples, "program.py"),
	} {
		if err := os.MkdirAll(filepath.Join(clone, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, filepath.Join(clone, name)); err != nil {
			t.Fatal(err)
		}
	}
	var flags []string
	if run := makeRun.FindStringSubmatch(commands); run != nil {
		flags = strings.Fields(run[1])
		commands = makeRun.ReplaceAllString(commands, "")
	}
	for _, module := range []string{"pandas", "matplotlib"} {
		if strings.Contains(commands, "import "+module) && exec.Command("/usr/bin/python3", "-c", "import "+module).Run() != nil {
			testenv.Missing(t, "python3-%s", module)
		}
	}
	if strings.Contains(commands, "curl ") {
		if _, err := exec.LookPath("curl"); err != nil {
			testenv.Missing(t, "curl")
		}
	}
	if strings.Contains(commands, "http://127.0.0.1:8000") {
		commands = strings.ReplaceAll(commands, "http://127.0.0.1:8000", start(t, flags...).url)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(commands, "sudo ", ""))
	cmd.Dir = clone
	cmd.Env = append(daemonEnvironment(), "PATH="+filepath.Join(clone, "bin")+":"+os.Getenv("PATH"),
		strings.Replace(isolation(), "--isolation", "SANDBOXD_ISOLATION", 1))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	return string(stdout)
}
