package api

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// FuzzRequest checks that each body of each content type gets an answer of the contract, which does not depend on how the body is sent,
// and that the program of the body is run.
func FuzzRequest(f *testing.F) {
	for _, body := range []string{
		`{"code":"print(1)"}`, `{"code":5}`, `{}`, `[]`, `{`, "", "null", `"x"`, `{"code":"\ud800"}`, "{\"code\":\"\xff\"}",
		"\ufeff" + `{"code":"x","a":[1e5,NaN,-0]}`, `{"code":""}`, `{"code":5,"c\u006fde":"é\ud83d\ude00"}`, `{"a":1e999,"a":{"b":[true,null]}}`,
		`{"code":"x","template":"default"}`, `{"template":"\ud800","code":"x"}`, `{"code":"x","template":null}`,
	} {
		f.Add("application/json", []byte(body), byte(len(body)))
	}
	for _, text := range []string{"\ufeff" + `{"code":"é😀"}`, `{"code":5}`} {
		for _, name := range slices.Sorted(maps.Keys(encodings)) {
			f.Add("application/json", []byte(encodings[name](text)), byte(len(name)))
		}
	}
	f.Add("text/plain; charset=x", []byte("code=print"), byte(1))
	f.Add("", []byte(`{"code":"x"}`), byte(2))
	f.Add("Application/Problem+JSON ;", []byte(`{"code":"x"}`), byte(3))
	f.Add("application/x-www-form-urlencoded", []byte("\xff"), byte(0))
	var ran []string
	var server http.Handler
	f.Fuzz(func(t *testing.T, contentType string, body []byte, how byte) {
		if server == nil {
			server = configured(t, func(_ context.Context, spec sandbox.Program, _ *sandbox.Stream) (*sandbox.Outcome, error) {
				ran = append(ran, string(spec.Source))
				return result(sandbox.Exited, string(spec.Source), ""), nil
			}, func(c *setup) { c.Config.Log = slog.New(slog.DiscardHandler) }, nil)
		}
		ask := func(from io.Reader, length int64) *httptest.ResponseRecorder {
			ran = nil
			r := httptest.NewRequest("POST", "/playground/execute", from)
			r.ContentLength = length
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			server.ServeHTTP(w, r)
			return w
		}
		a := ask(bytes.NewReader(body), int64(len(body)))
		checkAnswer(t, a, ran)
		from := io.Reader(bytes.NewReader(body))
		for i, other := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
			if how&(1<<i) != 0 {
				from = other(from)
			}
		}
		b := ask(from, -1)
		if a.Code != b.Code || a.Body.String() != b.Body.String() {
			t.Errorf("%d %s, and in pieces of unknown length %d %s", a.Code, a.Body, b.Code, b.Body)
		}
	})
}

// checkAnswer checks an answer to a body that is not too large.
func checkAnswer(t *testing.T, a *httptest.ResponseRecorder, ran []string) {
	t.Helper()
	if a.Body.Len() > 6*maxEcho+1024 && a.Code != http.StatusOK {
		t.Errorf("%d bytes of answer", a.Body.Len())
	}
	decoder := json.NewDecoder(bytes.NewReader(a.Body.Bytes()))
	decoder.DisallowUnknownFields()
	var err error
	switch a.Code {
	case http.StatusOK:
		var streams struct{ Stdout, Stderr *string }
		err = decoder.Decode(&streams)
		said := strings.Join(ran, "")
		if err == nil && (streams.Stdout == nil || streams.Stderr == nil || *streams.Stdout != said || len(ran) > 1) {
			t.Errorf("answer %s, and what ran is %q", a.Body, ran)
		}
	case http.StatusBadRequest:
		var one struct{ Detail *string }
		if err = decoder.Decode(&one); err == nil && one.Detail == nil {
			t.Errorf("answer %s", a.Body)
		}
	case http.StatusUnprocessableEntity:
		var several struct {
			Detail []struct {
				Type, Msg string
				Loc       []any
				Input     any
				Ctx       *struct{ Error, Expected string }
			}
		}
		if err = decoder.Decode(&several); err == nil &&
			(len(several.Detail) != 1 || several.Detail[0].Type == "" || several.Detail[0].Msg == "" || several.Detail[0].Loc[0] != "body") {
			t.Errorf("answer %s", a.Body)
		}
	default:
		t.Errorf("status %d", a.Code)
	}
	if err != nil {
		t.Errorf("status %d, %v: %s", a.Code, err, a.Body)
	}
	if a.Code != http.StatusOK && len(ran) > 0 {
		t.Errorf("status %d, and %q ran", a.Code, ran)
	}
}

// FuzzEcho checks that the "input" of a validation error is JSON with the same value as the document.
func FuzzEcho(f *testing.F) {
	for _, doc := range []string{
		`{"b":1,"a":[true,false,null]}`, `[1.0,1e5,1e16,1.5e-5,-0,-0.0,5e-324,1e999]`, `"é😀\u00e9\ud800\u2028\/\u001f\n"`, `[NaN,-Infinity]`,
		`{"a":1,"b":2,"a":3}`, `[[[[{}]]]]`, `-`, `123456789012345678901234567890`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		value, _, err := document(doc, true)
		_, _, syntax := document(doc, false, "code")
		if (err == nil) != (syntax == nil) || err != nil && err.Error() != syntax.Error() {
			t.Fatalf("%v, and without building values %v", err, syntax)
		}
		if err != nil {
			return
		}
		echoed := appendValue(nil, value)
		if !json.Valid(echoed) || !utf8.Valid(echoed) {
			t.Fatalf("%q is echoed as %q", doc, echoed)
		}
		again, _, err := document(echoed, true)
		if err != nil || !bytes.Equal(appendValue(nil, again), echoed) {
			t.Errorf("%q is echoed as %q and that as %q, %v", doc, echoed, appendValue(nil, again), err)
		}
	})
}

// FuzzAnswer checks the JSON of two streams of any bytes, in any pieces: encoding/json must decode it to the same text as its own encoding of
// the bytes.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte("hello\n"), []byte("é\xff"), uint16(100), byte(0))
	f.Add([]byte("a\xe2\x82\xac"), []byte("\xf0\x9f\x98\x80\x80"), uint16(3), byte(1))
	f.Add(bytes.Repeat([]byte("\x00"), 5000), bytes.Repeat([]byte("é\xed\xa0\x80"), 900), uint16(4200), byte(2))
	f.Add([]byte("</script>&\u2028\"\\"), []byte("Error: Memory limit exceeded (256 MiB limit)."), uint16(50), byte(3))
	f.Fuzz(func(t *testing.T, stdout, stderr []byte, keep uint16, how byte) {
		kept := func(stream []byte) sandbox.Output {
			return sandbox.Output{Kept: stream[:min(len(stream), int(keep))], Total: int64(len(stream))}
		}
		verdicts := []sandbox.Verdict{sandbox.Exited, sandbox.Timeout, sandbox.OOM, sandbox.Signaled}
		said := streamsOf(&sandbox.Outcome{Verdict: verdicts[int(how)%len(verdicts)], Signal: 11, Stdout: kept(stdout), Stderr: kept(stderr)},
			sandbox.Limits{Wall: time.Second, Memory: 1 << 20})
		var wire bytes.Buffer
		var length jsonout.Counter
		for _, to := range []io.Writer{&wire, &length} {
			if err := said.encode(to); err != nil {
				t.Fatal(err)
			}
		}
		var streams struct{ Stdout, Stderr string }
		if err := json.Unmarshal(wire.Bytes(), &streams); err != nil || int(length) != wire.Len() {
			t.Fatalf("%v, length %d: %q", err, length, wire.Bytes())
		}
		for _, s := range []struct {
			name, got string
			whole     []byte
			notes     string
		}{
			{"stdout", streams.Stdout, stdout, ""}, {"stderr", streams.Stderr, stderr, string(said.notes)},
		} {
			text, noted := strings.CutSuffix(s.got, s.notes)
			all := asText(t, s.whole)
			cut := len(s.whole) > int(keep)
			if !noted || !cut && text != all || !strings.HasPrefix(all, text) ||
				cut && len(text) < len(asText(t, s.whole[:max(0, int(keep)-2*utf8.UTFMax)])) {
				t.Errorf("%s %.1000q, kept %d, is answered as %.1000q", s.name, s.whole, keep, s.got)
			}
		}
	})
}

// asText encodes bytes as a JSON string with encoding/json, decodes it, and returns the result.
func asText(t *testing.T, b []byte) (text string) {
	t.Helper()
	wire, err := json.Marshal(string(b))
	if err == nil {
		err = json.Unmarshal(wire, &text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}
