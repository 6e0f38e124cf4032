package main

import (
	"strings"
	"testing"
)

// The maximum limits of a request must not be below the limits of all runs, and offered policies must exist.
func TestMaximaAndOfferedPolicies(t *testing.T) {
	for _, tt := range []struct {
		name string
		args []string
		want string // a part of the error; "" for none
	}{
		{"nothing", nil, ""},
		{"more", []string{"--max-wall=1m", "--max-memory=1GiB", "--max-pids=1000", "--max-output=8MiB", "--offer-policy=off", "--offer-policy=permissive"}, ""},
		{"less time", []string{"--max-wall=4s"}, "--max-wall: 4s is too small: give a time from 5s to 1h"},
		{"less memory", []string{"--memory=1GiB", "--max-memory=512MiB"}, "--max-memory: 512MiB is too small: give a size from 1GiB"},
		{"fewer processes", []string{"--max-pids=1"}, "--max-pids: 1 is too small: give a whole number from 256"},
		{"less output", []string{"--max-output=1KiB"}, "--max-output: 1KiB is too small: give a size from 1MiB"},
		{"an unknown policy", []string{"--offer-policy=lax"}, `--offer-policy: there is no policy "lax"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(append([]string{"serve"}, tt.args...))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if most, all := c.maxima(), c.limits(); len(tt.args) == 0 && most != all {
				t.Errorf("%+v, and runs have %+v", most, all)
			}
		})
	}
}
