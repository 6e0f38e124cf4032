// Links that carry a program. It is in the fragment of the address, which browsers do not send to the service.

import { address } from "./live.js";

const prefix = "#code=";
const longest = 1 << 20; // maximum length of a program, in bytes, as in the API

// linkTo returns the address of the page with a program, or of the page for a frame.
export async function linkTo(code, embed) {
  const url = address(embed ? "play?embed=1" : "play");
  url.hash = prefix + (await pack(code));
  return url.href;
}

// linked returns the program that the address of this page carries, or null.
export async function linked() {
  if (!location.hash.startsWith(prefix)) {
    return null;
  }
  try {
    return await unpack(location.hash.slice(prefix.length));
  } catch {
    throw new Error("The link is damaged: it carries no program.");
  }
}

async function pack(text) {
  const bytes = new Uint8Array(await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"))).arrayBuffer());
  let binary = "";
  for (const byte of bytes) {
    binary += String.fromCharCode(byte);
  }
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// unpack stops at the longest program: a short link can unpack to gigabytes.
async function unpack(packed) {
  const binary = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let length = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    length += part.value.length;
    if (length > longest) {
      await reader.cancel();
      throw new Error("too long");
    }
    text += decoder.decode(part.value, { stream: true });
  }
  return text + decoder.decode();
}
