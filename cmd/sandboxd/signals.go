package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// signals catches signals from the start of main on, before the command line is parsed, since a SIGHUP must not kill the
// daemon while it starts. SIGQUIT keeps Go's handler, which dumps all goroutines.
type signals struct {
	ending  chan os.Signal // SIGTERM, SIGINT
	ignored chan os.Signal // SIGHUP, SIGUSR1, SIGUSR2; the first may reload
	working chan struct{}  // closed when the daemon has something to clean up before it ends
	nohup   bool           // SIGHUP was ignored when the process started, as under nohup(1)

	reload atomic.Pointer[func()] // what SIGHUP does; nil: nothing
}

func catchSignals() *signals {
	s := &signals{
		ending: make(chan os.Signal, 1), ignored: make(chan os.Signal, 16), working: make(chan struct{}), nohup: signal.Ignored(unix.SIGHUP),
	}
	signal.Notify(s.ending, unix.SIGTERM, unix.SIGINT)
	signal.Notify(s.ignored, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	return s
}

// release restores the default effect of the signals, for commands other than serve. Signals that have arrived already take
// effect now.
func (s *signals) release() {
	signal.Reset(unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1, unix.SIGUSR2)
	if s.nohup {
		signal.Ignore(unix.SIGHUP)
	}
	for {
		var come os.Signal
		select {
		case come = <-s.ending:
		case come = <-s.ignored:
		default:
			return
		}
		_ = unix.Kill(unix.Getpid(), come.(unix.Signal)) // a process may always signal itself (kill(2))
	}
}

// endAtOnce makes SIGTERM and SIGINT end the daemon while it reads its configuration, when it has nothing to clean up. This
// also works while the daemon waits for a configuration file, such as a FIFO without a writer.
func (s *signals) endAtOnce() {
	signal.Ignore(unix.SIGPIPE) // the reader of the log may be gone
	go func() {
		select {
		case <-s.ending:
			os.Exit(0)
		case <-s.working:
		}
	}()
}

// context returns a context that SIGTERM and SIGINT end. It is called when the daemon has something to clean up. The ignored
// signals are logged from then on.
func (s *signals) context(log *slog.Logger) (ctx context.Context, stop func()) {
	close(s.working)
	ctx, stop = context.WithCancel(context.Background())
	go func() {
		for {
			select {
			case <-s.ending:
				stop()
			case come := <-s.ignored:
				if reload := s.reload.Load(); come == unix.SIGHUP && reload != nil {
					(*reload)()
					continue
				}
				log.Warn("a signal was ignored: the settings are read once, when the daemon starts", "signal", unix.SignalName(come.(unix.Signal)),
					"remedy", "for other settings, restart the daemon")
			}
		}
	}()
	return ctx, stop
}
