package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// passed is how unittest ends if no test failed and none was skipped.
var passed = regexp.MustCompile(`Ran [1-9][0-9]+ tests in .*\n\nOK\n$`)

// The Python client's own tests, against the running daemon: its types and the document, all kinds of runs, problems.
func TestPythonClient(t *testing.T) {
	d := start(t, "--policy=permissive", "--offer-policy=strict", "--offer-policy=off", "--wall=20s")
	socket := filepath.Join(t.TempDir(), "socket")
	start(t, "--listen=unix:"+socket)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "-B", "-W", "error", "test_sandboxd.py")
	cmd.Dir = "../../clients/python"
	cmd.Env = append(os.Environ(), "SANDBOXD_URL="+d.url, "SANDBOXD_SOCKET="+socket)
	said, err := cmd.CombinedOutput()
	if err != nil || !passed.Match(said) {
		t.Errorf("%v\n%s", err, strings.TrimSpace(string(said)))
	}
}
