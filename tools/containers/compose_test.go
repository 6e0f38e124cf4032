package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
	"go.yaml.in/yaml/v3"
)

const composeFile = "../../deploy/container/compose.yaml"

// loadCompose loads a Compose file as Docker Compose does: it checks the schema, sets variables and resolves paths.
func loadCompose(t *testing.T, content []byte) (*types.Project, error) {
	t.Helper()
	path, err := filepath.Abs(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	return loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  filepath.Dir(path),
		ConfigFiles: []types.ConfigFile{{Filename: path, Content: content}},
		Environment: types.Mapping{"GRAFANA_PASSWORD": "secret"},
	})
}

// TestCompose loads the file, and checks that its paths exist and that its container is the one that TestBundles and TestServe run.
func TestCompose(t *testing.T) {
	content, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	project, err := loadCompose(t, content)
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind {
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, p := range service.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s listens on %q of the host", name, p.HostIP)
			}
		}
	}
	daemon := project.Services["sandboxd"]
	wanted := []string{"seccomp=./seccomp.json", "apparmor=unconfined", "systempaths=unconfined", "writable-cgroups=true", "no-new-privileges=true"}
	if !slices.Equal(daemon.SecurityOpt, wanted) {
		t.Errorf("security_opt is %v, wanted %v", daemon.SecurityOpt, wanted)
	}
	var caps []string
	for _, c := range daemon.CapAdd {
		caps = append(caps, "CAP_"+c)
	}
	slices.Sort(caps)
	if !slices.Equal(caps, capabilities) || !slices.Equal(daemon.CapDrop, []string{"ALL"}) || !daemon.ReadOnly {
		t.Errorf("capabilities %v less %v, read-only %v; the bundles have %v and are read-only", caps, daemon.CapDrop, daemon.ReadOnly, capabilities)
	}
	if (daemon.Init != nil && *daemon.Init) || len(daemon.Entrypoint) > 0 || len(daemon.Command) > 0 {
		t.Errorf("init %v, entry point %v, command %v: the tests run those of the image", daemon.Init, daemon.Entrypoint, daemon.Command)
	}
	for _, path := range []string{daemon.Build.Dockerfile, "deploy/container/seccomp.json"} {
		if _, err := os.Stat(filepath.Join(daemon.Build.Context, path)); err != nil {
			t.Error(err)
		}
	}
	for name, c := range project.Configs {
		var parsed map[string]any
		if err := yaml.Unmarshal([]byte(c.Content), &parsed); err != nil || len(parsed) == 0 {
			t.Errorf("config %s: %v: %s", name, err, c.Content)
		}
	}
}

// TestComposeMistakes makes one mistake in the file: loading it must fail.
func TestComposeMistakes(t *testing.T) {
	content, err := os.ReadFile(composeFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct{ name, right, wrong string }{
		{"a misspelt field", "security_opt:", "security_opts:"},
		{"a value of another type", "read_only: true", "read_only: [true]"},
		{"a network that does not exist", "- monitoring", "- monitor"},
		{"a volume that does not exist", "- keys:/etc/sandboxd", "- key:/etc/sandboxd"},
		{"a config that does not exist", "- source: datasource", "- source: data"},
		{"a service that does not exist", "depends_on: [prometheus]", "depends_on: [prometheus2]"},
	} {
		t.Run(m.name, func(t *testing.T) {
			wrong := strings.Replace(string(content), m.right, m.wrong, 1)
			if wrong == string(content) {
				t.Fatalf("the file does not have %q", m.right)
			}
			if _, err := loadCompose(t, []byte(wrong)); err == nil {
				t.Error("it loads")
			}
		})
	}
}
