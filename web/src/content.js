// Blobs with the content of displays and files. Their URLs are valid until the next run.

let urls = [];

// contentOf returns the bytes of a display or a file.
export function contentOf({ text, base64 }) {
  if (base64 === undefined) {
    return new TextEncoder().encode(text ?? "");
  }
  const binary = atob(base64);
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

// urlOf returns a URL of bytes.
export function urlOf(bytes, type) {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  urls.push(url);
  return url;
}

// forget revokes the blob URLs of the last run.
export function forget() {
  urls.splice(0).forEach((url) => URL.revokeObjectURL(url));
}

// downloadLink returns a link that saves bytes as a file. The type is never one that a browser would render with the page's origin.
export function downloadLink(bytes, name, text) {
  const link = document.createElement("a");
  link.href = urlOf(bytes, "application/octet-stream");
  link.download = name;
  link.textContent = text;
  return link;
}
