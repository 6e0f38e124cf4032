// Displays of a program. Their content is untrusted and never becomes part of this document: pictures, also SVG, are <img> elements,
// in which scripts do not run. HTML is in a frame with an opaque origin.

import { address } from "./live.js";
import { contentOf, downloadLink, urlOf } from "./content.js";

const extensions = {
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
  "image/webp": "webp",
  "image/svg+xml": "svg",
  "text/html": "html",
  "text/latex": "tex",
  "text/markdown": "md",
  "application/json": "json",
};
const maxHeight = 600; // maximum height of a frame, in pixels

// figureOf returns an element that shows a display. number is the number of the display in the run, from 1.
export function figureOf(display, number) {
  const type = display.mime_type.split(";")[0].trim();
  const title = display.title || `Display ${number}`;
  const bytes = contentOf(display);
  const figure = document.createElement("figure");
  figure.append(shown(type, title, bytes));
  const caption = document.createElement("figcaption");
  const name = document.createElement("span");
  name.textContent = title;
  const file = `${title.replace(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+/, "") || "display"}.${extensions[type] ?? "txt"}`;
  const link = downloadLink(bytes, file, "Download");
  link.setAttribute("aria-label", `Download ${title}`);
  caption.append(name, link);
  figure.append(caption);
  return figure;
}

function shown(type, title, bytes) {
  if (type.startsWith("image/")) {
    const image = document.createElement("img");
    image.src = urlOf(bytes, type);
    image.alt = title;
    return image;
  }
  const text = new TextDecoder().decode(bytes);
  if (type === "text/html") {
    return frameOf(text, title);
  }
  const pre = document.createElement("pre");
  pre.textContent = text;
  return pre;
}

function frameOf(text, title) {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts"; // no allow-same-origin: it would let the program's HTML act as this page
  frame.src = address("play/frame");
  frame.title = title;
  // The target origin is "*" because the frame's origin is opaque.
  frame.addEventListener("load", () => frame.contentWindow.postMessage(text, "*"), { once: true });
  return frame;
}

// A frame sends its height in a message, because this page cannot read its document.
addEventListener("message", ({ source, data }) => {
  for (const frame of document.querySelectorAll("#output iframe")) {
    if (frame.contentWindow === source && Number.isFinite(data?.height)) {
      frame.style.height = `${Math.min(Math.max(data.height, 24), maxHeight)}px`;
    }
  }
});
