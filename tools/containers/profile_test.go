package main

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/moby/profiles/seccomp"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// TestProfileIsCurrent compares the profile with the file.
func TestProfileIsCurrent(t *testing.T) {
	file, err := os.ReadFile("../../deploy/container/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	var made bytes.Buffer
	if err := printProfile(&made); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(file, made.Bytes()) {
		t.Error("deploy/container/seccomp.json is not what `containers profile` prints: call make seccomp-container")
	}
}

// TestProfileLoadsInDocker gives the profile to Docker's parser, and compares what it allows with Docker's default: nothing may be allowed
// in addition except the calls in added, and nothing may be missing except calls of capabilities that the container does not have.
func TestProfileLoadsInDocker(t *testing.T) {
	file, err := os.ReadFile("../../deploy/container/seccomp.json")
	if err != nil {
		t.Fatal(err)
	}
	container := makeSpec(bundles[0])
	ours, err := seccomp.LoadProfile(string(file), &container)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := seccomp.GetDefaultProfile(&container)
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, a := range added {
		wanted = append(wanted, a.names...)
	}
	has, had := allowed(ours), allowed(theirs)
	for _, name := range has {
		// Docker allows the listed calls only on arm64 or only on amd64. The file allows them on both.
		if !slices.Contains(had, name) && !slices.Contains(wanted, name) && !slices.Contains([]string{
			"arm_fadvise64_64", "arm_sync_file_range", "sync_file_range2", "breakpoint", "cacheflush", "set_tls",
			"arch_prctl", "modify_ldt"}, name) {
			t.Errorf("%s is allowed, but not by Docker and not by the list in added", name)
		}
	}
	for _, name := range append(had, wanted...) {
		if !slices.Contains(has, name) {
			t.Errorf("%s is not allowed", name)
		}
	}
}

// allowed returns the names of the calls that are allowed with some arguments.
func allowed(p *specs.LinuxSeccomp) (names []string) {
	for _, s := range p.Syscalls {
		if s.Action == specs.ActAllow {
			names = append(names, s.Names...)
		}
	}
	return names
}

// TestIgnoreFiles checks that Docker and Podman leave out the same files.
func TestIgnoreFiles(t *testing.T) {
	if said, err := exec.Command("cmp", "../../.containerignore", "../../deploy/container/Containerfile.dockerignore").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}
