package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/testenv"
)

// The errors are those of json.loads of CPython 3.11. TestReaderAgreesWithPython compares with the installed Python.
func TestJSONErrorsAreWordedAsPythons(t *testing.T) {
	for _, tt := range []struct {
		doc, msg string
		pos      int
	}{
		{`{`, "Expecting property name enclosed in double quotes", 1},
		{``, "Expecting value", 0},
		{"\x00", "Expecting value", 0},
		{`[`, "Expecting value", 1},
		{`[1,]`, "Expecting value", 3},
		{`[1 2`, "Expecting ',' delimiter", 3},
		{`[1`, "Expecting ',' delimiter", 2},
		{`{"a":1,}`, "Expecting property name enclosed in double quotes", 7},
		{`{'code': 1}`, "Expecting property name enclosed in double quotes", 1},
		{`{"a" 1}`, "Expecting ':' delimiter", 5},
		{`{"a":1 "b":2}`, "Expecting ',' delimiter", 7},
		{`{"a":1`, "Expecting ',' delimiter", 6},
		{`{"a":`, "Expecting value", 5},
		{`{"code":"x`, "Unterminated string starting at", 8},
		{`"\`, "Unterminated string starting at", 0},
		{"{\"code\":\"a\nb\"}", "Invalid control character at", 10},
		{`{"code":"\x"}`, `Invalid \escape`, 9},
		{`{"code":"\u12"}`, `Invalid \uXXXX escape`, 10},
		{`{"code":"\u0041`, `Invalid \uXXXX escape`, 10},
		{`{"code":"\ud800\u00"}`, `Invalid \uXXXX escape`, 16},
		{`"\ud800\udc00`, `Invalid \uXXXX escape`, 8},
		{`{"code":"é😀","b":}`, "Expecting value", 17}, // characters, not bytes
		{`nul`, "Expecting value", 0},
		{`-`, "Expecting value", 0},
		{`01`, "Extra data", 1},
		{`1.`, "Extra data", 1},
		{`1e`, "Extra data", 1},
		{`{} x`, "Extra data", 3},
	} {
		t.Run(tt.doc, func(t *testing.T) {
			_, _, err := document([]byte(tt.doc), false, "code")
			var e *jsonError
			if !errors.As(err, &e) || e.Msg != tt.msg || e.Pos != tt.pos {
				t.Errorf("got %v, want %s at character %d", err, tt.msg, tt.pos)
			}
		})
	}
}

func TestValuesAreEchoedAsPythonDoes(t *testing.T) {
	for doc, want := range map[string]string{
		` { "b" : 1 , "a" : [ true , false , null ] } `: `{"b":1,"a":[true,false,null]}`,
		`{"a":1,"b":2,"a":3}`:                           `{"a":3,"b":2}`, // a dict's order
		`[1.0,1e5,1e16,1.5e-5,0.0001,-0,-0.0,5e-324]`:   `[1.0,100000.0,1e+16,1.5e-05,0.0001,0,-0.0,5e-324]`,
		`123456789012345678901234567890`:                `123456789012345678901234567890`,
		`[NaN,Infinity,-Infinity,1e999]`:                `[null,null,null,null]`,
		`"é😀<>&\u00e9\u2028\/\u001f\n"`:                 "\"é😀<>&é\u2028/\\u001f\\n\"",
		`"\ud83d\ude00"`:                                `"😀"`,
		`"\ud800x"`:                                     "\"\ufffdx\"",
		`{}`:                                            `{}`,
		`[]`:                                            `[]`,
	} {
		value, _, err := document([]byte(doc), true)
		if err != nil {
			t.Errorf("%s: %v", doc, err)
		} else if got := string(appendValue(nil, value)); got != want {
			t.Errorf("%s is echoed as %s, want %s", doc, got, want)
		}
	}
}

func TestNestingIsBounded(t *testing.T) {
	for _, tt := range []struct {
		name, doc string
		ok        bool
	}{
		{"as deep as allowed", strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), true},
		{"one deeper", strings.Repeat("[", maxDepth+1) + strings.Repeat("]", maxDepth+1), false},
		{"arrays without end", strings.Repeat("[", 6<<20), false},
		{"objects without end", strings.Repeat(`{"a":`, 1<<20), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := document([]byte(tt.doc), false, "code"); (err == nil) != tt.ok || err != nil && !errors.Is(err, errParse) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func TestBadBytesInOutputBecomeReplacementCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"plain":           `"plain"`,
		"a\xffb":          "\"a\ufffdb\"",
		"\xe2\x82":        "\"\ufffd\ufffd\"",
		"\xed\xa0\x80":    "\"\ufffd\ufffd\ufffd\"",
		"é\x00\x7f\b\f\r": "\"é\\u0000\x7f\\b\\f\\r\"",
		"</script>&\"\\":  `"</script>&\"\\"`,
	} {
		if got := string(appendString(nil, []byte(in))); got != want {
			t.Errorf("%q is written as %s, want %s", in, got, want)
		}
	}
}

// mutate returns a document with random changes, which is often not valid JSON.
func mutate(random *rand.Rand) string {
	seeds := []string{
		`{"code":"print('hi')\n","n":[1,2.5,-3e7,null,true,false]}`,
		`{"a":{"b":[{"c":"\ud83d\ude00\u00e9\\\"\/"}]},"code":""}`,
		` [ "é😀" , { } , [ ] , 0 , -0 , NaN , -Infinity , 1E+2 ] `,
		`{"code":"\ud800","code":"x"}`,
	}
	doc := []rune(seeds[random.IntN(len(seeds))])
	pieces := []rune("{}[]\",:\\ue0d8 -+.1\n\tnNI\x00é😀")
	for range 1 + random.IntN(3) {
		i := random.IntN(len(doc))
		switch random.IntN(4) {
		case 0:
			doc = append(doc[:i:i], doc[i+1:]...)
		case 1:
			doc = append(doc[:i:i], append([]rune{pieces[random.IntN(len(pieces))]}, doc[i:]...)...)
		case 2:
			doc[i] = pieces[random.IntN(len(pieces))]
		case 3:
			doc = doc[:i]
		}
		if len(doc) == 0 {
			doc = []rune{' '}
		}
	}
	return string(doc)
}

// The test compares with json.loads on mutated documents. Python 3.13 and later have another message for trailing
// commas, so such documents are left out with these versions.
func TestReaderAgreesWithPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		testenv.Missing(t, "python3")
	}
	random := rand.New(rand.NewPCG(1, 2))
	docs := make([]string, 20000)
	for i := range docs {
		docs[i] = mutate(random)
	}
	in, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-I", "-c", `
import json, sys
for doc in json.load(sys.stdin.buffer):
    try:
        v = json.loads(doc)
        try:
            v = json.dumps(v, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            v.encode()
        except ValueError:
            v = ""
        print(json.dumps(["", 0, v]))
    except json.JSONDecodeError as e:
        print(json.dumps([e.msg, e.pos, ""]))
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
	broken := 0
	for i, line := range lines {
		var want [3]any
		if err := json.Unmarshal([]byte(line), &want); err != nil {
			t.Fatal(err)
		}
		msg, pos := "", 0
		value, _, err := document([]byte(docs[i]), true)
		if e := (*jsonError)(nil); errors.As(err, &e) {
			msg, pos = e.Msg, e.Pos
			broken++
		} else if err != nil {
			t.Errorf("%q: %v", docs[i], err)
			continue
		}
		if strings.HasPrefix(want[0].(string), "Illegal trailing comma") {
			continue
		}
		if msg != want[0] || float64(pos) != want[1] {
			t.Errorf("%q: %q at %d, Python says %q at %v", docs[i], msg, pos, want[0], want[1])
		}
		if echoed := want[2].(string); err == nil && echoed != "" && string(appendValue(nil, value)) != echoed {
			t.Errorf("%q: echoed as %s, by Python as %s", docs[i], appendValue(nil, value), echoed)
		}
		// The errors are the same if values are not built.
		if _, _, again := document([]byte(docs[i]), false, "code"); (err == nil) != (again == nil) || err != nil && err.Error() != again.Error() {
			t.Errorf("%q: %v and %v", docs[i], err, again)
		}
	}
	if broken < 1000 || broken > len(docs)-1000 {
		t.Errorf("%d of %d documents are broken: that tests little", broken, len(docs))
	}
}

func FuzzProgram(f *testing.F) {
	for _, seed := range []string{
		`{"code":"print(1)"}`, `{"code":5}`, `{`, `[]`, `null`, `{"code":"\ud800"}`, `{"a":[1e5,NaN],"a":{}}`, "\ufeff{}", "\xff",
		`{"code":"","template":"data"}`, `{"code":"","template":5}`, `{"template":"x","code":""}`,
		"\xff\xfe{\x00}\x00", "\xfe\xff\xd8\x00", "\xff\xfe\x00\x00", "{\x00\"\x00", "{\"code\":\"\xed\xa0\x80\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		asked, err := parse(body, []string{"data", "default"})
		source := asked.Source
		switch {
		case err == nil:
			if !utf8.Valid(source) {
				t.Errorf("source %q is not UTF-8", source)
			}
			if !slices.Contains([]string{"", "data", "default"}, asked.Template) {
				t.Errorf("there is no template %q", asked.Template)
			}
		default:
			failure, ok := explain(err)
			if !ok || failure.status < 400 || failure.status >= 500 {
				t.Errorf("%v is answered with %d", err, failure.status)
			}
			if failure.body != nil && !json.Valid(failure.body) {
				t.Errorf("answer is not JSON: %s", failure.body)
			}
		}
		// If encoding/json accepts a document as a request, the reader finds the same program.
		var want struct{ Code *string }
		if json.Unmarshal(body, &want) == nil && err == nil && want.Code != nil && bytes.Contains(body, []byte(`"code"`)) &&
			!bytes.Contains(bytes.ToLower(body), []byte(`\u`)) && bytes.Count(bytes.ToLower(body), []byte("code")) == 1 &&
			*want.Code != string(source) {
			t.Errorf("source is %q, encoding/json reads %q", source, *want.Code)
		}
	})
}
