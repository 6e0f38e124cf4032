// Input files of the program, and files that a run returned.

import { contentOf, downloadLink } from "./content.js";
import { formatBytes } from "./verdict.js";

const element = (id) => document.getElementById(id);

const inputs = new Map(); // contents in base64, by path

// inputFiles returns the member "files" of a request.
export const inputFiles = () => [...inputs].map(([path, base64]) => ({ path, base64 }));

// takeFiles lets the user select input files, or drop them on the page.
export function takeFiles() {
  element("choose").addEventListener("change", async (event) => {
    await add(event.target.files);
    event.target.value = "";
  });
  element("add").addEventListener("click", () => element("choose").click());
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  // Handle the event before the editor does, which would insert the text of the files.
  addEventListener("dragover", (event) => {
    if (carries(event)) {
      event.preventDefault();
      document.body.classList.add("dragging");
    }
  }, true);
  addEventListener("dragleave", (event) => event.relatedTarget ?? document.body.classList.remove("dragging"), true);
  addEventListener("drop", (event) => {
    if (carries(event)) {
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.remove("dragging");
      add(event.dataTransfer.files);
    }
  }, true);
}

async function add(files) {
  for (const file of files) {
    inputs.set(file.name, await encode(file));
  }
  list();
}

function encode(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1)); // a data: URL
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

function list() {
  element("inputs").replaceChildren(...[...inputs].map(([path, base64]) => {
    const item = document.createElement("li");
    const name = document.createElement("span");
    name.textContent = `${path} (${formatBytes(contentOf({ base64 }).length)})`;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${path}`);
    remove.addEventListener("click", () => {
      inputs.delete(path);
      list();
      element("add").focus();
    });
    item.append(name, remove);
    return item;
  }));
}

const hidden = /(^|\/)\./; // matches a hidden path or pattern, such as the caches of libraries

// showFiles lists the files that a run returned. It leaves out input files that are unchanged, and hidden files that no pattern names.
export function showFiles(files, patterns, missing) {
  const namesHidden = patterns.some((pattern) => hidden.test(pattern));
  const items = files.filter((file) => !unchanged(file) && (namesHidden || !hidden.test(file.path))).map((file) => {
    const item = document.createElement("li");
    const size = document.createElement("span");
    size.textContent = formatBytes(file.size_bytes);
    item.append(downloadLink(contentOf(file), file.path.split("/").at(-1), file.path), size);
    return item;
  });
  if (missing > 0) {
    const item = document.createElement("li");
    item.textContent = `${missing} more could not be returned.`;
    items.push(item);
  }
  element("files").hidden = items.length === 0;
  element("files").querySelector("ul").replaceChildren(...items);
}

function unchanged(file) {
  const base64 = inputs.get(file.path);
  if (base64 === undefined) {
    return false;
  }
  const before = contentOf({ base64 });
  const now = contentOf(file);
  return before.length === now.length && before.every((byte, at) => byte === now[at]);
}
