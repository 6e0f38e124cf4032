package api

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sandboxd/sandboxd/internal/sandbox"
	"github.com/sandboxd/sandboxd/internal/testenv"
)

// in returns text in UTF-16 or UTF-32.
func in(width int, order binary.AppendByteOrder, text string) string {
	var b []byte
	for _, c := range text {
		switch {
		case width == 4:
			b = order.AppendUint32(b, uint32(c))
		default:
			for _, unit := range utf16.AppendRune(nil, c) {
				b = order.AppendUint16(b, unit)
			}
		}
	}
	return string(b)
}

func TestBodiesInEveryEncodingOfJSON(t *testing.T) {
	le, be := binary.LittleEndian, binary.BigEndian
	const doc, ran = `{"code":"é😀\u00e9"}`, `{"stdout":"é😀é","stderr":""}`
	const unreadable = `{"detail":"There was an error parsing the body"}`
	const half = `{"detail":[{"type":"string_unicode","loc":["body","code"],"msg":"Input should be a valid string, unable to parse raw data as a unicode string","input":"` + "\ufffd" + `"}]}`
	invalid := func(pos, msg string) string {
		return `{"detail":[{"type":"json_invalid","loc":["body",` + pos + `],"msg":"JSON decode error","input":{},"ctx":{"error":"` + msg + `"}}]}`
	}
	s := serve(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
		return result(sandbox.Exited, string(spec.Source), ""), nil
	}, nil)
	for _, tt := range []struct {
		name, body string
		status     int
		answer     string
	}{
		{"UTF-8 with a mark", "\ufeff" + doc, 200, ran},
		{"UTF-16, little-endian, with a mark", in(2, le, "\ufeff"+doc), 200, ran},
		{"UTF-16, big-endian, with a mark", in(2, be, "\ufeff"+doc), 200, ran},
		{"UTF-16, little-endian", in(2, le, doc), 200, ran},
		{"UTF-16, big-endian", in(2, be, doc), 200, ran},
		{"UTF-32, little-endian, with a mark", in(4, le, "\ufeff"+doc), 200, ran},
		{"UTF-32, big-endian, with a mark", in(4, be, "\ufeff"+doc), 200, ran},
		{"UTF-32, little-endian", in(4, le, doc), 200, ran},
		{"UTF-32, big-endian", in(4, be, doc), 200, ran},
		{"the longest program", in(2, le, "\ufeff"+`{"code":"`+strings.Repeat("x", sandbox.MaxSource)+`"}`), 200, `{"stdout":"` + strings.Repeat("x", sandbox.MaxSource) + `","stderr":""}`},
		{"one byte more", in(2, le, "\ufeff"+`{"code":"`+strings.Repeat("x", sandbox.MaxSource+1)+`"}`), 413, `{"detail":"The program is too large: the limit is 1048576 bytes"}`},
		{"two bytes that are a document", in(2, le, `5`), 422, `{"detail":[{"type":"model_attributes_type","loc":["body"],"msg":"Input should be a valid dictionary or object to extract fields from","input":5}]}`},
		{"a mark and nothing", "\xff\xfe", 422, invalid("0", "Expecting value")},
		{"two marks", in(2, be, "\ufeff\ufeff{}"), 422, invalid("0", "Expecting value")},
		{"positions are in characters", in(2, le, "\ufeff"+`{"code":"é😀",}`), 422, invalid("13", "Expecting property name enclosed in double quotes")},
		{"half a unit", in(2, le, "\ufeff"+doc) + "\x00", 400, unreadable},
		{"UTF-32 that lacks a byte", in(4, be, "\ufeff"+doc)[:30], 400, unreadable},
		{"beyond the last character", "\xff\xfe\x00\x00\x00\x00\x11\x00", 400, unreadable},
		{"a negative character", "\xff\xfe\x00\x00\xff\xff\xff\xff", 400, unreadable},
		{"a mark of UTF-16, then UTF-8", "\xff\xfe" + `{"code":"x"}`, 422, invalid("0", "Expecting value")},
		{"half of a pair, in UTF-8", "{\"code\":\"\xed\xa0\x80\"}", 422, half},
		{"half of a pair, in UTF-16", strings.Replace(in(2, le, "\ufeff"+`{"code":"?"}`), "?\x00", "\x00\xd8", 1), 422, half},
		{"half of a pair, in UTF-32", strings.Replace(in(4, le, "\ufeff"+`{"code":"?"}`), "?\x00\x00\x00", "\x00\xd8\x00\x00", 1), 422, half},
		{"half of a pair before a mistake", "{\"code\":\"\xed\xa0\x80\",}", 422, invalid("12", "Expecting property name enclosed in double quotes")},
		{"half of a pair elsewhere", "{\"code\":\"x\",\"\xed\xbf\xbf\":1}", 200, `{"stdout":"x","stderr":""}`},
		{"half of a pair and bytes that are no text", "{\"code\":\"\xed\xa0\x80\xff\"}", 400, unreadable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := s.call(t, "POST", "/playground/execute", tt.body, "Content-Type", "application/json")
			if a.StatusCode != tt.status || a.body != tt.answer {
				t.Errorf("answer is %d %.300s, want %d %.300s", a.StatusCode, a.body, tt.status, tt.answer)
			}
		})
	}
	if !s.bodies.Take(bodiesInMemory) {
		t.Error("memory for bodies is not given back")
	}
}

// The memory of a body after its conversion to UTF-8 is counted as well.
func TestEncodedBodiesShareBoundedMemory(t *testing.T) {
	s := serve(t, exits("", ""), nil)
	body := in(2, binary.LittleEndian, "\ufeff"+`{"code":"`+strings.Repeat("x", smallBody)+`"}`)
	const room = 256 << 10 // enough for the bytes, not for the text as well
	if !s.bodies.Take(bodiesInMemory - room) {
		t.Fatal("not free")
	}
	a := s.execute(t, body)
	a.want(t, 503, `{"detail":"too many large requests at once"}`)
	s.bodies.Give(bodiesInMemory - room)
	s.execute(t, body).want(t, 200, `{"stdout":"","stderr":""}`)
	if !s.bodies.Take(bodiesInMemory) {
		t.Error("memory for bodies is not given back")
	}
}

// Decoding takes linear time, even for characters that begin like a surrogate and for an invalid byte at the end.
func TestTextIsReadInOneGo(t *testing.T) {
	body := []byte(`{"code":"` + strings.Repeat("\ud7ff", 1<<20) + "\xff\"}")
	if _, err := parse(body, nil); !errors.Is(err, errParse) {
		t.Errorf("%v", err)
	}
	body = []byte(`{"code":"` + strings.Repeat("\xed\xa0\x80", 1<<20) + `"}`)
	if _, err := parse(body, nil); err == nil {
		t.Error("it is a program")
	}
}

// encodings has the encodings of json.loads by their names in Python.
var encodings = map[string]func(string) string{
	"utf-8":        func(s string) string { return s },
	"utf-8-sig":    func(s string) string { return "\ufeff" + s },
	"utf-16-le":    func(s string) string { return in(2, binary.LittleEndian, s) },
	"utf-16-be":    func(s string) string { return in(2, binary.BigEndian, s) },
	"utf-16 (LE)":  func(s string) string { return in(2, binary.LittleEndian, "\ufeff"+s) },
	"utf-16 (BE)":  func(s string) string { return in(2, binary.BigEndian, "\ufeff"+s) },
	"utf-32-le":    func(s string) string { return in(4, binary.LittleEndian, s) },
	"utf-32-be":    func(s string) string { return in(4, binary.BigEndian, s) },
	"utf-32 (LE)":  func(s string) string { return in(4, binary.LittleEndian, "\ufeff"+s) },
	"utf-32 (BE)":  func(s string) string { return in(4, binary.BigEndian, "\ufeff"+s) },
	"utf-8 halves": func(s string) string { return strings.ReplaceAll(s, "a", "\xed\xa0\xbd") },
}

// The test compares with json.loads on bytes: mutated JSON in every encoding, with changed and missing bytes.
func TestEncodingsAgreeWithPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testenv.Missing(t, "python3")
	}
	random := rand.New(rand.NewPCG(3, 4))
	var docs, names []string
	for range 1000 {
		text := mutate(random)
		for _, name := range slices.Sorted(maps.Keys(encodings)) {
			b := []byte(encodings[name](text))
			switch random.IntN(3) {
			case 0:
				b[random.IntN(len(b))] = "\x00\x01\xd8\xdc\xff\xfe\xed\xa0{\""[random.IntN(10)]
			case 1:
				b = b[:random.IntN(len(b)+1)]
			}
			docs, names = append(docs, hex.EncodeToString(b)), append(names, name)
		}
	}
	in, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-I", "-c", `
import json, sys
for doc in json.load(sys.stdin.buffer):
    try:
        json.loads(bytes.fromhex(doc))
        print(json.dumps(["", 0]))
    except json.JSONDecodeError as e:
        print(json.dumps([e.msg, e.pos]))
    except ValueError as e:
        print(json.dumps(["unreadable", 0]))
`)
	cmd.Stdin = bytes.NewReader(in)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(docs) {
		t.Fatalf("%d answers to %d documents", len(lines), len(docs))
	}
	seen := map[string]int{}
	for i, line := range lines {
		var want [2]any
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		body, _ := hex.DecodeString(docs[i])
		msg, pos := "", 0
		text, err := detectEncoding(body).utf8(body)
		if err == nil {
			_, _, err = document(text, true)
		}
		if e := (*jsonError)(nil); errors.As(err, &e) {
			msg, pos = e.Msg, e.Pos
		} else if err != nil {
			msg = "unreadable"
		}
		seen[msg]++
		if strings.HasPrefix(want[0].(string), "Illegal trailing comma") { // Python 3.13
			continue
		}
		if msg != want[0] || float64(pos) != want[1] {
			t.Errorf("%s %q: %q at %d, Python says %q at %v", names[i], body, msg, pos, want[0], want[1])
		}
	}
	if seen[""] < 200 || seen["unreadable"] < 200 || len(seen) < 8 {
		t.Errorf("that tests little: %v", seen)
	}
}
