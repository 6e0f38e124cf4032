package jail_test

import (
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/jail"
	"github.com/sandboxd/sandboxd/internal/jailtest"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// taken is the resource use so far of this process, which is the daemon of these tests.
type taken struct {
	cpu   time.Duration
	waits int64 // voluntary context switches of its threads
}

func takenSoFar(t *testing.T) taken {
	t.Helper()
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		t.Fatal(err)
	}
	return taken{time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), usage.Nvcsw}
}

// pieces counts the calls of a live writer and the bytes that it gets.
type pieces struct{ calls, bytes atomic.Int64 }

func (p *pieces) Write(b []byte) (int, error) {
	p.calls.Add(1)
	p.bytes.Add(int64(len(b)))
	return len(b), nil
}

// The daemon reads many lines at a time, and a single line does not wake it.
func TestLinesAreReadManyAtATime(t *testing.T) {
	underEngines(t, testLinesAreReadManyAtATime, "exec", "fork")
}

func testLinesAreReadManyAtATime(t *testing.T, edit func(*jail.Config)) {
	const lines = 100_000
	j := jailtest.New(t, func(c *jail.Config) { edit(c); c.Limits.Wall = time.Minute })
	for _, stream := range []string{"stdout", "stderr"} {
		t.Run(stream, func(t *testing.T) {
			var out, err pieces
			before := takenSoFar(t)
			r, runErr := j.Run(t.Context(), sandbox.Program{Source: fmt.Appendf(nil, `import sys
for i in range(%d): print(i, file=sys.%s)`, lines, stream)}, jailtest.Live(&out, &err))
			if runErr != nil || r.Verdict != sandbox.Exited {
				t.Fatalf("%+v, %v", r, runErr)
			}
			waits := takenSoFar(t).waits - before.waits
			got, live := r.Stdout, &out
			if stream == "stderr" {
				got, live = r.Stderr, &err
			}
			if n := strings.Count(string(got.Kept), "\n"); n != lines || got.Truncated() || live.bytes.Load() != got.Total {
				t.Errorf("%d lines, %d bytes of %d, the live writer got %d", n, len(got.Kept), got.Total, live.bytes.Load())
			}
			if n := live.calls.Load(); n > lines/50 {
				t.Errorf("they came in %d pieces", n)
			}
			if waits > lines/10 {
				t.Errorf("the daemon was woken %d times", waits)
			}
		})
	}
}

// A program that floods its streams has to wait for the reader. The daemon uses a small share of one processor for it, and the wall clock
// still ends the program.
func TestFloodCostsTheDaemonLittle(t *testing.T) {
	const half = `
import os, sys
def flood(fd, piece):
    while True: os.write(fd, piece)
`
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = time.Second })
	jailtest.Run(t, j, "pass")
	both, alone := []bool{false, true}, []bool{false}
	for _, tt := range []struct {
		name, source string
		live         []bool
	}{
		{"64 KiB to stdout", half + "flood(1, bytes(1 << 16))", both},
		{"64 KiB to stderr", half + "flood(2, bytes(1 << 16))", both},
		{"to both", half + "flood(os.fork() and 1 or 2, bytes(1 << 16))", both},
		{"pages", half + "flood(1, bytes(4096))", alone},
		{"a byte and a page in turn", half + "while True: os.write(1, b'x'); os.write(1, bytes(4095))", alone},
		{"MiBs", half + "flood(1, bytes(1 << 20))", alone},
		{"single bytes", half + "flood(1, b'x')", alone},
		{"single bytes, with a moment between", `
import os, time
while True: os.write(1, b'x'); time.sleep(0.0002)
`, alone},
		{"half a pipe, with a moment between", `
import os, time
while True: os.write(1, bytes(1 << 15)); time.sleep(0.0002)
`, alone},
		{"packets", half + "import fcntl\nfcntl.fcntl(1, fcntl.F_SETFL, os.O_DIRECT | os.O_WRONLY)\nflood(1, b'x')", alone},
		{"by eight processes", half + "[os.fork() for _ in range(3)]\nflood(1, bytes(1 << 16))", alone},
		{"lines", "while True: print(1)", alone},
	} {
		for _, live := range tt.live {
			t.Run(fmt.Sprintf("%s, live %t", tt.name, live), func(t *testing.T) {
				var reader pieces
				var stream *sandbox.Stream
				if live {
					stream = jailtest.Live(&reader, &reader)
				}
				before, begin := takenSoFar(t), time.Now()
				r, err := j.Run(t.Context(), sandbox.Program{Source: []byte(tt.source)}, stream)
				took, cpu := time.Since(begin), takenSoFar(t).cpu-before.cpu
				if err != nil || r.Verdict != sandbox.Timeout {
					t.Fatalf("%+v, %v", r, err)
				}
				t.Logf("CPU %v of %v, %d pieces", cpu, took, reader.calls.Load())
				if share := cpu.Seconds() / took.Seconds(); share > slowdown*maxFloodShare {
					t.Errorf("the daemon took %.0f%% of a processor", 100*share)
				}
				// Two streams, each read every 5 ms, and more reads until the cap of a stream is reached.
				if most := 2*int64(took/(5*time.Millisecond)) + 500; reader.calls.Load() > most {
					t.Errorf("%d reads, want at most %d", reader.calls.Load(), most)
				}
				if live && reader.bytes.Load() != r.Stdout.Total+r.Stderr.Total {
					t.Errorf("the live reader got %d bytes, %d and %d were counted", reader.bytes.Load(), r.Stdout.Total, r.Stderr.Total)
				}
			})
		}
	}
}

// maxFloodShare is the share of a processor that a program's output may cost, as in docs/threat-model.md.
const maxFloodShare = .15

// Output that is not kept is counted exactly.
func TestFloodIsCounted(t *testing.T) {
	j := jailtest.New(t, func(c *jail.Config) { c.Limits.Wall = time.Minute })
	for _, piece := range []int{1000, 4096, 1 << 16, 1<<16 + 1, 1 << 20} {
		for _, fd := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d bytes to %d", piece, fd), func(t *testing.T) {
				r := jailtest.Run(t, j, fmt.Sprintf(`
import os
written = 0
while written < 20_000_000: written += os.write(%d, bytes(%d))
os.write(%d, str(written).encode())
`, fd, piece, 3-fd))
				flooded, told := r.Stdout, r.Stderr
				if fd == 2 {
					flooded, told = r.Stderr, r.Stdout
				}
				if want, err := strconv.ParseInt(string(told.Kept), 10, 64); err != nil || flooded.Total != want || len(flooded.Kept) != 1<<20 {
					t.Errorf("kept %d of %d bytes, the program wrote %s", len(flooded.Kept), flooded.Total, told.Kept)
				}
			})
		}
	}
}
