package jail

import (
	"slices"
	"testing"
)

func TestOutermost(t *testing.T) {
	for _, tt := range []struct{ dirs, want []string }{
		{nil, nil},
		{[]string{"/opt/v", "/opt/v/bin"}, []string{"/opt/v"}},
		{[]string{"/opt/v/lib", "/opt/v-2", "/opt/v", "/opt/v/bin"}, []string{"/opt/v-2", "/opt/v"}},
		{[]string{"/opt/v", "/opt/vv"}, []string{"/opt/v", "/opt/vv"}},
	} {
		if got := outermost(tt.dirs); !slices.Equal(got, tt.want) {
			t.Errorf("of %q: %q, want %q", tt.dirs, got, tt.want)
		}
	}
}
