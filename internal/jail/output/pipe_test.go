package output

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

// fill simulates a program that fills a pipe at a rate, and a reader that pauses as the pacer says.
type fill struct {
	pacer pacer
	rate  float64 // bytes per second; when the pipe is full the program waits
	now   time.Duration
	reads int
	bytes int
}

// until continues the simulation until end, and counts the reads and bytes.
func (f *fill) until(end time.Duration) {
	n := 1 // the first byte after a silence is read at once
	for f.now < end {
		pause := f.pacer.next(n)
		f.now += pause
		f.reads++
		f.bytes += n
		n = max(1, min(f.pacer.size, int(f.rate*pause.Seconds())))
	}
}

// The pacer bounds the number of reads per second for every way of writing, and only a program that floods its output has to wait.
func TestPacer(t *testing.T) {
	const mega = 1e6
	for _, tt := range []struct {
		name   string
		rate   float64
		wanted int64
		reads  int // in a second, at most
		waits  bool
	}{
		{"a line now and then", 10, 1 << 20, 210, false},
		{"100,000 short lines a second", .6 * mega, 1 << 20, 210, false},
		{"a million short lines a second", 6 * mega, 1 << 30, 400, false},
		{"long lines", 100 * mega, 1 << 30, 6000, false},
		{"a flood of which all is wanted", 1e12, 1 << 40, 4000, true},
		{"a flood", 1e12, 1 << 20, 250, true},
		{"a flood of short lines", 6 * mega, 1 << 20, 250, false},
		{"a flood of which nothing is wanted", 1e12, 0, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := fill{pacer: pacer{size: pipeSize, wanted: tt.wanted}, rate: tt.rate}
			f.until(time.Second)
			if f.reads > tt.reads {
				t.Errorf("%d reads a second, want at most %d", f.reads, tt.reads)
			}
			if could := min(tt.rate, 1e12); !tt.waits && float64(f.bytes) < .9*could-float64(pipeSize) {
				t.Errorf("%d bytes a second were read, but the program can write %.0f", f.bytes, could)
			}
		})
	}
}

// A program that writes single bytes with breaks, each when the reader sleeps, wakes the reader no more often than a program that writes
// all the time.
func TestPacerOfSingleBytes(t *testing.T) {
	for silence := 10 * time.Microsecond; silence < 2*LongestPause; silence = silence * 5 / 4 {
		p := pacer{size: pipeSize, wanted: 1 << 20}
		reads := 0
		for now := time.Duration(0); now < time.Second; reads++ {
			pause := p.next(1)
			// The pause brought no data, so the reader reads once in vain and then sleeps.
			p.idle(silence)
			now += max(pause, silence)
			reads++
		}
		if reads > 420 {
			t.Errorf("a byte every %v: %d reads a second", silence, reads)
		}
	}
}

func testPipe(t *testing.T, wanted int64) (*pipe, *os.File) {
	t.Helper()
	r, w, err := NewPipe()
	if err != nil {
		t.Fatal(err)
	}
	p := openPipe(r, wanted)
	t.Cleanup(func() { w.Close(); p.Close() })
	return p, w
}

// removeEpoll simulates a machine on which the epoll instance of a pipe could not be created.
func removeEpoll(p *pipe) {
	p.ready.Close()
	p.ready = nil
}

func TestPipe(t *testing.T) {
	for _, way := range []struct {
		name string
		edit func(*pipe)
	}{{"", func(*pipe) {}}, {" without epoll", removeEpoll}} {
		t.Run("reads to the end"+way.name, func(t *testing.T) {
			p, w := testPipe(t, 100)
			way.edit(p)
			got := make(chan string)
			go func() {
				all, err := io.ReadAll(p)
				if err != nil {
					t.Error(err)
				}
				got <- string(all)
			}()
			for _, piece := range []string{"a", "b", "c"} {
				if _, err := w.WriteString(piece); err != nil {
					t.Fatal(err)
				}
			}
			w.Close()
			if said := <-got; said != "abc" {
				t.Errorf("got %q", said)
			}
		})
		t.Run("a writer that never closes the pipe"+way.name, func(t *testing.T) {
			p, w := testPipe(t, 100)
			way.edit(p)
			if _, err := w.WriteString("last words"); err != nil {
				t.Fatal(err)
			}
			p.finish(time.Now())
			if all, err := io.ReadAll(p); string(all) != "last words" || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %q, %v", all, err)
			}
		})
	}
	t.Run("finish ends a pause", func(t *testing.T) {
		p, w := testPipe(t, 100)
		p.due = time.Now().Add(time.Hour)
		done := make(chan error)
		go func() {
			_, err := io.ReadAll(p)
			done <- err
		}()
		w.Close()
		p.finish(time.Now().Add(time.Hour))
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Run("skip counts all bytes", func(t *testing.T) {
		p, w := testPipe(t, 0)
		const size = 1_000_003
		go func() {
			w.Write(make([]byte, size))
			w.Close()
		}()
		var total int
		for {
			n, err := p.Skip()
			total += n
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if total != size {
			t.Errorf("%d bytes, want %d", total, size)
		}
	})
}
