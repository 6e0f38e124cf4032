package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfileCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "profile.json")
	for _, tt := range []struct {
		name, profile string
		status        int
		stdout        []string // parts of it
		stderr        string
	}{
		{"the default without changes", `{"extends":"default"}`, 0, []string{"BPF instructions", "allowed with certain arguments", "no difference from the default profile"}, ""},
		{"additions, a removal and a dangerous call", `{"extends":"default","syscalls":[{"names":["bpf","readahead"],"action":"SCMP_ACT_ALLOW"},{"names":["linkat"],"action":"SCMP_ACT_ERRNO"}]}`, 0,
			[]string{"adds to the default profile:\n  bpf\n  readahead\n", "removes from the default profile:\n  linkat\n", "WARNINGS:\n  bpf: BPF\n"}, ""},
		{"an unknown call", `{"extends":"default","syscalls":[{"names":["linkat"],"action":"SCMP_ACT_ERRNO"},{"names":["raed"],"action":"SCMP_ACT_ALLOW"}]}`, 1, nil,
			`: seccomp profile: syscalls[1]: names: unknown system call "raed"`},
		{"invalid JSON", `seccomp`, 1, nil, "invalid character"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tt.profile), 0o644); err != nil {
				t.Fatal(err)
			}
			for _, from := range []string{file, "-"} {
				cmd := command(t, "profile", "check", from)
				var stdout, stderr bytes.Buffer
				cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(tt.profile), &stdout, &stderr
				_ = cmd.Run() // the status is compared
				if got := cmd.ProcessState.ExitCode(); got != tt.status || !strings.Contains(stderr.String(), tt.stderr) {
					t.Errorf("status %d, stderr %q", got, stderr.String())
				}
				for _, part := range tt.stdout {
					if !strings.Contains(stdout.String(), part) {
						t.Errorf("no %q in %s", part, stdout.String())
					}
				}
			}
		})
	}
}
