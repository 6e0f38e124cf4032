package v1

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/sandboxd/sandboxd/internal/admission"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// A client may read events, and with them a ping, much later than the service has sent them. Its run goes on, unless it reads nothing at all.
func TestSlowReaders(t *testing.T) {
	for _, test := range []struct {
		name   string
		rate   int // bytes per second
		cancel time.Duration
	}{
		// There are 900 KiB of output. The service sends a ping after 20 s, because an event preceded the first beat, and waits 5 s and another
		// 14 s for the output.
		{name: "reads slowly", rate: 25 << 10},
		{name: "reads nothing", rate: 0, cancel: 39 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const whole = time.Minute
				var lived time.Duration
				ran := make(chan struct{})
				a := newAPI(func(ctx context.Context, live *sandbox.Stream) error {
					defer close(ran)
					live.Start()
					live.Output(sandbox.Stdout, bytes.Repeat([]byte("x"), 900<<10))
					start := time.Now()
					select {
					case <-ctx.Done():
					case <-time.After(whole):
					}
					lived = time.Since(start)
					return nil
				})
				a.cfg.WriteTimeout = 5 * time.Second
				conn := dial(t, a, test.rate)
				if err := conn.Write(t.Context(), websocket.MessageText, []byte(`{"code":"x"}`)); err != nil {
					t.Fatal(err)
				}
				var last []byte
				for {
					_, message, err := conn.Read(t.Context())
					if err != nil {
						break
					}
					last = message
				}
				<-ran
				if test.cancel == 0 {
					if lived != whole || !bytes.HasPrefix(last, []byte(`{"event":"finished"`)) {
						t.Errorf("the run ended after %v of %v, with %.100s", lived, whole, last)
					}
				} else if lived.Round(time.Second) != test.cancel {
					t.Errorf("the run was cancelled after %v, want %v", lived, test.cancel)
				}
			})
		})
	}
}

// dial opens a WebSocket over a network that holds everything that the client has not read, and delivers it at a rate in bytes per second.
func dial(t *testing.T, a *API, rate int) *websocket.Conn {
	server, fromServer := net.Pipe()
	toClient, client := net.Pipe()
	t.Cleanup(func() { server.Close(); fromServer.Close(); toClient.Close(); client.Close() })
	go func() { _, _ = io.Copy(fromServer, toClient) }()
	waiting := make(chan []byte, 1<<10)
	go func() {
		defer close(waiting)
		for {
			piece := make([]byte, 32<<10)
			n, err := fromServer.Read(piece)
			if err != nil {
				return
			}
			waiting <- piece[:n]
		}
	}()
	go func() {
		defer toClient.Close()
		first := true // the answer to the handshake
		for piece := range waiting {
			switch {
			case first:
			case rate == 0:
				continue
			default:
				time.Sleep(time.Duration(len(piece)) * time.Second / time.Duration(rate))
			}
			first = false
			if _, err := toClient.Write(piece); err != nil {
				return
			}
		}
	}()
	go func() {
		_ = http.Serve(&oneConnection{conn: server}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			err := a.Live(w, r, Call{
				Share:   func() *admission.Share { return admission.NewMemory(64 << 20).Share() },
				Explain: func(error) *Error { return nil },
				Life:    context.Background(),
			})
			if err != nil {
				t.Error(err)
			}
		}))
	}()
	conn, _, err := websocket.Dial(t.Context(), "ws://test"+LivePath, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil },
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	conn.SetReadLimit(64 << 20)
	return conn
}

// oneConnection is a listener that accepts one connection.
type oneConnection struct{ conn net.Conn }

func (l *oneConnection) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	return nil, io.EOF
}

func (l *oneConnection) Close() error   { return nil }
func (l *oneConnection) Addr() net.Addr { return &net.TCPAddr{} }
