package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
)

// schemas returns the directory of CycloneDX's schemas.
func schemas(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(strings.TrimSpace(string(dir)), "schema")
}

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		valid      bool
	}{
		{"valid", `{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "a"}]}`, true},
		{"a type that does not exist", `{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "x", "name": "a"}]}`, false},
		{"a license that SPDX does not have", `{"bomFormat": "CycloneDX", "specVersion": "1.6",
			"components": [{"type": "library", "name": "a", "licenses": [{"license": {"id": "MIT OR x"}}]}]}`, false},
		{"no format", `{"specVersion": "1.6"}`, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := validate(tt.text, schemas(t), cyclonedx.SpecVersion1_6); (err == nil) != tt.valid {
				t.Errorf("validate: %v", err)
			}
		})
	}
}

func TestNPMPackages(t *testing.T) {
	packages, err := npmPackages("../../web/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, p := range packages {
		found[p.Name] = true
	}
	// Packages for development do not get into the page.
	if !found["@codemirror/view"] || !found["style-mod"] || found["esbuild"] || found["axe-core"] {
		t.Errorf("packages: %v", found)
	}

	broken := filepath.Join(t.TempDir(), "package-lock.json")
	text := `{"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0", "integrity": "sha1-AAAA"}}}`
	if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := npmPackages(broken); err == nil || !strings.Contains(err.Error(), "a has no version or no SHA-512") {
		t.Errorf("a package without SHA-512: %v", err)
	}
}
