package sandbox

import "testing"

func TestWhole(t *testing.T) {
	for _, tt := range []struct {
		name, kept string
		total      int64
		want       string
	}{
		{"no output", "", 0, ""},
		{"nothing kept", "", 5, ""},
		{"a character that the cap cut", "ab\xe2\x82", 5, "ab"},
		{"a character of four bytes that the cap cut", "ab\xf0\x9f\x98", 1000, "ab"},
		{"only the first byte of a character", "\xf0", 4, ""},
		{"a character that ends at the cap", "ab€", 6, "ab€"},
		{"a character that the program did not complete", "ab\xe2\x82", 4, "ab\xe2\x82"},
		{"bytes that are not UTF-8", "ab\x82\x82\x82\x82", 7, "ab\x82\x82\x82\x82"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (Output{[]byte(tt.kept), tt.total}).Whole(); string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
