package v1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/service"
)

// LivePath is the path at which a client runs a program over a WebSocket (RFC 6455), and sends it standard input while it runs.
const LivePath = "/v1/runs/live"

const (
	typeLive = "websocket" // value of the label for the kind of stream in the metrics

	requestPatience = 30 * time.Second // for the first message, and for the rest of any message that has begun
	maxMessage      = 1 << 20          // bytes of a message after the first
	maxUnread       = 1 << 20          // bytes of standard input that wait for the program

	// slowestReader is the lowest rate, in bytes per second, at which a client may read. Events that the client has not read wait in buffers
	// of the kernels and of proxies. The service cannot see how many wait there, and a ping reaches the client only after them.
	slowestReader = 64 << 10
)

// Subprotocols of a WebSocket. A web page cannot set headers of a WebSocket, so it sends a key as a subprotocol that begins with a prefix.
const (
	protocol    = "sandboxd"
	keyProtocol = "sandboxd.key."
)

// TokensOf returns the keys that a request for a WebSocket gives by its subprotocols.
func TokensOf(r *http.Request) (tokens []string) {
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for name := range strings.SplitSeq(list, ",") {
			if token, found := strings.CutPrefix(strings.TrimSpace(name), keyProtocol); found {
				tokens = append(tokens, token)
			}
		}
	}
	return tokens
}

// Message is a message of a client after the first one, which is the request.
type Message struct {
	Event string `json:"event" enum:"stdin,eof,interrupt,cancel" doc:"stdin: text for standard input. eof: its end. interrupt: SIGINT, as Ctrl-C at a terminal. cancel: the end of the run."`
	Text  string `json:"text,omitempty" doc:"For stdin."`
}

// Live handles GET /v1/runs/live. The first message of the client is a request. The service sends each event of the stream as a message. If
// Live returns an error, it has written no answer. The error is an *Error.
func (a *API) Live(w http.ResponseWriter, r *http.Request, call Call) error {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		return &Error{Kind: UpgradeRequired, Detail: "This path accepts WebSocket connections only"}
	}
	// InsecureSkipVerify: package api has checked the origin.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}, InsecureSkipVerify: true, CompressionMode: websocket.CompressionDisabled})
	if err != nil {
		return nil // websocket.Accept has written an answer
	}
	defer conn.CloseNow()
	ctx, cancel := context.WithCancel(r.Context()) // net/http does not end it when a hijacked connection ends
	defer cancel()
	defer context.AfterFunc(call.Life, cancel)()
	l := &live{conn: conn, ctx: ctx, cancel: cancel, patience: a.cfg.WriteTimeout}
	err = a.converse(ctx, l, call)
	if err == nil {
		l.close(websocket.StatusNormalClosure, "")
		return nil
	}
	if problem := call.Explain(err); problem != nil { // nil if the client has closed the connection
		s := &stream{to: l, seq: l.next, ended: func() {}}
		s.fail(problem)
		l.close(websocket.StatusPolicyViolation, problem.Kind.Title)
	}
	return nil
}

// converse receives the request and runs its program.
func (a *API) converse(ctx context.Context, l *live, call Call) error {
	space := call.Share()
	defer space.Release()
	body, err := l.request(ctx, space.Grow)
	if err != nil {
		return err
	}
	run, err := a.prepare(body, space, call)
	if err != nil {
		return err
	}
	body = nil
	l.input = newInput(ctx)
	program := &run.Program
	if a.cfg.Service.RefusesInput(run) {
		if len(program.Stdin) > 0 {
			return fieldError("cannot be read: the policy refuses input()", "stdin")
		}
		l.input.refused = true
		program.Input = &sandbox.Input{Interrupt: l.input.interrupts}
	} else {
		l.input.add(program.Stdin)
		program.Stdin, program.Input = nil, &sandbox.Input{Stdin: l.input.out, Interrupt: l.input.interrupts}
	}
	go l.listen(func() { a.cfg.Service.Cancel(run.Run) })
	limits := a.cfg.Service.LimitsOf(run)
	call.release = space.Release
	err = a.follow(ctx, l, typeLive, run, limits, call)
	if cause := l.fault(); cause != nil { // an invalid message has ended the run
		return cause
	}
	return err
}

// live is the transport for WebSockets. Only one goroutine may call its methods for events.
type live struct {
	conn     *websocket.Conn
	ctx      context.Context
	cancel   context.CancelFunc
	patience time.Duration
	input    *input

	message io.WriteCloser
	end     context.CancelFunc // of the time for the message
	err     error
	last    time.Time // deadline for all remaining events; zero while the program runs
	next    int64     // the number of the next event
	wrote   bool      // whether there was an event since the last beat

	sent     int64        // bytes of events
	answered atomic.Int64 // bytes of the events before the last ping that the client has answered
	pinging  atomic.Bool  // whether a ping has no answer yet

	mu     sync.Mutex
	reason error // why the client's messages ended the run
}

// request receives the first message. grow takes memory for a large message.
func (l *live) request(ctx context.Context, grow func(int64) bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestPatience)
	defer cancel()
	l.conn.SetReadLimit(MaxBody + 1)
	_, from, err := l.conn.Reader(ctx)
	if err == nil {
		var body []byte
		if body, err = io.ReadAll(io.LimitReader(from, SmallBody+1)); err == nil && len(body) > SmallBody {
			if !grow(Memory(MaxBody)) {
				return nil, errBusyBodies
			}
			var rest []byte
			rest, err = io.ReadAll(from)
			body = append(body, rest...)
		}
		if err == nil && len(body) > MaxBody {
			err = websocket.ErrMessageTooBig
		}
		if err == nil {
			l.conn.SetReadLimit(maxMessage)
			return body, nil
		}
	}
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return nil, &Error{Kind: TooLarge, Detail: fmt.Sprintf("The request is longer than %d bytes", MaxBody)}
	case errors.Is(err, context.DeadlineExceeded):
		return nil, &Error{Kind: BodyTimeout, Detail: "The request did not arrive in time"}
	}
	return nil, service.ErrGone
}

// listen receives messages until the connection ends, and then cancels the run.
func (l *live) listen(cancelRun func()) {
	defer l.cancel()
	for {
		_, data, err := l.conn.Read(l.ctx)
		if err != nil {
			if errors.Is(err, websocket.ErrMessageTooBig) {
				l.refuse(&Error{Kind: TooLarge, Detail: fmt.Sprintf("A message is longer than %d bytes", maxMessage)})
			}
			return
		}
		if err := l.hear(data, cancelRun); err != nil {
			l.refuse(err)
			return
		}
	}
}

// hear carries out a message.
func (l *live) hear(data []byte, cancelRun func()) error {
	value, err := parse(data)
	if err != nil {
		return err
	}
	fields, _ := value.(map[string]any)
	event, _ := fields["event"].(string)
	text, isText := fields["text"].(string)
	known := map[string]int{"stdin": 2, "eof": 1, "interrupt": 1, "cancel": 1}
	if known[event] == 0 {
		return fieldError("is not one of stdin, eof, interrupt and cancel", "event")
	}
	if len(fields) != known[event] || (event == "stdin") != isText {
		return fieldError("goes with stdin, and only there: a text", "text")
	}
	switch event {
	case "stdin":
		return l.input.add([]byte(text))
	case "eof":
		l.input.finish()
	case "interrupt":
		l.input.interrupt()
	case "cancel":
		cancelRun()
	}
	return nil
}

func (l *live) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reason = err
}

func (l *live) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reason
}

func (l *live) begin() {}

func (l *live) event(_ string, seq int64) io.Writer {
	l.next, l.wrote = seq+1, true
	// The message has a context of its own, because the run's context ends when the client's messages end.
	ctx, end := context.WithDeadline(context.WithoutCancel(l.ctx), l.deadline())
	l.end = end
	if l.err == nil {
		l.message, l.err = l.conn.Writer(ctx, websocket.MessageText)
	}
	return l
}

func (l *live) deadline() time.Time {
	if !l.last.IsZero() {
		return l.last
	}
	return time.Now().Add(l.patience)
}

// Write writes a part of an event.
func (l *live) Write(b []byte) (n int, err error) {
	if l.err == nil {
		n, l.err = l.message.Write(b)
		l.sent += int64(n)
	}
	return n, l.err
}

func (l *live) endEvent() {
	if l.err == nil {
		l.err = l.message.Close()
	}
	l.end()
}

func (l *live) flush()      {}
func (l *live) beats() bool { return true }

// beat sends a ping if there was no event since the last beat, and cancels the run if the client does not answer in time. listen receives the
// pong. There is never more than one ping without an answer, because a client that receives several pings need only answer the last one
// (RFC 6455, section 5.5.3).
func (l *live) beat() {
	if l.wrote || !l.pinging.CompareAndSwap(false, true) {
		l.wrote = false
		return
	}
	sent := l.sent
	patience := l.patience + time.Duration((sent-l.answered.Load())/slowestReader)*time.Second
	go func() {
		defer l.pinging.Store(false)
		ctx, cancel := context.WithTimeout(l.ctx, patience)
		defer cancel()
		if l.conn.Ping(ctx) != nil {
			l.cancel()
			return
		}
		l.answered.Store(sent)
	}()
}

func (l *live) lastCall()    { l.last = time.Now().Add(l.patience) }
func (l *live) failed() bool { return l.err != nil || l.fault() != nil }

func (l *live) close(status websocket.StatusCode, reason string) { _ = l.conn.Close(status, reason) }

// input is a buffer for standard input between the client and a program, which may read slowly or not at all.
type input struct {
	out        chan []byte // to the program; closed at the end of standard input
	interrupts chan struct{}
	refused    bool // the policy refuses standard input

	mu       sync.Mutex
	wake     chan struct{} // something changed
	waiting  [][]byte
	size     int
	finished bool
}

func newInput(ctx context.Context) *input {
	in := &input{out: make(chan []byte), interrupts: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
	go in.feed(ctx)
	return in
}

// feed passes standard input to the program until ctx ends.
func (in *input) feed(ctx context.Context) {
	for {
		data, finished := in.next()
		switch {
		case data != nil:
			select {
			case in.out <- data:
				in.passed(len(data))
			case <-ctx.Done():
				return
			}
		case finished:
			close(in.out)
			return
		default:
			select {
			case <-in.wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (in *input) next() (data []byte, finished bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.waiting) == 0 {
		return nil, in.finished
	}
	data = in.waiting[0]
	in.waiting = in.waiting[1:]
	return data, false
}

func (in *input) passed(n int) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.size -= n
}

// add adds data. It returns an error if too much data waits already.
func (in *input) add(data []byte) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case len(data) == 0:
		return nil
	case in.refused:
		return fieldError("cannot be read: the policy refuses input()", "text")
	case in.finished:
		return fieldError("comes after the end of standard input", "text")
	case in.size+len(data) > maxUnread:
		return fieldError(fmt.Sprintf("is too much: at most %d bytes may wait for the program", maxUnread), "text")
	}
	in.waiting = append(in.waiting, data)
	in.size += len(data)
	in.signal()
	return nil
}

func (in *input) finish() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.finished = true
	in.signal()
}

// interrupt requests a SIGINT. It has no effect if another SIGINT has not been delivered yet.
func (in *input) interrupt() {
	select {
	case in.interrupts <- struct{}{}:
	default:
	}
}

func (in *input) signal() {
	select {
	case in.wake <- struct{}{}:
	default:
	}
}
