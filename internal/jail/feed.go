package jail

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// feed passes input to the program until it has ended. The program's standard input is its end of the hand-off socket. If the program
// does not read, only the goroutine of its standard input waits.
func (p *process) feed(input *sandbox.Input) {
	if input == nil {
		return
	}
	_ = p.Channel.SetWriteDeadline(time.Time{}) // fails only for a closed file
	if input.Stdin == nil {
		p.endStdin()
	} else {
		go p.feedStdin(input.Stdin)
	}
	go p.interrupt(input.Interrupt)
}

func (p *process) feedStdin(from <-chan []byte) {
	for {
		select {
		case data, more := <-from:
			if !more {
				p.endStdin()
				return
			}
			if _, err := p.Channel.Write(data); err != nil { // the program has closed it, or has ended
				from = drain(from, p.ended)
			}
		case <-p.ended:
			return
		}
	}
}

// drain discards input until from or done is closed, so that the sender does not block. It returns from.
func drain(from <-chan []byte, done <-chan struct{}) <-chan []byte {
	for {
		select {
		case _, more := <-from:
			if !more {
				return from
			}
		case <-done:
			return from
		}
	}
}

// endStdin shuts down the daemon's direction of the socket, so that the program reads end of file.
func (p *process) endStdin() {
	if conn, err := p.Channel.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) }) // fails when the program has ended
	}
}

// interrupt sends SIGINT to the program for each value that it receives, as a terminal does for Ctrl-C.
func (p *process) interrupt(asked <-chan struct{}) {
	for {
		select {
		case _, more := <-asked:
			if !more {
				return
			}
			p.signalProgram(unix.SIGINT)
		case <-p.ended:
			return
		}
	}
}
