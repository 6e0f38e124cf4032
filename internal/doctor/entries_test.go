package doctor

import (
	"slices"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// The probe reports exactly the files in the root that are not in the plan.
func TestUnplannedEntries(t *testing.T) {
	plan := []inside.Node{{Path: "/var"}, {Path: "/var/lib"}, {Path: "/var/lib/python"}, {Path: "/home"}, {Path: "/home/sandbox"}}
	for _, tt := range []struct {
		name  string
		found entries
		want  []string
	}{
		{"no entries", nil, nil},
		{"planned entries", entries{"/home": {"sandbox"}, "/var": {"lib"}}, nil},
		{"a planned entry is missing", entries{"/home": nil}, nil},
		{"directories of the host", entries{"/srv": nil, "/root": {"x"}}, []string{"/root", "/srv"}},
		{"an unplanned entry in a planned directory", entries{"/var": {"lib", "log"}}, []string{"/var/log"}},
		{"a directory that cannot be listed", entries{"/var": {"(Permission denied)"}}, []string{"/var/(Permission denied)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.found.unplanned(plan); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
