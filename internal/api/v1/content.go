package v1

import (
	"encoding/base64"
	"mime"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// displayHead is a display without its content.
func displayHead(d sandbox.Display) Display { return Display{MIMEType: d.MIME, Title: d.Title} }

// display writes a display to which head belongs, without the brace at its end.
func (w *textWriter) display(head []byte, d sandbox.Display) {
	w.raw(head)
	w.content(d.Data, isText(d.MIME) && utf8.Valid(d.Data))
}

// isText reports whether displays of a type are sent as text.
func isText(mimeType string) bool {
	return strings.HasPrefix(mimeType, "text/") || strings.HasSuffix(mimeType, "json") || mimeType == "image/svg+xml"
}

// files writes the member "files".
func (w *textWriter) files(files []sandbox.File) {
	w.raw([]byte(`"files":[`))
	for i, f := range files {
		w.comma(i)
		w.raw(object(OutputFile{Path: f.Path, SizeBytes: int64(len(f.Data)), MIMEType: typeOf(f.Path)}))
		w.content(f.Data, utf8.Valid(f.Data))
		w.raw([]byte("}"))
	}
	w.raw([]byte("]"))
}

// typeOf is the type of a file by the extension of its name.
func typeOf(name string) string {
	kind, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(name)), ";")
	if kind == "" {
		return "application/octet-stream"
	}
	return kind
}

// comma separates the elements of a list.
func (w *textWriter) comma(i int) {
	if i > 0 {
		w.raw([]byte(","))
	}
}

// content writes the member "text" or "base64", after others.
func (w *textWriter) content(data []byte, isText bool) {
	if isText {
		w.raw([]byte(`,"text":"`))
		w.text(data)
	} else {
		w.raw([]byte(`,"base64":"`))
		w.base64(data)
	}
	w.raw([]byte(`"`))
}

// base64 writes bytes in base64, in pieces whose length is divisible by 3.
func (w *textWriter) base64(data []byte) {
	const piece = pieceMax / 3 * 3
	for len(data) > 0 && w.err == nil {
		n := min(len(data), piece)
		w.buf = base64.StdEncoding.AppendEncode(w.buf, data[:n])
		data = data[n:]
		if len(w.buf) >= sendFrom {
			w.flush()
		}
	}
}
