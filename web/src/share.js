// Links that carry a program, or a recorded run. They are in the fragment of the address, which browsers do not send to the service.

import { address } from "./live.js";
import { checked } from "./recording.js";

const prefixes = { code: "#code=", run: "#run=" };
const longest = { code: 1 << 20, run: 2 << 20 }; // bytes, unpacked; a program has at most 1 MiB, as in the API

// linkTo returns the address of the page, or of the page for a frame, with a program, or with a recording if there is one.
export async function linkTo(code, embed, recording = null) {
  const url = address(embed ? "play?embed=1" : "play");
  url.hash = recording ? prefixes.run + (await pack(JSON.stringify(recording))) : prefixes.code + (await pack(code));
  return url.href;
}

// linked returns what the address of this page carries: a program, and the recording of its run or null. It returns null if the address
// carries nothing.
export async function linked() {
  const kind = Object.keys(prefixes).find((name) => location.hash.startsWith(prefixes[name]));
  if (kind === undefined) {
    return null;
  }
  try {
    const text = await unpack(location.hash.slice(prefixes[kind].length), longest[kind]);
    if (kind === "code") {
      return { code: text, recording: null };
    }
    const recording = checked(JSON.parse(text));
    return { code: recording.code, recording };
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

// unpack fails if the text has more than so many bytes: a short link can unpack to gigabytes.
async function unpack(packed, longest) {
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
