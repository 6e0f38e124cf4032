package v1

import (
	"mime"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/sandboxd/sandboxd/internal/jsonout"
	"github.com/sandboxd/sandboxd/internal/sandbox"
)

// displayHead returns a display without its content.
func displayHead(d sandbox.Display) Display { return Display{MIMEType: d.MIME, Title: d.Title} }

// writeDisplay writes a display without the brace at its end. head is the object without its content.
func writeDisplay(w *jsonout.Writer, head string, d sandbox.Display) {
	w.Raw(head)
	writeContent(w, d.Data, isText(d.MIME) && utf8.Valid(d.Data))
}

// isText reports whether displays of a type are sent as text.
func isText(mimeType string) bool {
	return strings.HasPrefix(mimeType, "text/") || strings.HasSuffix(mimeType, "json") || mimeType == "image/svg+xml"
}

// writeFiles writes the member "files".
func writeFiles(w *jsonout.Writer, files []sandbox.File) {
	w.Raw(`"files":[`)
	for i, f := range files {
		comma(w, i)
		w.Raw(object(OutputFile{Path: f.Path, SizeBytes: int64(len(f.Data)), MIMEType: typeOf(f.Path)}))
		writeContent(w, f.Data, utf8.Valid(f.Data))
		w.Raw("}")
	}
	w.Raw("]")
}

// typeOf returns the media type of a file, by the extension of its name.
func typeOf(name string) string {
	kind, _, _ := strings.Cut(mime.TypeByExtension(path.Ext(name)), ";")
	if kind == "" {
		return "application/octet-stream"
	}
	return kind
}

// comma writes a comma before each element of a list except the first.
func comma(w *jsonout.Writer, i int) {
	if i > 0 {
		w.Raw(",")
	}
}

// writeContent writes the member "text" or "base64", after others.
func writeContent(w *jsonout.Writer, data []byte, isText bool) {
	if isText {
		w.Raw(`,"text":"`)
		w.Text(data)
	} else {
		w.Raw(`,"base64":"`)
		w.Base64(data)
	}
	w.Raw(`"`)
}
