package jail

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// feed passes input to the program while it runs, until it has ended. Standard input is the program's end of the hand-off socket. A
// program that reads nothing holds up its standard input, and nothing else.
func (p *process) feed(input *sandbox.Input) {
	if input == nil {
		return
	}
	_ = p.Channel.SetWriteDeadline(time.Time{}) // fails for no open socket
	go p.feedStdin(input.Stdin)
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

// drain takes what nobody will read until the channel is closed or done is, so that the sender need not know.
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

// endStdin has the program read the end of its standard input.
func (p *process) endStdin() {
	if conn, err := p.Channel.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_WR) }) // fails when the program has ended
	}
}

// interrupt sends SIGINT to the program, as a terminal does for Ctrl-C.
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
