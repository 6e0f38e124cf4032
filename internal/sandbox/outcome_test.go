package sandbox

import "testing"

func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		name, kept string
		total      int64
		want       string
	}{
		{"nothing", "", 0, ""},
		{"nothing of something", "", 5, ""},
		{"a character that the cap cut", "ab\xe2\x82", 5, "ab"},
		{"one of four bytes", "ab\xf0\x9f\x98", 1000, "ab"},
		{"only the beginning of one", "\xf0", 4, ""},
		{"one that ends at the cap", "ab€", 6, "ab€"},
		{"one that the program did not finish", "ab\xe2\x82", 4, "ab\xe2\x82"},
		{"what is no character", "ab\x82\x82\x82\x82", 7, "ab\x82\x82\x82\x82"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Output{[]byte(tt.kept), tt.total}).Whole(); string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
