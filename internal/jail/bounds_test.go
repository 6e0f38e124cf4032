package jail_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// A run with its own limits has these limits, also in a waiting jail. They do not apply to the next run.
//
//lab:as user
//lab:all own
func TestLimitsOfARun(t *testing.T) {
	underEngines(t, testLimitsOfARun, "exec", "exec, warm", "fork", "fork, warm")
}

func testLimitsOfARun(t *testing.T, edit func(*jail.Config)) {
	var warm bool
	j := jailtest.New(t, func(c *jail.Config) {
		edit(c)
		warm = c.Warm > 0
		c.Limits.Wall, c.Limits.Memory, c.Limits.Pids, c.Limits.Output = 3*time.Second, 96<<20, 8, 1000
		c.Max = c.Limits
		c.Max.Wall, c.Max.Memory, c.Max.Pids, c.Max.Output = time.Minute, 256<<20, 24, 10_000
	})
	const (
		memory = `
x = bytearray(128 << 20)
print(len(x))
`
		holds = `
import time
x = bytearray(64 << 20)
time.sleep(30)
` // the watchdog looks every 40 ms at most
		output    = "print('x' * 4999)"
		processes = `
import threading, time
started = 0
try:
    for started in range(40):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
except RuntimeError:
    pass
print("few" if started < 5 else "some" if started < 10 else "many" if started < 25 else "all")
`
	)
	for _, tt := range []struct {
		name   string
		source string
		bounds sandbox.Bounds
		end    string
		stdout string
	}{
		{"less time", `
print(1)
while True: pass
`, sandbox.Bounds{Wall: 500 * time.Millisecond}, "timeout", "1\n"},
		{"more time", `
import time
time.sleep(3.3)
print(1)
`, sandbox.Bounds{Wall: time.Minute}, "exit=0", "1\n"},
		{"the memory of all runs", strings.ReplaceAll(holds, "64", "128"), sandbox.Bounds{Wall: time.Minute}, "oom", ""},
		{"more memory", memory, sandbox.Bounds{Wall: time.Minute, Memory: 256 << 20}, "exit=0", "134217728\n"},
		{"less memory", holds, sandbox.Bounds{Wall: time.Minute, Memory: 48 << 20}, "oom", ""},
		{"the processes of all runs", processes, sandbox.Bounds{Wall: time.Minute}, "exit=0", "some\n"},
		{"more processes", processes, sandbox.Bounds{Wall: time.Minute, Pids: 24}, "exit=0", "many\n"},
		{"fewer processes", processes, sandbox.Bounds{Wall: time.Minute, Pids: 4}, "exit=0", "few\n"},
		{"the output of all runs", output, sandbox.Bounds{}, "exit=0", strings.Repeat("x", 1000)},
		{"more output", output, sandbox.Bounds{Output: 10_000}, "exit=0", strings.Repeat("x", 4999) + "\n"},
		{"less output", output, sandbox.Bounds{Output: 1}, "exit=0", "x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if warm { // wait for a jail that was made with the configured limits
				for j.Waiting() == 0 {
					time.Sleep(time.Millisecond)
				}
			}
			r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source), Limits: tt.bounds}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if end(r) != tt.end || string(r.Stdout.Kept) != tt.stdout || r.Warm != warm {
				t.Errorf("%s, warm %v, %q, %s", end(r), r.Warm, r.Stdout.Kept, r.Stderr.Kept)
			}
		})
	}
	for field, bounds := range map[string]sandbox.Bounds{
		"wall_seconds": {Wall: time.Minute + 1}, "memory_bytes": {Memory: 256<<20 + 1}, "processes": {Pids: 25}, "output_bytes": {Output: 10_001},
	} {
		_, err := j.Run(t.Context(), sandbox.Program{Limits: bounds}, nil)
		var invalid *sandbox.InvalidError
		if !errors.As(err, &invalid) || invalid.Path[1] != field {
			t.Errorf("%s above the maximum: %v", field, err)
		}
	}
}
