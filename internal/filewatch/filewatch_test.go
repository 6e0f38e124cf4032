package filewatch

import (
	"context"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatch(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	write := func(path, text string, at int64) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, time.Unix(at, 0), time.Unix(at, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write(path, "a", 1)
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		var calls atomic.Int32
		ended := make(chan struct{})
		w := New(path, other)
		go func() {
			w.Run(ctx, func() { calls.Add(1) })
			close(ended)
		}()
		synctest.Wait()
		for _, step := range []struct {
			name   string
			change func()
			want   int32
		}{
			{"nothing", func() {}, 0},
			{"another content", func() { write(path, "b", 2) }, 1},
			{"a file that appears", func() { write(other, "b", 1) }, 1},
			{"both at once", func() { write(path, "c", 3); write(other, "c", 3) }, 1},
			{"another file in its place, of the same size and time", func() {
				write(path+".new", "d", 3)
				if err := os.Rename(path+".new", path); err != nil {
					t.Error(err)
				}
			}, 1},
			{"other permissions", func() { _ = os.Chmod(path, 0o644) }, 1},
			{"a file that is removed", func() { _ = os.Remove(other) }, 1},
			{"nothing again", func() {}, 0},
		} {
			step.change()
			calls.Store(0)
			time.Sleep(Every) // of the test's clock
			synctest.Wait()
			if got := calls.Load(); got != step.want {
				t.Errorf("%s: %d calls, want %d", step.name, got, step.want)
			}
		}
		stop()
		<-ended
	})
}
