package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/sandboxd/sandboxd/internal/api/v1"
)

// A program talks with its user over a WebSocket: it asks, is interrupted, and shows a picture. In the lab it does under the unit.
//
//lab:as user
func TestLiveRun(t *testing.T) {
	underEachEngine(t, testLiveRun)
}

func testLiveRun(t *testing.T, flags ...string) {
	d := start(t, append(flags, "--policy=off", "--wall=60s")...)
	conn, _, err := websocket.Dial(t.Context(), d.url+v1.LivePath, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	send := func(message string) {
		t.Helper()
		if err := conn.Write(t.Context(), websocket.MessageText, []byte(message)); err != nil {
			t.Fatal(err)
		}
	}
	type event struct {
		Event, Text, Verdict string
		MIMEType             string `json:"mime_type"`
	}
	next := func() (e event) {
		t.Helper()
		_, message, err := conn.Read(t.Context())
		if err == nil {
			err = json.Unmarshal(message, &e)
		}
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	// The text of a stream up to a piece of it: how it is cut into events is nobody's business.
	text := func(want string) {
		t.Helper()
		for got := ""; !strings.HasSuffix(got, want); {
			e := next()
			if e.Event != "stdout" {
				t.Fatalf("after %q: %+v, want %q", got, e, want)
			}
			got += e.Text
		}
	}
	program, err := json.Marshal(`
import time
name = input("Your name? ")
try:
    print("Hello " + name)
    time.sleep(600)
except KeyboardInterrupt:
    print("interrupted")
class Picture:
    def _repr_png_(self): return b"png"
display(Picture())
`)
	if err != nil {
		t.Fatal(err)
	}
	send(`{"code":` + string(program) + `}`)
	if e := next(); e.Event != "started" {
		t.Fatalf("%+v", e)
	}
	text("Your name? ")
	send(`{"event":"stdin","text":"Ada\n"}`)
	text("Hello Ada\n")
	send(`{"event":"interrupt"}`)
	text("interrupted\n")
	if e := next(); e.Event != "display" || e.MIMEType != "image/png" {
		t.Errorf("%+v", e)
	}
	if e := next(); e.Event != "finished" || e.Verdict != "exited" {
		t.Errorf("%+v", e)
	}
	if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the end is %v", err)
	}
}
