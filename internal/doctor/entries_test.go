package doctor

import (
	"slices"
	"testing"

	"github.com/sandboxd/sandboxd/internal/jail/inside"
)

// What the probe found inside is compared with what was planned to be there.
func TestEntriesBeyondThePlan(t *testing.T) {
	plan := []inside.Node{{Path: "/var"}, {Path: "/var/lib"}, {Path: "/var/lib/python"}, {Path: "/home"}, {Path: "/home/sandbox"}}
	for _, tt := range []struct {
		name  string
		found entries
		want  []string
	}{
		{"nothing", nil, nil},
		{"what was planned", entries{"/home": {"sandbox"}, "/var": {"lib"}}, nil},
		{"less", entries{"/home": nil}, nil},
		{"a directory of the host's", entries{"/srv": nil, "/root": {"x"}}, []string{"/root", "/srv"}},
		{"more in a directory that was planned", entries{"/var": {"lib", "log"}}, []string{"/var/log"}},
		{"one that cannot be listed", entries{"/var": {"(Permission denied)"}}, []string{"/var/(Permission denied)"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.found.beyond(plan); !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
